"""Letters and notes of several kinds for tests of learning: sentences in many orders, filled anew.

Resignations are the class to be learned. Offers, requests for leave and references are near misses:
the same people, dates, notice periods and politeness. All sentences were written for these tests.
"""

from __future__ import annotations

import random
import re

SLOTS = {
    "name": ["Ines", "Mr Duarte", "Ms Holm", "Priya", "Jonas", "Dr Abebe", "Wei", "Mrs Clarke"],
    "team": ["logistics", "the laboratory", "accounts", "customer care", "the night shift",
             "engineering", "the Lyon office", "procurement"],
    "date": ["3 March", "the end of the month", "14 June", "Friday week", "31 December", "1 October"],
    "time": ["four weeks", "three months", "two years", "six weeks", "a fortnight", "five years"],
    "role": ["analyst", "fitter", "team lead", "assistant", "driver", "designer", "nurse"],
    "thing": ["the pump", "order 5511", "the annual report", "our new website", "the lorry",
              "the cooling unit", "the survey"],
    "place": ["Porto", "Aarhus", "the coast", "Leeds", "Hanoi", "my home town"],
}  # fmt: skip

SHARED = [
    "Dear {name},", "Hello {name},", "Good morning,", "To whom it may concern,",
    "I hope this finds you well.", "Thank you for your time last week.",
    "Please call me if anything is unclear.", "With kind regards,", "Yours sincerely,", "Best wishes,",
    "I have sent a copy to {team}.", "We can talk about it on {date}.",
]  # fmt: skip

KINDS: dict[str, list[str]] = {
    "resignation": [
        "I am writing to resign from my post as {role} in {team}.",
        "Please accept this letter as notice that I am leaving the company.",
        "My last day at work will be {date}, as my contract asks for {time} of notice.",
        "After {time} here I have decided to move on.",
        "I hereby hand in my notice with effect from {date}.",
        "I have accepted a position elsewhere, in {place}.",
        "This was not an easy decision, and I leave with good memories of {team}.",
        "I am glad to help with handing over {thing} to whoever takes my place.",
        "I would be grateful if you could confirm that you have received my resignation.",
        "Personal reasons oblige me to give up my job as {role}.",
        "I wish to end my employment after {time}.",
        "You have my thanks for everything I could learn during {time} as {role}.",
        "I intend to take the holiday that is left to me before I go.",
        "My family is moving to {place}, and I cannot stay on as {role}.",
    ],
    "offer": [
        "We are pleased to offer you the position of {role} in {team}.",
        "Your employment begins on {date} with a trial period of {time}.",
        "Either side may end the contract with {time} of notice.",
        "Please sign and return one copy of the contract by {date}.",
        "You will report to {name} in {team}.",
        "We look forward to welcoming you to {team}.",
        "Your salary is paid on the last working day of the month.",
        "You will have thirty days of holiday a year.",
    ],
    "leave": [
        "I would like to take leave from {date} for {time}.",
        "My holiday begins on {date}, and I am back after {time}.",
        "{name} has agreed to look after {thing} while I am away.",
        "I still have eleven days of holiday left from last year.",
        "My last working day before the break is {date}.",
        "Could you confirm that {team} can spare me?",
        "We are visiting family in {place}.",
    ],
    "reference": [
        "{name} worked for us as {role} for {time}.",
        "In {team} everybody valued {name} for care and good humour.",
        "{name} left the company at their own wish on {date}.",
        "I can recommend {name} for any post as {role}.",
        "Asked for a judgement, I would say that {thing} was their best work.",
    ],
    "minutes": [
        "Present were {name}, {name} and two people from {team}.",
        "{name} reported that {thing} is late by {time}.",
        "It was agreed that {team} pays for {thing}.",
        "The next meeting is on {date}.",
        "Nobody could say why {thing} had failed again.",
        "{team} asked for a second quotation before {date}.",
    ],
    "complaint": [
        "I bought {thing} from you on {date} and it has not worked since.",
        "I have rung {team} four times without an answer.",
        "Please refund the price within {time}.",
        "The driver left {thing} in the rain.",
        "I shall otherwise turn to the consumer office in {place}.",
    ],
    "recipe": [
        "Soften two onions in butter over a low heat.",
        "Add the lentils and stir until they shine.",
        "Pour in the stock and let it simmer for half an hour.",
        "Season with salt, cumin and the juice of a lemon.",
        "Serve with bread and a spoon of yoghurt.",
        "Peel the potatoes and cut them into cubes.",
    ],
    "code": [
        "def load(path): return json.loads(path.read_text())",
        "if not rows: raise ValueError('nothing to write')",
        "for row in rows: total += row['amount']",
        "import os, sys, logging",
        "SELECT id, created_at FROM orders WHERE status = 'open' ORDER BY id",
        "# keep the old behaviour until the next release",
    ],
}


def letter(kind: str, seed: int, *, sentences: int = 7) -> str:
    """A text of one kind; the same for the same seed."""
    rng = random.Random(f"{kind} {seed}")
    pool = KINDS[kind]
    own = rng.sample(pool, min(len(pool), rng.randint(3, sentences)))
    chosen = own + rng.sample(SHARED, rng.randint(2, 4))
    rng.shuffle(chosen)
    return "\n".join(
        re.sub(r"\{(\w+)\}", lambda slot: rng.choice(SLOTS[slot[1]]), one) for one in chosen
    )


def others(count: int, first: int = 0) -> list[str]:
    """Texts of all kinds but the one to be learned, in turn."""
    kinds = [kind for kind in KINDS if kind != "resignation"]
    return [letter(kinds[seed % len(kinds)], seed) for seed in range(first, first + count)]


def resignations(count: int, first: int = 0) -> list[str]:
    """Texts of the class."""
    return [letter("resignation", seed) for seed in range(first, first + count)]
