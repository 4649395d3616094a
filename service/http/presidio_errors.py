"""Refusals as clients of Presidio expect them: {"error": "…"}, with the messages of its server."""

from __future__ import annotations

import json

from starlette.responses import Response

from dlpagent.service.http.problems import Refusal

# What its framework (Flask) says; clients show it to people.
BROKEN = (
    "The server encountered an internal error and was unable to complete your request. Either the "
    "server is overloaded or there is an error in the application."
)
MALFORMED = "The browser (or proxy) sent a request that this server could not understand."
NOT_JSON = (
    "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
)
NO_ROUTE = (
    "The requested URL was not found on the server. If you entered the URL manually please check "
    "your spelling and try again."
)
NO_METHOD = "The method is not allowed for the requested URL."


class PresidioError(Exception):
    """An answer with a status and a message of Presidio's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def presidio_answer(refusal: Refusal) -> Response:
    """The answer of a refusal of ours on one of Presidio's routes."""
    problem = refusal.problem
    return error_answer(problem.title, problem.status, refusal.headers)


def error_answer(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """{"error": text}, written as Presidio's server writes it."""
    return Response(
        json.dumps({"error": text}) + "\n", status, headers=headers, media_type="application/json"
    )


def is_json(content_type: str) -> bool:
    """Whether a content type (without parameters) is taken for JSON."""
    return content_type == "application/json" or (
        content_type.startswith("application/") and content_type.endswith("+json")
    )


def has_no(value: object, attribute: str) -> str:
    """What Python says of a JSON value that should have been an object."""
    return f"'{type(value).__name__}' object has no attribute '{attribute}'"
