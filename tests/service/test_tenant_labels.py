"""A tenant's labels are kept, asked for again when old, and used with a warning when Graph is away."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors._azure import Login
from dlpagent.connectors.tenant import Api
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.errors import ProblemsError, SourceError
from dlpagent.service.session import load_taxonomy
from dlpagent.service.tenant_labels import (
    GraphSettings,
    age_in_words,
    is_graph_file,
    read_graph_file,
    tenant_labels,
)

LABELS = "/security/datasecurityandgovernance/sensitivitylabels"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GENERAL = {"id": "4e4234dd-377b-42a3-935b-000000000001", "name": "General", "priority": 0}
SECRET = {"id": "4e4234dd-377b-42a3-935b-000000000002", "name": "Secret", "priority": 5}
BELOW = {"id": "4e4234dd-377b-42a3-935b-000000000003", "name": "Staff", "priority": 6}


class Graph:
    """A tenant that has labels, or is away."""

    def __init__(self, *labels: dict[str, Any]) -> None:
        self.values, self.asked, self.away = list(labels), 0, False

    def labels(self, api: Api = "v1.0", user_id: str | None = None) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise SourceError("away", found="no network")
        return {"value": self.values, "api": api, "user": user_id}

    def close(self) -> None:
        pass


SETTINGS = GraphSettings("graph.yaml", Login(tenant_id=TENANT), max_age_hours=10)


def names(graph: Graph, cache: Path, after_hours: float = 0, **more: Any) -> list[str]:
    now = START + timedelta(hours=after_hours)
    found = tenant_labels(SETTINGS, cache, now=lambda: now, ask=lambda _: graph, **more)
    assert found.taxonomy.tenant == TENANT
    return [label.name for label in found.taxonomy.labels]


def test_labels_are_asked_for_once_while_they_are_young(tmp_path: Path) -> None:
    graph = Graph(GENERAL)
    assert names(graph, tmp_path) == ["General"]
    graph.values.append(SECRET)
    assert names(graph, tmp_path, 9.9) == ["General"]
    assert graph.asked == 1
    assert names(graph, tmp_path, 10) == ["General", "Secret"]
    assert graph.asked == 2


@pytest.mark.parametrize("hours", [-1.0, 10.0])
def test_a_copy_that_is_old_or_from_the_future_is_asked_for_again(
    tmp_path: Path, hours: float
) -> None:
    graph = Graph(GENERAL)
    names(graph, tmp_path)
    names(graph, tmp_path, hours)
    assert graph.asked == 2


def test_a_stale_copy_is_used_with_a_warning_that_tells_its_age(tmp_path: Path) -> None:
    graph = Graph(GENERAL)
    names(graph, tmp_path)
    graph.away = True
    now = START + timedelta(days=3)
    found = tenant_labels(SETTINGS, tmp_path, now=lambda: now, ask=lambda _: graph)
    (warning,) = found.taxonomy.warnings
    assert "3 days ago" in warning.what
    assert (warning.severity, found.problem, found.fetched_at) == ("warning", "no network", START)


@pytest.mark.parametrize("refresh", [False, True])
def test_without_a_copy_or_when_asked_to_refresh_being_away_is_an_error(
    tmp_path: Path, refresh: bool
) -> None:
    graph = Graph(GENERAL)
    if refresh:
        names(graph, tmp_path)
    graph.away = True
    with pytest.raises(SourceError):
        names(graph, tmp_path, refresh=refresh)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"v": 2}', b'{"fetched_at": "x"}'])
def test_a_damaged_copy_is_no_copy(tmp_path: Path, damage: bytes) -> None:
    graph = Graph(GENERAL)
    names(graph, tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(damage)
    assert names(graph, tmp_path) == ["General"]
    assert graph.asked == 2


def test_an_answer_that_is_no_taxonomy_does_not_replace_the_copy(tmp_path: Path) -> None:
    graph = Graph(GENERAL)
    names(graph, tmp_path)
    graph.values = [{"id": "not a guid", "name": "x"}]
    with pytest.raises(ProblemsError):
        names(graph, tmp_path, 11)
    graph.away = True
    assert names(graph, tmp_path, 12) == ["General"]


def test_tenants_and_users_have_copies_of_their_own() -> None:
    others = [
        replace(SETTINGS, user_id="u"),
        replace(SETTINGS, api="beta"),
        replace(SETTINGS, login=Login(tenant_id="other")),
    ]
    assert len({each.identity for each in [SETTINGS, *others]}) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (200_000, "2 days")],
)
def test_ages_read_as_people_say_them(seconds: int, words: str) -> None:
    assert age_in_words(START, START + timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("graph: {tenant: x}", "unknown key"),
        ("graph: {auth: password}", "wrong value"),
        ("graph: {api: v2}", "wrong value"),
        ("graph: {max_age_hours: -1}", "out of range"),
        ("graph: {}\nlabels: []", "unknown key"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(text)
    assert is_graph_file(file)
    with pytest.raises(ProblemsError, match=problem):
        read_graph_file(file)


@pytest.fixture
def microsoft(tmp_path: Path) -> Iterator[Microsoft]:
    (tmp_path / "microsoft").mkdir()
    with Microsoft(tmp_path / "microsoft", page_size=1) as running:
        yield running


@pytest.mark.parametrize("api", ["v1.0", "beta"])
def test_a_graph_file_stands_where_a_file_of_labels_may(
    microsoft: Microsoft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOOPBACK_SECRET", CLIENT_SECRET)
    microsoft.graph.lists = {LABELS: [GENERAL, {**SECRET, "sublabels": [BELOW]}]}
    file = tmp_path / "graph.yaml"
    file.write_text(
        f"graph:\n  target: {microsoft.url}\n  allowed_hosts: [localhost]\n  api: {api}\n"
        f"  auth: secret\n  secret_env: LOOPBACK_SECRET\n  tenant_id: {TENANT}\n"
        f"  client_id: {CLIENT_ID}\n  authority: {microsoft.url}\n"
        f"  ca_file: {microsoft.ca_file}\n  max_age_hours: 0\n  timeout_s: 2\n"
    )
    taxonomy = load_taxonomy(str(file))
    assert [taxonomy.path(label) for label in taxonomy.labels] == [
        "General", "Secret", "Secret/Staff",
    ]  # fmt: skip
    microsoft.fail(Fault("status", "graph", status=403))
    assert load_taxonomy(str(file)) == taxonomy
    assert "could not be asked" in caplog.text
    assert CLIENT_SECRET not in caplog.text
