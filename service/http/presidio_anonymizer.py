"""Presidio's anonymizer: /anonymize, /deanonymize and what operators there are.

The caller's keys and values are used for the answer and kept nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.service.http.examples import ANONYMIZE_ASKED, ANONYMIZE_TOLD, DEANONYMIZE_ASKED
from dlpagent.service.http.gate import body_of, media_type
from dlpagent.service.http.presidio_errors import (
    MALFORMED,
    NOT_JSON,
    PresidioError,
    error_answer,
    is_json,
)
from dlpagent.service.http.presidio_operators import ANONYMIZERS, DEANONYMIZERS, Operate, Parameters
from dlpagent.service.http.presidio_spans import Span, invalid, settled, span_of
from dlpagent.service.http.routes import Answer, Call, Route

BROKEN = "Internal server error"
Operators = Mapping[str, tuple[str, Parameters]]
_DEFAULT = "DEFAULT"
MOST_CHARS = 16_000_000


async def anonymize(call: Call) -> Response:
    """A text (or each of a list) with operators applied to its results."""
    return await _answered(call, _anonymized)


async def deanonymize(call: Call) -> Response:
    """A text with operators undone."""
    return await _answered(call, _deanonymized)


async def _answered(call: Call, work: Any) -> Response:
    try:
        body = await _body(call)
        told = await run_in_threadpool(work, body, call.service.settings.item_scores)
    except PresidioError as error:
        return error_answer(error.message, error.status)
    return Response(json.dumps(told), media_type="application/json")


async def _body(call: Call) -> dict[str, Any]:
    limits = call.service.settings.limits
    data = await body_of(call.request, limits.body_bytes, limits.body_seconds)
    if not is_json(media_type(call.request)):
        raise PresidioError(415, NOT_JSON)
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise PresidioError(400, MALFORMED) from None
    if not body:
        raise PresidioError(400, "Invalid request json")
    if not isinstance(body, dict):
        raise PresidioError(500, BROKEN)
    return body


def _anonymized(body: Mapping[str, Any], scored: bool) -> Any:
    operators = _operators(body.get("anonymizers"))
    if any(name == "custom" for name, _ in operators.values()):
        raise PresidioError(400, "Custom type anonymizer is not supported")
    with_default = {_DEFAULT: ("replace", {}), **operators}
    text, results = body.get("text", ""), body.get("analyzer_results")

    room = _Room()

    def one(text: object, results: object) -> dict[str, Any]:
        spans = _spans(results, scored=True)
        whole = _text(text)
        ready = sorted(settled(whole, spans), key=lambda each: (each.start, each.end))
        return _operated(whole, ready, with_default, ANONYMIZERS, room, scored=scored)

    if isinstance(text, list):
        groups = _groups("analyzer_results", results, text)
        return [one(each, group) for each, group in zip(text, groups, strict=True)]
    if results is None:
        raise invalid("Invalid input, request must contain analyzer results")
    return one(text, results)


def _deanonymized(body: Mapping[str, Any], scored: bool) -> Any:
    operators = _operators(body.get("deanonymizers"))
    text, results = body.get("text", ""), body.get("anonymizer_results")

    room = _Room()

    def one(text: object, results: object) -> dict[str, Any]:
        spans = _spans(results or [], scored=False)
        for span in spans:
            try:
                span.score = None if span.score is None else float(span.score)
            except (TypeError, ValueError):
                raise PresidioError(500, BROKEN) from None
        ready = sorted(spans, key=lambda each: each.start, reverse=True)[::-1]
        return _operated(_text(text), ready, operators, DEANONYMIZERS, room, scored=scored)

    if isinstance(text, list):
        groups = _groups("anonymizer_results", results, text)
        return [one(each, group) for each, group in zip(text, groups, strict=True)]
    return one(text, results)


def _operators(given: object) -> Operators:
    """Entity → operator and its parameters. Raises PresidioError."""
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise PresidioError(500, BROKEN)
    found: dict[str, tuple[str, Parameters]] = {}
    for entity, parameters in given.items():
        name = parameters.get("type")
        if not name:
            raise invalid("Invalid input, operator config must contain operator_name")
        rest = {key: value for key, value in parameters.items() if key != "type"}
        found[entity] = (name, rest)
    return found


def _groups(name: str, given: object, texts: Sequence[object]) -> Sequence[object]:
    """A list of results per text."""
    if given is None:
        return [[] for _ in texts]
    if not isinstance(given, list | dict | str):
        raise PresidioError(500, BROKEN)
    if len(given) != len(texts):
        raise invalid(
            f"Invalid input, '{name}' must contain one list of results per item in 'text' when "
            f"'text' is a list ({len(texts)} text items, {len(given)} '{name}' items)"
        )
    return list(given)


def _spans(given: object, *, scored: bool) -> list[Span]:
    if given is None:
        raise invalid("Invalid input, request must contain analyzer results")
    if not isinstance(given, list | dict | str):
        raise PresidioError(500, BROKEN)
    return [span_of(each, scored=scored) for each in given]


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise PresidioError(500, BROKEN)
    return given


class _Room:
    """What one answer may hold: a small request could ask for a text a million times over."""

    def __init__(self) -> None:
        self._left = MOST_CHARS

    def take(self, chars: int) -> None:
        """Raises PresidioError when an answer would become too large."""
        self._left -= chars
        if self._left < 0:
            raise PresidioError(413, f"the answer would have more than {MOST_CHARS} characters")


def _operated(
    text: str,
    spans: Sequence[Span],
    operators: Operators,
    known: Mapping[str, Operate],
    room: _Room,
    *,
    scored: bool,
) -> dict[str, Any]:
    """The text with every span replaced, from its end on; items in that order, with new places."""
    done, last = text, len(text)
    items: list[tuple[int, dict[str, Any]]] = []
    for span in reversed(spans):
        if span.start > len(text) or span.end > len(text):
            raise invalid(
                f"Invalid analyzer result, start: {span.start} and end: {span.end}, "
                f"while text length is only {len(text)}."
            )
        chosen = operators.get(span.entity) or operators.get(_DEFAULT)
        if chosen is None:
            raise PresidioError(500, BROKEN)
        name, parameters = chosen
        operate = known.get(name) if isinstance(name, str) else None
        if operate is None:
            raise invalid(f"Invalid operator class '{name}'.")
        new = operate(text[span.start : span.end], parameters, span.entity)
        room.take(len(new))
        behind = done[min(span.end, last) :]
        done, last = done[: span.start] + new + behind, span.start
        item: dict[str, Any] = {
            "start": 0,
            "end": 0,
            "entity_type": span.entity,
            "text": new,
            "operator": name,
        }
        items.append((len(behind) + len(new), {**item, "score": span.score} if scored else item))
    for from_end, item in items:
        item["start"] = len(done) - from_end
        item["end"] = item["start"] + len(item["text"])
    return {"text": done, "items": [item for _, item in items]}


async def anonymizers(_: Call) -> Response:
    """Names of operators."""
    return _names(ANONYMIZERS)


async def deanonymizers(_: Call) -> Response:
    """Names of operators that undo."""
    return _names(DEANONYMIZERS)


def _names(operators: Mapping[str, Operate]) -> Response:
    return Response(json.dumps(list(operators)) + "\n", media_type="application/json")


_ERROR = Answer("What is wrong", dict[str, str], example={"error": "Invalid request json"})
_NAMES = Answer("Names", list[str], example=["replace", "redact"])
_ERRORS = {400: _ERROR, 415: _ERROR, 422: _ERROR, 500: _ERROR}
ROUTES = (
    Route("POST", "/anonymize", anonymize, "Presidio: replace what an analyzer found", "presidio",
          style="presidio", media={"application/json": ANONYMIZE_ASKED},
          answers={200: Answer("The text and what was replaced", dict[str, Any] | list[Any],
                               example=ANONYMIZE_TOLD), **_ERRORS}),
    Route("POST", "/deanonymize", deanonymize, "Presidio: undo what can be undone", "presidio",
          style="presidio", media={"application/json": DEANONYMIZE_ASKED},
          answers={200: Answer("The text", dict[str, Any] | list[Any],
                               example={"text": "my card is kept", "items": []}), **_ERRORS}),
    Route("GET", "/anonymizers", anonymizers, "Presidio: names of operators", "presidio",
          style="presidio", answers={200: _NAMES}),
    Route("GET", "/deanonymizers", deanonymizers, "Presidio: names of operators that undo",
          "presidio", style="presidio", answers={200: _NAMES}),
)  # fmt: skip
