"""What stands before every handler: who asks, may they, how much, and what was sent."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from dlpagent.errors import DlpAgentError, RuleError, StateError
from dlpagent.service.http import problems
from dlpagent.service.http.access import Principal
from dlpagent.service.http.authenticating import Authenticator, credential_of
from dlpagent.service.http.limiting import Limiter
from dlpagent.service.http.presidio_errors import presidio_answer
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.routes import Call, Route
from dlpagent.service.http.service import Service

LOGIN = "/console/login"
_log = logging.getLogger(__name__)


class Gate:
    """Turns routes into endpoints."""

    def __init__(self, service: Service, authenticator: Authenticator, limiter: Limiter) -> None:
        self._service = service
        self._authenticator = authenticator
        self._limiter = limiter

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """The route's handler behind the gate."""

        async def answer(request: Request) -> Response:
            request.scope["dlpagent.route"] = route.path
            try:
                return await self._answered(route, request)
            except Refusal as refusal:
                return refused(route, refusal)
            except (RuleError, StateError) as error:
                _log.error("%s %s: %s", route.method, route.path, error.what)
                return refused(route, problems.broken())
            except DlpAgentError as error:
                return refused(route, problems.of_error(error))
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:  # noqa: BLE001 - its message may hold content: it stays here
                _log.error("%s %s: %s", route.method, route.path, kind_and_place(error))
                return refused(route, problems.broken())

        return answer

    async def _answered(self, route: Route, request: Request) -> Response:
        principal: Principal | None = None
        if route.needs is not None:
            principal = await self._admitted(route, request)
        call = Call(request, self._service, principal)
        if route.query is not None:
            call.query = query_of(request, route.query)
        if route.body is not None:
            call.body = await self._body(route, request)
        return await route.handler(call)

    async def _admitted(self, route: Route, request: Request) -> Principal:
        try:
            principal = await self._authenticator.principal_of(request)
        except Refusal as refusal:
            if refusal.problem.status == 401 and credential_of(request):
                self._limiter.note_guess(request)
            raise
        request.scope["dlpagent.principal"] = principal
        if not principal.may(route.needs):
            raise Refusal(
                403, "forbidden", "the role does not suffice",
                expected=f"the role {route.needs}", found=principal.role,
            )  # fmt: skip
        if principal.tenant_id not in self._service.tenants:
            raise Refusal(403, "forbidden", "this tenant is not served here")
        self._limiter.check(principal)
        return principal

    async def _body(self, route: Route, request: Request) -> object:
        kind = media_type(request)
        if kind != "application/json":
            if kind in route.media:
                return None  # the handler reads it
            raise Refusal(
                415, "media-type", "this content type is not taken",
                where="Content-Type", expected=" or ".join(["application/json", *route.media]),
                found=kind[:100] or "none",
            )  # fmt: skip
        return decoded(await self.read(request), route.body)

    async def read(self, request: Request) -> bytes:
        """The body of a request. Raises Refusal when it is too large or too slow."""
        limits = self._service.settings.limits
        return await body_of(request, limits.body_bytes, limits.body_seconds)


async def body_of(request: Request, most: int, seconds: float) -> bytes:
    """The whole body. Raises Refusal: 413 past `most` bytes, 408 after so many seconds."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large(most)
                parts.append(part)
    except TimeoutError:
        raise too_slow(seconds) from None
    return b"".join(parts)


def too_large(most: int) -> Refusal:
    """The refusal of a body that is too large."""
    return Refusal(
        413, "too-large", "the body is too large", expected=f"at most {most} bytes",
        remedy="Send less at once, or upload a file.", headers={"Connection": "close"},
    )  # fmt: skip


def too_slow(seconds: float) -> Refusal:
    """The refusal of a body that does not arrive."""
    return Refusal(
        408, "timeout", "the body did not arrive in time", expected=f"{seconds:g} seconds at most",
        headers={"Connection": "close"},
    )  # fmt: skip


def decoded(data: bytes, kind: Any) -> object:
    """A JSON body as its type. Raises Refusal with the place of what is wrong, and no content."""
    try:
        try:
            typed: object = msgspec.json.decode(data, type=kind)
            return typed
        except msgspec.ValidationError as error:
            if "got `float`" not in str(error):
                raise
        whole = _whole(msgspec.json.decode(data))
        converted: object = msgspec.convert(whole, kind)
        return converted
    except msgspec.ValidationError as error:
        raise _invalid(error, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(
            400, "malformed", "the body is not valid JSON", where="body",
            expected="JSON text in UTF-8, not nested without end",
        ) from None  # fmt: skip


def _whole(value: object) -> object:
    """JSON does not tell 1.0 from 1, and neither do schemas."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return value


def query_of(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """The query as its type. Raises Refusal; keys that are not known, or come twice, are refused."""
    pairs = request.query_params.multi_items()
    keys = [name for name, _ in pairs]
    known = {each.encode_name for each in msgspec.structs.fields(kind)}
    for name in keys:
        if name not in known:
            raise Refusal(
                400, "invalid", "there is no such query key", where="query",
                expected=", ".join(sorted(known)), found="another",
            )  # fmt: skip
    if len(set(keys)) != len(keys):
        raise Refusal(400, "invalid", "a query key stands twice", where="query", expected="it once")
    try:
        return msgspec.convert(dict(pairs), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error, "query") from None


_AT = re.compile(r" - at `([^`]*)`$")


def _invalid(error: msgspec.ValidationError, place: str) -> Refusal:
    """What msgspec says, without the values that it may quote."""
    text = str(error)
    at = _AT.search(text)
    what = _AT.sub("", text)
    if what.startswith(("Invalid enum value", "Invalid value")):
        what = "Invalid value"
    where = f"{place} {at[1].removeprefix('$').lstrip('.')}".strip() if at else place
    return Refusal(400, "invalid", what, where=where[:200])


def media_type(request: Request) -> str:
    """The content type of a request without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refused(route: Route, refusal: Refusal) -> Response:
    """A refusal as clients of the route expect it."""
    if route.style == "presidio":
        return presidio_answer(refusal)
    if route.style == "page" and refusal.problem.status == 401:
        return RedirectResponse(LOGIN, 303)
    return problems.answer(refusal)


def kind_and_place(error: BaseException) -> str:
    """Type of an error, and file and line of its innermost frame; never its message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{type(error).__name__} at {name}:{trace.tb_lineno}"
