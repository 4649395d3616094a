"""From a chunk of rows to its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.cascade.chunk import Chunk
from dlpagent.classifiers.cascade.database import Ints
from dlpagent.classifiers.cascade.decide import Bools, Decided, Decider
from dlpagent.classifiers.cascade.finders import Finders
from dlpagent.classifiers.cascade.found import Findings
from dlpagent.classifiers.cascade.plan import Plan, parts_of
from dlpagent.classifiers.cascade.ragged import distinct
from dlpagent.classifiers.cascade.rows import Rows
from dlpagent.classifiers.cascade.scanner import context_lists
from dlpagent.classifiers.cascade.tables import Tables
from dlpagent.classifiers.cascade.words import Words
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.normalise import Subject, shadow_of
from dlpagent.classifiers.reference import Evidences, Hit, evaluate
from dlpagent.classifiers.sit import Keyword, Pack, Sit, pattern_refs
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
            if not names.isdisjoint(plan.killable):
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


@dataclass(slots=True)
class Reader:
    """Reads the chunks of one batch.

    _codes: row → place of its context in _beside, -1: none. _lists: row → lists its context may hold.
    """

    engine: Engine
    texts: pa.Array
    contexts: pa.Array
    _codes: Ints = field(init=False)
    _beside: list[str] = field(init=False, default_factory=list)
    _lists: dict[int, tuple[int, ...]] = field(init=False, default_factory=dict)
    _held: dict[tuple[int, str], Counter[str]] = field(init=False, default_factory=dict)
    _evidences: dict[int, Evidences] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._codes = np.full(len(self.contexts), -1, dtype=np.int64)
        if self.contexts.null_count == len(self.contexts):
            return
        encoded = self.contexts.dictionary_encode()
        self._beside = encoded.dictionary.to_pylist()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        self._codes = codes.astype(np.int64)
        lists = [self.engine.context_lists(text) for text in self._beside]
        held = [code for code, one in enumerate(lists) if one]
        rows = np.flatnonzero(np.isin(self._codes, held))
        self._lists = {row: lists[self._codes[row]] for row in rows.tolist()}

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

        chunk.search()
        if not chunk.primaries and not chunk.rows_of_odd:
            return Findings()
        numbers = sorted(
            {sit for name in chunk.primaries for sit in engine.sits_of[name]} - engine.odd
        )
        if numbers:
            held = [chunk.primaries[name].starts for name in chunk.primaries]
            where = np.searchsorted(rows.char_starts, np.concatenate(held), side="right") - 1
            words.look(distinct(where))
        wanted = {name for number in numbers for name in engine.lists_of[number]}
        lists = words.spans(
            np.array([engine.plan.lists.index(name) for name in sorted(wanted)], dtype=np.int64)
        )
        decider = Decider(
            engine.compiled,
            chunk,
            {engine.plan.lists[number]: spans for number, spans in lists.items()},
            lambda names, where: self._in_context(names, where + rows.first),
            lambda row, name: self._beside_row(rows.first + row, name),
            lambda row: self._of(rows.first + row),
        )
        decided = [(number, decider.decide(engine.compiled.sits[number])) for number in numbers]
        findings = self._findings(chunk, [(n, one) for n, one in decided if one is not None])
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

    def _in_context(self, names: tuple[str, ...], rows: Ints) -> Bools:
        """Which rows of the batch have a context that holds a hit of some elements."""
        codes = self._codes[rows]
        held = [
            code
            for code in distinct(codes[codes >= 0]).tolist()
            if any(self._holds(code, name) for name in names)
        ]
        return np.isin(codes, held)

    def _holds(self, code: int, name: str) -> Counter[str]:
        known = self._held.get((code, name))
        if known is None:
            subject = Subject.of(self._beside[code])
            found = self.engine.compiled.find(name, subject)
            known = self._held[code, name] = Counter(subject.low[slice(*span)] for span in found)
        return known

    def _beside_row(self, row: int, name: str) -> Counter[str]:
        code = int(self._codes[row])
        return self._holds(code, name) if code >= 0 else Counter()

    def _of(self, row: int) -> Evidences:
        known = self._evidences.get(row)
        if known is None:
            text, context = self.texts[row].as_py(), self.contexts[row].as_py() or ""
            known = self._evidences[row] = Evidences(
                self.engine.compiled, Subject.of(text), Subject.of(context)
            )
        return known

    def _findings(self, chunk: Chunk, decided: list[tuple[int, Decided]]) -> Findings:
        if not decided:
            return Findings()
        rows = chunk.rows
        where = np.concatenate([one.places.rows for _, one in decided])
        starts = np.concatenate([one.places.starts for _, one in decided])
        ends = np.concatenate([one.places.ends for _, one in decided])
        patterns = np.concatenate([one.patterns for _, one in decided])
        sits = np.repeat(
            [number for number, _ in decided], [len(one.patterns) for _, one in decided]
        )
        order = np.lexsort((sits, ends, starts))
        where, starts, ends = where[order], starts[order], ends[order]
        spans = zip(where.tolist(), starts.tolist(), ends.tolist(), strict=True)
        values = [chunk.text(*span) for span in spans]
        starts, ends = starts - rows.char_starts[where], ends - rows.char_starts[where]
        if rows.moved:
            self._move(rows, where, starts, ends)
        return Findings(where + rows.first, starts, ends, sits[order], patterns[order], values)

    @staticmethod
    def _move(rows: Rows, where: Ints, starts: Ints, ends: Ints) -> None:
        """Put offsets in folded texts back to those in the texts."""
        for place, row in enumerate(where.tolist()):
            lost = rows.moved.get(row)
            if lost is not None:
                start, last = int(starts[place]), int(ends[place]) - 1
                before = np.searchsorted(lost, (start, last), side="right").tolist()
                starts[place], ends[place] = start + before[0], last + before[1] + 1
