"""The register is made and fed by sweeps; people say the rest, and retiring asks for proof."""

from __future__ import annotations

import pytest

from dlpagent.errors import StateError
from dlpagent.records import Asset
from dlpagent.state import Counters, Finish
from dlpagent.state.audit_verify import stored_acts
from dlpagent.state.exempting import override
from dlpagent.state.receipts import Receipt, receipts_of, store_receipt
from dlpagent.state.register import entries, entry_id, entry_named, entry_of, say

LABEL = {"id": "l", "name": "Confidential", "priority": 5}


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        (Asset("file:///e/conversations.json", "chat_log", "chatgpt", app="ChatGPT"), ("app", "ChatGPT")),
        (Asset("file:///e/log.jsonl", "chat_log", "litellm"), ("app", "litellm")),
        (Asset("-", "stream", "stdin"), ("app", "stdin")),
        (Asset("chroma:///srv/c#claims", "vector_collection", "chroma"), ("store", "chroma:///srv/c")),
        (Asset("qdrant://h/claims", "vector_collection", "qdrant"), ("store", "qdrant://h/claims")),
        (Asset("postgresql://h/db#public.notes", "dataset", "sql"), ("store", "postgresql://h/db")),
        (Asset("file:///data/train/a.jsonl", "dataset", "jsonl"), ("dataset", "file:///data/train")),
        (Asset("s3://bucket/a.parquet", "dataset", "parquet"), ("dataset", "s3://bucket")),
        (Asset("file:///d/a.zip!in/b.docx", "document", "documents"), ("dataset", "file:///d")),
        (Asset("file:///a.txt", "document", "text"), ("dataset", "file:///a.txt")),
    ],
)  # fmt: skip
def test_an_asset_belongs_to_its_app_its_store_or_its_folder(asset, expected):
    assert entry_of(asset) == expected


@pytest.fixture
def swept(state, some, clock):
    """Sweeps assets of one folder, each with its violations."""

    def sweep(*violations, names=("a",), status="done", label=None):
        clock.advance(1)
        run_id = some.begin(state)
        for name in names:
            asset = some.asset(name)
            lease = state.claim(run_id, asset)
            mine = tuple(each for each in violations if each.asset_uri == asset.uri)
            some.commit(
                state, lease, None, 1, violations=mine, findings=some.findings(3),
                counters=Counters(labels={"l": 1}),
                finish=Finish(status, recommended_label=label),
            )  # fmt: skip
        state.finish_run(run_id, "complete")
        return entry_id("dataset", "file:///data")

    return sweep


def test_a_sweep_makes_entries_for_what_it_reads_and_for_its_pack(state, some, swept):
    ident = swept(some.violation(), names=("a", "b"), label=LABEL)
    dataset, pack = entries(state.database)
    assert (dataset.id, dataset.kind, dataset.name) == (ident, "dataset", "file:///data")
    assert (dataset.state, dataset.updated_by, dataset.assets) == ("assessed", "sweep", 2)
    assert (dataset.whole, dataset.findings, dataset.open) == (True, 6, {"high": 1})
    assert (dataset.label, dataset.labels) == (LABEL, {"l": 2})
    assert dataset.last_sweep == "2026-01-02T03:04:06.000000Z"
    assert (pack.kind, pack.name, pack.last_sweep) == ("pack", some.pack.id, dataset.last_sweep)


def test_what_people_said_stays_when_sweeps_go_on(state, swept):
    ident = swept()
    told = say(state.database, "ann", ident, owner="bob", purpose="support", state="approved")
    assert (told.owner, told.purpose, told.state, told.updated_by) == (
        "bob",
        "support",
        "approved",
        "ann",
    )
    swept()
    assert entry_named(state.database, ident).state == "approved"


def test_the_trend_counts_what_opened_less_what_closed_in_thirty_days(state, some, swept, clock):
    ident = swept(some.violation("old"))
    clock.advance(40 * 86_400)
    swept(some.violation("old"), some.violation("v"), some.violation("w"))
    entry = entry_named(state.database, ident)
    assert (entry.open, entry.trend) == ({"high": 3}, 2)
    override(state.database, "ann", some.violation("old").id, "why")
    swept(some.violation("old"), some.violation("v"))
    entry = entry_named(state.database, ident)
    assert (entry.open, entry.trend) == ({"high": 1}, 0)


def test_retiring_asks_for_a_whole_last_sweep_and_a_receipt(state, swept, clock):
    ident = swept(status="incomplete")
    with pytest.raises(StateError) as refused:
        say(state.database, "ann", ident, state="retired")
    assert "a last sweep that read all of it and a receipt of its deletion" in str(refused.value)
    with pytest.raises(StateError, match="a last sweep"):
        say(state.database, "ann", ident, state="retired", receipt="shredded")
    assert receipts_of(state.database) == []
    swept()
    with pytest.raises(StateError, match="a receipt of its deletion"):
        say(state.database, "ann", ident, state="retired")
    told = say(state.database, "ann", ident, state="retired", receipt="ticket 12")
    assert (told.state, told.retired_at) == ("retired", state.database.moment())
    (proof,) = receipts_of(state.database)
    assert (proof.action, proof.asset_uri, proof.details["words"]) == (
        "erased",
        "file:///data",
        "ticket 12",
    )
    assert not told.seen_since
    clock.advance(60)
    swept()
    assert entry_named(state.database, ident).seen_since


def test_receipts_for_every_asset_are_a_receipt_for_the_entry(state, some, swept):
    ident = swept(names=("a", "b"))

    def erase(name):
        with state.database.write() as connection:
            receipt = Receipt(some.asset(name).uri, "", "erased", "h", "ann")
            store_receipt(connection, receipt, state.database.moment())

    erase("a")
    with pytest.raises(StateError, match="a receipt of its deletion"):
        say(state.database, "ann", ident, state="retired")
    erase("b")
    assert say(state.database, "ann", ident, state="retired").state == "retired"


def test_a_pack_is_retired_without_proof_and_comes_back_to_be_approved(state, some, swept):
    swept()
    ident = entry_id("pack", some.pack.id)
    assert say(state.database, "ann", ident, state="retired").state == "retired"
    assert say(state.database, "ann", ident, state="approved").retired_at is None


def test_every_change_is_an_act_with_what_was_before(state, swept):
    ident = swept()
    say(state.database, "ann", ident, owner="bob")
    say(state.database, "ann", ident, state="retired", receipt="ticket")
    with state.database.read() as connection:
        first, second = stored_acts(connection)
    assert (first.act, first.details["before"], first.details["after"]) == (
        "inventory.set",
        {"owner": ""},
        {"owner": "bob"},
    )
    assert (second.act, second.details["receipt"]) == ("inventory.retire", "ticket")


def test_an_entry_that_is_not_there_is_said(state):
    with pytest.raises(StateError, match="no such entry"):
        entry_named(state.database, "nothing")


def test_a_skipped_asset_counts_as_swept(state, some, swept, clock):
    ident = swept()
    clock.advance(100)
    run_id = some.begin(state)
    state.skip(run_id, some.asset("a"))
    entry = entry_named(state.database, ident)
    assert (entry.whole, entry.last_sweep) == (True, state.database.moment())
