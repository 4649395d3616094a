"""A pack made ready to run: matchers, validators and keyword terms by element."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import re2

from dlpagent.classifiers.detectors import sits_with_detectors, spans_seen
from dlpagent.classifiers.normalise import Subject, lowered, shadow_of
from dlpagent.classifiers.regexes import Accept, Matcher, matcher
from dlpagent.classifiers.sit import (
    Detector,
    Element,
    Filter,
    Group,
    Keyword,
    Pack,
    Regex,
    Sit,
    Union,
    ValidatorSpec,
)
from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.classifiers.validators.parametric import checksum, date_simple
from dlpagent.findings import PackRef

Span = tuple[int, int]

# What a blank in a term stands for: people and machines write "card number", "card-number",
# "card_number" and break lines inside it. Spelled out: \s is another set in RE2 than in Python.
GAP = r"[\t-\r _-]{1,3}"


@dataclass(slots=True)
class CompiledPack:
    """A pack with what its elements find. Matchers are made when an element is first used.

    sits: those that patterns and keywords alone decide. detected: those that ask a detector, too.
    """

    pack: Pack
    sits: tuple[Sit, ...] = field(init=False)
    detected: tuple[Sit, ...] = field(init=False)
    _finders: dict[str, Callable[[Subject], list[Span]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        detected = sits_with_detectors(self.pack)
        every = [sit for _, sit in sorted(self.pack.sits.items()) if sit.patterns]
        self.sits = tuple(sit for sit in every if sit.id not in detected)
        self.detected = tuple(sit for sit in every if sit.id in detected)

    def __reduce__(self) -> tuple[object, ...]:
        """Another process gets the pack and makes its own matchers."""
        return (CompiledPack, (self.pack,))

    @property
    def ref(self) -> PackRef:
        return self.pack.ref

    @property
    def filters(self) -> Mapping[str, Filter]:
        return self.pack.filters

    def find(self, element: str, subject: Subject) -> list[Span]:
        """All hits of an element in a subject, by start, then end; none twice.

        Regex matches of one expression do not overlap; keyword hits may. Raises RuleTimeout, and
        NotLookedAt for an element that a detector finds.
        """
        finder = self._finders.get(element)
        if finder is None:
            finder = self._finders[element] = self._finder(self.pack.elements[element])
        return finder(subject)

    def _finder(self, element: Element) -> Callable[[Subject], list[Span]]:
        if isinstance(element, Union):
            return lambda subject: sorted(
                {span for part in element.of for span in self.find(part, subject)}
            )
        if isinstance(element, Keyword):
            return keyword_finder(element)
        if isinstance(element, Detector):
            return lambda subject: spans_seen(element, subject)
        return regex_finder(element)


def regex_finder(element: Regex) -> Callable[[Subject], list[Span]]:
    """Finds the matches of all expressions that every validator accepts."""
    matchers: list[Matcher] = [matcher(item.pattern) for item in element.expressions]
    accept = acceptance_of(element.validators)

    def find(subject: Subject) -> list[Span]:
        return sorted({span for one in matchers for span in one.spans(subject, accept)})

    return find


def acceptance_of(validators: Sequence[ValidatorSpec]) -> Accept | None:
    """Whether every validator accepts a value; None when there are none."""
    checks = [validator_of(spec) for spec in validators]
    if len(checks) == 1:
        return checks[0]
    return (lambda value: all(check(value) for check in checks)) if checks else None


def validator_of(spec: ValidatorSpec) -> Callable[[str], bool]:
    """The function a validator specification names."""
    params = dict(spec.params)
    if spec.name == "checksum":
        return checksum(
            weights=params["weights"],  # type: ignore[arg-type]
            mod=int(params["mod"]),  # type: ignore[arg-type]
            check_digit=int(params["check_digit"]),  # type: ignore[arg-type]
            allow_alphabets=bool(params["allow_alphabets"]),
        )
    if spec.name == "date" and params:
        check = date_simple(str(params["pattern"]))
        offset = int(params["offset"])  # type: ignore[arg-type]
        return (lambda value: check(value[offset:])) if offset else check
    return VALIDATORS[spec.name]


# --- keywords ---------------------------------------------------------------------------------


def keyword_finder(element: Keyword) -> Callable[[Subject], list[Span]]:
    """Finds every occurrence of every term, overlapping ones too."""
    terms = [term_finder(group, term.text, term.case_sensitive) for group in element.groups
             for term in group.terms if shadow_of(term.text).strip()]  # fmt: skip
    gate = gate_of(element)

    def find(subject: Subject) -> list[Span]:
        if gate is None or not gate.search(subject.low.encode("utf-8", "replace")):
            return []
        return sorted({span for one in terms for span in one(subject)})

    return find


def gate_of(element: Keyword) -> re2._Regexp | None:
    """One RE2 search of a lower-case text: whether any term can be in it. None: there are no terms."""
    return _gate(
        [lowered(shadow_of(term.text)) for group in element.groups for term in group.terms]
    )


def _gate(folded: list[str]) -> re2._Regexp | None:
    pieces = sorted({tuple(term.split()) for term in folded} - {()})
    if not pieces:
        return None
    pattern = "|".join(GAP.join(re2.escape(piece) for piece in term) for term in pieces)
    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    return re2.compile(pattern, options)


def term_finder(group: Group, term: str, case_sensitive: bool) -> Callable[[Subject], list[Span]]:
    """Finds every occurrence of one term."""
    wanted = shadow_of(term).strip()
    if not case_sensitive:
        wanted = lowered(wanted)
    word = group.match == "word"
    if not re.search(r"\s", wanted):
        return lambda subject: list(_occurrences(subject, wanted, case_sensitive, word))
    # a blank inside the term: the same search, with the gap spelled out
    pattern = re.compile(GAP.join(re.escape(piece) for piece in wanted.split()))
    anchor = max(wanted.split(), key=len)

    def find(subject: Subject) -> list[Span]:
        text = subject.text if case_sensitive else subject.low
        if anchor not in text:
            return []
        return [
            m.span() for m in _overlapping(pattern, text) if not word or is_word(text, *m.span())
        ]

    return find


def _overlapping(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found, match = [], pattern.search(text)
    while match:
        found.append(match)
        match = pattern.search(text, match.start() + 1)
    return found


def _occurrences(subject: Subject, wanted: str, case_sensitive: bool, word: bool) -> list[Span]:
    text = subject.text if case_sensitive else subject.low
    found = []
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not word or is_word(text, start, end):
            found.append((start, end))
        start = text.find(wanted, start + 1)
    return found


def is_word(text: str, start: int, end: int) -> bool:
    """Whether a term stands as a whole word: no letter or digit touches one of its own.

    Scripts written without blanks between words (Han, kana, Hangul, Thai, Lao, Khmer, Burmese) end
    a word at any neighbour, else no term could ever match in running text.
    """
    before = start > 0 and _joins(text[start - 1], text[start])
    after = end < len(text) and _joins(text[end - 1], text[end])
    return not before and not after


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not (_unspaced(left) or _unspaced(right))


_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff]"
)


def _unspaced(char: str) -> bool:
    return not char.isascii() and _UNSPACED.match(char) is not None
