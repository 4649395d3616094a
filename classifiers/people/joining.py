"""A model's persons and the rules' candidates as one list of names with scores.

Where both see a name its score rises; a model alone is believed less the less its words look like
names; a rule alone is believed as far as its own score goes.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dlpagent.classifiers.people.lexicon import Lexicon, folded, lexicon
from dlpagent.classifiers.people.rules import Candidate, candidates
from dlpagent.classifiers.people.runs import WORD

MODEL_ALONE = 0.5
AGREEMENT = 0.3
AGREEMENT_ON_SEVERAL_WORDS = 0.35
OTHER_KIND = 0.1
SURE = 0.8
ECHO = 0.65
ACCEPTED = 0.55
"""From here on a name is taken for one; where precision and recall weigh as F2 weighs them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A span a model labelled: PERSON, or another of its kinds."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name with its score (0–1) and what spoke for it."""

    start: int
    end: int
    score: float
    why: str


def names(text: str, seen: Iterable[Seen]) -> list[Name]:
    """Every name of a person in a text, by start; they do not overlap."""
    model = list(seen)
    persons = [
        item for item in (_trimmed(text, item) for item in model if item.label == "PERSON") if item
    ]
    others = _Places([item for item in model if item.label != "PERSON"])
    seen_by_model = _Places(persons)
    found = [_joined(text, item, seen_by_model, others) for item in candidates(text)]
    by_rules = _Places(found)
    found += [_alone(text, item, lexicon()) for item in persons if not by_rules.touch(item)]
    return _echoed(text, _best([item for item in found if item.score > 0]))


def _echoed(text: str, found: list[Name]) -> list[Name]:
    """Parts of a sure name that stand alone elsewhere, and neighbours in a row of names, rise."""
    words = lexicon()
    sure = {
        folded(match.group())
        for item in found if item.score >= SURE
        for match in WORD.finditer(text, item.start, item.end)
        if len(match.group()) > 2 and not words.is_particle(match.group())
    }  # fmt: skip
    kept = []
    for place, item in enumerate(found):
        value = text[item.start : item.end]
        if item.score < ECHO and folded(value) in sure:
            kept.append(replace(item, score=ECHO, why=f"echo, {item.why}"))
        elif (
            item.score < ACCEPTED and _could_be_one(value) and _stands_in_a_row(text, found, place)
        ):
            kept.append(replace(item, score=ACCEPTED, why=f"beside a name, {item.why}"))
        else:
            kept.append(item)
    return kept


def _could_be_one(value: str) -> bool:
    words = lexicon()
    return " " not in value and words.may_be_family(value) and not words.is_thing(value)


def _stands_in_a_row(text: str, found: Sequence[Name], place: int) -> bool:
    """Whether a comma or *and* joins a name to one beside it that is accepted."""
    pairs = zip(found[max(0, place - 1) :], found[max(0, place - 1) + 1 : place + 2], strict=False)
    return any(
        max(left.score, right.score) >= ACCEPTED and text[left.end : right.start] in _JOINS
        for left, right in pairs
    )


_JOINS = (", ", " and ", " & ", ", and ")


def _joined(text: str, item: Candidate, persons: _Places, others: _Places) -> Name:
    if persons.touch(item):
        several = _has_several_words(text[item.start : item.end])
        gain = AGREEMENT_ON_SEVERAL_WORDS if several else AGREEMENT
        return Name(item.start, item.end, min(1.0, item.score + gain), f"model, {item.why}")
    if item.score < ACCEPTED and others.touch(item):
        score = max(0.0, item.score - OTHER_KIND)
        return Name(item.start, item.end, score, f"{item.why}, model says otherwise")
    return Name(item.start, item.end, item.score, item.why)


def _has_several_words(value: str) -> bool:
    """Whether a value is of two or three words, none of them an everyday one."""
    words = lexicon()
    found = WORD.findall(value)
    return 1 < len(found) < 4 and not any(
        words.is_common(word) or words.is_thing(word) for word in found
    )


def _trimmed(text: str, item: Seen) -> Seen | None:
    """Without titles, possessives, quotes, and what follows a line break."""
    start, end = item.start, item.end
    cut = re.search(r"\n|  |[:;,(@/\d]", text[start:end])
    if cut:
        end = start + cut.start()
    found = list(WORD.finditer(text, start, end))
    while found and lexicon().is_title(found[0].group()):
        found = found[1:]
    if not found:
        return None
    end = found[-1].end()
    if text[start:end].endswith("'s"):
        end -= 2
    return replace(item, start=found[0].start(), end=end)


def _alone(text: str, item: Seen, words: Lexicon) -> Name:
    """How far a person that only the model sees is believed."""
    found = [match.group() for match in WORD.finditer(text, item.start, item.end)]
    score = MODEL_ALONE if len(found) > 1 else MODEL_ALONE - 0.1
    if not any(word[0].isupper() for word in found if not words.is_particle(word)):
        score -= 0.3
    if any(words.is_thing(word) for word in found):
        score -= 0.3
    if any(words.may_be_given(word) or words.may_be_family(word) for word in found):
        score += 0.1
    return Name(item.start, item.end, score, "model")


def _best(found: list[Name]) -> list[Name]:
    """Of names that overlap the one with the higher score, then the earlier, then the longer."""
    kept: list[Name] = []
    for item in sorted(found, key=lambda one: (-one.score, one.start, -one.end)):
        place = bisect_right(kept, item.start, key=_start_of)
        free = (place == 0 or kept[place - 1].end <= item.start) and (
            place == len(kept) or item.end <= kept[place].start
        )
        if free:
            kept.insert(place, item)
    return kept


class _Spanned(Protocol):
    """Anything with a place."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def _start_of(item: _Spanned) -> int:
    return item.start


class _Places:
    """Spans, to be asked whether any of them touches another. The longest is looked back for."""

    def __init__(self, items: Sequence[_Spanned]) -> None:
        self._spans = sorted((item.start, item.end) for item in items)
        self._longest = max((end - start for start, end in self._spans), default=0)

    def touch(self, item: _Spanned) -> bool:
        """Whether any span shares a character with the item."""
        first = bisect_left(self._spans, (item.start - self._longest, 0))
        last = bisect_left(self._spans, (item.end, 0))
        return any(end > item.start for _, end in self._spans[first:last])
