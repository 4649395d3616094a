"""A route: what it is called by, what it takes and gives, and the words of its documentation.

The app, the table of roles (access.py) and the OpenAPI document (openapi.py) are made of the same
rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dlpagent.service.http.access import NEEDS, Principal, Role
from dlpagent.service.http.service import Service, Tenant

Style = Literal["problem", "presidio", "page"]
"""How refusals are told: problem+json, Presidio's {"error": …}, or a page (login when nobody is)."""


@dataclass(slots=True)
class Call:
    """One request as a handler sees it. body and query: decoded as the route says.

    principal is None only on routes that need no role; tenant is the principal's.
    """

    request: Request
    service: Service
    principal: Principal | None
    body: Any = None
    query: Any = None

    @property
    def who(self) -> Principal:
        """The principal, on routes that need a role."""
        assert self.principal is not None
        return self.principal

    @property
    def tenant(self) -> Tenant:
        """The principal's own tenant; there is no way to another's."""
        return self.service.tenants[self.who.tenant_id]


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A documented response: its type (a tuple: one of them; None: none), media type, an example.

    also: another media type it may have, as text.
    """

    what: str
    type: Any = None
    media: str = "application/json"
    example: Any = None
    also: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A row. body: the type of a JSON body, decoded before the handler; media: others it takes, with
    an example each. query: a msgspec.Struct of the query's keys."""

    method: str
    path: str
    handler: Handler
    summary: str = ""
    tag: str = ""
    style: Style = "problem"
    body: Any = None
    body_example: Any = None
    media: Mapping[str, Any] = field(default_factory=dict)
    query: type[msgspec.Struct] | None = None
    answers: Mapping[int, Answer] = field(default_factory=dict)
    is_large: bool = False
    is_documented: bool = True

    @property
    def needs(self) -> Role | None:
        """The lowest role that may; see access.NEEDS, where every route has its row."""
        return NEEDS[self.method, self.path]


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as a JSON response."""
    return Response(
        msgspec.json.encode(value), status, headers=headers, media_type="application/json"
    )
