"""Tokens of Entra ID: the good one is taken, everything near it is refused."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from dlpagent.service.http.access import Principal
from dlpagent.service.http.app import make_app
from dlpagent.service.http.entra import FETCH_AGAIN_S, FRESH_S, USABLE_S, Entra
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.settings import EntraSettings, ServeSettings
from tests.service.http.conftest import ONE, TWO, Served, run, sent

OTHER = "99999999-9999-4999-8999-999999999999"
AUDIENCE = "api://dlpagent"
SETTINGS = EntraSettings((AUDIENCE,))
ISSUER = f"https://login.microsoftonline.com/{ONE}/v2.0"


@cache
def key(name: str) -> RSAPrivateKey:
    """A signing key per name."""
    assert name
    return generate_private_key(65537, 2048)


def jwk(name: str) -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key()))
    return {**public, "kid": name, "use": "sig"}


def public_pem(name: str) -> bytes:
    return (
        key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def token(
    changes: Mapping[str, Any] | None = None, *, kid: str = "k1", alg: str = "RS256",
    signer: Any = None, headers: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "tid": ONE, "oid": "user-1", "sub": "s", "iat": now,
        "nbf": now - 5, "exp": now + 600, "roles": ["dlpagent.analyst"], **(changes or {}),
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(
        claims,
        key("k1") if signer is None else signer,
        alg,
        headers={"kid": kid, **(headers or {})},
    )


@dataclass
class Directory:
    """The keys Entra ID publishes, and how often they were asked for."""

    names: tuple[str, ...] = ("k1",)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None
    more: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, url: str) -> Mapping[str, Any]:
        self.asked.append(url)
        if self.error:
            raise self.error
        return {"keys": [*(jwk(name) for name in self.names), *self.more]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(entra: Entra, given: str) -> Principal | None:
    async def work() -> Principal | None:
        return await entra.principal_of(given)

    found: Principal | None = run(work)
    return found


def entra(directory: Directory | None = None, clock: Clock | None = None) -> Entra:
    return Entra(SETTINGS, (ONE, TWO), directory or Directory(), clock or Clock())


def test_a_good_token_gives_its_subject_its_highest_role_and_its_tenant() -> None:
    found = ask(entra(), token({"roles": ["dlpagent.reader", "dlpagent.architect", "x"]}))
    assert found == Principal("entra:user-1", "user-1", "architect", ONE)


def without_signature(claims_of: str, alg: str) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': 'k1'})}.{claims_of.split('.')[1]}."


def hmac_under_public_key() -> str:
    """The classic: HS256 with the published public key as the secret."""
    import hashlib
    import hmac

    head, body, _ = token().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"k1"}').rstrip(b"=").decode()
    mac = hmac.digest(public_pem("k1"), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def changed(place: int) -> str:
    parts = token().split(".")
    char = "A" if parts[place][10] != "A" else "B"
    parts[place] = parts[place][:10] + char + parts[place][11:]
    return ".".join(parts)


NOW = int(time.time())
ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: without_signature(token(), "none"),
    "alg None": lambda: without_signature(token(), "None"),
    "alg empty": lambda: without_signature(token(), ""),
    "HS256 under the public key": hmac_under_public_key,
    "HS256 under a secret": lambda: token(signer="s" * 32, alg="HS256"),
    "RS512": lambda: token(alg="RS512"),
    "PS256": lambda: token(alg="PS256"),
    "another key under a known kid": lambda: token(signer=key("evil")),
    "unknown kid": lambda: token(kid="k2", signer=key("k2")),
    "no kid": lambda: jwt.encode({"tid": ONE}, key("k1"), "RS256"),
    "kid is a path": lambda: token(kid="../../k1"),
    "own key in the header": lambda: token(signer=key("evil"), headers={"jwk": jwk("evil")}),
    "own address in the header": lambda: token(
        signer=key("evil"), headers={"jku": "https://evil.example/keys"}
    ),
    "crit": lambda: token(headers={"crit": ["b64"], "b64": False}),
    "wrong audience": lambda: token({"aud": "api://other"}),
    "no audience": lambda: token({"aud": None}),
    "wrong issuer": lambda: token({"iss": "https://evil.example/v2.0"}),
    "issuer of another tenant": lambda: token({"iss": ISSUER.replace(ONE, TWO)}),
    "issuer with more behind": lambda: token({"iss": ISSUER + ".evil.example"}),
    "no issuer": lambda: token({"iss": None}),
    "tenant that is not served": lambda: token(
        {"tid": OTHER, "iss": ISSUER.replace(ONE, OTHER)}
    ),
    "no tenant": lambda: token({"tid": None}),
    "tenant is a number": lambda: token({"tid": 5}),
    "expired": lambda: token({"exp": NOW - 3600}),
    "no expiry": lambda: token({"exp": None}),
    "not yet": lambda: token({"nbf": NOW + 3600}),
    "no nbf": lambda: token({"nbf": None}),
    "made in the future": lambda: token({"iat": NOW + 3600}),
    "claims changed": lambda: changed(1),
    "signature changed": lambda: changed(2),
    "signature cut": lambda: token().rpartition(".")[0] + ".",
    "two parts": lambda: token().rpartition(".")[0],
    "no token": lambda: "x.y.z",
    "empty": lambda: "..",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(attack: Callable[[], str]) -> None:
    assert ask(entra(), attack()) is None


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_told_no_more_than_that_nobody_is_known(
    served: Served, attack: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLPAGENT_HOME", str(served.service.home.path))
    settings = ServeSettings(tenants=served.service.settings.tenants, entra=SETTINGS)
    app = make_app(settings, served.service, fetch=Directory())
    told = sent(app, "GET", "/v1/me", headers={"Authorization": f"Bearer {attack()}"})
    assert told.status_code == 401
    assert told.json()["title"] == "who asks is not known"
    good = sent(app, "GET", "/v1/me", headers={"Authorization": f"Bearer {token()}"})
    assert (good.status_code, good.json()["role"]) == (200, "analyst")


def test_a_token_without_a_role_of_ours_is_known_and_may_nothing() -> None:
    with pytest.raises(Refusal) as refusal:
        ask(entra(), token({"roles": ["admin", "dlpagent.owner"]}))
    assert refusal.value.problem.status == 403


def test_each_tenant_has_keys_of_its_own() -> None:
    directory = Directory()
    ask(entra(directory), token())
    assert directory.asked == [f"https://login.microsoftonline.com/{ONE}/discovery/v2.0/keys"]


def test_a_rotated_key_is_noticed_once_a_minute_and_no_oftener() -> None:
    directory, clock = Directory(), Clock()
    checker = entra(directory, clock)
    assert ask(checker, token())
    directory.names = ("k1", "k2")
    new = token(kid="k2", signer=key("k2"))
    assert ask(checker, new) is None
    assert ask(checker, new) is None
    assert len(directory.asked) == 1
    clock.now += FETCH_AGAIN_S
    assert ask(checker, new)
    directory.names = ("k2",)
    clock.now += FRESH_S
    assert ask(checker, token()) is None, "a key that is no longer published is no longer good"


def test_while_keys_cannot_be_fetched_known_ones_serve_for_a_day() -> None:
    directory, clock = Directory(), Clock()
    checker = entra(directory, clock)
    assert ask(checker, token())
    directory.error = httpx.ConnectError("down")
    clock.now += FRESH_S + 1
    assert ask(checker, token())
    assert ask(checker, token(kid="k2", signer=key("k2"))) is None
    clock.now += USABLE_S
    with pytest.raises(Refusal) as refusal:
        ask(checker, token())
    assert refusal.value.problem.status == 503


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ReadTimeout("x"), ValueError("x"), OSError("x"), KeyError("x")],
)
def test_nobody_is_let_in_when_keys_were_never_fetched(error: Exception) -> None:
    with pytest.raises(Refusal) as refusal:
        ask(entra(Directory(error=error)), token())
    assert refusal.value.problem.status == 503


def test_keys_that_are_none_are_left_out() -> None:
    more: list[dict[str, Any]] = [
        {"kty": "oct", "kid": "k9", "k": "AAAA"}, {"kty": "RSA", "use": "enc", "kid": "k8"},
    ]  # fmt: skip
    assert ask(entra(Directory(more=more)), token())
    assert ask(entra(Directory(more=more)), token(kid="k9", signer="A" * 32, alg="HS256")) is None
