"""Copilot interactions live from Graph: against the loopback Microsoft, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources import _copilot_history, _live_api
from dlpagent.connectors.sources.graph_copilot import GraphCopilot
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_misses_nothing_while_records_change,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
)
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.logs import RandomFaults, Tenant
from dlpagent.errors import ConfigurationError, SourceError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday
CARD = "application/vnd.microsoft.card.adaptive"


def talk(number: int, user: str, when: datetime) -> list[dict[str, Any]]:
    """A prompt, and an answer in a card, a second later; the answer names nobody."""
    same = {"requestId": f"r{user}{number}", "sessionId": f"s{user}{number // 5}",
            "appClass": f"IPM.SkypeTeams.Message.Copilot.{'Word' if number % 2 else 'BizChat'}"}  # fmt: skip
    card = '{"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "answer %s %d"}]}'
    return [
        {**same, "id": f"{user}-{number}-p", "interactionType": "userPrompt",
         "createdDateTime": stamp(when), "from": {"user": {"id": user}},
         "body": {"contentType": "text", "content": f"prompt {user} {number}"}},
        {**same, "id": f"{user}-{number}-a", "interactionType": "aiResponse",
         "createdDateTime": stamp(when + timedelta(seconds=1)), "from": {"user": None},
         "body": {"contentType": "html", "content": '<attachment id="c"></attachment>'},
         "attachments": [{"attachmentId": "c", "contentType": CARD,
                          "content": card % (user, number)}]},
    ]  # fmt: skip


def stamp(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def history(user: str, many: int, step: timedelta = timedelta(hours=3)) -> list[dict[str, Any]]:
    return [one for n in range(many) for one in talk(n, user, START + n * step)]


def expected_of(interactions: list[dict[str, Any]]) -> dict[str, list[str]]:
    told = {}
    for one in interactions:
        _, number, kind = one["id"].rsplit("-", 2)
        user = one["id"].rsplit("-", 2)[0]
        told[one["id"]] = [f"{'prompt' if kind == 'p' else 'answer'} {user} {number}"]
    return told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with Tenant(tmp_path_factory.mktemp("tenant"), page_size=7) as tenant:
        yield tenant


@pytest.fixture
def tenant(running: Tenant, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    running.clear()
    running.interactions = {"ada": history("ada", 60)}
    running.groups, running.unlicensed, running.page_life = {}, frozenset(), None
    running.asked.clear()
    monkeypatch.setenv("SECRET", CLIENT_SECRET)
    monkeypatch.setattr(_live_api, "_wait", lambda _: None)
    return running


def source(tenant: Tenant, query: str = "user=ada", **settings: Any) -> GraphCopilot:
    return GraphCopilot(
        f"graph://copilot?{query}", auth="secret", tenant_id=TENANT, client_id=CLIENT_ID,
        secret_env="SECRET", authority=tenant.url, ca_file=str(tenant.ca_file),
        endpoint=tenant.url, allowed_hosts=("localhost",), clock=lambda: NOW,
        **{"since": "2026-11-09", **settings},
    )  # fmt: skip


def rows_of(source: GraphCopilot) -> list[dict[str, Any]]:
    return [
        row
        for asset in source.discover()
        for batch, _ in source.read(asset)
        for row in batch.to_pylist()
    ]


def test_the_source_passes_the_conformance_kit(tenant: Tenant) -> None:
    expected = expected_of(tenant.interactions["ada"])
    check_reads_exactly(lambda: source(tenant), expected)
    check_discovers_the_same_again(lambda: source(tenant))
    check_resumes_everywhere(lambda: source(tenant, batch_rows=20))
    check_closes_what_it_opens(lambda: source(tenant), times=3)


def test_failing_reads_throttles_and_cut_answers_lose_and_repeat_nothing(tenant: Tenant) -> None:
    tenant.fail_at_random(RandomFaults(0.3))
    check_survives_failures(
        lambda: source(tenant, batch_rows=20), expected_of(tenant.interactions["ada"])
    )
    assert tenant.faults.happened > 5  # type: ignore[attr-defined]


def test_expired_page_tokens_begin_the_slice_again_and_lose_and_repeat_nothing(
    tenant: Tenant,
) -> None:
    for life in (0, 3, 8):
        tenant.page_life, before = life, tenant.expired
        check_reads_exactly(lambda: source(tenant), expected_of(tenant.interactions["ada"]))
        assert tenant.expired == before + 1


def test_a_slice_with_too_many_is_halved_and_reads_the_same(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows_of(source(tenant))
    monkeypatch.setattr(_copilot_history, "MAX_SLICE", 25)
    asked = len(tenant.asked)
    assert rows_of(source(tenant)) == whole
    assert len({query for _, query in tenant.asked[asked:]}) > 6
    check_resumes_everywhere(lambda: source(tenant, batch_rows=10))


class Written:
    """A history that is written to while it is read."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._held: dict[str, dict[str, Any]] = {}

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        for name, text in records:
            when = START + timedelta(minutes=10 * (int(name) % 900))
            self._held[name] = {
                "id": name, "interactionType": "userPrompt", "createdDateTime": stamp(when),
                "requestId": name, "body": {"contentType": "text", "content": text},
            }  # fmt: skip
        self._tenant.interactions = {"ada": list(self._held.values())}

    def delete(self, ids: Sequence[str]) -> None:
        for name in ids:
            del self._held[name]
        self.put([])


@pytest.mark.parametrize("resume_after", [None, 3])
def test_nothing_untouched_is_missed_while_the_history_is_written_to(
    tenant: Tenant, resume_after: int | None
) -> None:
    store, records = Written(tenant), {str(n): f"text {n}" for n in range(0, 1800, 3)}
    store.put(sorted(records.items()))
    check_misses_nothing_while_records_change(
        lambda: source(tenant, until="2026-11-16", batch_rows=25), store, records,
        new_id=lambda n: str(3 * n + 1), resume_after=resume_after,
    )  # fmt: skip


def test_a_row_says_who_spoke_when_in_which_thread(tenant: Tenant) -> None:
    tenant.interactions = {"ada": talk(4, "ada", START + timedelta(hours=1))}
    prompt, answer = rows_of(source(tenant))
    assert prompt["asset_uri"] == "graph://copilot/users/ada#2026-11-09..2026-11-16"
    shown = ("record_id", "actor_id", "role", "conversation_id", "parent_id", "text", "app")
    assert [prompt[name] for name in shown] == [
        "ada-4-p", "ada", "user", "sada0", None, "prompt ada 4", "Microsoft 365 Copilot",
    ]  # fmt: skip
    assert [answer[name] for name in shown] == [
        "ada-4-a", "ada", "assistant", "sada0", "ada-4-p", "answer ada 4", "Microsoft 365 Copilot",
    ]  # fmt: skip
    assert prompt["created_at"] == START + timedelta(hours=1)
    assert answer["attachments"][0]["mime"] == CARD


def test_interactions_at_the_edges_of_windows_are_given_by_one_window_each(tenant: Tenant) -> None:
    edge = START + timedelta(days=7)
    moments = [edge - timedelta(microseconds=1), edge, edge + timedelta(seconds=1)]
    tenant.interactions = {"ada": [talk(n, "ada", when)[0] for n, when in enumerate(moments)]}
    found = source(tenant)
    by_asset = {
        asset.uri.partition("#")[2]: [
            row["record_id"] for batch, _ in found.read(asset) for row in batch.to_pylist()
        ]
        for asset in found.discover()
    }
    assert by_asset == {
        "2026-11-09..2026-11-16": ["ada-0-p"],
        "2026-11-16..2026-11-23": ["ada-1-p", "ada-2-p"],
    }


def test_windows_that_are_over_are_read_once_and_those_that_are_not_each_time(
    tenant: Tenant,
) -> None:
    keys = [asset.change_key for asset in source(tenant, since="20d").discover()]
    assert keys == ["closed", "closed", "closed", None]  # 2026-10-26 to 2026-11-23


def test_without_a_user_all_users_are_walked_and_with_a_group_its_members(tenant: Tenant) -> None:
    tenant.interactions = {f"u{n:02}": talk(n, f"u{n:02}", START) for n in range(20)}
    tenant.groups = {"g1": ["u03", "u07"]}
    assert {row["actor_id"] for row in rows_of(source(tenant, ""))} == set(tenant.interactions)
    assert {row["actor_id"] for row in rows_of(source(tenant, "group=g1"))} == {"u03", "u07"}
    with pytest.raises(SourceError, match="status 404"):
        rows_of(source(tenant, "group=none"))


def test_a_user_whose_history_is_refused_is_told_with_what_to_grant(tenant: Tenant) -> None:
    tenant.unlicensed = frozenset({"bob"})
    with pytest.raises(SourceError, match=r"AiEnterpriseInteraction\.Read\.All"):
        rows_of(source(tenant, "user=bob"))


def test_a_revoked_token_is_renewed(tenant: Tenant) -> None:
    tenant.fail(Fault("none", "graph"), Fault("expire_tokens", "graph"))
    assert len(rows_of(source(tenant))) == 120


def test_the_class_of_app_narrows_what_is_asked_for_and_names_another_asset(
    tenant: Tenant,
) -> None:
    wanted = "IPM.SkypeTeams.Message.Copilot.Word"
    rows = rows_of(source(tenant, f"user=ada&app_class={wanted}"))
    assert len(rows) == 60
    assert f"app_class={wanted}" in rows[0]["asset_uri"]


def test_labels_of_an_audit_file_are_given_to_the_interactions_that_touched_them(
    tenant: Tenant, tmp_path: Path
) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps([{
        "Id": "a", "CreationTime": "2026-11-09T00:00:00", "Operation": "CopilotInteraction",
        "CopilotEventData": {
            "ThreadId": "sada0", "AccessedResources": [{"SensitivityLabelId": "L-1"}],
            "Messages": [{"Id": "ada-0-p", "isPrompt": True}, {"Id": "ada-0-a", "isPrompt": False}],
        },
    }]))  # fmt: skip
    found = source(tenant, audit=str(path))
    labelled = {row["record_id"]: row["labels"] for row in rows_of(found) if row["labels"]}
    assert labelled == {"ada-0-p": ["l-1"], "ada-0-a": ["l-1"]}
    assert next(asset.change_key for asset in found.discover()) != "closed"


def test_a_wait_of_hours_is_told_and_not_waited_for(tenant: Tenant) -> None:
    tenant.fail(Fault("status", "graph", status=429, retry_after="7200"))
    with pytest.raises(SourceError, match="asked again in 7200 seconds"):
        rows_of(source(tenant))


@pytest.mark.parametrize(
    "link",
    ["https://graph.example.com/v1.0/users", "http://localhost/v1.0/users", "https://[/x",
     "file:///etc/passwd", "https://ada:secret@localhost/v1.0/users"],
)  # fmt: skip
def test_a_next_page_on_another_host_is_not_followed(tenant: Tenant, link: str) -> None:
    api = _live_api.LiveApi(tenant.url, ca_file=str(tenant.ca_file))
    asked = len(tenant.asked)
    with pytest.raises(SourceError, match="another host"):
        api.get(link)
    assert len(tenant.asked) == asked
    api.close()


@pytest.mark.parametrize(
    ("target", "settings", "match"),
    [
        ("graph://mail", {}, "nothing of Graph"),
        ("graph://copilot?colour=red", {}, "setting colour"),
        ("graph://copilot", {"cloud": "moon"}, "no such cloud"),
        ("graph://copilot", {"endpoint": "https://evil.example"}, "may get a token"),
        ("graph://copilot", {"since": "yesterday"}, "is no time"),
        ("graph://copilot?since=2026-11-09&until=2026-11-01", {}, "empty"),
        ("graph://copilot?window_days=0", {}, "window_days"),
        ("graph://ada:secret@copilot", {}, "name or a password"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    target: str, settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        GraphCopilot(target, **settings)


@pytest.mark.parametrize(
    ("cloud", "host"),
    [("", "graph.microsoft.com"), ("us-government", "graph.microsoft.us"),
     ("us-defense", "dod-graph.microsoft.us"), ("china", "microsoftgraph.chinacloudapi.cn")],
)  # fmt: skip
def test_each_cloud_has_its_endpoint_audience_and_authority(cloud: str, host: str) -> None:
    api = GraphCopilot("graph://copilot", cloud=cloud)._api
    assert (api.endpoint, api.audience) == (f"https://{host}/v1.0", f"https://{host}")
    assert api.cloud.name == (cloud or "public")
