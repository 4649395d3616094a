"""Exact data match: a value of a store in a text, and others of the same row around it.

Candidates for the primary value are what another type's patterns find (through), as in Purview, or
else words in a row that can begin and make up a value. Only candidates are turned into tokens. A
candidate that a row holds is a hit when enough other fields of that very row are within proximity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dlpagent.classifiers.detectors import Sightings, content_path
from dlpagent.classifiers.edm_store import Store, read_manifest
from dlpagent.classifiers.edm_words import Words, normal
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regex_syntax import RuleTimeout
from dlpagent.classifiers.sit import UNLIMITED, Detector, Pack
from dlpagent.errors import ConfigurationError, Problem
from dlpagent.findings import PackRef

DEFAULT_PROXIMITY = 300
MAX_ROWS_LOOKED_AT = 20_000
"""Rows with one primary value that are compared; with more, the text is reported as not looked at."""

MAX_KNOWN_WORDS = 200_000

_PARAMS = (
    "store", "primary", "through", "any", "all", "min", "max", "proximity", "key",
)  # fmt: skip
_NUMBERS = ("min", "max")

Span = tuple[int, int]


# --- parameters -------------------------------------------------------------------------------


def problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with an element's parameters; the store's manifest is read, not the store."""
    given = dict(element.params)
    for name in sorted(set(given) - set(_PARAMS)):
        yield Problem(file, line, f"{element.id}: edm takes no {name}", ", ".join(_PARAMS), name)
    for name in ("store", "primary"):
        if not isinstance(given.get(name), str) or not given[name]:
            yield Problem(file, line, f"{element.id} needs {name}", f"{name}: …", "none")
            return
    yield from _shape_problems(element, file, line)
    try:
        manifest, _ = read_manifest(content_path(element, "store"))
    except ConfigurationError as error:
        yield Problem(
            file, line, f"{element.id}: {error.what} ({error.where})", error.expected, error.found,
            error.remedy,
        )  # fmt: skip
        return
    schema = manifest.schema
    primary = str(given["primary"])
    if primary not in schema.searchable:
        found = "a field that is not searchable" if primary in schema.names else primary
        yield Problem(
            file, line, f"{element.id}: {primary} cannot be a primary element of the store",
            "one of " + ", ".join(schema.searchable), found,
        )  # fmt: skip
    for name in (*_names(element, "any"), *_names(element, "all")):
        if name not in schema.names:
            yield Problem(
                file, line, f"{element.id} names the field {name}, which the store does not have",
                "one of " + ", ".join(schema.names), name,
            )  # fmt: skip


def describe(element: Detector) -> Iterator[str]:
    """What `rules show` says of the store."""
    manifest, _ = read_manifest(content_path(element, "store"))
    yield f"{manifest.rows:,} rows of {manifest.schema.name}, build {manifest.build}"


def _shape_problems(element: Detector, file: str, line: int) -> Iterator[Problem]:
    for name in _NUMBERS:
        value = element.param(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            yield Problem(
                file, line, f"{element.id}: {name} is wrong", "a whole number", str(value)[:20]
            )
            return
    width = element.param("proximity", DEFAULT_PROXIMITY)
    if width != "unlimited" and (
        isinstance(width, bool) or not isinstance(width, int) or width < 1
    ):
        yield Problem(
            file, line, f"{element.id}: proximity is wrong", "a number of characters, or unlimited",
            str(width)[:20],
        )  # fmt: skip
    wanted = Wanted.of(element)
    if wanted.least > len(wanted.any_of):
        yield Problem(
            file, line, f"{element.id}: min asks for more fields than any names",
            f"at most {len(wanted.any_of)}", str(wanted.least),
        )  # fmt: skip
    if wanted.most is not None and wanted.most < wanted.least:
        yield Problem(
            file, line, f"{element.id}: max is below min", f"at least {wanted.least}",
            str(wanted.most),
        )  # fmt: skip
    if element.param("primary") in (*wanted.any_of, *wanted.all_of):
        yield Problem(
            file, line, f"{element.id}: the primary field cannot support itself",
            "other fields of the row", str(element.param("primary")),
        )  # fmt: skip


def _names(element: Detector, param: str) -> tuple[str, ...]:
    value = element.param(param, ())
    return value if isinstance(value, tuple) else (str(value),)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which other fields of the row must be near: all of some, and so many of others.

    proximity: code points to each side; UNLIMITED for the whole text.
    """

    all_of: tuple[str, ...]
    any_of: tuple[str, ...]
    least: int
    most: int | None
    proximity: int

    @classmethod
    def of(cls, element: Detector) -> Wanted:
        """What an element's parameters ask for; min is 1 where fields are named."""
        any_of = _names(element, "any")
        least, most = element.param("min", 1 if any_of else 0), element.param("max", -1)
        width = element.param("proximity", DEFAULT_PROXIMITY)
        assert isinstance(least, int | float)
        assert isinstance(most, int | float)
        return cls(
            _names(element, "all"),
            any_of,
            int(least),
            None if most < 0 else int(most),
            int(width) if isinstance(width, int) else UNLIMITED,
        )

    def agreed(self, fields: frozenset[str]) -> tuple[str, ...] | None:
        """The names that count when those fields agree; None when they are not enough."""
        if not fields.issuperset(self.all_of):
            return None
        some = [name for name in self.any_of if name in fields]
        if len(some) < self.least or (self.most is not None and len(some) > self.most):
            return None
        return (*self.all_of, *some)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that is asked about."""
        return tuple(dict.fromkeys((*self.all_of, *self.any_of)))


# --- looking ----------------------------------------------------------------------------------


def open_detector(element: Detector) -> Looker:
    """The element at work. Raises ConfigurationError or StateError when store or key are not there."""
    key = element.param("key")
    key_file = content_path(element, "key") if isinstance(key, str) and key else None
    place = (
        content_path(element, "store"), key_file, element.param("primary"), element.inner,
        element.digest,
    )  # fmt: skip
    primary = _PRIMARIES.get(place)
    if primary is None:
        store = Store(place[0], key_file)
        primary = _PRIMARIES[place] = Primary(store, str(place[2]), element)
    return Looker(primary, Wanted.of(element))


_PRIMARIES: dict[object, Primary] = {}
"""Tiers of a SIT ask for the same primary values: these are found once for all of them."""


@dataclass(slots=True)
class Looker:
    """Looks for primary values and what of their rows is near."""

    primary: Primary
    wanted: Wanted

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """Spans of primary values; the note of a span names the fields of the row that agreed."""
        return [self._look(found) for found in self.primary.found_in(subjects)]

    def _look(self, found: Found) -> Sightings:
        notes: dict[Span, str] = {}
        for span, rows in found.hits.items():
            agreed = self._best(found, span, rows)
            if agreed is not None:
                notes[span] = "same row: " + ", ".join(agreed) if agreed else "in the store"
        return Sightings(tuple(sorted(notes)), found.skipped, notes)

    def _best(self, found: Found, span: Span, rows: list[int]) -> tuple[str, ...] | None:
        if not self.wanted.fields:
            return self.wanted.agreed(frozenset())
        best: tuple[str, ...] | None = None
        for row in rows:
            fields = found.near(span, row, self.wanted.fields, self.wanted.proximity)
            agreed = self.wanted.agreed(fields)
            if agreed is not None and (best is None or len(agreed) > len(best)):
                best = agreed
        return best


class Primary:
    """Finds the primary values of one field of a store in texts; keeps what it found in the last."""

    def __init__(self, store: Store, name: str, element: Detector) -> None:
        self.store, self.name = store, name
        self._column = store.columns[name]
        self._finder = _Finder(element) if element.inner else None
        self._begins: dict[str, bool] = {}
        self._last: tuple[Sequence[Subject], list[Found]] = ((), [])

    def found_in(self, subjects: Sequence[Subject]) -> list[Found]:
        """What is found in each text. The same list of texts is looked through once."""
        known, found = self._last
        if known is not subjects:
            found = [self._found(subject) for subject in subjects]
            self._last = (subjects, found)
        return found

    def _found(self, subject: Subject) -> Found:
        words = Words(subject)
        found = Found(self.store, words)
        try:
            pairs = list(self._through(subject) if self._finder else self._by_words(words))
        except RuleTimeout:
            found.skipped = "a rule ran out of time"
            return found
        for span, value in pairs:
            rows = self.store.rows_of(self.name, value)
            if len(rows) > MAX_ROWS_LOOKED_AT:
                found.skipped = (
                    f"a value of {self.name} stands in more than {MAX_ROWS_LOOKED_AT} rows"
                )
            elif rows:
                found.hits[span] = rows
        return found

    def _through(self, subject: Subject) -> Iterator[tuple[Span, str]]:
        """What the patterns of another type find."""
        assert self._finder is not None
        for span in self._finder(subject):
            yield span, normal(subject.text[slice(*span)], self._column.field)

    def _by_words(self, words: Words) -> Iterator[tuple[Span, str]]:
        """Words in a row that can be a value: first by length and kind, then by the first word."""
        text, column = words.subject.text, self._column
        known, spans = self._begins, words.spans
        for index in column.starts(words):
            start, end = spans[index]
            answer = known.get(text[start:end])
            if answer is None:
                answer = self._may_begin(text[start:end])
            if answer:
                for last, value in column.values(text, spans, index):
                    yield (start, last), value

    def _may_begin(self, word: str) -> bool:
        """Whether a value can begin with a word. Kept: running text has few different words."""
        compared = self._column.begins(word)
        answer = bool(compared) and (
            bool(self._column.field.ignored_delimiters) or self.store.may_begin(self.name, compared)
        )
        if len(self._begins) >= MAX_KNOWN_WORDS:
            self._begins.clear()
        self._begins[word] = answer
        return answer


class _Finder:
    """Finds what the elements behind `through` find."""

    def __init__(self, element: Detector) -> None:
        # a pack of its own, as the elements may refer to each other and to nothing else
        from dlpagent.classifiers.compiled import CompiledPack  # noqa: PLC0415 - it imports detectors

        elements = {item.id: item for item in element.inner}
        pack = Pack(PackRef("", "", ""), "", "", "extended", {}, elements)
        self._pack, self._names = CompiledPack(pack), tuple(elements)

    def __call__(self, subject: Subject) -> list[Span]:
        """Raises RuleTimeout."""
        return sorted({span for name in self._names for span in self._pack.find(name, subject)})


@dataclass(slots=True)
class Found:
    """The primary values in one text with their rows, and what else of those rows is there."""

    store: Store
    words: Words
    hits: dict[Span, list[int]] = field(default_factory=dict)
    skipped: str = ""
    _at: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=dict)
    _near: dict[tuple[Span, str, int], frozenset[int]] = field(default_factory=dict)

    def near(self, span: Span, row: int, names: Sequence[str], proximity: int) -> frozenset[str]:
        """The fields whose value in that row stands within proximity of a primary value."""
        found = set()
        for name in names:
            token = self.store.cell(row, name)
            if token and token in self._tokens_near(span, name, proximity):
                found.add(name)
        return frozenset(found)

    def _tokens_near(self, span: Span, name: str, proximity: int) -> frozenset[int]:
        """Tokens of what could be values of a field around a primary value, not of it itself."""
        known = self._near.get((span, name, proximity))
        if known is not None:
            return known
        low, high = 0, len(self.words.subject.text)
        if proximity != UNLIMITED:
            low, high = max(0, span[0] - proximity), min(high, span[1] + proximity)
        spans = self.words.spans
        tokens: set[int] = set()
        index = self.words.from_(low)
        while index < len(spans) and spans[index][0] < high:
            start = spans[index][0]
            tokens.update(
                token
                for end, token in self._tokens_at(name, index)
                if end <= high and (end <= span[0] or start >= span[1])
            )
            index += 1
        found = self._near[span, name, proximity] = frozenset(tokens)
        return found

    def _tokens_at(self, name: str, index: int) -> list[tuple[int, int]]:
        """Ends and tokens of what could be a value of a field and begins at a word."""
        known = self._at.get((name, index))
        if known is None:
            text, column = self.words.subject.text, self.store.columns[name]
            spans = self.words.spans
            known = []
            if column.begins(text[slice(*spans[index])]):
                known = [
                    (end, self.store.token(name, value))
                    for end, value in column.values(text, spans, index)
                ]
            self._at[name, index] = known
        return known
