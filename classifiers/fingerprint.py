"""Detector kind `fingerprint`: filled-in copies of a form, by the share of the form they contain.

Parameters: form (a fingerprint file), at_least (percent of the form's words, default 60), exact (only
a part that has the same words, all of them and no other). What is filled in does not count, neither
does case, punctuation or how lines break. Purview gives the three levels 40, 60 and 80 percent in
its examples, from a range of 30 to 90 (Microsoft Purview documentation, "Document fingerprinting").
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.detectors import Sightings, content_path
from dlpagent.classifiers.fingerprint_form import Form, read_form
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.sit import Detector
from dlpagent.classifiers.words import Words, words_of
from dlpagent.errors import Problem, RuleError

LOWEST, HIGHEST = 30, 100
"""Percent that may be asked for. Purview takes 30 to 90, and exact."""

DEFAULT_PERCENT = 60

# A filled-in copy is at most this much longer than its form, in words: beyond, phrases of other text
# would add up to one. An answer of three pages still fits.
LONGER_TIMES, LONGER_WORDS = 4, 1500

# At the ends of a stretch, phrases that stand this far off and say this little are other text.
STRAY_GAP_WORDS, STRAY_SHARE = 150, 0.05

# So much of the form seen again, without anything new, is the next copy of it.
AGAIN_SHARE = 0.25

Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A place where much of a form stands. start, end: code points of the shadow; covered: 0–1.

    is_exact: the whole text has the form's words and no others.
    """

    owner: int
    start: int
    end: int
    covered: float
    is_exact: bool


# --- finding ----------------------------------------------------------------------------------


def stretches(form: Form, words: Words) -> list[Stretch]:
    """Where at least 30 percent of a form stands, by text and place."""
    enough = LOWEST / 100 * form.words
    owners, places, blocks = _hits(form, words, enough)
    found = []
    for owner in np.unique(owners).tolist():
        of_text = owners == owner
        for first, last, covered in _copies(form, places[of_text], blocks[of_text], enough):
            found.append(_stretch(form, words, owner, first, last, covered))
    return found


def _hits(form: Form, words: Words, enough: float) -> tuple[Ints, Ints, Ints]:
    """Blocks of the form in the texts that may hold enough, in order: (text, first word, block).

    The lengths that make up most of the form come first: most text is known to hold no copy before
    the others are looked for.
    """
    shares = np.bincount(form.lengths, weights=form.weights)
    left = float(form.words)
    columns: list[tuple[Ints, Ints]] = []
    for length in np.argsort(-shares, kind="stable").tolist():
        if not shares[length]:
            break
        at, what = form.found(words.runs(length), length)
        inside = words.owners[at] == words.owners[at + length - 1]
        columns.append((at[inside], what[inside]))
        left -= float(shares[length])
        kept = _of_texts_with(form, words, columns, enough - left)
        if not len(kept[0]) and left < enough:
            return kept
    owners, places, blocks = _of_texts_with(form, words, columns, enough)
    order = np.argsort(places, kind="stable")
    return owners[order], places[order], blocks[order]


def _of_texts_with(
    form: Form, words: Words, columns: list[tuple[Ints, Ints]], weight: float
) -> tuple[Ints, Ints, Ints]:
    """The hits of texts whose hits have a weight: (text, first word, block)."""
    places = np.concatenate([item for item, _ in columns])
    blocks = np.concatenate([item for _, item in columns])
    owners = words.owners[places]
    if not len(places):
        return owners, places, blocks
    per_text = np.bincount(owners, weights=form.weights[blocks])
    kept = per_text[owners] >= weight
    return owners[kept], places[kept], blocks[kept]


def _stretch(
    form: Form, words: Words, owner: int, first: int, last: int, covered: float
) -> Stretch:
    start, end = int(words.starts[first]), int(words.ends[last - 1])
    is_exact = False
    if covered >= 1:
        part = words.of(owner)
        is_exact = (
            part.stop - part.start == form.all_words
            and form.exact_digest(words, part) == form.exact
        )
    return Stretch(owner, start, end, covered, is_exact)


@dataclass(slots=True)
class _Window:
    """A run of hits, left to right, with how much of the form it holds."""

    weights: Ints
    counts: dict[int, int] = field(default_factory=dict)
    weight: int = 0

    def add(self, block: int) -> bool:
        """Whether the block is new to the window."""
        self.counts[block] = self.counts.get(block, 0) + 1
        if self.counts[block] > 1:
            return False
        self.weight += int(self.weights[block])
        return True

    def remove(self, block: int) -> None:
        self.counts[block] -= 1
        if not self.counts[block]:
            self.weight -= int(self.weights[block])


def _copies(
    form: Form, places: Ints, blocks: Ints, enough: float
) -> Iterator[tuple[int, int, float]]:
    """Copies of the form among the hits of one text: (first word, word after the last, share)."""
    at, what = places.tolist(), blocks.tolist()
    begin = 0
    while begin < len(at):
        best = _best(form, at, what, begin, enough)
        if best is None:
            return
        left, right = _without_strays(form, at, what, *best)
        held = {what[index] for index in range(left, right + 1)}
        weight = int(form.weights[list(held)].sum())
        if weight >= enough:
            last = max(
                at[index] + int(form.lengths[what[index]]) for index in range(left, right + 1)
            )
            yield at[left], last, weight / form.words
        begin = best[1] + 1


def _best(
    form: Form, at: list[int], what: list[int], begin: int, enough: float
) -> tuple[int, int] | None:
    """The first copy from a hit on: its first and last hit. Linear: every hit enters and leaves once."""
    reach = LONGER_TIMES * form.all_words + LONGER_WORDS
    window = _Window(form.weights)
    left, best, best_weight = begin, None, 0
    again = _Window(form.weights)
    for right in range(begin, len(at)):
        while at[right] - at[left] > reach:
            window.remove(what[left])
            left += 1
        if best is not None and left > best[1]:
            return best
        if window.add(what[right]) and window.weight > best_weight:
            again = _Window(form.weights)
            if window.weight >= enough:
                best, best_weight = (left, right), window.weight
        elif best is not None:
            again.add(what[right])
            if again.weight >= AGAIN_SHARE * form.words:
                return best
    return best


def _without_strays(
    form: Form, at: list[int], what: list[int], left: int, right: int
) -> tuple[int, int]:
    """First and last hit without phrases of other text before and after."""
    return (
        _trimmed(form, at, what, range(left, right + 1)),
        _trimmed(form, at, what, range(right, left - 1, -1)),
    )


def _trimmed(form: Form, at: list[int], what: list[int], inward: range) -> int:
    """The hit at which the copy begins, seen from one end."""
    start, weight = inward[0], 0
    for here, following in itertools.pairwise(inward):
        weight += int(form.weights[what[here]])
        if weight > STRAY_SHARE * form.words:
            break
        if abs(at[following] - at[here]) > STRAY_GAP_WORDS:
            start, weight = following, 0
    return start


# --- the detector -----------------------------------------------------------------------------


def problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with the parameters or the file of the form."""
    known = ("form", "at_least", "exact")
    for name, _ in element.params:
        if name not in known:
            yield Problem(
                file, line, f"{element.id}: a fingerprint takes no {name}",
                f"one of {', '.join(known)}", name, "Remove it.",
            )  # fmt: skip
    percent = element.param("at_least", DEFAULT_PERCENT)
    if (
        isinstance(percent, bool)
        or not isinstance(percent, int | float)
        or not LOWEST <= percent <= HIGHEST
    ):
        yield Problem(
            file, line, f"{element.id}: at_least is not a share of a form",
            f"a percentage from {LOWEST} to {HIGHEST}", str(percent),
        )  # fmt: skip
    if not isinstance(element.param("exact", False), bool):
        yield Problem(file, line, f"{element.id}: exact is not yes or no", "true or false")
    if not element.param("form"):
        yield Problem(
            file, line, f"{element.id}: a fingerprint needs a form", "form: FILE.fp.json", "none",
            "Make one: dlpagent rules fingerprint TEMPLATE -o PACKDIR --name NAME",
        )  # fmt: skip
        return
    try:
        read_form(content_path(element, "form"))
    except RuleError as error:
        yield Problem(
            file, line, f"{element.id}: {error.what}", error.expected, error.found, error.remedy
        )


def open_detector(element: Detector) -> FingerprintLooker:
    """Raises RuleError when the form cannot be read."""
    path = content_path(element, "form")
    return FingerprintLooker(
        _finder(path, element.digest),
        float(element.param("at_least", DEFAULT_PERCENT)) / 100,  # type: ignore[arg-type] # checked
        bool(element.param("exact", False)),
    )


def describe(element: Detector) -> Iterator[str]:
    """What `rules show` says of the form."""
    form = read_form(content_path(element, "form"))
    share = "exactly" if element.param("exact", False) else (
        f"{element.param('at_least', DEFAULT_PERCENT)} % or more"
    )  # fmt: skip
    yield f"{share} of the form “{form.name}”: {form.words} words in {len(form.hashes)} blocks"


@lru_cache(maxsize=256)
def _finder(path: Path, digest: str) -> FormFinder:  # noqa: ARG001 - another digest, another form
    return FormFinder(read_form(path))


class FormFinder:
    """Finds one form; the elements of its levels share it, and what it found last."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self._last: tuple[Sequence[Subject], list[Stretch]] | None = None

    def find(self, subjects: Sequence[Subject]) -> list[Stretch]:
        """Where at least 30 percent of the form stands."""
        last = self._last
        if last is None or last[0] is not subjects:
            last = self._last = (subjects, stretches(self.form, words_of(subjects)))
        return last[1]


@dataclass(frozen=True, slots=True)
class FingerprintLooker:
    """A form at one level."""

    finder: FormFinder
    at_least: float
    exact: bool

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """Stretches of each text that hold enough of the form. See detectors.Looker."""
        notes: list[dict[tuple[int, int], str]] = [{} for _ in subjects]
        for item in self.finder.find(subjects):
            if item.is_exact if self.exact else item.covered >= self.at_least - 1e-9:
                notes[item.owner][item.start, item.end] = self._note(item)
        return [Sightings(tuple(sorted(note)), notes=note) for note in notes]

    def _note(self, item: Stretch) -> str:
        name = self.finder.form.name
        if item.is_exact:
            return f"the form “{name}”, word for word"
        return f"{int(item.covered * 100 + 1e-6)} % of the form “{name}”"
