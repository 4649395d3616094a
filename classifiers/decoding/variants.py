"""The other texts a text can be read as: decoded, and with its numbers put together.

Nothing here looks for values. A text without a cue has no variants, and the cue is one regular
expression that Arrow runs over a whole column; what else is done costs time in proportion to the
text, however it is encoded: each pass is linear, passes are counted, and no pass makes text longer
than a small multiple of what it read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from dlpagent.classifiers.decoding.cues import CUES
from dlpagent.classifiers.decoding.encodings import encodings_in
from dlpagent.classifiers.decoding.escapes import escapes_in, forms_in, quoted_in
from dlpagent.classifiers.decoding.groups import Chain, chains_in
from dlpagent.classifiers.decoding.layers import Changes, Edit, Edits, Layer, Span, names_of
from dlpagent.classifiers.decoding.lookalikes import lookalikes_in, marks_in
from dlpagent.classifiers.decoding.marks import marks_around
from dlpagent.classifiers.normalise import invisible_in, shadow_of

MAX_ESCAPES, MAX_ENCODINGS = 4, 2
"""Levels of escaping and of encoding that are undone."""

_LEVELS: Mapping[Callable[[str], Iterator[Edit]], int] = {
    escapes_in: MAX_ESCAPES,
    forms_in: 1,
    quoted_in: MAX_ENCODINGS,
    encodings_in: MAX_ENCODINGS,
}

FEW_TEXTS, SHORT_BYTES = 800, 64
CUE_BYTES = 64 << 20
"""Texts full of tokens lead the search through so many states that in less it starts again and again."""
MAX_EDITS = 1_000_000
"""Changed places in one pass over one text."""

NEAR_CHARS = 330
"""A match this close to a change may owe something to it: a keyword, or the end of one."""

WHOLE_CHARS = 4_000
"""Up to here a text is read again as a whole; of longer ones, only what lies around changes."""

TOO_DEEP = "encoded in more layers than are undone"
TOO_MANY = f"more than {MAX_EDITS} encoded places"


@dataclass(frozen=True, slots=True)
class Variant:
    """A text, or a stretch of one, as it reads otherwise. Offsets of methods are those of `text`."""

    text: str
    layer: Layer
    first: int
    changes: Changes
    chains: Changes | None = None

    def original(self, start: int, end: int) -> Span:
        """The span of the original text that holds a span, not empty, of this one.

        Of an encoded stretch it is the whole stretch; escapes and gaps lead back one by one.
        """
        return self.layer.original(start + self.first, end + self.first)

    def counts(self, start: int, end: int) -> bool:
        """Whether a match here can be owed to what was changed.

        A number put together must be the match, or part of it; any other change must be near.
        """
        start, end = start + self.first, end + self.first
        if self.chains is None:
            return self.changes.is_near(start, end, NEAR_CHARS)
        return self.chains.lie_within(start, end)

    def transforms(self, start: int, end: int) -> tuple[str, ...]:
        """What was undone in a span; if nothing, what was undone near it."""
        start, end = start + self.first, end + self.first
        bits = self.changes.touching(start, end)
        if not bits:
            bits = self.changes.touching(start - NEAR_CHARS, end + NEAR_CHARS)
        return names_of(bits)


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of a text, the least changed first; incomplete: why more was not tried, or empty."""

    found: tuple[Variant, ...] = ()
    incomplete: str = ""


NONE = Variants()


def has_cue(texts: pa.Array) -> pa.BooleanArray:
    """Which texts of a column may have variants; null for null.

    Arrow compiles the expression anew for each column, and leaves it little memory: it is for many
    short texts only.
    """
    if len(texts) > FEW_TEXTS and texts.nbytes < len(texts) * SHORT_BYTES:
        return pc.match_substring_regex(texts, CUES)
    search = _cue().search
    found = [None if text is None else search(text) is not None for text in _encoded(texts)]
    return pa.array(found, pa.bool_())


def _encoded(texts: pa.Array) -> Iterator[bytes | None]:
    for text in texts.to_pylist():
        yield None if text is None else text.encode("utf-8", "replace")


@functools.cache
def _cue() -> re2._Regexp:
    options = re2.Options()
    options.max_mem = CUE_BYTES
    options.never_capture = True
    return re2.compile(CUES, options)


def variants_of(text: str) -> Variants:
    """What a text can be read as, once encodings, escapes and disguises are undone."""
    if not _cue().search(text.encode("utf-8", "replace")):
        return NONE
    return variants_of_cued(text)


def variants_of_cued(text: str) -> Variants:
    """The same of a text that is known to hold a cue."""
    original = _folded(Layer(text))
    decoded, why = _decoded(original)
    found = [] if decoded.edits is None else _cut(decoded, decoded.changes())
    chains = list(chains_in(decoded.text))
    if not chains:
        return Variants(tuple(found), why) if found or why else NONE
    for layer, those in (_spaced(decoded, chains), _joined(decoded, chains)):
        if those:
            found += _cut(layer, layer.changes(since=decoded), _places(layer, those))
    return Variants(tuple(found), why)


def _decoded(original: Layer) -> tuple[Layer, str]:
    """All that is written otherwise undone, and why not all of it was."""
    layer, why = _unwrapped(original)
    finders = (marks_around,) if layer.text.isascii() else (marks_in, lookalikes_in, marks_around)
    for find in finders:
        edits, many = _first(find(layer.text))
        why = why or many
        layer = layer.edited(edits)
    return layer, why


def _unwrapped(layer: Layer) -> tuple[Layer, str]:
    """Escapes undone, then encodings, until nothing is left or a limit is reached."""
    left = dict(_LEVELS)
    why = ""
    changed = True
    while changed:
        changed = False
        for find, levels in left.items():
            edits, many = _first(find(layer.text))
            why = why or many
            if edits and levels:
                layer, changed = _folded(layer.edited(edits)), True
                left[find] -= 1
                break
            if any(edit[2] != "\\" for edit in edits):  # a row of backslashes has no end
                why = why or TOO_DEEP
    return layer, why


def _first(edits: Iterable[Edit]) -> tuple[list[Edit], str]:
    kept = list(islice(edits, MAX_EDITS + 1))
    return kept[:MAX_EDITS], TOO_MANY if len(kept) > MAX_EDITS else ""


def _folded(layer: Layer) -> Layer:
    """As every text is folded before it is matched."""
    if layer.text.isascii():
        return layer
    removed = [(start, end, "", 0) for start, end in invisible_in(layer.text)]
    return Layer(shadow_of(layer.text), Edits.of(removed), layer)


def _spaced(layer: Layer, chains: Sequence[Chain]) -> tuple[Layer, list[Chain]]:
    edits = {chain: list(chain.spaced(layer.text)) for chain in chains}
    return _read(layer, edits)


def _joined(layer: Layer, chains: Sequence[Chain]) -> tuple[Layer, list[Chain]]:
    return _read(layer, {chain: list(chain.joined()) for chain in chains})


def _read(layer: Layer, edits: Mapping[Chain, list[Edit]]) -> tuple[Layer, list[Chain]]:
    """The text with chains put together, and the chains that were."""
    made = layer.edited([edit for those in edits.values() for edit in those])
    return made, [chain for chain, those in edits.items() if those]


def _places(layer: Layer, chains: Sequence[Chain]) -> Changes:
    """Where a match must be in a text with chains put together: the whole chain, or its line breaks."""
    assert layer.edits is not None
    starts = [chain.gaps[0][0] - 1 if chain.is_broken else chain.start for chain in chains]
    ends = [chain.gaps[-1][1] + 1 if chain.is_broken else chain.end for chain in chains]
    first, last = (layer.edits.above(np.array(those, dtype=np.int64)) for those in (starts, ends))
    return Changes.of(first, last, np.ones(len(chains), dtype=np.int64))


def _cut(layer: Layer, changes: Changes, chains: Changes | None = None) -> list[Variant]:
    """The changed text whole, or the stretches of it around changes."""
    if not len(changes.starts):
        return []
    length = len(layer.text)
    margin = NEAR_CHARS if chains else 2 * NEAR_CHARS
    spans = [(0, length)] if length <= WHOLE_CHARS else changes.clusters(margin, length)
    return [Variant(layer.text[start:end], layer, start, changes, chains) for start, end in spans]
