"""Keys of the service at rest, on both databases."""

from __future__ import annotations

from dataclasses import replace

from dlpagent.state import State
from dlpagent.state.audit_verify import stored_acts
from dlpagent.state.key_rows import StoredKey, add_key, key_row, key_rows, revoke_key

KEY = StoredKey(
    id="a1", name="gateway", role="reader", tenant_id="t1", digest="d" * 64,
    created_at="2026-01-01T00:00:00.000000Z", created_by="me",
)  # fmt: skip


def test_a_key_is_found_by_id_and_listed_by_tenant(state: State) -> None:
    db = state.database
    other = replace(KEY, id="a2", tenant_id="t2", expires_at="2027-01-01T00:00:00.000000Z")
    add_key(db, KEY, "me")
    add_key(db, other, "me")
    assert key_row(db, "a1") == KEY
    assert key_row(db, "nope") is None
    assert key_rows(db, "t2") == [other]
    assert key_rows(db) == [KEY, other]


def test_revoking_is_once_for_all_and_only_in_the_own_tenant(state: State) -> None:
    db = state.database
    add_key(db, KEY, "me")
    assert revoke_key(db, "a1", "you", "t2") is False
    assert revoke_key(db, "a1", "you", "t1") is True
    first = key_row(db, "a1")
    assert first is not None
    assert (first.revoked_by, first.revoked_at is not None) == ("you", True)
    assert revoke_key(db, "a1", "later") is True
    assert key_row(db, "a1") == first
    with db.read() as connection:
        acts = [(act.act, act.actor, act.subject) for act in stored_acts(connection)]
    assert sorted(acts) == [("key.create", "me", "a1"), ("key.revoke", "you", "a1")]


def test_a_key_does_not_print_its_digest() -> None:
    assert "d" * 64 not in repr(KEY)
