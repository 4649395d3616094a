"""The expressions of a pack with their validators: how each is found, made when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dlpagent.classifiers.cascade.exact import Finder, finder_for
from dlpagent.classifiers.cascade.finite import Finite, finite_of
from dlpagent.classifiers.cascade.plan import Plan
from dlpagent.classifiers.cascade.sieve import Sieve, sieve_of
from dlpagent.classifiers.compiled import CompiledPack, acceptance_of
from dlpagent.classifiers.regex_syntax import translate
from dlpagent.classifiers.regexes import RESCAN_CHARS, Accept
from dlpagent.classifiers.sit import Regex, ValidatorSpec

MAX_REMEMBERED = 20_000


@dataclass(slots=True)
class Sought:
    """An expression with the validators of its elements: elements[n] are those that accepts[n] is of,
    sieves[n] is what can be said of many values at once."""

    pattern: str
    width: int
    least: int
    accepts: Sequence[Accept | None]
    elements: Sequence[Sequence[str]]
    sieves: Sequence[Sieve | None]
    _finder: Finder | None = field(init=False, default=None)
    _finite: Finite | None = field(init=False, default=None)
    _is_read: bool = field(init=False, default=False)

    @property
    def finder(self) -> Finder:
        """Finds matches in one region of a row."""
        if self._finder is None:
            self._finder = finder_for(self.pattern, self.width, self.least, self.accepts)
        return self._finder

    @property
    def finite(self) -> Finite | None:
        """The expression as it is matched in many rows together; None: it cannot be."""
        if not self._is_read:
            self._finite, self._is_read = self._as_finite(), True
        return self._finite

    def _as_finite(self) -> Finite | None:
        """Behind a long match that is refused the search goes on at its end: such are left to RE2."""
        if "<value>" in self.pattern or self.width < 0:
            return None
        found = finite_of(translate(self.pattern).python)
        if found is None or (found.width > RESCAN_CHARS and any(self.accepts)):
            return None
        return found


@dataclass(slots=True)
class Finders:
    """The expressions of a pack by number."""

    compiled: CompiledPack
    plan: Plan
    _known: dict[int, Sought] = field(init=False, default_factory=dict)
    _named: dict[tuple[int, str], Sought] = field(init=False, default_factory=dict)

    def of(self, expression: int) -> Sought:
        """An expression with all choices of validators that elements make."""
        known = self._known.get(expression)
        if known is None:
            alike: dict[tuple[ValidatorSpec, ...], list[str]] = {}
            for name in self.plan.elements[expression]:
                alike.setdefault(self._validators(name), []).append(name)
            known = self._known[expression] = self._made(expression, alike)
        return known

    def named(self, expression: int, name: str) -> Sought:
        """An expression of one element."""
        known = self._named.get((expression, name))
        if known is None:
            made = self._made(expression, {self._validators(name): [name]})
            known = self._named[expression, name] = made
        return known

    def _validators(self, name: str) -> tuple[ValidatorSpec, ...]:
        element = self.compiled.pack.elements[name]
        assert isinstance(element, Regex)
        return element.validators

    def _made(self, expression: int, alike: dict[tuple[ValidatorSpec, ...], list[str]]) -> Sought:
        accepts = [acceptance_of(one) for one in alike]
        return Sought(
            self.plan.patterns[expression],
            self.plan.widths[expression],
            self.plan.leasts[expression],
            [accept and remembering(accept) for accept in accepts],
            list(alike.values()),
            [sieve_of(one) for one in alike],
        )


def remembering(accept: Callable[[str], bool]) -> Callable[[str], bool]:
    """The same answers, the last ones from memory: tables and copied lines repeat their values."""
    known: dict[str, bool] = {}

    def accepts(value: str) -> bool:
        answer = known.get(value)
        if answer is None:
            if len(known) >= MAX_REMEMBERED:
                known.clear()
            answer = known[value] = accept(value)
        return answer

    return accepts
