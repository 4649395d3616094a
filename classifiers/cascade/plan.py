"""A pack analysed: what to look for first, and which SITs are possible where it is found.

Everything here errs towards "possible"; the reference evaluator decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlpagent.classifiers.cascade.automaton import TooLarge, automaton_of
from dlpagent.classifiers.cascade.database import (
    CASELESS,
    Database,
    DatabaseError,
    Wanted,
    accepted,
)
from dlpagent.classifiers.cascade.keywords import Written, pieces_of, written_of
from dlpagent.classifiers.cascade.literals import literal, literals_of, rate
from dlpagent.classifiers.cascade.printer import cut, scannable
from dlpagent.classifiers.cascade.shapes import NUMBERS, SHAPES, scanned, shapes_of
from dlpagent.classifiers.cascade.syntax import Node, Unreadable, least, parse, width
from dlpagent.classifiers.regex_syntax import Untranslatable, translate
from dlpagent.classifiers.regexes import JailedMatcher, matcher
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Keyword,
    Pack,
    Pattern,
    Regex,
    Sit,
    Union,
    pattern_refs,
)

MAX_WIDTH_BYTES = 2_048
"""Wider expressions are looked for in whole rows."""
MARGIN_BYTES = 16
UNBOUNDED, UNKNOWN = -1, -2
FEW_COPIES = 3
MAX_PIECES = 400
MAX_TOGETHER = 32
"""Expressions in one database: more scan no faster and compile much slower."""

# What a pattern needs in a row: of every set of keyword lists, one that has a hit.
Needs = tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Expressions looked for around the same shape. reach: bytes to each side; None: whole rows.

    needs: keyword lists of which a row must hold one for any of the group to count; (): none needed.
    worded: the family stands for terms of those lists: rows whose context holds one count as well.
    expressions: those of each database, in its order.
    """

    shape: int
    reach: int | None
    needs: tuple[int, ...]
    worded: bool
    databases: tuple[Database, ...]
    expressions: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Support:
    """A regex element that supports others: its expressions, and how they are scanned for."""

    element: str
    printed: tuple[Wanted, ...]
    expressions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the scanner works with. Numbers: expressions, then primary keyword lists, then expressions
    that only support, counted from 0.

    shapes, literals and singles are scanned for in all text; numbers are shapes
    that numpy looks for (numbers.py). A family is a set of literals of which
    a match holds one, numbered behind the shapes; single_expressions are scanned for as they are.
    terms: those of keyword lists that are primary elements; words are the numbers of such lists.
    supporting: the expressions of all supports. keywords are those of every list in use;
    written[n].pattern is the number of a term's. lists: their names. needs: sets of lists. patterns:
    the expressions (of a primary keyword list: its name). possible: expression → (SIT, places in
    needs) pairs. elements: expression → the elements it is of. heads: a match has been seen this many
    bytes behind its start, context before it included; widths: it spans this many with its context;
    UNBOUNDED, UNKNOWN. leasts: it has been seen this many behind its start at the earliest. always:
    nothing can be said about these. killable: regex elements with an expression RE2 cannot take.
    """

    shapes: Database
    shape_numbers: tuple[int, ...]
    numbers: tuple[int, ...]
    literals: Database
    literal_families: tuple[tuple[int, ...], ...]
    singles: Database
    single_expressions: tuple[tuple[int, ...], ...]
    terms: Database
    term_expressions: tuple[tuple[int, ...], ...]
    words: tuple[int, ...]
    groups: tuple[Group, ...]
    supports: tuple[Support, ...]
    supporting: Database
    keywords: Database
    written: tuple[Written, ...]
    lists: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    patterns: tuple[str, ...]
    possible: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
    elements: tuple[tuple[str, ...], ...]
    heads: tuple[int, ...]
    widths: tuple[int, ...]
    leasts: tuple[int, ...]
    always: tuple[int, ...]
    killable: tuple[str, ...]
    notes: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _Expression:
    users: list[tuple[int, Needs]] = field(default_factory=list)
    node: Node | None = None
    shapes: tuple[int, ...] = ()
    literals: tuple[str, ...] = ()
    elements: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Key:
    """What expressions of one group have in common. members: lists whose terms are the trigger."""

    shape: int
    reach: int | None
    is_weak: bool
    members: tuple[int, ...] = ()


def plan_of(pack: Pack, sits: Sequence[Sit], cache: Path | None = None) -> Plan:
    """Analyse a pack; sits in the order their numbers stand for. Compiles nothing yet."""
    lists = sorted(name for name, item in pack.elements.items() if isinstance(item, Keyword))
    bits = {name: number for number, name in enumerate(lists)}
    found: dict[str, _Expression] = {}
    words: dict[str, _Expression] = {}
    for number, sit in enumerate(sits):
        for pattern in sit.patterns:
            needs = _needs(pattern, pack, bits)
            for name in parts_of(pack, pattern.primary):
                element = pack.elements[name]
                if isinstance(element, Regex):
                    for item in element.expressions:
                        one = found.setdefault(item.pattern, _Expression())
                        one.users.append((number, needs))
                        one.elements.append(name)
                elif isinstance(element, Keyword):
                    one = words.setdefault(name, _Expression(elements=[name]))
                    one.users.append((number, needs))
    used = {
        part
        for sit in sits
        for pattern in sit.patterns
        for ref in pattern_refs(pattern)
        for part in parts_of(pack, ref)
    }
    asked = {
        part
        for sit in sits
        for pattern in sit.patterns
        for ref in pattern_refs(pattern)[1:]
        for part in parts_of(pack, ref)
    }
    beside = {pack.filters[name].processor for sit in sits for name in _filters(sit)} - {""}
    asked |= {part for name in beside for part in parts_of(pack, name)}
    asked = {name for name in asked if isinstance(pack.elements[name], Regex)}
    used |= {part for name in beside for part in parts_of(pack, name)}
    return _assembled(pack, found, words, lists, used, sorted(asked), cache)


def _filters(sit: Sit) -> list[str]:
    return [*sit.filters, *(name for pattern in sit.patterns for name in pattern.filters)]


def parts_of(pack: Pack, name: str) -> list[str]:
    """The regex and keyword elements behind an element."""
    element = pack.elements[name]
    if isinstance(element, Union):
        return [part for inner in element.of for part in parts_of(pack, inner)]
    return [name]


# --- what a row must hold -----------------------------------------------------------------------


def _needs(pattern: Pattern, pack: Pack, bits: dict[str, int]) -> Needs:
    masks = [mask for item in pattern.conditions for mask in _masks(item, pack, bits)]
    return tuple(sorted(set(masks), key=sorted))


def _masks(condition: Condition, pack: Pack, bits: dict[str, int]) -> Iterable[frozenset[int]]:
    """Sets of each of which a keyword list must have a hit; none when nothing can be said."""
    if isinstance(condition, AnyOf):
        if condition.min_matches < 1:
            return
        if condition.min_matches >= len(condition.children):
            for child in condition.children:
                yield from _masks(child, pack, bits)
            return
        joined: frozenset[int] = frozenset()
        for child in condition.children:
            masks = list(_masks(child, pack, bits))
            if not masks:
                return
            joined |= masks[0]
        yield joined
        return
    if condition.min_count < 1:
        return
    names = parts_of(pack, condition.ref)
    if all(isinstance(pack.elements[name], Keyword) for name in names):
        yield frozenset(bits[name] for name in names)


# --- triggers -----------------------------------------------------------------------------------


def _assembled(
    pack: Pack,
    found: dict[str, _Expression],
    words: dict[str, _Expression],
    lists: Sequence[str],
    used_lists: Set[str],
    asked: Sequence[str],
    cache: Path | None,
) -> Plan:
    expressions = list(found.items())
    for pattern, item in expressions:
        _analyse(pattern, item)
    made = _Made(cache)
    printed, kinds = _usable(pack, expressions, lists, made)
    grouped, singles, families = kinds.grouped, kinds.singles, kinds.families
    always = kinds.always
    notes = [
        (
            expressions[number][1].elements[0],
            "nothing is known of its matches; every text is evaluated",
        )
        for number in always
    ]
    primary_terms: dict[Wanted, list[int]] = {}
    primary_words: list[int] = []
    for number, (name, item) in enumerate(words.items(), start=len(expressions)):
        expressions.append((name, item))
        element = pack.elements[name]
        assert isinstance(element, Keyword)
        primary_words.append(number)
        for wanted in sorted({term.wanted for term in written_of(element, 0)}):
            primary_terms.setdefault(wanted, []).append(number)
    found_supports = [_support(pack, name, expressions, cache) for name in asked]
    supports = tuple(one for one in found_supports if one is not None)
    terms: dict[Wanted, list[Written]] = {}
    for number, name in enumerate(lists):
        element = pack.elements[name]
        if name not in used_lists:
            continue
        assert isinstance(element, Keyword)
        for written in written_of(element, number):
            terms.setdefault(written.wanted, []).append(written)
    order = sorted(terms)
    masks: dict[frozenset[int], int] = {}
    for _, item in expressions:
        for _, needs in item.users:
            for mask in needs:
                masks.setdefault(mask, len(masks))
    single_order = sorted(singles)
    every = sorted({key.shape for key in grouped if key.shape < len(SHAPES)})
    used = [number for number in every if number not in NUMBERS]
    texts = sorted({text for family in families for text in family})
    return Plan(
        shapes=Database(tuple((scanned(number).encode(), 0) for number in used), cache),
        shape_numbers=tuple(used),
        numbers=tuple(number for number in every if number in NUMBERS),
        literals=Database(tuple((literal(text), CASELESS) for text in texts), cache),
        literal_families=tuple(
            tuple(number for family, number in families.items() if text in family) for text in texts
        ),
        singles=made.database(tuple(single_order)),
        single_expressions=tuple(tuple(singles[wanted]) for wanted in single_order),
        terms=Database(tuple(sorted(primary_terms)), cache),
        term_expressions=tuple(tuple(numbers) for _, numbers in sorted(primary_terms.items())),
        words=tuple(primary_words),
        groups=tuple(
            _group(key, numbers, printed, expressions, made)
            for key, numbers in sorted(
                grouped.items(), key=lambda item: (item[0].shape, str(item[0]))
            )
        ),
        supports=supports,
        supporting=Database(
            tuple(sorted({wanted for one in supports for wanted in one.printed})), cache
        ),
        keywords=Database(tuple(order), cache),
        written=tuple(
            replace(one, pattern=number)
            for number, wanted in enumerate(order)
            for one in terms[wanted]
        ),
        lists=tuple(
            sorted(name for name, item in pack.elements.items() if isinstance(item, Keyword))
        ),
        needs=tuple(tuple(sorted(mask)) for mask in masks),
        patterns=tuple(pattern for pattern, _ in expressions),
        possible=tuple(
            tuple(
                (sit, tuple(masks[mask] for mask in needs))
                for sit, needs in dict.fromkeys(item.users)
            )
            for _, item in expressions
        ),
        elements=tuple(tuple(dict.fromkeys(item.elements)) for _, item in expressions),
        heads=tuple(_head(item.node) for _, item in expressions),
        widths=tuple(_width(item.node) for _, item in expressions),
        leasts=tuple(0 if item.node is None else least(cut(item.node)) for _, item in expressions),
        always=tuple(always),
        killable=tuple(name for name in sorted(pack.elements) if _is_killable(pack, name)),
        notes=tuple(notes),
    )


@dataclass(slots=True)
class _Kinds:
    """Numbers of expressions by how they are looked for. always: those of which nothing is known."""

    grouped: dict[_Key, list[int]] = field(default_factory=dict)
    singles: dict[Wanted, list[int]] = field(default_factory=dict)
    families: dict[tuple[str, ...], int] = field(default_factory=dict)
    always: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Made:
    """Databases already made, by their patterns: what is tried is what will be scanned with."""

    cache: Path | None
    _known: dict[tuple[Wanted, ...], Database] = field(default_factory=dict)

    def database(self, patterns: tuple[Wanted, ...]) -> Database:
        return self._known.setdefault(patterns, Database(patterns, self.cache))

    def refused(self, patterns: tuple[Wanted, ...]) -> frozenset[Wanted]:
        """Those that Hyperscan does not take. To ask for each alone costs as much as all the rest."""
        try:
            self.database(patterns).ready()
        except DatabaseError:
            bad = frozenset(patterns) - accepted(patterns, self.cache)
            if not bad:
                raise
            return bad
        return frozenset()


def _usable(
    pack: Pack, expressions: list[tuple[str, _Expression]], lists: Sequence[str], made: _Made
) -> tuple[dict[int, Wanted], _Kinds]:
    """What is scanned for of each expression that can be, and how."""
    nodes = {
        number: item.node for number, (_, item) in enumerate(expressions) if item.node is not None
    }
    printed: dict[int, Wanted] = {number: (scannable(node), 0) for number, node in nodes.items()}
    tried: set[int] = set()
    while True:
        kinds = _kinds(pack, expressions, printed, lists)
        together = [
            tuple(printed[number] for number in part)
            for numbers in kinds.grouped.values()
            for part in _parts(numbers, printed)
        ]
        asked = [made.refused(one) for one in (*together, tuple(sorted(kinds.singles)))]
        refused = frozenset().union(*asked)
        if not refused:
            return printed, kinds
        for number in [one for one, wanted in printed.items() if wanted in refused]:
            del printed[number]
            if number not in tried:
                # what is too large may fit when its long repeats are counted less exactly
                tried.add(number)
                printed[number] = (scannable(nodes[number], FEW_COPIES), 0)


def _parts(numbers: Sequence[int], printed: Mapping[int, Wanted]) -> tuple[tuple[int, ...], ...]:
    """Expressions of a group as they are scanned for together."""
    order = sorted(numbers, key=lambda number: printed[number])
    return tuple(
        tuple(order[first : first + MAX_TOGETHER]) for first in range(0, len(order), MAX_TOGETHER)
    )


def _kinds(
    pack: Pack,
    expressions: list[tuple[str, _Expression]],
    printed: Mapping[int, Wanted],
    lists: Sequence[str],
) -> _Kinds:
    kinds = _Kinds()
    families, grouped = kinds.families, kinds.grouped
    for number, (_, item) in enumerate(expressions):
        if number not in printed:
            kinds.always.append(number)
        elif item.literals:
            family = families.setdefault(item.literals, len(SHAPES) + len(families))
            key = _Key(family, _reach(item.node), all(needs for _, needs in item.users))
            grouped.setdefault(key, []).append(number)
        elif item.shapes:
            for shape in item.shapes:
                key = _Key(shape, _reach(item.node), all(needs for _, needs in item.users))
                grouped.setdefault(key, []).append(number)
        elif worded := _worded(pack, item, lists):
            literals, members = worded
            family = families.setdefault(literals, len(SHAPES) + len(families))
            grouped.setdefault(_Key(family, None, True, members), []).append(number)
        else:
            kinds.singles.setdefault(printed[number], []).append(number)
    return kinds


def _is_killable(pack: Pack, name: str) -> bool:
    element = pack.elements[name]
    return isinstance(element, Regex) and any(
        isinstance(matcher(item.pattern), JailedMatcher) for item in element.expressions
    )


def _support(
    pack: Pack, name: str, expressions: list[tuple[str, _Expression]], cache: Path | None
) -> Support | None:
    """An element that supports others, its expressions put behind the rest; None: not to be scanned."""
    element = pack.elements[name]
    assert isinstance(element, Regex)
    mine: list[tuple[str, _Expression]] = []
    for item in element.expressions:
        one = _Expression(elements=[name])
        _analyse(item.pattern, one)
        if one.node is None or isinstance(matcher(item.pattern), JailedMatcher):
            return None
        mine.append((item.pattern, one))
    printed = [(scannable(one.node), 0) for _, one in mine if one.node is not None]
    if not mine or len(accepted(list(dict.fromkeys(printed)), cache)) < len(set(printed)):
        return None
    first = len(expressions)
    expressions.extend(mine)
    numbers = tuple(range(first, first + len(mine)))
    return Support(name, tuple(printed), numbers)


def _analyse(pattern: str, item: _Expression) -> None:
    try:
        jailed = isinstance(matcher(pattern), JailedMatcher)
        item.node = parse(translate(pattern).python, python_folding=jailed)
        automaton = automaton_of(item.node)
        item.shapes = shapes_of(automaton)
        if not item.shapes:
            literals = literals_of(item.node, automaton)
            if _cost(literals, _reach(item.node)) <= CHEAPER_THAN_SINGLE:
                item.literals = literals
    except (Unreadable, Untranslatable, TooLarge):
        return


EVENT_NS, BYTE_NS = 250, 1.5
"""What an event and a byte in a window cost, about."""
CHEAPER_THAN_SINGLE = 0.7
"""ns per byte of text: what scanning all text for one expression costs, about."""
ROW_BYTES = 500


def _cost(literals: Iterable[str], reach: int | None) -> float:
    """What looking for literals and around them costs, in ns per byte of ordinary text."""
    window = 2 * min(reach or ROW_BYTES, ROW_BYTES)
    return sum(map(rate, literals)) * (EVENT_NS + window * BYTE_NS) / 1_000_000


def _worded(
    pack: Pack, item: _Expression, lists: Sequence[str]
) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """Literals, and the lists they stand for, of which a row must hold one for an expression to count.

    None when it can count without, or the literals are too common.
    """
    members: set[int] = set()
    for _, needs in item.users:
        if not needs:
            return None
        members |= min(needs, key=lambda one: sum(_terms(pack, lists[number]) for number in one))
    pieces: set[str] = set()
    for number in members:
        element = pack.elements[lists[number]]
        assert isinstance(element, Keyword)
        found = pieces_of(element)
        if found is None:
            return None
        pieces |= found
    if not pieces or len(pieces) > MAX_PIECES or _cost(pieces, None) > CHEAPER_THAN_SINGLE:
        return None
    return tuple(sorted(pieces)), tuple(sorted(members))


def _terms(pack: Pack, name: str) -> int:
    element = pack.elements[name]
    return sum(len(group.terms) for group in element.groups) if isinstance(element, Keyword) else 0


def _reach(node: Node | None) -> int | None:
    """How far a match reaches around a shape inside it, in steps, so that groups stay few."""
    widest = None if node is None else width(node)
    if widest is None or widest + MARGIN_BYTES > MAX_WIDTH_BYTES:
        return None
    return next(step for step in (64, 160, 512, MAX_WIDTH_BYTES) if widest + MARGIN_BYTES <= step)


def _head(node: Node | None) -> int:
    """How far behind a match's start what the scan finds of it can end, at most."""
    found = None if node is None else width(cut(node))
    return UNBOUNDED if found is None else found + MARGIN_BYTES


def _width(node: Node | None) -> int:
    if node is None:
        return UNKNOWN
    found = width(node)
    return UNBOUNDED if found is None else found + MARGIN_BYTES


def _group(
    key: _Key,
    numbers: list[int],
    printed: dict[int, Wanted],
    expressions: list[tuple[str, _Expression]],
    made: _Made,
) -> Group:
    needs = set(key.members)
    if key.is_weak and not needs:
        for number in numbers:
            for _, masks in expressions[number][1].users:
                needs |= masks[0]
    parts = _parts(numbers, printed)
    return Group(
        shape=key.shape,
        reach=key.reach,
        needs=tuple(sorted(needs)),
        worded=bool(key.members),
        databases=tuple(made.database(tuple(printed[number] for number in part)) for part in parts),
        expressions=parts,
    )
