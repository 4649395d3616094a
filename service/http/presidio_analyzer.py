"""Presidio's analyzer: /analyze, /supportedentities, /recognizers, /health.

Shapes, codes and messages are those of Presidio 2.2.366; docs/service.md has the table. What a rule
could not look for would be told nowhere in them: such a text is an error, never a clean answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from anyio import CapacityLimiter, to_thread
from starlette.responses import PlainTextResponse, Response

from dlpagent.classifiers.presidio_names import explained
from dlpagent.classifiers.sit import Pack
from dlpagent.service.http.classifying import Found, TextIn
from dlpagent.service.http.examples import ANALYZE_ASKED, ANALYZE_TOLD
from dlpagent.service.http.gate import body_of, media_type
from dlpagent.service.http.presidio_adhoc import (
    MOST_SECONDS,
    AdHoc,
    AllowList,
    ad_hoc_of,
    check,
)
from dlpagent.service.http.presidio_errors import (
    BROKEN,
    PresidioError,
    error_answer,
    has_no,
    is_json,
)
from dlpagent.service.http.routes import Answer, Call, Route
from dlpagent.service.http.service import Service
from dlpagent.service.http.texts import classified

LANGUAGES = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr", "hu", "it", "ja", "ko",
    "lt", "lv", "mt", "nb", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "th", "tr", "uk",
    "zh",
)  # fmt: skip
"""Types of all languages are looked for whichever of these is asked."""
NO_RECOGNIZERS = "No matching recognizers were found to serve the request."
NOT_PRIMITIVE = (
    "Analyzer.analyze_iterator only works on primitive types (int, float, bool, str). Lists of objects are "
    "not yet supported."
)
NAME = "dlpagent"
AT_ONCE = 4
_limiters: dict[int, CapacityLimiter] = {}
_PREFIX = "Failed to parse /analyze request for AnalyzerEngine.analyze(). "


class Result(NamedTuple):
    """One result. explanation: as analysis_explanation, without values."""

    entity: str
    start: int
    end: int
    score: float
    explanation: Mapping[str, Any]

    def to_json(self, *, explained: bool) -> dict[str, Any]:
        """As Presidio writes it, keys sorted."""
        return {
            "analysis_explanation": self.explanation if explained else None,
            "end": self.end,
            "entity_type": self.entity,
            "score": self.score,
            "start": self.start,
        }


class Asked(NamedTuple):
    """A request to /analyze, checked."""

    texts: list[str]
    is_batch: bool
    wanted: frozenset[str] | None
    threshold: float | None
    explain: bool
    ad_hoc: Sequence[AdHoc]
    context: tuple[str, ...]
    allow_list: AllowList | None


async def health(_: Call) -> Response:
    """The words Presidio's own service says."""
    return PlainTextResponse("Presidio Analyzer service is up", media_type="text/html")


async def analyze(call: Call) -> Response:
    """Results of a text, or a list of them for each of a list of texts."""
    try:
        asked = await _asked(call, await _json(call))
        results = await _analyzed(call, asked)
    except PresidioError as error:
        return error_answer(error.message, error.status)
    told = [[each.to_json(explained=asked.explain) for each in one] for one in results]
    return Response(
        json.dumps(told if asked.is_batch else told[0], sort_keys=True),
        media_type="application/json",
    )


async def _json(call: Call) -> object:
    limits = call.service.settings.limits
    data = await body_of(call.request, limits.body_bytes, limits.body_seconds)
    if not is_json(media_type(call.request)):
        raise PresidioError(500, BROKEN)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise PresidioError(500, BROKEN) from None


async def _asked(call: Call, body: object) -> Asked:
    known = _entities(call.service)
    if isinstance(body, dict) and (body.get("ad_hoc_recognizers") or body.get("allow_list")):
        return await to_thread.run_sync(asked_of, body, known, limiter=_limiter(call.service))
    return asked_of(body, known)


def _limiter(service: Service) -> CapacityLimiter:
    """What a request brings along takes threads of its own, so that it keeps nobody waiting."""
    return _limiters.setdefault(id(service), CapacityLimiter(AT_ONCE))


def asked_of(body: object, known: frozenset[str]) -> Asked:
    """A request, checked in Presidio's order. known: entities of the pack. Raises PresidioError."""
    if not isinstance(body, dict):
        raise PresidioError(500, has_no(body, "get"))
    ad_hoc = ad_hoc_of(body.get("ad_hoc_recognizers"), body.get("language"))
    text, language = body.get("text"), body.get("language")
    if not text:
        raise PresidioError(500, "No text provided")
    if not language:
        raise PresidioError(500, "No language provided")
    if not isinstance(language, str) or language not in LANGUAGES:
        raise PresidioError(500, NO_RECOGNIZERS)
    texts = text if isinstance(text, list) else [text]
    if any(each and not isinstance(each, int | float | bool | str) for each in texts):
        raise PresidioError(500, NOT_PRIMITIVE)
    wanted = _wanted(body.get("entities"), known, ad_hoc)
    threshold = body.get("score_threshold")
    if threshold is not None and not isinstance(threshold, int | float):
        kind = type(threshold).__name__
        message = f"'>=' not supported between instances of 'float' and '{kind}'"
        raise PresidioError(400, _PREFIX + message)
    allowed = body.get("allow_list")
    return Asked(
        texts=[str(each) for each in texts],
        is_batch=isinstance(text, list),
        wanted=wanted,
        threshold=threshold,
        explain=bool(body.get("return_decision_process")),
        ad_hoc=ad_hoc,
        context=_words(body.get("context")),
        allow_list=AllowList.of(
            allowed, body.get("allow_list_match", "exact"), body.get("regex_flags", 26)
        )
        if allowed
        else None,
    )


def _wanted(given: object, known: frozenset[str], ad_hoc: Iterable[AdHoc]) -> frozenset[str] | None:
    """The entities asked for; None: all. Those nobody knows are left out, as Presidio does."""
    if not given:
        return None
    if not isinstance(given, list | str):
        message = f"'{type(given).__name__}' object is not iterable"
        raise PresidioError(400, _PREFIX + message)
    offered = known | {each.entity for each in ad_hoc}
    wanted = frozenset(each for each in given if isinstance(each, str)) & offered
    if not wanted:
        raise PresidioError(500, NO_RECOGNIZERS)
    return wanted


def _words(given: object) -> tuple[str, ...]:
    if not isinstance(given, list):
        return ()
    return tuple(each for each in given if isinstance(each, str))


async def _analyzed(call: Call, asked: Asked) -> list[list[Result]]:
    context = " ".join(asked.context) or None
    texts = [TextIn(text, context) for text in asked.texts]
    names = call.service.entities
    found = await classified(call, texts)
    until = time.monotonic() + MOST_SECONDS

    def told() -> list[list[Result]]:
        return [
            _results(call.service.pack, names, text.text, one, asked, until)
            for text, one in zip(texts, found, strict=True)
        ]

    if asked.ad_hoc or asked.allow_list is not None:
        return await to_thread.run_sync(told, limiter=_limiter(call.service))
    return told()


def _results(
    pack: Pack, names: Mapping[str, str], text: str, found: Found, asked: Asked, until: float
) -> list[Result]:
    if found.unchecked:
        raise PresidioError(500, f"not everything was looked for: {found.unchecked[0][1]}")
    results = [_result(pack, names, row) for row in found.matches]
    for ad_hoc in asked.ad_hoc:
        results += [
            Result(ad_hoc.entity, hit.start, hit.end, hit.score, hit.explanation)
            for hit in ad_hoc.find(text, asked.context, until)
        ]
    if asked.wanted is not None:
        results = [each for each in results if each.entity in asked.wanted]
    if asked.threshold is not None:
        results = [each for each in results if each.score >= asked.threshold]
    results = without_contained(results)
    if asked.allow_list is not None:
        results = list(_not_allowed(results, text, asked.allow_list, until))
    return results


def _not_allowed(
    results: Iterable[Result], text: str, allowed: AllowList, until: float
) -> Iterator[Result]:
    for each in results:
        check(until)
        if not allowed.allows(text[each.start : each.end]):
            yield each


def _result(pack: Pack, names: Mapping[str, str], row: Mapping[str, Any]) -> Result:
    sit = pack.sits[row["sit_id"]]
    score = row["confidence"] / 100
    explanation = explanation_of(
        recognizer=NAME,
        pattern_name=sit.patterns[row["pattern"]].primary,
        score=score,
        text=explained(sit, row["pattern"]),
    )
    return Result(names[sit.id], row["start"], row["end"], score, explanation)


def explanation_of(
    *, recognizer: str, pattern_name: str, score: float, text: str = "", **more: Any
) -> dict[str, Any]:
    """An analysis_explanation with all its keys."""
    return {
        "recognizer": recognizer,
        "pattern_name": pattern_name,
        "pattern": None,
        "original_score": score,
        "score": score,
        "textual_explanation": text or None,
        "score_context_improvement": 0,
        "supportive_context_word": "",
        "validation_result": None,
        "regex_flags": None,
        **more,
    }


def without_contained(results: Iterable[Result]) -> list[Result]:
    """Without those that lie in another of the same entity that is as sure; the surest first."""
    ordered = sorted(results, key=lambda each: (each.entity, each.start, -each.end, -each.score))
    kept: list[Result] = []
    active: list[Result] = []
    for each in ordered:
        if active and active[0].entity != each.entity:
            active = []
        active = [other for other in active if other.end >= each.start]
        if each.score and not any(
            other.end >= each.end and other.score >= each.score for other in active
        ):
            kept.append(each)
            active.append(each)
    return sorted(kept, key=lambda each: (-each.score, each.start, each.start - each.end))


async def supported_entities(call: Call) -> Response:
    """Names of entities."""
    return _listed(call, sorted(_entities(call.service)))


async def recognizers(call: Call) -> Response:
    """Names of recognizers: the types of the pack."""
    sits = call.service.pack.sits.values()
    return _listed(call, sorted(sit.name for sit in sits if sit.patterns))


def _listed(call: Call, names: list[str]) -> Response:
    language = call.request.query_params.get("language")
    if language and language not in LANGUAGES:
        return error_answer(NO_RECOGNIZERS, 500)
    return Response(json.dumps(names) + "\n", media_type="application/json")


def _entities(service: Service) -> frozenset[str]:
    return frozenset(service.entities.values())


_ERROR = Answer("What is wrong", dict[str, str], example={"error": "No text provided"})
_NAMES = Answer("Names", list[str], example=["CREDIT_CARD", "US_SSN"])
ROUTES = (
    Route("GET", "/health", health, "Presidio: whether the service answers", "presidio",
          style="presidio", answers={200: Answer("It does", media="text/html")}),
    Route("POST", "/analyze", analyze, "Presidio: find entities in a text or a list of texts",
          "presidio", style="presidio", media={"application/json": ANALYZE_ASKED},
          answers={200: Answer("Results", list[Any], example=ANALYZE_TOLD), 400: _ERROR,
                   500: _ERROR}),
    Route("GET", "/supportedentities", supported_entities, "Presidio: names of entities",
          "presidio", style="presidio", answers={200: _NAMES, 500: _ERROR}),
    Route("GET", "/recognizers", recognizers, "Presidio: names of recognizers", "presidio",
          style="presidio", answers={200: _NAMES, 500: _ERROR}),
)  # fmt: skip
