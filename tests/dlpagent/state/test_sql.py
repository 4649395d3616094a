"""Insert-if-new and insert-or-update, the same on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from dlpagent.state.sql import chunks, insert_if_new, insert_new, insert_or_update
from dlpagent.state.tables import meta, outbox, sinks


@pytest.fixture
def connection(state):
    with state.database.write() as connection:
        yield connection


def _meta(connection):
    query = select(meta.c.name, meta.c.value).where(meta.c.name != "state_id").order_by(meta.c.name)
    return {row.name: row.value for row in connection.execute(query)}


def test_new_rows_go_in_and_existing_ones_stay(connection):
    insert_new(connection, meta, [{"name": "a", "value": 1}, {"name": "b", "value": 2}])
    insert_new(connection, meta, [{"name": "b", "value": 9}, {"name": "c", "value": 3}])
    insert_new(connection, meta, [])
    assert _meta(connection) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("table", [meta, sinks, outbox])
def test_a_single_insert_says_whether_the_row_was_new(state, some, table):
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, violations=(some.violation(),))
    row = {
        meta: {"name": "a", "value": 1},
        sinks: {"sink": "s"},
        outbox: {
            "event_id": some.violation().event_id,
            "sink": "s",
            "violation_id": "v",
            "status": "pending",
            "next_attempt_at": "",
            "created_at": "",
        },
    }[table]
    with state.database.write() as connection:
        assert insert_if_new(connection, table, row)
        assert not insert_if_new(connection, table, row)


def test_an_upsert_sets_what_is_given_and_keeps_what_must_stay(connection):
    first = {"sink": "s", "failures": 1, "last_error": "x"}
    insert_or_update(connection, sinks, [first])
    insert_or_update(
        connection,
        sinks,
        [first | {"failures": 5, "last_error": "y"}],
        keep=frozenset({"failures"}),
    )
    insert_or_update(connection, sinks, [])
    row = connection.execute(select(sinks)).one()
    assert (row.failures, row.last_error) == (1, "y")


@pytest.mark.parametrize(
    ("many", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (9, [3, 3, 3])]
)
def test_chunks_cover_everything_once(many, sizes):
    pieces = list(chunks(list(range(many)), 3))
    assert [len(piece) for piece in pieces] == sizes
    assert [number for piece in pieces for number in piece] == list(range(many))
