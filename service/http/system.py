"""Health, readiness, figures, who am I, and the OpenAPI document."""

from __future__ import annotations

import msgspec
from starlette.responses import PlainTextResponse, Response

from dlpagent import __version__
from dlpagent.service.http.access import Role
from dlpagent.service.http.metrics import MEDIA_TYPE
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.routes import Answer, Call, Route, json_answer


class Health(msgspec.Struct):
    """The process answers."""

    status: str
    version: str


class Me(msgspec.Struct):
    """Who asks."""

    id: str
    name: str
    role: Role
    tenant_id: str


async def healthz(_: Call) -> Response:
    """Alive: says nothing about whether work can be done."""
    return json_answer(Health("ok", __version__))


async def readyz(call: Call) -> Response:
    """Ready: patterns are loaded and every tenant's state answers."""
    if not call.service.is_ready:
        raise Refusal(503, "not-ready", "the service is starting", headers={"Retry-After": "2"})
    return json_answer(Health("ready", __version__))


async def metrics(call: Call) -> Response:
    """Figures for Prometheus."""
    return PlainTextResponse(call.request.app.state.metrics.text(), media_type=MEDIA_TYPE)


async def me(call: Call) -> Response:
    """The principal as the service sees it."""
    who = call.who
    return json_answer(Me(who.id, who.name, who.role, who.tenant_id))


async def openapi(call: Call) -> Response:
    """This document."""
    from dlpagent.service.http.openapi import document

    return json_answer(document(call.request.app.state.routes))


_HEALTH = {"status": "ok", "version": __version__}
ROUTES = (
    Route("GET", "/healthz", healthz, "Whether the process answers", "system",
          answers={200: Answer("It does", Health, example=_HEALTH)}),
    Route("GET", "/readyz", readyz, "Whether work can be done", "system",
          answers={200: Answer("It can", Health, example={**_HEALTH, "status": "ready"}),
                   503: Answer("Not yet")}),
    Route("GET", "/metrics", metrics, "Figures for Prometheus", "system",
          answers={200: Answer("Text format", media="text/plain")}),
    Route("GET", "/openapi.json", openapi, "This document", "system", is_documented=False),
    Route("GET", "/v1/me", me, "Who asks", "system",
          answers={200: Answer("The principal", Me, example={
              "id": "key:0123456789abcdef", "name": "gateway", "role": "reader",
              "tenant_id": "00000000-0000-0000-0000-000000000000"})}),
)  # fmt: skip
