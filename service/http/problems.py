"""What went wrong, told as application/problem+json (RFC 9457) with the four parts of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from dlpagent.errors import DlpAgentError, ProblemsError

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """type is a stable word for programs; the rest is for people and holds no content."""

    type: str
    title: str
    status: int
    where: str = ""
    expected: str = ""
    found: str = ""
    remedy: str = ""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        *,
        where: str = "",
        expected: str = "",
        found: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.problem = Problem(kind, title, status, where, expected, found, remedy)
        self.headers = dict(headers or {})


def answer(refusal: Refusal) -> Response:
    """The response of a refusal."""
    return Response(
        msgspec.json.encode(refusal.problem),
        status_code=refusal.problem.status,
        media_type=MEDIA_TYPE,
        headers=refusal.headers,
    )


def of_error(error: DlpAgentError, status: int = 400) -> Refusal:
    """One of our errors as a refusal; where it names a file of this machine, that is left out."""
    found = error.found
    if isinstance(error, ProblemsError):
        found = "; ".join(f"line {each.line}: {each.what}" for each in error.problems[:10])
    return Refusal(
        status,
        _word(error),
        error.what,
        expected=error.expected,
        found=found,
        remedy=error.remedy,
    )


def not_found(what: str, where: str) -> Refusal:
    """There is no such thing, or it is another tenant's: the answer is the same."""
    return Refusal(404, "not-found", f"there is no such {what}", where=where)


def broken() -> Refusal:
    """Something went wrong on our side; the log names kind and place."""
    return Refusal(
        500,
        "internal-error",
        "the request could not be answered",
        remedy="See the service's log at the time of this request; it holds no content.",
    )


def _word(error: Any) -> str:
    words: list[str] = []
    for char in type(error).__name__:
        if char.isupper():
            words.append("-")
        words.append(char.lower())
    return "".join(words).strip("-")
