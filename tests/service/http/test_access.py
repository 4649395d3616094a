"""Roles × routes, as the one table says; and no tenant reads another's."""

from __future__ import annotations

from typing import Any

import pytest

from dlpagent.service.http import api_keys
from dlpagent.service.http.access import NEEDS, ROLES, Role
from dlpagent.service.http.app import routes
from tests.service.http.conftest import CARD, ONE, TWO, Served, run

# Written out once more, on purpose: a change of the table is a change of this page.
READER = {
    "GET /metrics", "GET /v1/me", "POST /v1/classify", "POST /v1/decide", "POST /v1/redact",
    "GET /v1/packs", "GET /v1/packs/{pack_id}", "GET /v1/policies",
    "GET /v1/policies/{policy_id}", "POST /analyze", "GET /recognizers", "GET /supportedentities",
    "POST /anonymize", "POST /deanonymize", "GET /anonymizers", "GET /deanonymizers",
}  # fmt: skip
ANALYST = {
    "GET /v1/findings", "GET /v1/violations", "GET /v1/violations/{violation_id}",
    "GET /v1/sweeps", "GET /v1/sweeps/{run_id}",
}  # fmt: skip
ARCHITECT = {"POST /v1/check-policy"}
ADMIN = {"GET /v1/keys", "POST /v1/keys", "DELETE /v1/keys/{key_id}", "GET /v1/audit"}
OPEN = {"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /health"}
EXPECTED: dict[str, Role | None] = {
    **dict.fromkeys(OPEN), **dict.fromkeys(READER, "reader"), **dict.fromkeys(ANALYST, "analyst"),
    **dict.fromkeys(ARCHITECT, "architect"), **dict.fromkeys(ADMIN, "admin"),
}  # fmt: skip
API = [row for row in routes() if row.style != "page"]
MATRIX = [(row, role) for row in API for role in (None, *ROLES)]


def test_the_table_says_what_this_page_says() -> None:
    table = {f"{method} {path}": role for (method, path), role in NEEDS.items()}
    assert {name: table[name] for name in table if "/console" not in name} == EXPECTED


def test_every_row_of_the_table_is_a_route_and_every_route_a_row() -> None:
    served = {(row.method, row.path) for row in routes()}
    assert {key for key in NEEDS if "/console" not in key[1]} <= served <= set(NEEDS)


@pytest.mark.parametrize(
    ("row", "role"), MATRIX, ids=[f"{row.method} {row.path} {role}" for row, role in MATRIX]
)
def test_a_role_may_what_the_table_says_and_nothing_else(
    served: Served, row: Any, role: Role | None
) -> None:
    needed = EXPECTED[f"{row.method} {row.path}"]
    path = row.path.replace("{", "").replace("}", "")
    told = served.send(row.method, path, role=role)
    if needed is None or (role is not None and ROLES.index(role) >= ROLES.index(needed)):
        assert told.status_code not in {401, 403}
    elif role is None:
        assert told.status_code == 401
        assert told.headers["www-authenticate"].startswith("Bearer")
    else:
        assert told.status_code == 403


def test_no_tenant_reads_or_ends_what_is_anothers(served: Served) -> None:
    mine = served.send("POST", "/v1/keys", json={"name": "mine", "role": "reader"}).json()
    ident = mine["stored"]["id"]
    listed = {
        tenant: {each["id"] for each in
                 served.send("GET", "/v1/keys", tenant=tenant).json()["items"]}
        for tenant in (ONE, TWO)
    }  # fmt: skip
    assert ident in listed[ONE]
    assert not listed[ONE] & listed[TWO]
    assert served.send("DELETE", f"/v1/keys/{ident}", tenant=TWO).status_code == 404
    assert served.send("DELETE", f"/v1/keys/{ident}", tenant=ONE).status_code == 204
    acts = served.send("GET", "/v1/audit", tenant=TWO).json()["items"]
    assert ident not in {act["subject"] for act in acts}


def test_the_same_value_has_another_key_in_another_tenant(served: Served) -> None:
    keys = {
        served.send("POST", "/v1/classify", tenant=tenant, json={"text": CARD})
        .json()["results"][0]["findings"][0]["key"]
        for tenant in (ONE, TWO)
    }  # fmt: skip
    assert len(keys) == 2


def test_a_key_is_refused_at_once_though_it_is_asked_about_while_it_is_revoked(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = served.service.tenants[ONE].keys
    made = keys.create("race", "reader", "tests")
    really = api_keys.revoke_key

    def asked_first(*given: Any) -> bool:
        assert run(lambda: keys.principal_of(made.key)) is not None
        return really(*given)

    monkeypatch.setattr(api_keys, "revoke_key", asked_first)
    assert keys.revoke(made.stored.id, "tests")
    assert run(lambda: keys.principal_of(made.key)) is None
    assert run(lambda: keys.principal_of_id(made.stored.id)) is None
