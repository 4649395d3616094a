"""From a chunk of rows to its findings."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.cascade.chunk import Chunk, Finders
from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.decide import Decided, Decider
from dlpagent.classifiers.cascade.found import Findings
from dlpagent.classifiers.cascade.plan import Plan, parts_of
from dlpagent.classifiers.cascade.ragged import NONE, distinct
from dlpagent.classifiers.cascade.rows import Rows
from dlpagent.classifiers.cascade.scanner import context_lists
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.words import Words
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.normalise import Subject, shadow_of
from dlpagent.classifiers.reference import Evidences, Hit, evaluate
from dlpagent.classifiers.regexes import Re2Matcher, matcher
from dlpagent.classifiers.sit import Keyword, Pack, Regex, Sit, pattern_refs
from dlpagent.findings import Incomplete

MAX_CONTEXTS = 4_096


@dataclass(slots=True)
class Engine:
    """A pack with its plan, ready to read chunks.

    sits_of: primary element → numbers of SITs. lists_of: SIT → keyword lists it asks. odd: SITs that
    are left to the reference evaluator where their expressions may match, as their regexes can run
    out of time, or the scan knows nothing of them; odd_expressions: all of theirs.
    """

    compiled: CompiledPack
    plan: Plan
    tables: Tables = field(init=False)
    finders: Finders = field(init=False)
    sits_of: dict[str, list[int]] = field(init=False)
    lists_of: list[frozenset[str]] = field(init=False)
    odd: frozenset[int] = field(init=False)
    odd_expressions: frozenset[int] = field(init=False)
    _contexts: dict[str, tuple[int, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        pack, plan = self.compiled.pack, self.plan
        self.tables = Tables(plan)
        self.finders = Finders(self.compiled, plan)
        self.sits_of, self.lists_of = {}, []
        odd = {sit for number in plan.always for sit, _ in plan.possible[number]}
        for number, sit in enumerate(self.compiled.sits):
            names = set(_parts(pack, sit))
            if any(_is_odd(pack, name) for name in names):
                odd.add(number)
            self.lists_of.append(
                frozenset(name for name in names if isinstance(pack.elements[name], Keyword))
            )
            primaries = {one for item in sit.patterns for one in parts_of(pack, item.primary)}
            for name in primaries:
                self.sits_of.setdefault(name, []).append(number)
        self.odd = frozenset(odd)
        self.odd_expressions = frozenset(
            number
            for number, users in enumerate(plan.possible)
            if any(sit in odd for sit, _ in users)
        )

    def context_lists(self, text: str) -> tuple[int, ...]:
        """The keyword lists a context may hold."""
        known = self._contexts.get(text)
        if known is None:
            if len(self._contexts) > MAX_CONTEXTS:
                self._contexts.clear()
            data = shadow_of(text).encode("utf-8", "replace")
            known = self._contexts[text] = context_lists(self.tables, data) if data else ()
        return known


def _odd_rows(engine: Engine, chunk: Chunk) -> Iterator[tuple[int, list[Sit], frozenset[str]]]:
    """Rows in which odd SITs are possible, with these and the elements that may be their primaries."""
    sits: dict[int, set[int]] = {}
    names: dict[int, set[str]] = {}
    plan = engine.plan
    for number, rows in chunk.rows_of_odd.items():
        for row in rows.tolist():
            sits.setdefault(row, set()).update(sit for sit, _ in plan.possible[number])
            names.setdefault(row, set()).update(plan.elements[number])
    for row in sorted(sits):
        mine = [engine.compiled.sits[sit] for sit in sorted(sits[row] & engine.odd)]
        yield row, mine, frozenset(names[row])


def _parts(pack: Pack, sit: Sit) -> Iterator[str]:
    for pattern in sit.patterns:
        names = pattern_refs(pattern)
        names += [pack.filters[name].processor for name in (*sit.filters, *pattern.filters)]
        for name in names:
            if name:
                yield from parts_of(pack, name)


def _is_odd(pack: Pack, name: str) -> bool:
    element = pack.elements[name]
    return isinstance(element, Regex) and not all(
        isinstance(matcher(item.pattern), Re2Matcher) for item in element.expressions
    )


@dataclass(slots=True)
class Reader:
    """Reads the chunks of one batch."""

    engine: Engine
    texts: pa.Array
    contexts: pa.Array
    _lists: dict[int, tuple[int, ...]] = field(init=False, default_factory=dict)
    _evidences: dict[int, Evidences] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Row → lists of its context, for rows whose context holds any."""
        if self.contexts.null_count == len(self.contexts):
            return
        encoded = pc.fill_null(self.contexts, "").dictionary_encode()
        lists = [self.engine.context_lists(text) for text in encoded.dictionary.to_pylist()]
        if not any(lists):
            return
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(np.isin(codes, [code for code, one in enumerate(lists) if one]))
        self._lists = {row: lists[codes[row]] for row in rows.tolist()}

    def read(self, rows: Rows) -> Findings:
        """The findings of one chunk."""
        last = rows.first + len(rows.starts)
        beside = {
            row - rows.first: lists
            for row, lists in self._lists.items()
            if rows.first <= row < last
        }
        engine = self.engine
        words = Words(engine.tables, rows, beside)
        chunk = Chunk(engine.tables, rows, words, engine.finders, engine.odd_expressions)
        self._evidences.clear()

        def find(name: str, row: int) -> list[tuple[int, int]]:
            subject = self._of(rows.first + row).subject
            first = int(rows.char_starts[row])
            return [
                (first + start, first + end) for start, end in engine.compiled.find(name, subject)
            ]

        chunk.search(find)
        numbers = sorted(
            {sit for name in chunk.primaries for sit in engine.sits_of[name]} - engine.odd
        )
        if numbers:
            held = [chunk.primaries[name].starts for name in chunk.primaries]
            where = np.searchsorted(rows.char_starts, np.concatenate(held), side="right") - 1
            words.look(distinct(where))
        wanted = {name for number in numbers for name in engine.lists_of[number]}
        lists = words.spans(
            np.array([engine.plan.lists.index(name) for name in sorted(wanted)], dtype=np.int64),
            find,
        )
        decider = Decider(
            engine.compiled,
            chunk,
            {engine.plan.lists[number]: spans for number, spans in lists.items()},
            functools.cache(lambda names: self._in_context(rows, beside, names)),
            lambda row: self._of(rows.first + row),
        )
        decided = [(number, decider.decide(engine.compiled.sits[number])) for number in numbers]
        findings = self._findings(rows, [(n, one) for n, one in decided if one is not None])
        findings.incomplete = [
            Incomplete(rows.first + row, sit, why) for row, sit, why in decider.incomplete
        ]
        return self._with_odd(findings, chunk) if chunk.rows_of_odd else findings

    def _with_odd(self, findings: Findings, chunk: Chunk) -> Findings:
        """The findings, and those that only the reference evaluator can give."""
        engine, first = self.engine, chunk.rows.first
        numbers = {sit.id: number for number, sit in enumerate(engine.compiled.sits)}
        more: list[tuple[int, Hit]] = []
        for row, sits, primaries in _odd_rows(engine, chunk):
            text, context = self.texts[first + row].as_py(), self.contexts[first + row].as_py()
            result = evaluate(engine.compiled, text, context or "", sits, primaries)
            more.extend((first + row, hit) for hit in result.hits)
            findings.incomplete.extend(
                Incomplete(first + row, sit, why) for sit, why in result.incomplete
            )
        findings.incomplete.sort(key=lambda one: (one.row, one.sit_id or ""))
        return findings.with_hits(more, numbers)

    def _in_context(
        self, rows: Rows, beside: dict[int, tuple[int, ...]], names: tuple[str, ...]
    ) -> Ints:
        """Rows of the chunk whose context holds a hit of some lists."""
        if not beside:
            return NONE
        numbers = {self.engine.plan.lists.index(name) for name in names}
        return np.array(
            [
                row
                for row, lists in beside.items()
                if numbers & set(lists)
                and any(self._of(rows.first + row).in_context(name) for name in names)
            ],
            dtype=np.int64,
        )

    def _of(self, row: int) -> Evidences:
        known = self._evidences.get(row)
        if known is None:
            text, context = self.texts[row].as_py(), self.contexts[row].as_py() or ""
            known = self._evidences[row] = Evidences(
                self.engine.compiled, Subject.of(text), Subject.of(context)
            )
        return known

    def _findings(self, rows: Rows, decided: list[tuple[int, Decided]]) -> Findings:
        if not decided:
            return Findings()
        where = np.concatenate([one.places.rows for _, one in decided])
        starts = np.concatenate([one.places.starts for _, one in decided])
        ends = np.concatenate([one.places.ends for _, one in decided])
        patterns = np.concatenate([one.patterns for _, one in decided])
        sits = np.repeat(
            [number for number, _ in decided], [len(one.patterns) for _, one in decided]
        )
        order = np.lexsort((sits, ends, starts))
        where, starts, ends = where[order], starts[order], ends[order]
        values = self._values(rows, where, starts, ends)
        starts, ends = starts - rows.char_starts[where], ends - rows.char_starts[where]
        if rows.moved:
            self._move(rows, where, starts, ends)
        return Findings(where + rows.first, starts, ends, sits[order], patterns[order], values)

    def _values(self, rows: Rows, where: Ints, starts: Ints, ends: Ints) -> list[str]:
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        if rows.is_ascii:
            return [rows.data[start:end].decode() for start, end in spans]
        texts = {
            row: rows.data[rows.starts[row] : rows.ends[row]].decode()
            for row in distinct(where).tolist()
        }
        firsts = rows.char_starts[where].tolist()
        return [
            texts[row][start - first : end - first]
            for row, first, (start, end) in zip(where.tolist(), firsts, spans, strict=True)
        ]

    def _move(self, rows: Rows, where: Ints, starts: Ints, ends: Ints) -> None:
        """Put offsets in folded texts back to those in the texts."""
        for place, row in enumerate(where.tolist()):
            if row in rows.moved:
                subject = self._of(rows.first + row).subject
                starts[place], ends[place] = subject.original(int(starts[place]), int(ends[place]))
