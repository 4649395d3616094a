"""Refusals as clients of Presidio expect them: {"error": "…"}."""

from __future__ import annotations

import json

from starlette.responses import Response

from dlpagent.service.http.problems import Refusal


def presidio_answer(refusal: Refusal) -> Response:
    """The answer of a refusal on one of Presidio's routes."""
    problem = refusal.problem
    return error_answer(problem.title, problem.status, refusal.headers)


def error_answer(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """{"error": text}, written as Presidio's server writes it."""
    return Response(
        json.dumps({"error": text}) + "\n", status, headers=headers, media_type="application/json"
    )
