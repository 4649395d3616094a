"""Facts of records come back as they were kept, with their findings, and go with them."""

from __future__ import annotations

import pytest

from dlpagent.state import Finish
from dlpagent.state.fact_rows import facts_of, reading_with_facts, without_findings
from dlpagent.violations import RecordFacts

TOLD = (
    RecordFacts("a", ("user",), ("l1", "l2"), "ann", "ChatGPT"),
    RecordFacts("b\x00\ud800", roles=("assistant",)),
    RecordFacts("c", labels=("l1",), found=False),
    RecordFacts("d", actor_id="", found=False),
    RecordFacts("e", content="k:0123"),
)


@pytest.fixture
def kept(state, some):
    """The run-asset of a reading that told these facts."""
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, facts=TOLD[:2])
    some.commit(state, lease, 1, 2, facts=TOLD[2:], finish=Finish("done"))
    found = reading_with_facts(state.database, lease.run_id, some.asset().uri)
    assert found is not None
    return found


def test_facts_come_back_by_record(state, kept):
    ids = [each.record_id for each in TOLD]
    assert facts_of(state.database, kept, ids) == dict(zip(ids, TOLD, strict=True))
    assert facts_of(state.database, kept, ["nobody"]) == {}
    assert facts_of(state.database, kept + 1, ids) == {}


def test_records_without_findings_are_found_page_by_page(state, kept, monkeypatch):
    monkeypatch.setattr("dlpagent.state.fact_rows._PAGE", 1)
    assert [each.record_id for each in without_findings(state.database, kept)] == ["c", "d"]


def test_more_records_than_one_statement_may_name_are_found(state, some):
    many = tuple(RecordFacts(f"r{number}", ("user",)) for number in range(1200))
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, facts=many)
    kept = reading_with_facts(state.database, lease.run_id, some.asset().uri)
    assert kept is not None
    assert len(facts_of(state.database, kept, [each.record_id for each in many])) == 1200


def test_a_reading_that_was_forgotten_keeps_no_facts(state, some):
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 1, facts=TOLD)
    state.release(lease)
    state.claim(run_id, some.asset(change_key="k2"))
    kept = reading_with_facts(state.database, run_id, some.asset().uri)
    assert kept is not None
    assert facts_of(state.database, kept, ["a"]) == {}


def test_a_pruned_reading_keeps_no_facts(state, some):
    for _ in range(2):
        run_id = some.begin(state)
        lease = state.claim(run_id, some.asset())
        some.commit(state, lease, None, 1, facts=TOLD, finish=Finish("done"))
        state.finish_run(run_id, "complete")
    state.prune(keep_runs=1)
    newest, oldest = state.runs()
    for run, many in ((newest, 1), (oldest, 0)):
        kept = reading_with_facts(state.database, run.id, some.asset().uri)
        assert kept is not None
        assert len(facts_of(state.database, kept, ["a"])) == many
