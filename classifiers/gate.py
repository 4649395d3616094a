"""Which SITs can be in a text at all: one Hyperscan pass instead of a search per SIT.

The gate only ever says "certainly not". Every pattern it scans for is a superset of the element it
stands for (lookarounds dropped, validators and word borders ignored), and conditions are judged
optimistically, so what it lets through is then decided by the reference evaluator alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hyperscan

from dlpagent.classifiers.compiled import GAP
from dlpagent.classifiers.gate_cache import load_database, store_database
from dlpagent.classifiers.normalise import Subject, lowered, shadow_of
from dlpagent.classifiers.regex_syntax import relaxed, translate
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Element,
    Keyword,
    Pack,
    Pattern,
    Regex,
    Sit,
    Union,
)

_ONCE = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY

Scan = Callable[[bytes], set[int]]


@dataclass(frozen=True, slots=True)
class Sieve:
    """A database of patterns, each standing for some elements; always: those it cannot scan for."""

    scan: Scan
    stands_for: tuple[tuple[str, ...], ...]
    always: frozenset[str]

    def present(self, data: bytes) -> set[str]:
        """Elements that may have a hit in the data."""
        found = set(self.always)
        for number in self.scan(data):
            found.update(self.stands_for[number])
        return found


@dataclass(slots=True)
class Gate:
    """Tells for a text which SITs of a pack are possible."""

    pack: Pack
    sits: tuple[Sit, ...]
    primaries: Sieve
    keywords: Sieve
    _parts: dict[str, frozenset[str]]
    _by_primary: dict[str, list[tuple[int, Pattern]]] = field(default_factory=dict)
    _contexts: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, pack: Pack, sits: Sequence[Sit], cache: Path | None = None) -> Gate:
        """Compile the gate of a pack. cache: a folder for compiled databases."""
        parts = {name: _parts_of(pack, name) for name in pack.elements}
        primary = {part for sit in sits for item in sit.patterns for part in parts[item.primary]}
        regexes = {name: pack.elements[name] for name in primary}
        lists = {name: item for name, item in pack.elements.items() if isinstance(item, Keyword)}
        gate = cls(
            pack,
            tuple(sits),
            _sieve(_regex_patterns(regexes), cache),
            _sieve(_term_patterns(lists), cache),
            parts,
        )
        for index, sit in enumerate(gate.sits):
            for pattern in sit.patterns:
                for part in parts[pattern.primary]:
                    gate._by_primary.setdefault(part, []).append((index, pattern))
        return gate

    def possible(self, text: str, context: str = "") -> list[Sit]:
        """The SITs that may be found in a text, in the order of the pack."""
        subject = Subject.of(text)
        primaries = self.primaries.present(subject.data)
        if not primaries:
            return []
        words: set[str] | None = None
        found: set[int] = set()
        for part in primaries:
            for index, pattern in self._by_primary.get(part, ()):
                if index in found:
                    continue
                if pattern.conditions and words is None:
                    words = self._words(subject, context)
                if all(
                    self._may_hold(item, words or set(), primaries) for item in pattern.conditions
                ):
                    found.add(index)
        return [self.sits[index] for index in sorted(found)]

    def _words(self, subject: Subject, context: str) -> set[str]:
        words = self.keywords.present(subject.low.encode("utf-8", "replace"))
        if context:
            known = self._contexts.get(context)
            if known is None:
                if len(self._contexts) > 4096:
                    self._contexts.clear()
                low = Subject.of(context).low.encode("utf-8", "replace")
                known = self._contexts[context] = self.keywords.present(low)
            words |= known
        return words

    def _may_hold(self, condition: Condition, words: set[str], primaries: set[str]) -> bool:
        """Whether a condition can be met, judged by what may be present; upper bounds do not count."""
        if isinstance(condition, AnyOf):
            met = sum(self._may_hold(child, words, primaries) for child in condition.children)
            return met >= condition.min_matches
        if condition.min_count == 0:
            return True
        return any(self._may_be(part, words, primaries) for part in self._parts[condition.ref])

    def _may_be(self, part: str, words: set[str], primaries: set[str]) -> bool:
        if part in self._by_primary and not isinstance(self.pack.elements[part], Keyword):
            # it may also be in the context, which the primary sieve is not asked for
            return True
        if isinstance(self.pack.elements[part], Keyword):
            return part in words
        return True


def _parts_of(pack: Pack, name: str) -> frozenset[str]:
    """The regex and keyword elements behind an element."""
    element = pack.elements[name]
    if isinstance(element, Union):
        return frozenset(part for inner in element.of for part in _parts_of(pack, inner))
    return frozenset([name])


# --- patterns ---------------------------------------------------------------------------------

# What is scanned for, as (pattern, flags), with the elements it stands for; None: cannot be scanned.
Patterns = dict[tuple[bytes, int], set[str]]


@dataclass(slots=True)
class _Wanted:
    patterns: Patterns = field(default_factory=dict)
    always: set[str] = field(default_factory=set)

    def add(self, pattern: bytes, flags: int, element: str) -> None:
        self.patterns.setdefault((pattern, flags), set()).add(element)


def _regex_patterns(elements: dict[str, Element]) -> _Wanted:
    wanted = _Wanted()
    for name, element in elements.items():
        if isinstance(element, Keyword):
            for pattern, flags in _terms_of(element):
                # primaries are scanned for in the text as it is written
                wanted.add(pattern, flags | hyperscan.HS_FLAG_CASELESS, name)
        elif isinstance(element, Regex):
            for item in element.expressions:
                loose = relaxed(translate(item.pattern).re2)
                if loose:
                    wanted.add(loose.encode(), _ONCE | _utf8_if_needed(loose), name)
                else:
                    wanted.always.add(name)
    return wanted


def _utf8_if_needed(pattern: str) -> int:
    """Patterns that can match beyond ASCII count characters, so they must be scanned as UTF-8."""
    beyond = not pattern.isascii() or "[^" in pattern or r"\p" in pattern.lower()
    dot = re.search(r"(?<!\\)\.", re.sub(r"\[[^\]]*\]", "", pattern)) is not None
    return int(hyperscan.HS_FLAG_UTF8) if beyond or dot or "(?i" in pattern else 0


def _term_patterns(elements: dict[str, Keyword]) -> _Wanted:
    wanted = _Wanted()
    for name, element in elements.items():
        for pattern, flags in _terms_of(element):
            wanted.add(pattern, flags, name)
    return wanted


def _terms_of(element: Keyword) -> Iterable[tuple[bytes, int]]:
    for group in element.groups:
        for term in group.terms:
            pieces = lowered(shadow_of(term.text)).split()
            pattern = GAP.join(re.sub(r"([^\w])", r"\\\1", piece) for piece in pieces)
            flags = _ONCE if pattern.isascii() else _ONCE | hyperscan.HS_FLAG_UTF8
            yield pattern.encode(), int(flags)


# --- databases --------------------------------------------------------------------------------


def _sieve(wanted: _Wanted, cache: Path | None) -> Sieve:
    always = set(wanted.always)
    order = sorted(wanted.patterns)
    stands_for = [tuple(sorted(wanted.patterns[key])) for key in order]
    if not order:
        return Sieve(lambda _data: set(), (), frozenset(always))
    database = load_database(cache, order)
    usable = list(range(len(order)))
    if database is None:
        database, usable = _compile(order)
        if len(usable) == len(order):
            store_database(cache, order, database)
    for index in set(range(len(order))) - set(usable):
        always.update(stands_for[index])
    return Sieve(_scanner(database), tuple(stands_for), frozenset(always))


def _compile(order: Sequence[tuple[bytes, int]]) -> tuple[hyperscan.Database, list[int]]:
    """One database of all patterns; those Hyperscan refuses are loosened, at worst left out."""
    flags = [flags for _, flags in order]
    usable = list(range(len(order)))
    while True:
        database = hyperscan.Database()
        try:
            database.compile(
                expressions=[order[index][0] for index in usable],
                ids=usable,
                elements=len(usable),
                flags=[flags[index] for index in usable],
            )
        except hyperscan.error as problem:
            usable, flags = _without_refused(order, usable, flags, problem)
        else:
            return database, usable


def _without_refused(
    order: Sequence[tuple[bytes, int]], usable: list[int], flags: list[int], problem: Exception
) -> tuple[list[int], list[int]]:
    """Find the patterns refused one by one, and prefilter or drop them."""
    kept = []
    for index in usable:
        for flag in (flags[index], flags[index] | hyperscan.HS_FLAG_PREFILTER):
            try:
                hyperscan.Database().compile(
                    expressions=[order[index][0]], ids=[0], elements=1, flags=[flag]
                )
            except hyperscan.error:
                continue
            flags[index] = flag
            kept.append(index)
            break
    if kept == usable and not any(flag & hyperscan.HS_FLAG_PREFILTER for flag in flags):
        raise problem
    return kept, flags


def _scanner(database: hyperscan.Database) -> Scan:
    scratch = hyperscan.Scratch(database)
    database.scratch = scratch

    def scan(data: bytes) -> set[int]:
        found: set[int] = set()
        database.scan(data, match_event_handler=lambda ident, *_: found.add(ident))
        return found

    return scan
