"""What a request to /analyze may bring along: recognizers of its own, and words that are allowed.

Patterns run on RE2, linear in the text; those it cannot take run in a process that is killed when
its time is over. A request that runs out of time is an error, never "nothing found".
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import re2

from dlpagent.classifiers.regex_jail import JAIL
from dlpagent.classifiers.regex_syntax import RuleTimeout
from dlpagent.classifiers.regexes import MAX_PATTERN_CHARS, TIME_LIMIT_S
from dlpagent.service.http.presidio_errors import PresidioError, has_no

MOST_RECOGNIZERS, MOST_PATTERNS, MOST_WORDS = 50, 50, 10_000
MOST_SECONDS = 10.0
"""What all recognizers and allowed words of one request may take."""
# Larger ones run in the process that can be killed: past its memory RE2 goes through all of them at
# every character.
MOST_PROGRAM = 3_000
MOST_KEPT, KEPT_BYTES = 64, 8 << 20
NEAR_CHARS = 400
CONTEXT_GAIN, CONTEXT_FLOOR, CONTEXT_WORDS = 0.35, 0.4, 5  # of Presidio's context enhancer
OUT_OF_TIME = "a pattern of the request ran out of time"
_PREFIX = "Failed to parse /analyze request for AnalyzerEngine.analyze(). "
_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
_KEYS = frozenset({
    "supported_entity", "supported_entities", "name", "supported_language", "patterns", "deny_list",
    "context", "deny_list_score", "global_regex_flags", "version", "country_code",
})  # fmt: skip

Spans = Callable[[str], Iterator[tuple[int, int]]]


class Hit(NamedTuple):
    """A match of an ad-hoc recognizer."""

    start: int
    end: int
    score: float
    explanation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AdHoc:
    """A recognizer of the request. finders: (pattern name, pattern as given, score, spans)."""

    entity: str
    name: str
    finders: tuple[tuple[str, str | None, float, Spans], ...]
    context: tuple[str, ...]
    flags: int
    language: object = "en"

    def find(self, text: str, outside: Sequence[str], until: float = math.inf) -> Iterator[Hit]:
        """Matches in a text. outside: words the request says stand beside it.

        until: the moment (time.monotonic) after which it raises PresidioError.
        """
        beside = self._beside(outside, until)
        for pattern_name, pattern, score, spans in self.finders:
            told = f"Detected by `{self.name}` using pattern `{pattern_name}`" if pattern else None
            check(until)
            for start, end in spans(text):
                check(until)
                if start == end:
                    continue
                word = self._supporting(text[max(0, start - NEAR_CHARS) : start], beside)
                sure = min(1.0, max(score + CONTEXT_GAIN, CONTEXT_FLOOR)) if word else score
                yield Hit(start, end, sure, {
                    "recognizer": self.name, "pattern_name": pattern_name, "pattern": pattern,
                    "original_score": score, "score": sure, "textual_explanation": told,
                    "score_context_improvement": sure - score if word else 0, "supportive_context_word": word,
                    "validation_result": None, "regex_flags": self.flags,
                })  # fmt: skip

    def _beside(self, outside: Sequence[str], until: float) -> frozenset[str]:
        """Words of the context that stand beside every match."""
        said = "\0".join(outside).lower()
        found = set()
        for word in self.context:
            check(until)
            if word in said:
                found.add(word)
        return frozenset(found)

    def _supporting(self, before: str, beside: frozenset[str]) -> str:
        if not self.context:
            return ""
        near = "\0".join(before.split()[-CONTEXT_WORDS:]).lower()
        return next((word for word in self.context if word in beside or word in near), "")


def check(until: float) -> None:
    """Raises PresidioError when the time of a request is over."""
    if time.monotonic() > until:
        raise PresidioError(500, OUT_OF_TIME)


def ad_hoc_of(given: object, language: object = "en") -> tuple[AdHoc, ...]:
    """The ad_hoc_recognizers of a request that are for its language. Raises PresidioError."""
    if not given:
        return ()
    if not isinstance(given, list | str | dict):
        raise _unparsed(f"'{type(given).__name__}' object is not iterable")
    if len(given) > MOST_RECOGNIZERS:
        raise _unparsed(f"more than {MOST_RECOGNIZERS} recognizers")
    listed: Iterable[object] = given
    found = [_recognizer(each) for each in listed]
    return tuple(each for each in found if each.language == language)


def _recognizer(given: object) -> AdHoc:
    if not isinstance(given, dict):
        raise PresidioError(500, has_no(given, "copy"))
    entity = _entity(given)
    patterns, words = given.get("patterns"), given.get("deny_list")
    if not patterns and not words:
        raise PresidioError(
            500, "Pattern recognizer should be initialized with patterns or with deny list"
        )
    flags = given.get("global_regex_flags", 26)
    if not isinstance(flags, int):
        raise _unparsed("global_regex_flags must be a number")
    name = given.get("name")
    return AdHoc(
        entity=entity,
        name=name if isinstance(name, str) else "PatternRecognizer",
        finders=(*_patterns(patterns or [], flags), *_deny_list(words, given)),
        context=tuple(each.lower() for each in _texts(given.get("context") or [], "context")),
        flags=flags,
        language=given.get("supported_language", "en"),
    )


def _entity(given: Mapping[str, Any]) -> str:
    """What it finds, when all that is said of it is known."""
    for key in given:
        if key not in _KEYS:
            raise _unparsed(
                f"PatternRecognizer.__init__() got an unexpected keyword argument '{key}'"
            )
    entities = given.get("supported_entities")
    if "supported_entity" in given and "supported_entities" in given:
        raise PresidioError(
            500,
            "Both 'supported_entity' and 'supported_entities' are present in the input dictionary. "
            "Only one should be provided.",
        )
    if "supported_entity" not in given and not entities:
        raise _unparsed(
            "PatternRecognizer.__init__() missing 1 required positional argument: 'supported_entity'"
        )
    entity = given.get("supported_entity") or (entities[0] if isinstance(entities, list) else None)
    if not isinstance(entity, str) or not entity:
        raise PresidioError(500, "Pattern recognizer should be initialized with entity")
    return entity


def _patterns(given: object, flags: int) -> Iterator[tuple[str, str | None, float, Spans]]:
    if not isinstance(given, list) or len(given) > MOST_PATTERNS:
        raise _unparsed(f"patterns must be a list of at most {MOST_PATTERNS}")
    for each in given:
        name, pattern, score = _pattern_parts(each)
        spans = compiled(pattern, flags)
        if not 0 <= score <= 1:
            raise PresidioError(500, f"Invalid score: {score}. Score should be between 0 and 1")
        yield name, pattern, float(score), spans


def _pattern_parts(given: object) -> tuple[str, str, float]:
    """Name, expression and score of a pattern."""
    if not isinstance(given, dict):
        kind = type(given).__name__
        raise _unparsed(
            f"presidio_analyzer.pattern.Pattern() argument after ** must be a mapping, not {kind}"
        )
    for key in given:
        if key not in {"name", "regex", "score"}:
            raise _unparsed(f"Pattern.__init__() got an unexpected keyword argument '{key}'")
    missing = [f"'{key}'" for key in ("name", "regex", "score") if key not in given]
    if missing:
        count = f"{len(missing)} required positional argument{'s' if len(missing) > 1 else ''}"
        raise _unparsed(f"Pattern.__init__() missing {count}: {' and '.join(missing)}")
    name, pattern, score = given["name"], given["regex"], given["score"]
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_CHARS:
        raise _unparsed("first argument must be a string or compiled pattern")
    if not isinstance(score, int | float):
        kind = type(score).__name__
        raise _unparsed(f"'<' not supported between instances of '{kind}' and 'int'")
    return str(name), pattern, score


def _deny_list(
    words: object, given: Mapping[str, Any]
) -> Iterator[tuple[str, str | None, float, Spans]]:
    listed = [each for each in _texts(words or [], "deny_list") if each]
    score = given.get("deny_list_score", 1.0)
    if listed and isinstance(score, int | float):
        yield "deny_list", None, float(score), functools.partial(_listed, tuple(listed))


def _listed(words: tuple[str, ...], text: str) -> Iterator[tuple[int, int]]:
    """Where words stand alone, whatever their case; the longest first."""
    longest_first = sorted(words, key=len, reverse=True)
    either = _runs("(?i)" + "|".join(map(re.escape, longest_first)))
    for start, end in either(text):
        alone = not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
        if alone:
            yield start, end


def _texts(given: object, what: str) -> list[str]:
    if not isinstance(given, list) or len(given) > MOST_WORDS:
        raise _unparsed(f"{what} must be a list of at most {MOST_WORDS} strings")
    return [each for each in given if isinstance(each, str)]


@functools.lru_cache(maxsize=MOST_KEPT)
def compiled(pattern: str, flags: int) -> Spans:
    """Where a pattern matches. Raises PresidioError when it is none."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PresidioError(500, f"Invalid regex pattern: {error}") from None
    letters = "".join(letter for flag, letter in _FLAGS.items() if flags & flag)
    return _runs(f"(?{letters}){pattern}" if letters else pattern)


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = KEPT_BYTES
    return options


_OPTIONS = _options()


def _runs(pattern: str) -> Spans:
    """What looks for a valid pattern; some matches may be empty."""
    try:
        quick = re2.compile(pattern, _OPTIONS)
    except re2.error:
        return functools.partial(_jailed, pattern)
    if quick.programsize > MOST_PROGRAM:
        return functools.partial(_jailed, pattern)

    def spans(text: str) -> Iterator[tuple[int, int]]:
        for found in quick.finditer(text):
            yield found.span()

    return spans


def _jailed(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    place, more = 0, True
    try:
        while more:
            found, more = JAIL.find(pattern, text, place, TIME_LIMIT_S)
            for start, end in found:
                place = end
                yield start, end
    except RuleTimeout:
        raise PresidioError(500, OUT_OF_TIME) from None


class AllowList:
    """Words that are no findings."""

    def __init__(self, words: frozenset[str], spans: Spans | None) -> None:
        self._words, self._spans = words, spans

    @classmethod
    def of(cls, given: object, match: object, flags: object) -> AllowList:
        """Of the request's allow_list, allow_list_match and regex_flags. Raises PresidioError."""
        words = _texts(given, "allow_list")
        if match == "exact":
            return cls(frozenset(words), None)
        if match != "regex":
            raise PresidioError(500, "allow_list_match must either be set to 'exact' or 'regex'.")
        either = "|".join(word for word in words if word)
        if not either:
            return cls(frozenset(), None)
        if len(either) > MAX_PATTERN_CHARS:
            raise _unparsed(f"an allow_list of more than {MAX_PATTERN_CHARS} characters of regexes")
        return cls(frozenset(), compiled(either, flags if isinstance(flags, int) else 26))

    def allows(self, word: str) -> bool:
        """Whether a found word is allowed."""
        if self._spans is not None:
            return any(start < end for start, end in self._spans(word))
        return word in self._words


def _unparsed(message: str) -> PresidioError:
    return PresidioError(400, _PREFIX + message)
