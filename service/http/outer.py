"""Around the whole app: headers, metrics, traces, and answers where no route was found."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dlpagent.service.http import problems
from dlpagent.service.http.gate import kind_and_place
from dlpagent.service.http.headers import security_headers
from dlpagent.service.http.metrics import Metrics
from dlpagent.service.http.presidio_errors import NO_METHOD, NO_ROUTE, error_answer
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.tracing import Tracer

_OURS = ("/v1", "/console", "/healthz", "/readyz", "/metrics", "/openapi.json")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = logging.getLogger(__name__)


class Outer:
    """Pure ASGI: it sees every response, also those of the server's own router."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[tuple[str, str]],
        metrics: Metrics,
        tls: bool,
        tracer: Tracer,
    ) -> None:
        self._app, self._metrics, self._tracer = app, metrics, tracer
        self._routes = [(compile_path(path)[0], method) for path, method in routes]
        self._headers = security_headers(tls=tls)
        self._names = {name for name, _ in self._headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        is_begun = False

        async def sending(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                status = message["status"]
                own = [(name.lower(), value) for name, value in message.get("headers", [])]
                given = {name for name, _ in own}
                more = [row for row in self._headers if row[0] not in given]
                message = {**message, "headers": [*own, *more]}
            await send(message)

        span = self._tracer.begin(scope)
        try:
            await self._routed(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - told by kind and place, as in the gate
            _log.error("%s: %s", scope.get("dlpagent.route", "no route"), kind_and_place(error))
            if not is_begun:
                await problems.answer(problems.broken())(scope, receive, sending)
        finally:
            route = scope.get("dlpagent.route", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.note(method, route, status, time.perf_counter() - began)
            self._tracer.end(span, method, route, status)

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def holding(message: Message) -> None:
            """Answers of the router itself (404, 405) are told as problems."""
            if "dlpagent.route" in scope:
                await send(message)
                return
            if message["type"] == "http.response.start":
                held.append(message)
                if message["status"] not in {404, 405}:
                    await send(message)
            elif held and held[0]["status"] not in {404, 405}:
                await send(message)

        await self._app(scope, receive, holding)
        if held and held[0]["status"] in {404, 405}:
            allowed = self._allowed(scope["path"])
            await _unrouted(held[0], scope["path"], allowed)(scope, receive, send)

    def _allowed(self, path: str) -> str:
        """The methods of a path, over all its routes."""
        methods = {method for pattern, method in self._routes if pattern.match(path)}
        return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _unrouted(message: Message, path: str, allowed: str) -> Response:
    """Under /v1 and the pages' folder as a problem, elsewhere as Presidio's server says it."""
    headers = {"Allow": allowed}
    is_ours = path.startswith(_OURS)
    if message["status"] == 405:
        return (
            problems.answer(
                Refusal(
                    405, "method", "this method is not allowed here", headers=headers,
                    expected=allowed,
                )
            )
            if is_ours
            else error_answer(NO_METHOD, 405, headers)
        )  # fmt: skip
    if is_ours:
        return problems.answer(
            Refusal(
                404, "not-found", "there is nothing at this address", remedy="See /openapi.json."
            )
        )
    return error_answer(NO_ROUTE, 404)
