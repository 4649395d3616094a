"""What the state keeps of scheduled jobs, on both databases."""

from __future__ import annotations

from dataclasses import replace

from dlpagent.state.agenda import Agenda, Waiting, agenda_of, change_agenda, set_paused
from dlpagent.state.audit_verify import stored_acts


def test_a_job_without_an_agenda_has_an_empty_one(state):
    assert agenda_of(state.database, "job") == Agenda()


def test_an_agenda_is_kept_for_each_job_and_seen_by_other_processes(opened):
    waiting = {"qdrant://h": Waiting(2, "2026-01-01T00:00:00+00:00")}
    change_agenda(opened().database, "a", lambda agenda: replace(agenda, waiting=waiting))
    change_agenda(opened().database, "b", lambda agenda: replace(agenda, known="2026-01-01"))
    assert agenda_of(opened().database, "a") == Agenda(waiting=waiting)
    assert agenda_of(opened().database, "b") == Agenda(known="2026-01-01")


def test_pausing_keeps_the_rest_and_is_an_act_once(state):
    change_agenda(state.database, "job", lambda agenda: replace(agenda, known="2026-01-01"))
    assert set_paused(state.database, "job", paused=True, actor="me")
    assert not set_paused(state.database, "job", paused=True, actor="me")
    found = agenda_of(state.database, "job")
    assert found.paused
    assert found.known == "2026-01-01"
    assert set_paused(state.database, "job", paused=False, actor="me")
    assert not agenda_of(state.database, "job").paused
    with state.database.read() as connection:
        acts = sorted((act.act, act.subject, act.actor) for act in stored_acts(connection))
    assert acts == [("sweep.pause", "job", "me"), ("sweep.unpause", "job", "me")]
