"""Findings, violations and sweeps of a tenant's state, page by page; nothing of another tenant's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlpagent.service.cli.progress import Progress
from dlpagent.service.session import Settings, open_session
from dlpagent.service.wiring import open_sources
from tests.service.http.conftest import CARD, ONE, TWO, Served

COUNT = 7


@pytest.fixture(scope="module", autouse=True)
def swept(served: Served, tmp_path_factory: pytest.TempPathFactory, pack: Path) -> None:
    """A sweep in each tenant's state, over a file of its own."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(served.service.home.path))
        for tenant in (ONE, TWO):
            path = folder / f"{tenant}.jsonl"
            lines = [f'{{"id": "{tenant}-{at}", "text": "{CARD} ORD-12345{at}"}}'
                     for at in range(COUNT)]  # fmt: skip
            path.write_text("\n".join(lines))
            settings = Settings(
                job=f"job-{tenant}", command="scan", policy="example",
                packs=(str(pack / "card.yaml"), str(pack / "order.yaml")),
                state=served.service.tenants[tenant].state.place,
            )  # fmt: skip
            with open_session(settings) as session:
                session.sweep(list(open_sources([str(path)])), Progress(quiet=True))


def pages(served: Served, path: str, tenant: str = ONE, **query: Any) -> list[Any]:
    found: list[Any] = []
    after = None
    while True:
        asked = query if after is None else {**query, "after": after}
        page = served.send("GET", path, role="analyst", tenant=tenant, params=asked).json()
        found += page["items"]
        if (after := page["next"]) is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 7, 14, 1000])
def test_pages_of_findings_join_to_all_of_them(served: Served, limit: int) -> None:
    found = pages(served, "/v1/findings", limit=limit)
    assert len(found) == 2 * COUNT
    assert len({(each["record"], each["start"]) for each in found}) == 2 * COUNT
    assert {each["v"] for each in found} == {1}


def test_findings_are_narrowed_by_asset_type_and_confidence(served: Served) -> None:
    asset = pages(served, "/v1/findings")[0]["asset"]
    assert len(pages(served, "/v1/findings", asset=asset)) == 2 * COUNT
    assert pages(served, "/v1/findings", asset="file:///nope") == []
    assert len(pages(served, "/v1/findings", min_confidence=76)) == COUNT
    order = "33333333-3333-4333-8333-333333333333"
    assert len(pages(served, "/v1/findings", sit=order, limit=2)) == COUNT


def test_violations_come_by_pages_and_one_with_its_history(served: Served) -> None:
    found = pages(served, "/v1/violations", limit=1)
    assert found
    assert found == pages(served, "/v1/violations")
    assert found == pages(served, "/v1/violations", status="new")
    assert pages(served, "/v1/violations", status="resolved") == []
    ident = found[0]["violation"]["id"]
    one = served.send("GET", f"/v1/violations/{ident}").json()
    assert one["violation"] == found[0]["violation"]
    assert one["history"][0]["after"] == "new"


def test_a_sweep_is_told_with_its_assets(served: Served) -> None:
    (run,) = pages(served, "/v1/sweeps")
    assert run["job"] == f"job-{ONE}"
    one = served.send("GET", f"/v1/sweeps/{run['id']}").json()
    assert [asset["status"] for asset in one["assets"]] == ["done"]
    assert one["assets"][0]["counters"]["findings"] == 2 * COUNT


def test_no_value_is_told_anywhere(served: Served) -> None:
    for path in ("/v1/findings", "/v1/violations", "/v1/sweeps", "/v1/audit", "/metrics"):
        assert CARD not in served.send("GET", path).text


@pytest.mark.parametrize(("mine", "other"), [(ONE, TWO), (TWO, ONE)])
def test_every_id_of_another_tenant_is_unknown(served: Served, mine: str, other: str) -> None:
    theirs = {
        "/v1/violations/": [
            each["violation"]["id"] for each in pages(served, "/v1/violations", other)
        ],
        "/v1/sweeps/": [each["id"] for each in pages(served, "/v1/sweeps", other)],
        "/v1/keys/": [each["id"] for each in
                      served.send("GET", "/v1/keys", tenant=other).json()["items"]],
    }  # fmt: skip
    for path, idents in theirs.items():
        assert idents
        for ident in idents:
            method = "DELETE" if "keys" in path else "GET"
            assert served.send(method, path + ident, tenant=mine).status_code == 404
    asset = pages(served, "/v1/findings", other)[0]["asset"]
    for path in ("/v1/findings", "/v1/violations"):
        assert pages(served, path, mine, asset=asset) == []
        assert other not in str(pages(served, path, mine))
    assert other not in str(pages(served, "/v1/sweeps", mine))


def test_a_policy_is_tried_on_the_tenants_own_findings(served: Served) -> None:
    from dlpagent.labels.policy import EXAMPLE_POLICY

    asked = {"yaml": EXAMPLE_POLICY.read_text("utf-8"), "simulate": True}
    told = served.send("POST", "/v1/check-policy", role="architect", json=asked).json()
    # the small pack lacks most types of the example: that is said, with lines
    assert told["ok"] is False
    assert all(each["line"] > 0 for each in told["problems"])
