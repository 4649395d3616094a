"""A service with a small pack, two tenants and a key for each role, made once for all tests here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from dlpagent.service.http.access import ROLES, Role
from dlpagent.service.http.app import make_app
from dlpagent.service.http.service import Service, open_service
from dlpagent.service.http.settings import Limits, ServeSettings, TenantSettings

ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
CARD = "4111 1111 1111 1111"
CARD_SIT = """id: 50842eb7-edc8-4019-85dd-5a5c1f2bb085
name: Credit Card Number
version: 1
parity: own
patterns: [{confidence: 85, primary: Func_credit_card}]
"""
ORDER_SIT = """id: 33333333-3333-4333-8333-333333333333
name: Order Code
version: 1
parity: own
elements:
  code: {regex: 'ORD-\\d{6}'}
patterns: [{confidence: 65, primary: code}]
"""
LIMITS = Limits(rate=0, body_bytes=64_000, file_bytes=200_000)


@dataclass(frozen=True, slots=True)
class Served:
    """An open service, its app, and keys: (tenant, role) → key."""

    app: Starlette
    service: Service
    keys: dict[tuple[str, Role], str]

    def send(
        self, method: str, path: str, *, role: Role | None = "admin", tenant: str = ONE, **more: Any
    ) -> httpx.Response:
        """One request, by the key of a role."""
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.keys[tenant, role]}"
        return sent(self.app, method, path, headers=headers, **more)


def sent(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    """One request to an app."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **more)

    return run(ask)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine on a loop of its own."""
    return asyncio.run(work())  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two types: cards (high) and order codes (low)."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "card.yaml").write_text(CARD_SIT)
    (folder / "order.yaml").write_text(ORDER_SIT)
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Iterator[Served]:
    """The service, with a home of its own that lasts as long as the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(tmp_path_factory.mktemp("service-home")))
        settings = settings_of(pack, tenants=(TenantSettings(ONE), TenantSettings(TWO)))
        service = open_service(settings)
        service.warm_up()
        keys = {
            (tenant.id, role): tenant.keys.create(role, role, "tests").key
            for tenant in service.tenants.values()
            for role in ROLES
        }
        yield Served(make_app(settings, service), service, keys)
        service.close()


def settings_of(pack: Path, **more: Any) -> ServeSettings:
    """Settings with the small pack."""
    packs = (str(pack / "card.yaml"), str(pack / "order.yaml"))
    return ServeSettings(**{"packs": packs, "limits": LIMITS, **more})
