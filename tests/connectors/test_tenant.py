"""A tenant's labels, policy files and opinions, read from a Graph that is as strict as the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors._azure import Login
from dlpagent.connectors.tenant import Tenant
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.errors import ConfigurationError, SourceError

LABELS = "/security/datasecurityandgovernance/sensitivitylabels"
FILES = "/security/datasecurityandgovernance/policyfiles"
USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
SIT = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"


def label(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"4e4234dd-377b-42a3-935b-{number:012}", "name": f"L{number}", **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsoft]:
    with Microsoft(tmp_path_factory.mktemp("microsoft"), page_size=2) as microsoft:
        yield microsoft


@pytest.fixture
def microsoft(running: Microsoft) -> Microsoft:
    running.clear()
    running.graph.lists = {}
    return running


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def tenant(
    microsoft: Microsoft, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tenant]:
    monkeypatch.setenv("LOOPBACK_SECRET", CLIENT_SECRET)
    login = Login(
        "secret", TENANT, CLIENT_ID, None, "LOOPBACK_SECRET", microsoft.url,
        str(microsoft.ca_file), 2.0,
    )  # fmt: skip
    opened = Tenant(microsoft.url, login, allowed_hosts=["localhost"], sleep=waits.append)
    yield opened
    opened.close()


@pytest.mark.parametrize("api", ["v1.0", "beta"])
def test_all_pages_come_with_their_sublabels(
    microsoft: Microsoft, tenant: Tenant, api: Any
) -> None:
    held = [label(n, sublabels=[label(100 + n)]) for n in range(5)]
    microsoft.graph.lists = {LABELS: held}
    assert tenant.labels(api) == {"value": held}


def test_labels_of_one_user_are_asked_for_by_the_user(microsoft: Microsoft, tenant: Tenant) -> None:
    path = f"/users/{USER}/datasecurityandgovernance/sensitivitylabels"
    microsoft.graph.lists = {LABELS: [label(1), label(2)], path: [label(2)]}
    assert tenant.labels(user_id=USER) == {"value": [label(2)]}


def test_a_graph_that_does_not_know_expand_is_asked_without(
    microsoft: Microsoft, tenant: Tenant
) -> None:
    microsoft.graph.lists = {LABELS: [label(1)]}
    microsoft.fail(Fault("status", "graph", status=400))
    assert tenant.labels() == {"value": [label(1)]}


@pytest.mark.parametrize(
    ("faults", "waited"),
    [
        ([Fault("status", "graph", status=429, retry_after="7")], [7.0]),
        ([Fault("status", "graph", status=503)] * 2, [0.5, 1.0]),
        ([Fault("cut_after", "graph")], [0.5]),
        ([Fault("cut_body", "graph")], [0.5]),
        ([Fault("expire_tokens", "graph")], []),
        ([Fault("none", "graph"), Fault("status", "graph", status=500)], [0.5]),
    ],
)
def test_what_passes_is_waited_for(
    microsoft: Microsoft, tenant: Tenant, waits: list[float], faults: list[Fault],
    waited: list[float],
) -> None:  # fmt: skip
    held = [label(n) for n in range(3)]
    microsoft.graph.lists = {LABELS: held}
    tenant.labels()  # the token is there
    waits.clear()
    microsoft.fail(*faults)
    assert tenant.labels()["value"] == held
    assert waits == waited


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ([Fault("status", "graph", status=403)], "403"),
        ([Fault("status", "graph", status=503)] * 4, "503"),
        ([Fault("status", "graph", status=429, retry_after="3600")], "429"),
        ([Fault("malformed", "graph")], "no JSON object"),
        ([Fault("status", "token", status=400)] * 4, "no token"),
    ],
)
def test_what_does_not_pass_is_told_without_any_value(
    microsoft: Microsoft, tenant: Tenant, faults: list[Fault], found: str
) -> None:
    microsoft.fail(*faults)
    with pytest.raises(SourceError) as caught:
        tenant.labels()
    assert found in caught.value.found
    assert caught.value.remedy
    assert CLIENT_SECRET not in str(caught.value)


def test_policy_files_come_from_beta(microsoft: Microsoft, tenant: Tenant) -> None:
    rows = [{"id": name, "status": "noContent"} for name in ("DlpPolicy", "A", "B")]
    microsoft.graph.lists = {FILES: rows}
    assert tenant.policy_files() == rows


def test_an_opinion_is_asked_with_ids_counts_and_confidence_only(
    microsoft: Microsoft, tenant: Tenant
) -> None:
    microsoft.graph.opinion = {"automatic": {"sensitivityLabel": {"id": label(1)["id"]}}}
    found = tenant.evaluate_labels([(SIT, [(85, 2), (75, 1)])], (label(2)["id"], "manual"))
    assert found == microsoft.graph.opinion
    (sent,) = microsoft.graph.evaluations.values()
    (discovered,) = sent["discoveredSensitiveTypes"]
    assert (discovered["id"], discovered["count"], discovered["confidence"]) == (SIT, 3, 85)
    counts = [(one["confidence"], one["count"]) for one in discovered["classificationAttributes"]]
    assert counts == [(85, 2), (75, 1)]
    assert set(sent) == {"discoveredSensitiveTypes", "currentLabel"}
    assert sent["currentLabel"]["applicationMode"] == "manual"


def test_no_result_is_no_opinion(tenant: Tenant) -> None:
    assert tenant.evaluate_labels([]) == {}


@pytest.mark.parametrize("target", ["http://graph.microsoft.com", "https://evil.example"])
def test_a_token_goes_to_graph_only(target: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Tenant(target, Login("secret", TENANT, CLIENT_ID, secret_env=str(tmp_path)))
