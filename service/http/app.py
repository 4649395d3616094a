"""The app: make_app(settings) gives an ASGI app of everything that is served.

Routes are rows (routes.Route) of tuples called ROUTES, one tuple per file; MODULES names the files.
A room of pages (`dlpagent.service.console.pages`) is mounted by the same means, if it is installed:

- it has a tuple ROUTES of Route rows with style="page";
- each of its (method, path) pairs has its role in access.NEEDS, the one table of roles and routes;
- a handler is `async def page(call: Call) -> Response`; `call.who` is the Principal (id, name, role,
  tenant_id), `call.tenant` is that principal's tenant (state, lanes, policies, evidence), and
  `call.service` has what all share (pack, settings). There is no way from there to another tenant;
- whoever is not known is sent to gate.LOGIN (a route that needs no role). Login: take the key from
  the form, `principal = await call.request.app.state.authenticator.principal_of_credential(key)`
  (raises Refusal when it is not good), then `app.state.sessions.begin(response, key, is_secure=…)`.
  The cookie is HttpOnly and SameSite=Strict; unsafe methods from other sites are refused before the
  handler. With --no-auth there is no login: everyone is the principal `local`, an admin;
- what takes long goes through `await call.tenant.lanes.classify(texts)`, or `run_in_threadpool`;
- every response gets the headers of headers.py; the Content-Security-Policy there allows scripts,
  styles and images of our own origin only, and no inline ones.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
from collections.abc import AsyncIterator, Iterator, Sequence

from anyio import to_thread
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from dlpagent.service.http.access import NEEDS
from dlpagent.service.http.api_keys import KeyRing
from dlpagent.service.http.authenticating import Authenticator
from dlpagent.service.http.entra import Entra, Fetch, fetched
from dlpagent.service.http.gate import Gate
from dlpagent.service.http.limiting import Limiter
from dlpagent.service.http.metrics import Metrics
from dlpagent.service.http.outer import Outer
from dlpagent.service.http.routes import Route
from dlpagent.service.http.service import Service, open_service
from dlpagent.service.http.sessions import Sessions
from dlpagent.service.http.settings import ServeSettings, check
from dlpagent.service.http.tracing import tracer_of

MODULES = (
    "dlpagent.service.http.system",
    "dlpagent.service.http.texts",
    "dlpagent.service.http.reading",
    "dlpagent.service.http.rules",
    "dlpagent.service.http.administration",
    "dlpagent.service.http.presidio_analyzer",
    "dlpagent.service.http.presidio_anonymizer",
)  # fmt: skip
PAGES = "dlpagent.service.console.pages"
"""Modules of pages, served when they are there."""


def routes() -> tuple[Route, ...]:
    """All routes, in the order in which they are tried."""
    names = list(MODULES)
    folder = importlib.util.find_spec(PAGES.rpartition(".")[0])
    if folder is not None and importlib.util.find_spec(PAGES) is not None:
        names.append(PAGES)
    return tuple(_rows(names))


def _rows(names: Sequence[str]) -> Iterator[Route]:
    for name in names:
        yield from importlib.import_module(name).ROUTES


def make_app(
    settings: ServeSettings, service: Service | None = None, *, fetch: Fetch = fetched
) -> Starlette:
    """The app. service: an open one, whose owner closes it. Raises DlpAgentError.

    fetch: how signing keys of Entra ID are fetched.
    """
    check(settings)
    rows = routes()
    _check_table(rows)
    own = service is None
    opened = service or open_service(settings)
    keys = KeyRing([tenant.keys for tenant in opened.tenants.values()])
    sessions = Sessions(opened.secret, keys)
    entra = Entra(settings.entra, list(opened.tenants), fetch) if settings.entra else None
    authenticator = Authenticator(keys if settings.auth else None, sessions, entra, opened.main.id)
    metrics = Metrics(opened)
    limits = settings.limits
    limiter = Limiter(limits.rate, limits.burst, limits.guesses)
    gate = Gate(opened, authenticator, limiter)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await to_thread.run_sync(opened.warm_up)
        if own:  # a loaded pack is no garbage: to go through it again and again would be felt
            gc.collect()
            gc.freeze()
        try:
            yield
        finally:
            opened.is_ready = False
            if own:
                await to_thread.run_sync(opened.close)

    inner = Starlette(
        routes=[
            StarletteRoute(row.path, gate.endpoint(row), methods=[row.method], name=_name(row))
            for row in rows
        ],
        lifespan=lifespan,
    )
    inner.router.redirect_slashes = False
    inner.state.service = opened
    inner.state.sessions = sessions
    inner.state.authenticator = authenticator
    inner.state.limiter = limiter
    inner.state.metrics = metrics
    inner.state.routes = rows
    inner.add_middleware(
        Outer,
        routes=[(row.path, row.method) for row in rows],
        metrics=metrics,
        tls=settings.has_tls,
        tracer=tracer_of(settings.traces),
    )
    return inner


def _name(row: Route) -> str:
    return f"{row.method} {row.path}"


def _check_table(rows: Sequence[Route]) -> None:
    """Every route has its line in the table of roles."""
    missing = {(row.method, row.path) for row in rows} - set(NEEDS)
    if missing:
        raise AssertionError(f"routes without a role: {sorted(missing)}")
