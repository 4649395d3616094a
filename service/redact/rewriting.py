"""Texts and the edits that clean them: findings merged, the surest deciding, until none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from dlpagent.classifiers.sit import Pack
from dlpagent.ports import Classifier
from dlpagent.records import batch_of_columns, without_surrogates
from dlpagent.service.redact.operators import (
    Marks,
    Operator,
    Stretch,
    ciphertexts,
    number_masked,
)

MAX_ROUNDS = 12
BATCH_CHARS, BATCH_TEXTS = 4_000_000, 4_000


class Text(NamedTuple):
    """A text of a record. is_number: only digits may stand in its place."""

    text: str
    context: str | None = None
    is_number: bool = False


class Edit(NamedTuple):
    """Code points start to end (half-open) of a text are to read so."""

    start: int
    end: int
    new: str


class Rewritten(NamedTuple):
    """What is to change in a text, in order, without overlap. problem: why it cannot be vouched for."""

    edits: tuple[Edit, ...] = ()
    problem: str | None = None


class Rewriter(Protocol):
    """Says what is to change in texts."""

    def rewrite(self, texts: Sequence[Text]) -> list[Rewritten]:
        """One answer per text. The same text always gets the same answer."""


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made."""
    for edit in reversed(edits):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


class Match(NamedTuple):
    """A finding in one text."""

    start: int
    end: int
    sit: str
    confidence: int
    key: str


@dataclass(slots=True)
class Redactor:
    """Puts marks in place of what a classifier finds.

    operators: by SIT id, where not the default one. counts: (SIT id, operator as used) → places.
    """

    classifier: Classifier
    pack: Pack
    marks: Marks
    default: Operator = "mask"
    operators: Mapping[str, Operator] = field(default_factory=dict)
    min_confidence: int = 1
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def rewrite(self, texts: Sequence[Text]) -> list[Rewritten]:
        forms = {sit.id: sit.value for sit in self.pack.sits.values()}
        done: list[Rewritten] = []
        for matches, problem, text in self._classified(texts):
            edits: list[Edit] = []
            own = list(self.marks.own(text.text))
            for start, end, sure in merged(matches):
                operator = self.operators.get(sure.sit, self.default)
                if operator == "keep":
                    continue
                if text.is_number:
                    edits[:] = [Edit(0, len(text.text), number_masked(text.text))]
                    self.counts[sure.sit, "number"] += 1
                    break
                for first, last in outside(start, end, own):
                    value = text.text[first:last]
                    whole = (first, last) == (sure.start, sure.end)
                    key = sure.key if whole else self.marks.evidence.key(value, forms[sure.sit])
                    name = self.classifier.sit_names[sure.sit]
                    new = self.marks.put(operator, value, sit=name, form=forms[sure.sit], key=key)
                    if new != value and any(map(str.isalnum, value)):
                        edits.append(Edit(first, last, new))
                        self.counts[sure.sit, operator] += 1
            done.append(Rewritten(tuple(edits), problem))
        return done

    def _classified(self, texts: Sequence[Text]) -> Iterator[tuple[list[Match], str | None, Text]]:
        for part in _portions(texts):
            found = self.classifier.classify(_batch(part))
            matches: list[list[Match]] = [[] for _ in part]
            problems: dict[int, str] = {item.row: item.reason for item in found.incomplete}
            for row in found.matches.to_pylist():
                if row["confidence"] >= self.min_confidence:
                    matches[row["row"]].append(_match(row))
            for at, text in enumerate(part):
                yield matches[at], problems.get(at), text


@dataclass(slots=True)
class Restorer:
    """Puts the values back in place of ciphertexts. foreign: those that another key made."""

    marks: Marks
    restored: int = 0
    foreign: int = 0

    def rewrite(self, texts: Sequence[Text]) -> list[Rewritten]:
        done = []
        for text in texts:
            known = [item for item in self.marks.own(text.text) if item.value is not None]
            foreign = ciphertexts(text.text) - len(known)
            self.restored += len(known)
            self.foreign += foreign
            problem = "a ciphertext that this key did not make" if foreign else None
            edits = tuple(Edit(item.start, item.end, item.value or "") for item in known)
            done.append(Rewritten(edits, problem))
        return done


def merged(matches: Sequence[Match]) -> list[tuple[int, int, Match]]:
    """Matches that overlap as one region, with the surest (then the longest) of them."""
    regions: list[tuple[int, int, Match]] = []
    for match in sorted(matches):
        if regions and match.start < regions[-1][1]:
            start, end, sure = regions[-1]
            better = max(sure, match, key=_sureness)
            regions[-1] = (start, max(end, match.end), better)
        else:
            regions.append((match.start, match.end, match))
    return regions


def outside(start: int, end: int, own: Sequence[Stretch]) -> Iterator[tuple[int, int]]:
    """What of a region lies outside of our own marks."""
    for stretch in own:
        if stretch.end <= start or stretch.start >= end:
            continue
        if start < stretch.start:
            yield start, stretch.start
        start = stretch.end
    if start < end:
        yield start, end


def _sureness(match: Match) -> tuple[int, int, str]:
    return match.confidence, match.end - match.start, match.sit


def _match(row: Mapping[str, Any]) -> Match:
    return Match(row["start"], row["end"], row["sit_id"], row["confidence"], row["key"])


def _portions(texts: Sequence[Text]) -> Iterator[Sequence[Text]]:
    start = chars = 0
    for at, text in enumerate(texts):
        if at > start and (chars + len(text.text) > BATCH_CHARS or at - start >= BATCH_TEXTS):
            yield texts[start:at]
            start, chars = at, 0
        chars += len(text.text)
    if start < len(texts):
        yield texts[start:]


def _batch(texts: Sequence[Text]) -> pa.RecordBatch:
    return batch_of_columns(
        "redact:",
        len(texts),
        {
            "record_id": pa.array([str(at) for at in range(len(texts))], pa.string()),
            "part": pa.repeat(pa.scalar("text"), len(texts)),
            "text": pa.array([without_surrogates(item.text) for item in texts], pa.large_string()),
            "context": pa.array([item.context for item in texts], pa.string()),
        },
    )
