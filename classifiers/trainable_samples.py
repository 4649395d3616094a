"""Samples a class is trained from: read, doubles taken out, near copies kept together.

A folder with `positive` and `negative` folders of text files (.txt, .md; .jsonl with `text`), or JSON
Lines files with `text` and `label`. Samples are read, never written: no model holds their text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.words import U64, Words, hashed_words
from dlpagent.errors import Problem, ProblemsError

SIDES = ("positive", "negative")
_LABELS = {
    "positive": True, "negative": False, "true": True, "false": False, "1": True, "0": False,
}  # fmt: skip
_TEXTS = (".txt", ".md")
MAX_SAMPLE_CHARS = 1_000_000
"""Of one sample; Purview, too, extracts one megabyte of text from an item."""

_SKETCH, _SHINGLE = 64, 5
NEAR_COPY = 0.6
"""Share of the sketches that two samples must have in common to be near copies of each other."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text of one side. where: file, or file:line, for messages about it."""

    text: str
    is_positive: bool
    where: str


def read_samples(path: Path) -> list[Sample]:
    """All samples below a path. Raises ProblemsError with every file or line that is none."""
    problems: list[Problem] = []
    found = list(_samples(path, problems))
    if problems:
        raise ProblemsError(problems[:50], f"{len(problems)} sample(s) cannot be used.")
    return found


def _samples(path: Path, problems: list[Problem]) -> Iterator[Sample]:
    if path.is_file():
        yield from _lines(path, None, problems)
        return
    sides = [path / side for side in SIDES]
    for folder, is_positive in zip(sides, (True, False), strict=True):
        for file in sorted(item for item in folder.rglob("*") if item.is_file()):
            if file.suffix == ".jsonl":
                yield from _lines(file, is_positive, problems)
            elif file.suffix in _TEXTS:
                yield from _file(file, is_positive, problems)
    for file in sorted(path.glob("*.jsonl")):
        yield from _lines(file, None, problems)
    if not any(folder.is_dir() for folder in sides) and not any(path.glob("*.jsonl")):
        problems.append(
            Problem(
                str(path), 0, "there are no samples here",
                "folders positive/ and negative/ of .txt, .md or .jsonl files, or .jsonl files with "
                "text and label", "nothing" if not path.exists() else "neither",
            )
        )  # fmt: skip


def _file(file: Path, is_positive: bool, problems: list[Problem]) -> Iterator[Sample]:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problems.append(Problem(str(file), 0, f"the sample cannot be read ({why})", "text"))
        return
    yield Sample(text[:MAX_SAMPLE_CHARS], is_positive, str(file))


def _lines(file: Path, side: bool | None, problems: list[Problem]) -> Iterator[Sample]:
    """side None: every line has a label."""
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problems.append(Problem(str(file), 0, f"the samples cannot be read ({why})", "JSON Lines"))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            text = item["text"]
            label = side if side is not None else _LABELS[str(item["label"]).lower()]
        except (ValueError, TypeError, KeyError):
            problems.append(
                Problem(
                    str(file), number, "the line is no sample",
                    "an object with text" + ("" if side is not None else " and label "
                    "(positive or negative)"), "another line",
                )
            )  # fmt: skip
            continue
        if isinstance(text, str):
            yield Sample(text[:MAX_SAMPLE_CHARS], label, f"{file}:{number}")


# --- doubles and near copies ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Samples without doubles, with the group of near copies each is of.

    doubles: how many were left out; both: texts that stood on both sides, places only.
    """

    samples: tuple[Sample, ...]
    groups: tuple[int, ...]
    doubles: int
    both: tuple[tuple[str, str], ...]


def cleaned(samples: Sequence[Sample]) -> Cleaned:
    """Leave out all but the first of equal texts (equal words in order), and group near copies."""
    words = hashed_words([Subject.of(sample.text).low for sample in samples])
    first: dict[bytes, int] = {}
    kept: list[int] = []
    both: list[tuple[str, str]] = []
    for place, sample in enumerate(samples):
        key = hashlib.sha256(words.hashes[words.of(place)].tobytes()).digest()
        other = first.setdefault(key, place)
        if other == place:
            kept.append(place)
        elif samples[other].is_positive != sample.is_positive:
            both.append((samples[other].where, sample.where))
    sketches = [_sketch(words, place) for place in kept]
    return Cleaned(
        samples=tuple(samples[place] for place in kept),
        groups=tuple(_groups(sketches)),
        doubles=len(samples) - len(kept),
        both=tuple(both),
    )


def _sketch(words: Words, owner: int) -> frozenset[int]:
    """The smallest hashes of a text's runs of five words: two texts share them as they share runs."""
    part = words.of(owner)
    runs: U64 = words.runs(_SHINGLE)[part.start : max(part.start, part.stop - _SHINGLE + 1)]
    return frozenset(np.unique(runs)[:_SKETCH].tolist())


def _groups(sketches: Sequence[frozenset[int]]) -> list[int]:
    """Numbers of groups: near copies of near copies belong together."""
    parents = list(range(len(sketches)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    holders: dict[int, list[int]] = {}
    for place, sketch in enumerate(sketches):
        shared: dict[int, int] = {}
        for code in sketch:
            for other in holders.setdefault(code, []):
                shared[other] = shared.get(other, 0) + 1
            holders[code].append(place)
        for other, many in shared.items():
            if many >= NEAR_COPY * min(len(sketch), len(sketches[other])):
                parents[root(place)] = root(other)
    return [root(place) for place in range(len(sketches))]
