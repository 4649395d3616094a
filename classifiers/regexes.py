"""Regular expressions of rule packages: one syntax, one meaning, a hard bound on time.

Purview's are Boost.Regex. What differs from Python and RE2 is translated (translate); classes
``\\d \\w \\s \\b`` are ASCII, as in every engine we use. A pattern runs on RE2, linear in the text,
when RE2 can take it; lookarounds of one character at its edges are turned into context that RE2
consumes outside the match. Any other pattern runs in a child process that is killed when its time
is over (regex_jail.py).

A group named `value`, as in ``password=(?P<value>\\S+)``, is what such a pattern matches: what
stands around it is context. Validators, spans and evidence then see the value alone.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import re2

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.regex_syntax import (
    Edges,
    RuleTimeout,
    Untranslatable,
    edges_of,
    relaxed,
    translate,
)

MAX_PATTERN_CHARS = 10_000
TIME_LIMIT_S = 2.0
# RE2 cannot be interrupted either: where its automaton outgrows its memory, a text costs its length
# times the program. Larger programs run where they can be killed.
MAX_PROGRAM = 30_000
# After a match its validators reject, the search goes on one character after its start, so that a
# true number is found inside a longer run; behind long matches it goes on at their end, which
# bounds the work per text.
RESCAN_CHARS = 64
VALUE_GROUP = "value"


Accept = Callable[[str], bool]


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return options


OPTIONS = _options()


@dataclass(frozen=True, slots=True)
class Re2Matcher:
    """A pattern on RE2. group is the match; the context around it is consumed, not reported.

    first is searched from the start of the text; inner, whose context must be a character, behind it.
    """

    first: re2._Regexp
    inner: re2._Regexp
    before_chars: int
    group: int = 1
    engine: str = "re2"

    def spans(self, subject: Subject, accept: Accept | None = None) -> Iterator[tuple[int, int]]:
        """Accepted matches, leftmost first, in code points of the shadow; they do not overlap.

        Empty matches do not count. Raises RuleTimeout when the limit for one text is over.
        """
        data, text = subject.data, subject.text
        deadline = time.monotonic() + TIME_LIMIT_S + len(data) / 2_000_000
        char = 0  # the next match starts here or later
        while char <= len(text):
            search = self.inner if char else self.first
            found = search.search(data, subject.to_bytes(max(0, char - self.before_chars)))
            if found is None:
                return
            first, last = (subject.to_chars(byte) for byte in found.span(self.group))
            if first == last:
                char = max(char, first) + 1
            elif accept is None or accept(text[first:last]):
                yield first, last
                char = last
            else:
                char = last if last - first > RESCAN_CHARS else first + 1
            if time.monotonic() > deadline:
                raise RuleTimeout


@dataclass(slots=True)
class JailedMatcher:
    """A pattern RE2 cannot take, matched by Python's re in a process that can be killed.

    gate: an RE2 pattern that matches wherever this one can; texts it does not match are not sent.
    """

    pattern: str
    gate: re2._Regexp | None
    engine: str = "killable"
    _broken: int = field(default=0)

    def spans(self, subject: Subject, accept: Accept | None = None) -> Iterator[tuple[int, int]]:
        """As Re2Matcher.spans. After three time-outs the rule counts as timed out at once."""
        if self.gate is not None and not self.gate.search(subject.data):
            return
        if self._broken >= 3:
            raise RuleTimeout
        from dlpagent.classifiers.regex_jail import JAIL  # noqa: PLC0415 - starts a process

        deadline = time.monotonic() + TIME_LIMIT_S + len(subject.data) / 2_000_000
        position, more, few = 0, True, False
        while more:
            if time.monotonic() > deadline:
                raise RuleTimeout
            found, more = self._ask(JAIL.find, subject.text, position, few=few)
            few = False
            for start, end in found:
                position = end
                if accept is None or accept(subject.text[start:end]):
                    yield start, end
                elif end - start <= RESCAN_CHARS:
                    # the rest of the answer began behind this match: ask again from inside it
                    position, more, few = start + 1, True, True
                    break

    def _ask(
        self,
        find: Callable[..., tuple[list[tuple[int, int]], bool]],
        text: str,
        position: int,
        *,
        few: bool,
    ) -> tuple[list[tuple[int, int]], bool]:
        try:
            return find(self.pattern, text, position, TIME_LIMIT_S, few=few)
        except RuleTimeout:
            self._broken += 1
            raise


Matcher = Re2Matcher | JailedMatcher


@functools.lru_cache(maxsize=8192)
def matcher(pattern: str) -> Matcher:
    """The matcher of a pattern. Raises Untranslatable when no engine can take it."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise Untranslatable(f"it is longer than {MAX_PATTERN_CHARS} characters")
    translated = translate(pattern)
    edges = edges_of(translated.re2)
    first = _compile_re2(edges)
    if first is not None:
        inner = _compile_re2(edges.inner()) if edges.before_chars else first
        group = first.groupindex.get(VALUE_GROUP, 1)
        return Re2Matcher(first, inner or first, edges.before_chars, group)
    try:
        re.compile(translated.python)
    except (re.error, RecursionError, OverflowError) as error:
        message = error.msg if isinstance(error, re.error) else type(error).__name__
        raise Untranslatable(message) from None
    gate = relaxed(translated.re2)
    return JailedMatcher(translated.python, _compile_re2(edges_of(gate)) if gate else None)


def _compile_re2(edges: Edges) -> re2._Regexp | None:
    try:
        compiled = re2.compile(edges.pattern, OPTIONS)
    except re2.error:
        return None
    return compiled if compiled.programsize <= MAX_PROGRAM else None


def regex_problem(pattern: str) -> str:
    """What is wrong with a pattern, in one clause; empty when it can be used."""
    try:
        matcher(pattern)
    except Untranslatable as problem:
        return str(problem)
    return ""
