"""Forms and their filled-in copies for tests: values are made up, different for every seed."""

from __future__ import annotations

import random
import re
from pathlib import Path

FORMS = Path(__file__).parents[1] / "data" / "forms"
TEMPLATES = ("nda", "intake", "tax", "invoice", "review")
OTHERS = ("other_nda", "other_intake", "other_invoice")

_BLANK = re.compile(r"_{2,}|\{\{\w+\}\}")
_VALUES = (
    "Amara Okafor", "Tomasz", "Lindqvist", "14 Harbour Street", "Flat 3b", "1987", "2024-03-18",
    "EUR 1,250.00", "steel bolts", "metformin", "penicillin", "the billing system", "555-0142",
    "Zürich", "née O'Brien", "41 Quai d'Orsay", "n/a", "see annex", "GB-77120", "since spring",
)  # fmt: skip


def template(name: str) -> str:
    """The text of a form."""
    return (FORMS / f"{name}.txt").read_text("utf-8")


def filled(text: str, seed: int, *, longest: int = 5) -> str:
    """A form with something written into every blank, and some boxes ticked."""
    rng = random.Random(seed)

    def value(_: re.Match[str]) -> str:
        return " ".join(rng.choices(_VALUES, k=rng.randint(1, longest)))

    ticked = re.sub(r"\[ \]", lambda _: rng.choice(("[x]", "[ ]", "☒", "")), text)
    return _BLANK.sub(value, ticked)


def edited(text: str, seed: int, share: float) -> str:
    """A text with a share of its words replaced or left out."""
    rng = random.Random(seed)
    words = re.split(r"(\s+)", text)
    for place in range(0, len(words), 2):
        if rng.random() < share:
            words[place] = rng.choice(("", "amended"))
    return "".join(words)


def flowed(text: str) -> str:
    """A text as one line, in capitals, with other punctuation."""
    return re.sub(r"\s+", " ", text).upper().replace(":", " -").replace(",", ";")
