"""The classifier for machines without Hyperscan: sets of RE2 expressions say what a text may hold.

Slower than the cascade, by the same meaning: what a set leaves over is evaluated by the reference
evaluator, which looks for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import re2

from dlpagent.classifiers.classify import match_batch
from dlpagent.classifiers.compiled import CompiledPack, gate_of
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.reference import Evidences, Hit, evaluate_in
from dlpagent.classifiers.regexes import Re2Matcher, matcher
from dlpagent.classifiers.sit import Keyword, Pack, Regex, Sit, Union
from dlpagent.evidence import Evidence, ValueForm
from dlpagent.findings import Classified, Incomplete, PackRef

TOGETHER = 64
"""Expressions in one set: larger sets outgrow their memory on dense texts."""
MAX_MEMORY = 256 << 20

_ALWAYS = 0


@dataclass(slots=True)
class ExpressionSet:
    """Expressions searched for together. A set that runs out of memory says nothing of a text.

    RE2 reports that like "no match". So one more expression, which matches everywhere, stands at
    number 0: a result without it means that any of the others may match.
    """

    names: tuple[str, ...]
    _set: re2.Set | None

    @classmethod
    def of(cls, patterns: Sequence[tuple[str, str]], max_memory: int = MAX_MEMORY) -> ExpressionSet:
        """A set of (name, RE2 pattern) pairs; several patterns may have one name."""
        options = re2.Options()
        options.log_errors = False
        options.max_mem = max_memory
        together = re2.Set.SearchSet(options)
        together.Add("")
        for _, pattern in patterns:
            together.Add(pattern)
        names = tuple(name for name, _ in patterns)
        try:
            together.Compile()
        except re2.error:  # larger than its memory: it can say nothing of any text
            return cls(names, None)
        return cls(names, together)

    def possible(self, data: bytes) -> Iterator[str]:
        """Names of expressions that may match in a text in UTF-8; a name may come twice."""
        found = (self._set.Match(data) if self._set else None) or ()
        if _ALWAYS not in found:
            yield from self.names
            return
        yield from (self.names[number - 1] for number in found if number != _ALWAYS)


@dataclass(slots=True)
class SetClassifier:
    """Gives what ReferenceClassifier gives, without looking for every SIT in every text."""

    compiled: CompiledPack
    evidence: Evidence
    max_memory: int = MAX_MEMORY
    _forms: dict[str, ValueForm] = field(init=False, repr=False)
    _always: frozenset[str] = field(init=False, repr=False)
    _regexes: tuple[ExpressionSet, ...] = field(init=False, repr=False)
    _keywords: tuple[ExpressionSet, ...] = field(init=False, repr=False)
    _users: dict[str, tuple[Sit, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._forms = {sit.id: sit.value for sit in self.compiled.sits}
        users = _users_of(self.compiled.pack, self.compiled.sits)
        self._users = {name: tuple(sits) for name, sits in users.items()}
        regexes, self._always = _regex_patterns(self.compiled.pack, users)
        self._regexes = _sets(regexes, self.max_memory)
        self._keywords = _sets(_keyword_patterns(self.compiled.pack, users), self.max_memory)

    def __reduce__(self) -> tuple[object, ...]:
        return (SetClassifier, (self.compiled, self.evidence, self.max_memory))

    @classmethod
    def of(cls, pack: Pack, evidence: Evidence) -> SetClassifier:
        """The classifier of a loaded pack."""
        return cls(CompiledPack(pack), evidence)

    @property
    def pack(self) -> PackRef:
        return self.compiled.ref

    @property
    def sit_names(self) -> Mapping[str, str]:
        return self.compiled.pack.sit_names

    def classify(self, batch: pa.RecordBatch) -> Classified:
        """Matches in the texts of a batch of RECORD_SCHEMA. See dlpagent.ports.Classifier."""
        hits: list[tuple[int, Hit]] = []
        incomplete: list[Incomplete] = []
        texts, contexts = batch.column("text").to_pylist(), batch.column("context").to_pylist()
        for row, text in enumerate(texts):
            if not text:
                continue
            subject = Subject.of(text)
            primaries = self._primaries(subject)
            if not primaries:
                continue
            found = Evidences(self.compiled, subject, Subject.of(contexts[row] or ""), primaries)
            result = evaluate_in(found, self._sits(primaries))
            hits.extend((row, hit) for hit in result.hits)
            incomplete.extend(Incomplete(row, sit, why) for sit, why in result.incomplete)
        return Classified(match_batch(hits, self._forms, self.evidence), tuple(incomplete))

    def _primaries(self, subject: Subject) -> set[str]:
        found = set(self._always)
        for one in self._regexes:
            found.update(one.possible(subject.data))
        if self._keywords:
            low = subject.low.encode("utf-8", "replace")
            for one in self._keywords:
                found.update(one.possible(low))
        return found

    def _sits(self, primaries: set[str]) -> list[Sit]:
        chosen = {sit.id: sit for name in primaries for sit in self._users[name]}
        return [chosen[ident] for ident in sorted(chosen)]


def _users_of(pack: Pack, sits: Sequence[Sit]) -> dict[str, list[Sit]]:
    """Regex or keyword element → the SITs it is a primary of, unions opened."""
    users: dict[str, list[Sit]] = {}
    for sit in sits:
        waiting = [pattern.primary for pattern in sit.patterns]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            element = pack.elements[name]
            if isinstance(element, Union):
                waiting += element.of
            else:
                users.setdefault(name, []).append(sit)
    return users


def _regex_patterns(
    pack: Pack, users: Mapping[str, object]
) -> tuple[list[tuple[str, str]], frozenset[str]]:
    """(element, RE2 pattern) pairs, and the elements of which no RE2 pattern tells anything."""
    patterns: list[tuple[str, str]] = []
    always: set[str] = set()
    for name in sorted(users):
        element = pack.elements[name]
        if not isinstance(element, Regex):
            continue
        for item in element.expressions:
            one = matcher(item.pattern)
            gate = one.first if isinstance(one, Re2Matcher) else one.gate
            if gate is None:
                always.add(name)
            else:
                patterns.append((name, gate.pattern))
    return patterns, frozenset(always)


def _keyword_patterns(pack: Pack, users: Mapping[str, object]) -> list[tuple[str, str]]:
    found = []
    for name in sorted(users):
        element = pack.elements[name]
        if isinstance(element, Keyword):
            gate = gate_of(element)
            if gate is not None:
                found.append((name, gate.pattern))
    return found


def _sets(patterns: Sequence[tuple[str, str]], max_memory: int) -> tuple[ExpressionSet, ...]:
    return tuple(
        ExpressionSet.of(patterns[start : start + TOGETHER], max_memory)
        for start in range(0, len(patterns), TOGETHER)
    )
