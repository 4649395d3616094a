"""Entra on the loopback: the token endpoint for secrets, certificates, federation and managed identity.

Tokens are opaque to their holder: random text, checked for audience and age when they are used.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from dlpagent.connectors.testing.microsoft.wire import Answer, Request, json_answer

TENANT = "5a0d3c1e-7b1f-4d7e-9a55-2f6f0c0d9b01"
CLIENT_ID = "0f6c1d6a-93a1-4d0f-8a4c-60b3f5a0c702"
# What the loopback expects as a client secret. It opens nothing.
CLIENT_SECRET = "loopback-secret"
TOKEN_SECONDS = 3600
_SKEW_SECONDS = 300  # Entra allows five minutes


class Entra:
    """Gives tokens and knows which are valid. now: the clock of the service, in seconds."""

    def __init__(self, origin: Callable[[], str], now: Callable[[], float]) -> None:
        self._origin, self._now = origin, now
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}  # token → (audience, end)
        self.given = 0

    def expire_all(self) -> None:
        """Make every token given so far invalid, as a revocation does."""
        with self._lock:
            self._tokens.clear()

    def is_valid(self, request: Request, audience: str) -> bool:
        """Whether a request carries a token given for the audience that has not ended."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            held = self._tokens.get(token)
        return (
            scheme == "Bearer"
            and held is not None
            and held[0] == audience
            and self._now() < held[1]
        )

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request for Entra or the identity endpoint; None when it is for neither."""
        path = request.path.lower()
        if path.endswith("/.well-known/openid-configuration"):
            return self._configuration(request.path.split("/")[1])
        if path.endswith("/oauth2/v2.0/token") and request.method == "POST":
            return self._token(request)
        if path == "/msi/token":
            return self._managed(request)
        return None

    def _configuration(self, tenant: str) -> Answer:
        base = f"{self._origin()}/{tenant}"
        return json_answer(
            200,
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            },
        )

    def _token(self, request: Request) -> Answer:
        form = {name: held[0] for name, held in parse_qs(request.body.decode()).items()}
        problem = self._problem(form)
        if problem:
            code, text = problem
            body = {
                "error": "invalid_client",
                "error_description": f"{code}: {text}",
                "error_codes": [int(code.removeprefix("AADSTS"))],
            }
            return json_answer(401, body)
        audience = form["scope"].split()[0].removesuffix(".default").rstrip("/")
        token = self._new(audience)
        return json_answer(
            200, {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "access_token": token}
        )

    def _problem(self, form: Mapping[str, str]) -> tuple[str, str] | None:
        """Why the client is refused, in the codes Entra uses."""
        if form.get("grant_type") != "client_credentials":
            return "AADSTS70003", "the grant type is not supported"
        if form.get("client_id") != CLIENT_ID:
            return "AADSTS700016", "no such application"
        if not form.get("scope", "").split()[:1] or ".default" not in form["scope"]:
            return "AADSTS1002012", "the scope is not valid"
        if "client_assertion" in form:
            return self._assertion_problem(form["client_assertion"])
        if form.get("client_secret") != CLIENT_SECRET:
            return "AADSTS7000215", "the client secret is not valid"
        return None

    def _assertion_problem(self, assertion: str) -> tuple[str, str] | None:
        """Whether an assertion is for us and within its time, by the clock of the service."""
        try:
            claims = json.loads(_decoded(assertion.split(".")[1]))
            start, end = float(claims.get("nbf", claims.get("iat", 0))), float(claims["exp"])
        except (IndexError, KeyError, ValueError):
            return "AADSTS50027", "the assertion is malformed"
        if not start - _SKEW_SECONDS <= self._now() <= end + _SKEW_SECONDS:
            return "AADSTS700024", "the assertion is not within its valid time range"
        return None

    def _managed(self, request: Request) -> Answer:
        """The identity endpoint of App Service and its kin."""
        if request.headers.get("x-identity-header") != CLIENT_SECRET:
            return json_answer(401, {"error": "unauthorized"})
        resource = request.query.get("resource", "").rstrip("/")
        ends = int(self._now()) + TOKEN_SECONDS
        return json_answer(
            200,
            {
                "access_token": self._new(resource),
                "expires_on": str(ends),
                "resource": resource,
                "token_type": "Bearer",
            },
        )

    def _new(self, audience: str) -> str:
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = (audience, self._now() + TOKEN_SECONDS)
            self.given += 1
        return token


def _decoded(part: str) -> Any:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
