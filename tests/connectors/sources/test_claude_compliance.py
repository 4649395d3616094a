"""The Claude Compliance API, live against a loopback of its documented requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlpagent.connectors.sources import _live_api
from dlpagent.connectors.sources.claude_compliance import KEY_VARIABLE, ClaudeCompliance
from dlpagent.connectors.testing import (
    Answer,
    Faults,
    Request,
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
    check_survives_failures,
    serving,
)
from dlpagent.connectors.testing.loopback import Loopback
from dlpagent.errors import ConfigurationError, SourceError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROOT = "/v1/compliance"


def stamp(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


class Anthropic:
    """Activities newest first, chats by user, messages by chat; pages of at most seven."""

    def __init__(self) -> None:
        self.chats: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.activities: list[dict[str, Any]] = []
        self.gone: set[str] = set()
        for number in range(12):
            self.add(f"user_{number % 2}", f"chat_{number:02}", 3)

    def add(self, user: str, chat: str, many: int) -> None:
        when = stamp(NOW - timedelta(hours=9 * (20 - len(self.chats))))
        about = {"id": user, "email_address": f"{user}@contoso.example"}
        self.chats[chat] = {"id": chat, "name": f"title of {chat}", "created_at": when,
                            "updated_at": when, "user": about, "model": "claude-opus"}  # fmt: skip
        self.messages[chat] = [
            {"id": f"m{n}", "role": "assistant" if n % 2 else "user", "created_at": when,
             "content": [{"type": "text", "text": f"text {n} of {chat}"}], "files": []}
            for n in range(many)
        ]  # fmt: skip
        self.activities.insert(0, {
            "id": f"activity_{chat}", "created_at": when, "type": "claude_chat_created",
            "organization_id": "org", "claude_chat_id": chat,
            "actor": {"type": "user_actor", "user_id": user, "email_address": about["email_address"]},
        })  # fmt: skip

    def __call__(self, request: Request) -> Answer:
        if request.method != "GET":
            return Answer({"error": {"type": "not_allowed"}}, 405)
        if request.headers.get("x-api-key") != "the key":
            return Answer({"error": {"type": "authentication_error"}}, 401)
        path = request.path.removeprefix(ROOT)
        if path == "/activities":
            return self._page(self.activities, request)
        if path == "/apps/chats":
            users = request.query.get("user_ids[]", [])
            if not 1 <= len(users) <= 10:
                return Answer({"error": {"type": "invalid_request_error"}}, 400)
            found = [one for one in self.chats.values() if one["user"]["id"] in users]
            return self._page(found[::-1], request)
        chat = path.removeprefix("/apps/chats/").removesuffix("/messages")
        if chat in self.messages and chat not in self.gone:
            return self._page(self.messages[chat], request)
        return Answer({"error": {"type": "not_found_error"}}, 404)

    def _page(self, values: list[dict[str, Any]], request: Request) -> Answer:
        ids = [one["id"] for one in values]
        after = request.first("after_id")
        start = ids.index(after) + 1 if after else 0
        page = values[start : start + min(7, int(request.first("limit", "20")))]
        return Answer({
            "data": page, "has_more": start + len(page) < len(values),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        })  # fmt: skip


@pytest.fixture
def anthropic(monkeypatch: pytest.MonkeyPatch) -> Anthropic:
    monkeypatch.setenv(KEY_VARIABLE, "the key")
    monkeypatch.setattr(_live_api, "_wait", lambda _: None)
    return Anthropic()


@pytest.fixture
def server(anthropic: Anthropic) -> Iterator[Loopback]:
    with serving(anthropic, Faults()) as running:
        yield running


def source(server: Loopback, query: str = "", **settings: Any) -> ClaudeCompliance:
    return ClaudeCompliance(
        f"claude-compliance://127.0.0.1:{server.port}{query}", allowed_hosts=("127.0.0.1",),
        clock=lambda: NOW, **settings,
    )  # fmt: skip


def rows_of(source: ClaudeCompliance) -> list[dict[str, Any]]:
    return [
        row
        for asset in source.discover()
        for batch, _ in source.read(asset)
        for row in batch.to_pylist()
    ]


def expected_of(anthropic: Anthropic) -> dict[str, list[str]]:
    told = {one["id"]: [one["actor"]["email_address"]] for one in anthropic.activities}
    for name, chat in anthropic.chats.items():
        told[f"{name}#title"] = [chat["name"], chat["user"]["email_address"]]
        for one in anthropic.messages[name]:
            told[f"{name}#{one['id']}"] = [one["content"][0]["text"]]
    return told


def test_the_source_passes_the_conformance_kit(anthropic: Anthropic, server: Loopback) -> None:
    check_reads_exactly(lambda: source(server), expected_of(anthropic))
    check_discovers_the_same_again(lambda: source(server))
    check_resumes_everywhere(lambda: source(server, batch_rows=5))
    check_closes_what_it_opens(lambda: source(server), times=3)


def test_failing_reads_throttles_and_cut_answers_lose_and_repeat_nothing(
    anthropic: Anthropic, server: Loopback
) -> None:
    server.faults.rate = 0.3
    check_survives_failures(lambda: source(server, batch_rows=5), expected_of(anthropic))
    assert sum(server.faults.happened.values()) > 5


def test_a_message_tells_user_model_role_and_chat(server: Loopback) -> None:
    rows = {row["record_id"]: row for row in rows_of(source(server))}
    row = rows["chat_03#m1"]
    assert (row["actor_id"], row["model"], row["role"]) == (
        "user_1@contoso.example", "claude-opus", "assistant",
    )  # fmt: skip
    assert (row["conversation_id"], row["text"]) == ("chat_03", "text 1 of chat_03")
    assert rows["activity_chat_03"]["conversation_id"] == "chat_03"


def test_only_what_changed_has_another_change_key(anthropic: Anthropic, server: Loopback) -> None:
    before = {asset.uri: asset.change_key for asset in source(server).discover()}
    anthropic.chats["chat_03"]["updated_at"] = stamp(NOW)
    after = {asset.uri: asset.change_key for asset in source(server).discover()}
    changed = [uri.rpartition("/")[2] for uri in after if before[uri] != after[uri]]
    assert changed == ["user_1"]
    assert list(before.values()).count("closed") == len(before) - 3  # two users, a window


def test_users_may_be_named_instead_of_the_feed(server: Loopback) -> None:
    rows = rows_of(source(server, "?user=user_0"))
    assert {row["actor_id"] for row in rows} == {"user_0@contoso.example"}
    assert not any(request.path.endswith("/activities") for request in server.seen)


def test_a_chat_deleted_meanwhile_is_told_and_the_others_are_read(
    anthropic: Anthropic, server: Loopback
) -> None:
    anthropic.gone = {"chat_04"}
    rows = rows_of(source(server))
    (lost,) = [row for row in rows if row["status"] == "unread"]
    assert (lost["record_id"], lost["part"]) == ("chat_04#title", "#messages")
    assert "chat_06#m0" in {row["record_id"] for row in rows}


def test_a_wrong_key_is_told_with_what_to_do(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "another")
    with pytest.raises(SourceError, match=KEY_VARIABLE):
        rows_of(source(server))
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE):
        rows_of(source(server))


@pytest.mark.parametrize("target", [
    "claude-compliance://evil.example", "claude-compliance://api.anthropic.com?key=x",
    "claude-compliance://k:v@api.anthropic.com", "claude-compliance://api.anthropic.com?since=soon",
])  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_asked(target: str) -> None:
    with pytest.raises(ConfigurationError):
        ClaudeCompliance(target)
