"""Receipts come back as they were written."""

from __future__ import annotations

import pytest

from dlpagent.errors import StateError
from dlpagent.state.receipts import ACTIONS, Receipt, receipts_of, store_receipt


def _store(state, *deeds):
    with state.database.write() as connection:
        for deed in deeds:
            store_receipt(connection, deed, state.database.moment())


def test_receipts_are_kept_in_order_and_found_by_asset_and_record(state):
    first = Receipt("qdrant://h/a", "r1", "hidden", "ab12", "ann", details={"to": "q"})
    second = Receipt("qdrant://h/a", "r2\x00", "erased", "cd34", "ann")
    third = Receipt("qdrant://h/b", "", "erased", "ef56", "bob", at="2025-01-01T00:00:00.000000Z")
    _store(state, first, second, third)
    assert [each.hash_seen for each in receipts_of(state.database)] == ["ab12", "cd34", "ef56"]
    (found,) = receipts_of(state.database, "qdrant://h/a", "r1")
    assert (found.details, found.at) == ({"to": "q"}, "2026-01-02T03:04:05.000000Z")
    assert receipts_of(state.database, "qdrant://h/a")[1].record_id == "r2\x00"
    assert receipts_of(state.database, "qdrant://h/b") == [third]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_deed_has_a_receipt(state, action):
    _store(state, Receipt("a", "r", action, "h", "ann"))
    assert receipts_of(state.database)[0].action == action


def test_a_deed_we_do_not_know_is_refused(state):
    with pytest.raises(StateError, match="names no deed"):
        _store(state, Receipt("a", "r", "burnt", "h", "ann"))
