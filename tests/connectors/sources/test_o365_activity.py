"""The Office 365 Management Activity feed, live against the loopback Microsoft."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlpagent.connectors.sources import _live_api
from dlpagent.connectors.sources.o365_activity import O365Activity
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
)
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.logs import RandomFaults, Tenant
from dlpagent.errors import ConfigurationError, SourceError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KIND = "Audit.General"


def used(number: int, operation: str = "CopilotInteraction") -> dict[str, Any]:
    return {
        "Id": f"a{number:04}", "CreationTime": "2026-11-19T08:00:00", "Operation": operation,
        "RecordType": 261, "UserId": "ada@contoso.example", "Workload": "Copilot",
        "CopilotEventData": {
            "ThreadId": f"t{number}", "AppHost": "Word",
            "AccessedResources": [
                {"Name": f"plan {number}.docx", "SensitivityLabelId": "F41AB342-0000"}
            ],
            "Messages": [{"Id": "1", "isPrompt": True}, {"Id": "2", "isPrompt": False}],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with Tenant(tmp_path_factory.mktemp("tenant")) as tenant:
        yield tenant


@pytest.fixture
def tenant(running: Tenant, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    running.clear()
    feed = running.audit
    feed.now, feed.started, feed.gone = (lambda: NOW), {KIND}, set()
    feed.blobs.clear()
    for number in range(30):
        records = [used(3 * number + n) for n in range(3)]
        records.append(used(1000 + number, "UserLoggedIn"))
        feed.add(KIND, NOW - timedelta(hours=30 + number), records)
    monkeypatch.setenv("SECRET", CLIENT_SECRET)
    monkeypatch.setattr(_live_api, "_wait", lambda _: None)
    return running


def source(tenant: Tenant, query: str = "", **settings: Any) -> O365Activity:
    return O365Activity(
        f"o365-activity://{TENANT}{query}", auth="secret", client_id=CLIENT_ID,
        secret_env="SECRET", authority=tenant.url, ca_file=str(tenant.ca_file),
        endpoint=tenant.url, allowed_hosts=("localhost",), clock=lambda: NOW, **settings,
    )  # fmt: skip


def rows_of(source: O365Activity) -> list[dict[str, Any]]:
    return [
        row
        for asset in source.discover()
        for batch, _ in source.read(asset)
        for row in batch.to_pylist()
    ]


EXPECTED = {f"a{n:04}": [f"plan {n}.docx"] for n in range(90)}


def test_the_source_passes_the_conformance_kit(tenant: Tenant) -> None:
    check_reads_exactly(lambda: source(tenant), EXPECTED, coverage={"read": 90, "no_content": 90})
    check_discovers_the_same_again(lambda: source(tenant))
    check_resumes_everywhere(lambda: source(tenant, batch_rows=12))
    check_closes_what_it_opens(lambda: source(tenant), times=3)


def test_failing_reads_throttles_and_cut_answers_lose_and_repeat_nothing(tenant: Tenant) -> None:
    tenant.fail_at_random(RandomFaults(0.3))
    check_survives_failures(lambda: source(tenant, batch_rows=12), EXPECTED)
    assert tenant.faults.happened > 5  # type: ignore[attr-defined]


def test_a_row_tells_the_user_the_thread_and_the_labels_touched(tenant: Tenant) -> None:
    row = rows_of(source(tenant))[0]
    assert (row["actor_id"], row["conversation_id"]) == ("ada@contoso.example", "t87")
    assert row["labels"] == ["f41ab342-0000"]
    assert row["app"] == "Microsoft 365 Copilot"
    assert row["created_at"] == datetime(2026, 11, 19, 8, tzinfo=UTC)


def test_a_day_is_read_again_only_when_it_has_other_blobs(tenant: Tenant) -> None:
    before = {asset.uri: asset.change_key for asset in source(tenant).discover()}
    tenant.audit.add(KIND, NOW - timedelta(hours=1), [used(500)])
    after = {asset.uri: asset.change_key for asset in source(tenant).discover()}
    assert [uri for uri in after if before.get(uri) != after[uri]] == [
        f"o365-activity://{TENANT}/{KIND}#2026-11-20..2026-11-21"
    ]


def test_the_oldest_day_keeps_its_name_while_it_passes_away(tenant: Tenant) -> None:
    names = [asset.uri.partition("#")[2] for asset in source(tenant, since="30d").discover()]
    assert names[0] == "2026-11-13..2026-11-14"
    assert len(names) == 8


def test_other_operations_are_read_when_they_are_named(tenant: Tenant) -> None:
    assert len({row["record_id"] for row in rows_of(source(tenant, "?operations=all"))}) == 120
    named = rows_of(source(tenant, "?operations=UserLoggedIn"))
    assert {row["record_id"] for row in named} == {f"a{1000 + n}" for n in range(30)}


def test_a_blob_that_has_expired_is_told_and_the_others_are_read(tenant: Tenant) -> None:
    tenant.audit.gone = {tenant.audit.blobs[4].id}
    rows = rows_of(source(tenant))
    (lost,) = [row for row in rows if row["status"] == "unread"]
    assert lost["part"] == "#blob"
    assert len({row["record_id"] for row in rows}) == 88


def test_a_record_in_two_blobs_is_read_once(tenant: Tenant) -> None:
    tenant.audit.add(KIND, NOW - timedelta(hours=30), [used(1)])
    check_reads_exactly(
        lambda: source(tenant, since="2026-11-17"), EXPECTED,
        coverage={"read": 90, "no_content": 90},
    )  # fmt: skip


def test_a_subscription_is_started_only_when_that_is_asked_for(tenant: Tenant) -> None:
    tenant.audit.started.clear()
    with pytest.raises(SourceError, match="Set start to true"):
        rows_of(source(tenant))
    assert rows_of(source(tenant, start="true"))
    assert tenant.audit.started == {KIND}


@pytest.mark.parametrize(
    ("target", "settings"),
    [("o365-activity://contoso", {}), ("o365-activity://" + TENANT, {"cloud": "china"}),
     ("o365-activity://" + TENANT + "?x=1", {})],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_asked(
    target: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        O365Activity(target, **settings)
