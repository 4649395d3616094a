"""Findings in rows and in segments are one sequence to their reader."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from dlpagent.errors import StateError
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.state import finding_rows, open_state
from dlpagent.state.finding_rows import read_findings
from dlpagent.state.tables import finding_segments, findings


def _sweep(state, some, sizes):
    """Commit batches of these sizes; findings are numbered through in `start`."""
    lease = state.claim(some.begin(state), some.asset())
    first = 0
    for number, size in enumerate(sizes):
        more = {"findings": some.findings(size, first=first)}
        some.commit(state, lease, number or None, number + 1, **more)
        first += size
    return lease.run_id


def _kept(state):
    with state.database.read() as connection:
        rows = connection.scalar(select(func.count()).select_from(findings))
        files = connection.execute(select(finding_segments.c.rows).order_by("seq")).scalars().all()
        return rows, list(files)


@pytest.mark.parametrize(
    ("sizes", "rows", "segments"),
    [
        ([], 0, []),
        ([0], 0, []),
        ([9], 9, []),
        ([10], 0, [10]),
        ([25], 0, [25]),
        ([9, 1], 0, [10]),
        ([4, 4], 8, []),
        ([4, 4, 4], 0, [12]),
        ([4, 4, 4, 3], 3, [12]),
        ([30, 0, 2, 30], 0, [30, 32]),
    ],
)
def test_rows_move_into_a_segment_when_there_are_too_many(opened, some, sizes, rows, segments):
    state = opened(segment_rows=10)
    run_id = _sweep(state, some, sizes)
    assert _kept(state) == (rows, segments)
    assert some.starts(state.findings(run_id)) == list(range(sum(sizes)))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(0, 30), max_size=12), limit=st.integers(1, 40))
def test_however_batches_fall_findings_come_back_in_order(sqlite_place, some, sizes, limit):
    with open_state(sqlite_place.url, segment_rows=limit) as state:
        run_id = _sweep(state, some, sizes)
        assert some.starts(state.findings(run_id)) == list(range(sum(sizes)))
        state.finish_run(run_id, "complete")


def test_every_column_comes_back_the_same_from_rows_and_from_segments(opened, some):
    batch = some.findings(
        12,
        locator_file=lambda n: f"f{n}" if n % 2 else None,
        locator_offset=lambda n: 2**40 + n if n % 3 else None,
        locator_row_group=lambda n: n if n % 4 else None,
        part=lambda n: f"pärt {n} 🙂",
    )
    for limit in (1000, 5):
        state = opened(segment_rows=limit)
        run_id = some.begin(state)
        lease = state.claim(run_id, some.asset(str(limit)))
        some.commit(state, lease, None, 1, findings=batch)
        (found,) = state.findings(run_id, lease.asset_uri)
        assert found.rows.schema.equals(FINDING_SCHEMA)
        assert found.rows.equals(batch)
        assert (found.asset_uri, found.run_id, found.pack) == (lease.asset_uri, run_id, some.pack)


@pytest.mark.parametrize("limit", [10_000, 7])
def test_single_columns_can_be_read(opened, some, limit):
    state = opened(segment_rows=limit)
    _sweep(state, some, [10, 3])
    batches = list(read_findings(state.database, 1, ["key", "start"]))
    assert [batch.schema.names for batch in batches] == [["key", "start"]] * len(batches)
    assert [n for batch in batches for n in batch.column("start").to_pylist()] == list(range(13))


def test_postgresql_without_a_folder_keeps_all_findings_in_rows(postgresql_place, some, clock):
    with open_state(postgresql_place.url, clock=clock, segment_rows=10) as state:
        run_id = _sweep(state, some, [25, 25])
        assert _kept(state) == (50, [])
        assert some.starts(state.findings(run_id)) == list(range(50))


def test_many_rows_are_read_in_pages(postgresql_place, some, clock, monkeypatch):
    monkeypatch.setattr("dlpagent.state.finding_rows._PAGE", 7)
    with open_state(postgresql_place.url, clock=clock) as state:
        run_id = _sweep(state, some, [20, 1])
        assert some.starts(state.findings(run_id)) == list(range(21))


def test_segments_that_cannot_be_reached_are_an_error_not_an_empty_answer(
    postgresql_place, some, clock
):
    given = {"clock": clock, "segment_rows": 10}
    with open_state(postgresql_place.url, findings_dir=postgresql_place.folder, **given) as state:
        run_id = _sweep(state, some, [25])
    with (
        open_state(postgresql_place.url, **given) as state,
        pytest.raises(StateError, match="findings_dir="),
    ):
        list(state.findings(run_id))


def test_rows_that_move_between_two_statements_of_a_reader_are_not_missed(
    opened, some, monkeypatch
):
    state, other = opened(segment_rows=10), opened(segment_rows=10)
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, findings=some.findings(6))
    real, moved = finding_rows._page, []

    def page_after_a_commit(*args):
        if not moved:
            moved.append(True)
            some.commit(state, lease, 1, 2, findings=some.findings(6, first=6))
        return real(*args)

    monkeypatch.setattr(finding_rows, "_page", page_after_a_commit)
    assert some.starts(other.findings(lease.run_id)) == list(range(6))
    assert _kept(state) == (0, [12])


def test_reading_goes_on_undisturbed_while_a_sweep_moves_rows_into_a_segment(opened, some):
    state, other = opened(segment_rows=10), opened(segment_rows=10)
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, findings=some.findings(12))
    some.commit(state, lease, 1, 2, findings=some.findings(6, first=12))
    reader = other.findings(lease.run_id)
    seen = next(reader).rows.column("start").to_pylist()
    some.commit(state, lease, 2, 3, findings=some.findings(6, first=18))
    seen += some.starts(reader)
    assert seen[:18] == list(range(18))
    assert seen == sorted(set(seen))
