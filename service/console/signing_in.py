"""Signing in with an API key, signing out, the files that pages load, and the way in."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from dlpagent.service.console.forms import fields, seen
from dlpagent.service.console.rendering import STATIC, page
from dlpagent.service.http.api_keys import PREFIX
from dlpagent.service.http.authenticating import same_site
from dlpagent.service.http.problems import Refusal, not_found
from dlpagent.service.http.routes import Call, Route

HOME = "/console"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_FILES = {file.name: file for file in sorted(STATIC.iterdir()) if file.suffix in _TYPES}


async def home(call: Call) -> Response:
    """To the first page somebody may see."""
    return seen("/console/violations" if call.who.may("analyst") else "/console/workbench")


async def form(call: Call) -> Response:
    """The form that asks for a key."""
    if not call.service.settings.auth:
        return seen(HOME)
    return page(call, "login.html", problem="")


async def login(call: Call) -> Response:
    """Check the key and begin a session."""
    if not call.service.settings.auth:
        return seen(HOME)
    same_site(call.request)
    key = (await fields(call)).get("key", "").strip()
    state = call.request.app.state
    try:
        if not key.startswith(PREFIX):  # a token of Entra ID has no session that could be ended
            raise Refusal(401, "unauthenticated", "this is no API key")
        await state.authenticator.principal_of_credential(key)
    except Refusal as refusal:
        if refusal.problem.status != 401:
            raise
        state.limiter.note_guess(call.request)
        return page(call, "login.html", 401, problem="This key is not known here, or was revoked.")
    answer = RedirectResponse(HOME, 303)
    state.sessions.begin(answer, key, is_secure=call.service.settings.has_tls)
    return answer


async def logout(call: Call) -> Response:
    """End the session."""
    same_site(call.request)
    answer = RedirectResponse("/console/login", 303)
    call.request.app.state.sessions.end(answer)
    return answer


async def static(call: Call) -> Response:
    """A file of ours; names are looked up, never joined to a path."""
    file = _FILES.get(call.request.path_params["name"])
    if file is None:
        raise not_found("file", "path")
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(file.read_bytes(), headers=headers, media_type=_TYPES[file.suffix])


ROUTES = (
    Route("GET", HOME, home, style="page", is_documented=False),
    Route("GET", "/console/login", form, style="page", is_documented=False),
    Route("POST", "/console/login", login, style="page", is_documented=False),
    Route("POST", "/console/logout", logout, style="page", is_documented=False),
    Route("GET", "/console/static/{name}", static, style="page", is_documented=False),
)
