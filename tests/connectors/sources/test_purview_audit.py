"""Purview audit logs that were saved."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.m365_copilot import M365Copilot
from dlpagent.connectors.sources.purview_audit import PurviewAudit
from dlpagent.connectors.testing import check_closes_what_it_opens, check_resumes_everywhere
from dlpagent.errors import ConfigurationError

DATA = Path(__file__).parents[2] / "data" / "audit"
USER = "admin@MODERNCOMMS975184.onmicrosoft.com"
LABEL = "f41ab342-8706-4188-bd11-ebb85995028c"


def rows_of(path: Path, made: Any = PurviewAudit) -> list[dict[str, Any]]:
    source = made(str(path))
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_the_csv_of_a_search_gives_users_times_threads_models_and_labels_touched() -> None:
    assert PurviewAudit.recognises(DATA / "search.csv")
    rows = {row["record_id"]: row for row in rows_of(DATA / "search.csv")}
    assert list(rows) == [
        "99b0a960-13a0-461f-8c5c-cb2316ea273d", "537312b6-dce7-4d9b-8b12-58283204b720",
    ]  # fmt: skip
    first, second = rows.values()
    assert first["actor_id"] == second["actor_id"] == USER
    assert first["created_at"] == datetime(2023, 12, 13, 17, 12, 36, tzinfo=UTC)
    assert (first["labels"], second["labels"]) == (None, [LABEL])
    assert (first["model"], second["model"]) == (None, "DEEP_LEO")
    assert second["conversation_id"] == "19:Xn3uQZYgZ7f2ue0vp5w9MglEVjFyp5pza1efaC6g2U41@thread.v2"
    assert second["attachments"][0]["name"] == "Document1.docx"
    assert json.loads(second["metadata"]) == {
        "operation": "CopilotInteraction", "app_host": "Bing",
        "prompts": ["1715186983849"], "answers": ["1715186984291"],
    }  # fmt: skip
    assert {row["app"] for row in rows.values()} == {"Microsoft 365 Copilot"}


def test_addresses_names_and_links_are_scanned_and_texts_are_told_as_not_there() -> None:
    told = [(row["part"], row["status"]) for row in rows_of(DATA / "record-2.json")]
    assert told == [
        ("CopilotEventData.Messages", "no_content"),
        ("ClientIP", "read"),
        ("CopilotEventData.AISystemPlugin[0].Id", "read"),
        ("CopilotEventData.AISystemPlugin[0].Name", "read"),
        ("CopilotEventData.AccessedResources[0].Id", "read"),
        ("CopilotEventData.AccessedResources[0].Name", "read"),
        ("CopilotEventData.AccessedResources[0].SiteUrl", "read"),
    ]


def without_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("asset_uri", "locator")} for row in rows]


@pytest.mark.parametrize("shape", ["blob", "lines", "search", "text"])
def test_each_form_gives_the_same_rows(tmp_path: Path, shape: str) -> None:
    records = [json.loads((DATA / f"record-{n}.json").read_text()) for n in (1, 2)]
    found = [
        {"id": one["Id"], "operation": one["Operation"], "userPrincipalName": one["UserId"],
         "auditData": json.dumps(one) if shape == "text" else one} for one in records
    ]  # fmt: skip
    path = tmp_path / "a.json"
    path.write_text({
        "blob": json.dumps(records),
        "lines": "\n".join(json.dumps(one) for one in records),
        "search": json.dumps({"@odata.context": "$metadata#x", "value": found}),
        "text": json.dumps({"value": found}),
    }[shape])  # fmt: skip
    assert PurviewAudit.recognises(path)
    assert without_place(rows_of(path)) == without_place(rows_of(DATA / "search.csv"))


THREAD = "19:Xn3uQZYgZ7f2ue0vp5w9MglEVjFyp5pza1efaC6g2U41@thread.v2"


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """What Graph gives of the thread the second audit record is about, and a message of another."""
    path = tmp_path / "graph.json"
    path.write_text(json.dumps([
        {"id": name, "requestId": "r", "sessionId": thread, "body": {"content": f"text {name}"},
         "interactionType": kind, "createdDateTime": "2023-12-14T02:11:50Z"}
        for name, kind, thread in [
            ("1715186983849", "userPrompt", THREAD), ("1715186984291", "aiResponse", THREAD),
            ("5", "userPrompt", THREAD), ("1715186983849", "userPrompt", "another"),
        ]
    ]))  # fmt: skip
    return path


def test_texts_and_labels_name_the_same_thread_and_messages(said: Path) -> None:
    text = rows_of(said, M365Copilot)[0]
    audit = {row["conversation_id"]: row for row in rows_of(DATA / "search.csv")}
    told = audit[text["conversation_id"]]
    assert told["labels"] == [LABEL]
    assert text["record_id"] in json.loads(told["metadata"])["prompts"]


def test_texts_carry_the_labels_they_touched_when_an_audit_file_is_named(said: Path) -> None:
    audit = str(DATA / "search.csv")
    source = M365Copilot(str(said), audit=f"{audit}, {DATA / 'record-1.json'}")
    (asset,) = source.discover()
    rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]
    assert [row["labels"] for row in rows] == [[LABEL], [LABEL], None, None]
    (plain,) = M365Copilot(str(said)).discover()
    assert asset.change_key != plain.change_key
    assert {row["labels"] is None for row in rows_of(said, M365Copilot)} == {True}


def test_an_audit_file_that_is_not_there_is_told(said: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such audit file"):
        list(M365Copilot(str(said), audit="none.csv").discover())


@pytest.mark.parametrize("twentieths", range(2, 20))
def test_a_cut_file_is_read_up_to_the_cut_and_the_cut_is_told(
    tmp_path: Path, twentieths: int
) -> None:
    raw = (DATA / "search.csv").read_bytes()
    path = tmp_path / "cut.csv"
    path.write_bytes(raw[: len(raw) * twentieths // 20])
    rows = rows_of(path)
    assert any(row["status"] == "unread" for row in rows)
    whole = {row["text"] for row in rows_of(DATA / "search.csv") if row["text"]}
    read = [row["text"] for row in rows if row["text"] and row["part"] != "#tail"]
    assert sum(text in whole for text in read) >= len(read) - 1
    if twentieths >= 10:
        assert rows[0]["actor_id"] == USER


def test_flipped_bytes_never_raise_and_the_other_row_is_read(tmp_path: Path) -> None:
    raw, chance = (DATA / "search.csv").read_bytes(), random.Random(4)
    for _ in range(60):
        changed = bytearray(raw)
        for _ in range(3):
            changed[chance.randrange(len(raw))] = chance.randrange(256)
        path = tmp_path / "flip.csv"
        path.write_bytes(bytes(changed))
        assert rows_of(path)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("1,x,261,CopilotInteraction,u,not json,,", [("AuditData", "unread"), ("#tail", "read")]),
        ("1,x,261,CopilotInteraction,u,,,", [("AuditData", "unread")]),
        ("1,x", [("AuditData", "unread"), ("#row", "unread")]),
    ],
)
def test_a_row_without_its_record_is_told(
    tmp_path: Path, cells: str, told: list[tuple[str, str]]
) -> None:
    heading = (DATA / "search.csv").read_text("utf-8").split("\n", 1)[0]
    path = tmp_path / "a.csv"
    path.write_text(f"{heading}\n{cells}\n")
    assert [(row["part"], row["status"]) for row in rows_of(path)] == told


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (DATA / "search.csv").read_bytes())
    assert PurviewAudit.recognises(path)
    assert without_place(rows_of(path)) == without_place(rows_of(DATA / "search.csv"))


def test_a_csv_resumes_behind_any_row(tmp_path: Path) -> None:
    heading, *lines = (DATA / "search.csv").read_text("utf-8").splitlines()
    path = tmp_path / "a.csv"
    ids = ("99b0a960-13a0", "537312b6-dce7")
    body = [lines[n % 2].replace(ids[n % 2], f"{n:08}-{ids[n % 2][9:]}") for n in range(12)]
    path.write_text("\n".join([heading, *body]))
    check_resumes_everywhere(lambda: PurviewAudit(str(path), batch_rows=5))
    check_closes_what_it_opens(lambda: PurviewAudit(str(path)), times=2)
