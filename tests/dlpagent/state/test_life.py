"""A violation goes through its life once per change; only a whole reading resolves it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from dlpagent.errors import StateError
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, Counters, Finish, PartProblem
from dlpagent.state.audit_verify import stored_acts
from dlpagent.state.exempting import (
    call_false_positive,
    exemptions_of,
    override,
    parsed_end,
    reopen,
)
from dlpagent.state.life import history_of
from dlpagent.state.tables import events, outbox
from dlpagent.state.verdicts import set_verdicts, withdraw_verdicts
from dlpagent.suppressions import Verdict
from dlpagent.violations import OverrideTerms, Place, PolicyRef, SitCount


@pytest.fixture
def sweep(state, some, clock):
    """Reads an asset to its end in a run of its own, and finds violations in it."""

    def read(*violations, status="done", asset=None, policy=some.policy, sinks=("file",), **more):
        clock.advance(1)
        run_id = some.begin(state, policy=policy)
        lease = state.claim(run_id, asset or some.asset())
        finish = Finish(status) if status else None
        committed = state.commit_batch(
            run_id,
            lease,
            BatchCommit(
                before=None,
                after=Checkpoint({"n": 1}),
                violations=violations,
                sinks=sinks,
                finish=finish,
                **more,
            ),
        )
        state.finish_run(run_id, "complete" if status == "done" else "incomplete")
        return committed

    return read


def _status(state, name="v"):
    ids = {each.violation.record_id: each.status for each in state.violations()}
    return ids[name]


def _told(state):
    """(kind, by whom) of every event, in the order they were queued."""
    with state.database.read() as connection:
        query = select(events.c.kind, events.c.change).join(
            outbox, outbox.c.event_id == events.c.event_id
        )
        rows = connection.execute(query.order_by(outbox.c.seq))
        return [(row.kind, (row.change or {}).get("by")) for row in rows]


def _steps(state, some, name="v"):
    past = history_of(state.database, some.violation(name).id)
    return [(step.before, step.after, step.actor) for step in past]


def test_the_whole_life_of_a_violation(state, some, sweep):
    sweep(some.violation())
    assert _status(state) == "new"
    sweep(some.violation())
    assert _status(state) == "repeated"
    sweep(some.violation(evidence="e2"))
    assert _status(state) == "changed"
    assert sweep().resolved == 1
    assert _status(state) == "resolved"
    assert sweep(some.violation(evidence="e2")).reopened == 1
    assert _status(state) == "reopened"
    sweep(some.violation(evidence="e2"))
    assert _status(state) == "repeated"
    assert [kind for kind, _ in _told(state)] == ["new", "changed", "resolved", "reopened"]
    assert [step[:2] for step in _steps(state, some)] == [
        ("", "new"),
        ("new", "repeated"),
        ("repeated", "changed"),
        ("changed", "resolved"),
        ("resolved", "reopened"),
        ("reopened", "repeated"),
    ]


def test_the_id_stays_and_the_same_round_twice_makes_events_that_differ(state, some, sweep):
    for _ in range(3):
        sweep(some.violation())
        sweep()
    with state.database.read() as connection:
        rows = connection.execute(select(events.c.event_id, events.c.violation_id)).all()
    assert len({row.event_id for row in rows}) == len(rows) == 6
    assert {row.violation_id for row in rows} == {some.violation().id}


@pytest.mark.parametrize("status", ["incomplete", "failed", None])
def test_a_reading_that_is_not_whole_resolves_nothing(state, some, sweep, status):
    sweep(some.violation())
    assert sweep(status=status).resolved == 0
    assert _status(state) == "new"


def test_a_reading_under_another_policy_or_none_resolves_nothing(state, some, sweep):
    sweep(some.violation())
    sweep(policy=PolicyRef("other", "Other", "1"))
    sweep(policy=None)
    assert _status(state) == "new"


def test_a_reading_of_another_asset_resolves_nothing(state, some, sweep):
    sweep(some.violation())
    sweep(asset=some.asset("b"))
    assert _status(state) == "new"


def test_a_new_version_of_the_policy_resolves_and_says_so(state, some, sweep):
    sweep(some.violation())
    sweep(policy=PolicyRef(some.policy.id, "P", "8"))
    assert _status(state) == "resolved"
    assert "policy version 8, not 7" in history_of(state.database, some.violation().id)[-1].reason


def test_what_could_not_be_read_though_accepted_is_not_resolved(state, some, sweep):
    place = Place("inside", "p", 0, 1, "s", 85, "*", "k")
    sweep(some.violation("v"), some.violation("w"), some.violation("", places=(place,)))
    lost = tuple(PartProblem(name, "p", "protected", "encrypted") for name in ("v", "inside"))
    assert sweep(problems=lost, counters=Counters(statuses={"protected": 2})).resolved == 1
    assert (_status(state, "v"), _status(state, "w"), _status(state, "")) == (
        "new",
        "resolved",
        "new",
    )


def test_nothing_is_resolved_when_not_all_problems_are_kept(some, sweep, monkeypatch):
    monkeypatch.setattr("dlpagent.state.commit.MAX_PROBLEM_ROWS", 1)
    sweep(some.violation("v"))
    lost = tuple(PartProblem(name, "p", "protected", "encrypted") for name in ("x", "y"))
    assert sweep(problems=lost).resolved == 0


def test_what_a_run_saw_in_content_that_is_gone_is_not_taken_for_seen(state, some):
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 1, violations=(some.violation(),))
    state.release(lease)
    lease = state.claim(
        run_id, some.asset(change_key="k2")
    )  # it changed: read again from its start
    committed = some.commit(state, lease, None, 1, finish=Finish("done"))
    assert committed.resolved == 1


def test_one_batch_may_find_again_and_change(state, some, sweep):
    sweep(some.violation())
    sweep()
    sweep(some.violation(), some.violation(evidence="e2"))
    assert _status(state) == "changed"
    assert [kind for kind, _ in _told(state)] == ["new", "resolved", "reopened", "changed"]


# --- assets that are gone -------------------------------------------------------------------------


def _run(state, some, clock, assets, violations=(), status="complete"):
    clock.advance(1)
    run_id = some.begin(state, config_hash="c")
    for asset in assets:
        lease = state.claim(run_id, asset)
        mine = [each for each in violations if each.asset_uri == asset.uri]
        some.commit(state, lease, None, 1, violations=tuple(mine), finish=Finish("done"))
    state.finish_run(run_id, status)
    return run_id


def test_the_violations_of_an_asset_a_complete_run_no_longer_met_are_resolved(state, some, clock):
    a, b = some.asset("a"), some.asset("b")
    found = [some.violation("v", asset_uri=a.uri), some.violation("w", asset_uri=b.uri)]
    _run(state, some, clock, [a, b], found)
    run_id = _run(state, some, clock, [a], found)
    assert state.resolve_gone(run_id, ("file",), "t") == 1
    assert (_status(state, "v"), _status(state, "w")) == ("repeated", "resolved")


def test_a_run_that_met_nothing_at_all_resolves_nothing(state, some, clock):
    a = some.asset("a")
    _run(state, some, clock, [a], [some.violation(asset_uri=a.uri)])
    assert state.resolve_gone(_run(state, some, clock, []), (), "t") == 0


def test_an_asset_another_job_still_meets_is_not_gone(state, some, clock):
    a, b = some.asset("a"), some.asset("b")
    _run(state, some, clock, [a, b], [some.violation("w", asset_uri=b.uri)])
    clock.advance(1)
    run_id = some.begin(state, config_hash="c")
    lease = state.claim(run_id, a)
    some.commit(state, lease, None, 1, finish=Finish("done"))
    other = some.begin(state, job="other")
    state.plan(other, [b])
    assert state.resolve_gone(run_id, (), "t") == 0


# --- what people do -------------------------------------------------------------------------------


def test_an_overridden_violation_stays_so_while_its_evidence_does(state, some, sweep):
    sweep(some.violation())
    ends = override(state.database, "ann", some.violation().id, "a test account")
    assert ends == "2026-04-02T03:04:06.000000Z"  # 90 days
    sweep(some.violation())
    assert _status(state) == "overridden"
    assert state.violations_by_severity()["high"] == 0
    sweep(some.violation(evidence="e2"))
    assert _status(state) == "reopened"
    assert _told(state) == [("new", None), ("overridden", "ann"), ("reopened", "sweep")]
    (said,) = exemptions_of(state.database, some.violation().id)
    assert (said.justification, said.ended_at is None) == ("a test account", False)


def test_an_override_of_the_item_covers_other_evidence_too(state, some, sweep):
    sweep(some.violation())
    override(state.database, "ann", some.violation().id, "all of it is synthetic", covers="item")
    sweep(some.violation(evidence="e2"))
    assert _status(state) == "overridden"
    assert [kind for kind, _ in _told(state)] == ["new", "overridden"]


def test_an_override_that_has_ended_lets_the_violation_come_back_alive(state, some, sweep, clock):
    sweep(some.violation())
    end = parsed_end("2026-01-02T04:00:00")
    override(state.database, "ann", some.violation().id, "until four", until=end)
    assert state.end_expired() == 0
    clock.advance(3600)
    assert state.end_expired() == 1
    assert state.end_expired() == 0
    assert _status(state) == "reopened"
    assert _told(state)[-1] == ("reopened", "dlpagent")
    assert _steps(state, some)[-1] == ("overridden", "reopened", "dlpagent")


def test_the_next_run_notices_that_an_override_has_ended(state, some, sweep, clock):
    sweep(some.violation())
    override(state.database, "ann", some.violation().id, "why", until=parsed_end("2026-01-03"))
    clock.advance(100_000)
    sweep(asset=some.asset("b"))
    assert _status(state) == "reopened"


def test_an_overridden_violation_that_is_gone_is_resolved_and_not_overridden_when_it_returns(
    state, some, sweep
):
    sweep(some.violation())
    override(state.database, "ann", some.violation().id, "why")
    sweep()
    assert _status(state) == "resolved"
    sweep(some.violation())
    assert _status(state) == "reopened"


@pytest.mark.parametrize(
    ("terms", "actor", "words", "until", "refusal"),
    [
        (OverrideTerms(allowed=False), "ann", "why", None, "override: none"),
        (OverrideTerms(by=("soc-*", "bob@*")), "ann", "why", None, "one of soc-"),
        (OverrideTerms(), "ann", " ", None, "justification is demanded"),
        (OverrideTerms(days=10), "ann", "why", "2026-03-01", "an end between now and 2026-01-12"),
        (OverrideTerms(), "ann", "why", "2025-03-01", "an end between now"),
    ],
)
def test_what_the_rule_does_not_allow_is_refused(
    state, some, sweep, terms, actor, words, until, refusal
):
    sweep(some.violation(override=terms))
    with pytest.raises(StateError, match=refusal):
        override(
            state.database,
            actor,
            some.violation().id,
            words,
            until=parsed_end(until) if until else None,
        )
    assert _status(state) == "new"
    assert [kind for kind, _ in _told(state)] == ["new"]


@pytest.mark.parametrize(
    ("terms", "actor", "words"),
    [
        (OverrideTerms(by=("SOC-*",)), "soc-1@host", "why"),
        (OverrideTerms(justification=False), "ann", ""),
        (OverrideTerms(days=10), "ann", "why"),
    ],
)
def test_what_the_rule_allows_is_done(state, some, sweep, terms, actor, words):
    sweep(some.violation(override=terms))
    override(state.database, actor, some.violation().id, words)
    assert _status(state) == "overridden"


def test_a_false_positive_stays_one_until_its_evidence_changes_or_it_is_taken_back(
    state, some, sweep
):
    ident = some.violation().id
    sweep(some.violation())
    call_false_positive(state.database, "ann", ident, "test numbers")
    sweep(some.violation())
    assert _status(state) == "false_positive"
    reopen(state.database, "bob", ident, "they are real")
    assert _status(state) == "reopened"
    call_false_positive(state.database, "ann", ident, "no")
    sweep(some.violation(evidence="e2"))
    assert _status(state) == "reopened"
    kinds = ["new", "false_positive", "reopened", "false_positive", "reopened"]
    assert [kind for kind, _ in _told(state)] == kinds


def test_deeds_that_make_no_sense_are_refused(state, some, sweep):
    ident = some.violation().id
    with pytest.raises(StateError, match="no such violation"):
        override(state.database, "ann", ident, "why")
    sweep(some.violation())
    with pytest.raises(StateError, match="cannot be reopened"):
        reopen(state.database, "ann", ident, "")
    with pytest.raises(StateError, match="justification is demanded"):
        call_false_positive(state.database, "ann", ident, "")
    with pytest.raises(StateError, match="not a time"):
        parsed_end("tomorrow")
    sweep()
    with pytest.raises(StateError, match="is resolved"):
        call_false_positive(state.database, "ann", ident, "why")


def test_every_deed_is_an_act_in_the_audit_log(state, some, sweep):
    ident = some.violation().id
    sweep(some.violation())
    override(state.database, "ann", ident, "why")
    reopen(state.database, "bob", ident, "no")
    call_false_positive(state.database, "cid", ident, "yes")
    with state.database.read() as connection:
        acts = [(act.act, act.actor, act.subject) for act in stored_acts(connection)]
    assert acts == [
        ("violation.override", "ann", ident),
        ("violation.reopen", "bob", ident),
        ("violation.false_positive", "cid", ident),
    ]


# --- verdicts on values ---------------------------------------------------------------------------

KEY, OTHER = "ab" * 16, "cd" * 16


def _resting_on(some, *keys, count=None, **more):
    places = tuple(Place("v", "p", n, n + 1, "s", 85, "*", key) for n, key in enumerate(keys))
    many = len(keys) if count is None else count
    sits = (SitCount("s", "SIT", 85, many, many, ((85, many, many),)),)
    return some.violation("v", places=places, sits=sits, **more)


def _verdict(key=KEY, ruling="false"):
    return Verdict(key, "s", ruling, "a test value", "ann")


def test_a_verdict_on_every_value_of_a_violation_makes_it_a_false_positive(state, some, sweep):
    sweep(_resting_on(some, KEY, OTHER))
    set_verdicts(state.database, "ann", [_verdict(KEY)])
    assert _status(state) == "new"
    set_verdicts(state.database, "ann", [_verdict(OTHER)])
    assert _status(state) == "false_positive"
    sweep()  # what is suppressed is not decided on, so the rule does not fire
    assert _status(state) == "false_positive"
    assert [kind for kind, _ in _told(state)] == ["new", "false_positive"]


def test_values_that_are_accepted_override_the_violation(state, some, sweep):
    sweep(_resting_on(some, KEY, OTHER))
    set_verdicts(state.database, "ann", [_verdict(KEY), _verdict(OTHER, "accepted")])
    assert _status(state) == "overridden"


def test_a_verdict_taken_back_reopens_the_violation(state, some, sweep):
    sweep(_resting_on(some, KEY))
    set_verdicts(state.database, "ann", [_verdict()])
    withdraw_verdicts(state.database, "ann", [_verdict()])
    assert _status(state) == "reopened"


def test_a_verdict_that_no_longer_holds_reopens_the_violation_when_it_is_found(state, some, sweep):
    sweep(_resting_on(some, KEY))
    set_verdicts(state.database, "ann", [_verdict()])
    sweep(_resting_on(some, KEY))  # found and decided on: nothing suppresses it any more
    assert _status(state) == "reopened"


def test_a_verdict_does_not_judge_what_is_not_shown(state, some, sweep):
    sweep(_resting_on(some, KEY, count=101))
    set_verdicts(state.database, "ann", [_verdict()])
    assert _status(state) == "new"
    sweep()  # but when all of it is suppressed the rule does not fire
    assert _status(state) == "false_positive"


def test_what_a_person_said_of_the_violation_is_not_undone_by_verdicts(state, some, sweep):
    sweep(_resting_on(some, KEY))
    override(state.database, "ann", some.violation("v").id, "why")
    set_verdicts(state.database, "ann", [_verdict()])
    withdraw_verdicts(state.database, "ann", [_verdict()])
    assert _status(state) == "overridden"


def test_many_verdicts_at_once_are_looked_up_in_one_go(state, some, sweep):
    sweep(_resting_on(some, KEY))
    many = [_verdict(f"{number:032x}") for number in range(40)]
    set_verdicts(state.database, "ann", [*many, _verdict()], origin="file")
    assert _status(state) == "false_positive"


def test_what_a_run_saw_and_changed_is_counted_by_status(state, some, sweep):
    sweep(*(some.violation(name) for name in ("a", "b", "c", "d")))
    override(state.database, "ann", some.violation("a").id, "why")
    call_false_positive(state.database, "ann", some.violation("b").id, "why")
    sweep(*(some.violation(name) for name in ("a", "b", "c")))
    newest = state.runs()[0].id
    assert state.violations_by_status(newest) == {
        "overridden": 1,
        "false_positive": 1,
        "repeated": 1,
        "resolved": 1,
    }


@pytest.mark.parametrize(
    ("uri", "kind", "resolved"),
    [
        ("file:///data/a.jsonl", "dataset", 1),
        ("qdrant://h/claims", "vector_collection", 1),
        ("file:///e/conversations.json", "chat_log", 1),
        ("s3://logs/a.jsonl", "chat_log", 1),
        ("graph://copilot/users/ann#2026-01-01", "chat_log", 0),
        ("o365-activity://t/Audit.General#2026-01-01", "chat_log", 0),
        ("-", "stream", 0),
    ],
)
def test_only_what_lasts_is_resolved_feeds_tell_what_happened(
    state, some, sweep, clock, uri, kind, resolved
):
    asset = Asset(uri, kind, "c", change_key="k")
    sweep(some.violation(asset_uri=uri), asset=asset)
    assert sweep(asset=asset).resolved == resolved
    other = Asset(uri + "2", kind, "c")
    _run(state, some, clock, [other], [some.violation("w", asset_uri=other.uri)])
    run_id = _run(state, some, clock, [asset])
    assert state.resolve_gone(run_id, (), "t") == resolved
