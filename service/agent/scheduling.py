"""Scheduled sweeps as one long-running process: due ones are run, a few at a time, each in a child.

What is remembered lies in the states: when a job last ran (its runs), whether it is paused and which
of its sources are left alone (its agenda). So a restart, or a second agent, begins where this one is.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError, DlpAgentError, ExitCode
from dlpagent.service.agent.asked import Asked, asked_by_signals
from dlpagent.service.agent.backing_off import wait_after
from dlpagent.service.agent.cron import due_at
from dlpagent.service.agent.health import Health, serving_health
from dlpagent.service.agent.json_log import say
from dlpagent.service.agent.scheduled import in_child
from dlpagent.service.sweep_file import SweepFile, read_sweep_file
from dlpagent.state import State, open_state, outbox_rows
from dlpagent.state.agenda import Agenda, agenda_of, change_agenda

LOOK_S = 2.0  # between two looks at agendas, children and clocks
GRACE_S = 90.0  # how long a child that was asked to stop may take for its batch
_JOB = ""  # the job itself among those that wait in an agenda


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What a person asks of `sweep schedule`. push_s: seconds between two looks at the outboxes."""

    files: tuple[Path, ...]
    parallel: int = 1
    push_s: float = 60.0
    health: str | None = None
    verbose: int = 0


@dataclass(slots=True)
class _Child:
    what: str
    process: SpawnProcess
    answer: Connection
    begun: float


@dataclass(slots=True)
class _Job:
    """One sweep file. next: when it is due; known only while it is not running."""

    file: Path
    plan: SweepFile
    state: State
    next: datetime | None = None
    paused: bool = False
    push_at: float = 0.0
    child: _Child | None = None
    busy_until: float = 0.0

    @property
    def name(self) -> str:
        return self.plan.settings.job


@dataclass(slots=True)
class Scheduler:
    """The loop. clock: the time in UTC."""

    request: ScheduleRequest
    asked: Asked
    health: Health
    jobs: list[_Job] = field(default_factory=list)

    def run(self) -> None:
        """Until a stop is asked for; children then finish their batch."""
        try:
            self.jobs = [self._opened(file) for file in self.request.files]
            _check_names(self.jobs)
            for job in self.jobs:
                self._plan_next(job)
            self.health.ready = True
            while not self.asked.stop:
                if self.asked.take_reload():
                    self._reload()
                self._turn()
                self.asked.wait(self._pause())
        finally:
            self._stop_children()
            for job in self.jobs:
                job.state.close()

    def _opened(self, file: Path) -> _Job:
        plan = _scheduled_file(file)
        assert plan.settings.state is not None
        job = _Job(file, plan, open_state(plan.settings.state))
        change_agenda(job.state.database, job.name, _known_from(job.state.database.moment()))
        return job

    def _turn(self) -> None:
        """Gather who has ended, begin what is due, push what waits."""
        now = datetime.now(UTC)
        for job in self.jobs:
            self._gather(job)
            self._notice_pause(job)
        running = sum(job.child is not None for job in self.jobs)
        waiting = sorted((job for job in self.jobs if self._is_due(job, now)), key=_when)
        for job in waiting[: max(0, self.request.parallel - running)]:
            self._begin(job, "sweep")
        for job in self.jobs:
            if job.child is None and time.monotonic() >= job.push_at:
                job.push_at = time.monotonic() + self.request.push_s
                if self._has_events_due(job):
                    self._begin(job, "push")
        self.health.turn(
            sweeps=len(self.jobs),
            running=sum(job.child is not None for job in self.jobs),
            paused=sum(job.paused for job in self.jobs),
        )

    def _is_due(self, job: _Job, now: datetime) -> bool:
        return (
            job.child is None and not job.paused and job.next is not None and job.next <= now
            and time.monotonic() >= job.busy_until
        )  # fmt: skip

    def _pause(self) -> float:
        now = datetime.now(UTC)
        soon = [(job.next - now).total_seconds() for job in self.jobs if job.next and not job.child]
        busy = any(job.child for job in self.jobs)
        return min([0.2 if busy else LOOK_S, *(max(0.1, each) for each in soon)])

    # --- planning ---------------------------------------------------------------------------------

    def _plan_next(self, job: _Job) -> None:
        """When it is due next, counted from when it last began; times that were missed count once."""
        assert job.plan.schedule is not None
        agenda = agenda_of(job.state.database, job.name)
        runs = job.state.runs(limit=1, job=job.name)
        last = max(_time(agenda.known), *(_time(run.started_at) for run in runs), _EPOCH)
        wait = agenda.waiting.get(_JOB)
        before = job.next
        job.next = due_at(job.plan.schedule, last, _time(wait.until) if wait else None)
        job.paused = bool(agenda.paused)
        if job.next != before:
            say("planned", job=job.name, next=job.next and job.next.isoformat(), paused=job.paused)

    def _notice_pause(self, job: _Job) -> None:
        paused = bool(agenda_of(job.state.database, job.name).paused)
        if paused != job.paused:
            job.paused = paused
            say("paused" if paused else "unpaused", job=job.name)

    def _reload(self) -> None:
        """Read the files again; one that is wrong now stays as it was."""
        for job in self.jobs:
            try:
                plan = _scheduled_file(job.file)
            except DlpAgentError as error:
                say("not-reloaded", level=logging.WARNING, file=str(job.file), reason=str(error))
                continue
            if (plan.settings.state, plan.settings.job) != (job.plan.settings.state, job.name):
                say("not-reloaded", level=logging.WARNING, file=str(job.file),
                    reason="another name or state needs a restart")  # fmt: skip
                continue
            job.plan = plan
            if job.child is None:
                self._plan_next(job)
            say("reloaded", job=job.name)

    # --- children ---------------------------------------------------------------------------------

    def _begin(self, job: _Job, what: str) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        arguments = (what, str(job.file), self.request.verbose, theirs)
        process = context.Process(target=in_child, args=arguments, name=f"{what} {job.name}")
        process.start()
        theirs.close()
        job.child = _Child(what, process, ours, time.monotonic())
        if what == "sweep":
            say("sweep-begins", job=job.name, pid=process.pid)

    def _gather(self, job: _Job) -> None:
        """Take in what a child that has ended has to say."""
        child = job.child
        if child is None or child.process.is_alive():
            return
        child.process.join()
        outcome = self._outcome(child)
        code = child.process.exitcode
        child.answer.close()
        child.process.close()
        job.child = None
        took = round(time.monotonic() - child.begun, 3)
        if child.what == "push":
            say("pushed", job=job.name, **outcome)
            return
        say("sweep-ends", job=job.name, took_s=took, **outcome)
        self._note_failure(job, outcome, code)
        self._plan_next(job)
        if outcome.get("busy"):
            job.busy_until = time.monotonic() + min(300.0, max(5.0, took))

    def _outcome(self, child: _Child) -> dict[str, Any]:
        try:
            if child.answer.poll():
                found: dict[str, Any] = child.answer.recv()
                return found
        except (EOFError, OSError):
            pass
        return {"exit": child.process.exitcode, "failed": True, "error": "the process ended early"}

    def _note_failure(self, job: _Job, outcome: dict[str, Any], code: int | None) -> None:
        """A run that could not even begin, or died, puts off the next one, longer every time."""
        failed = bool(outcome.get("failed")) or code == int(ExitCode.USAGE)
        now = job.state.database.now()

        def changed(agenda: Agenda) -> Agenda:
            waiting = dict(agenda.waiting)
            if failed and not outcome.get("busy"):
                waiting[_JOB] = wait_after(waiting.get(_JOB), now)
            else:
                waiting.pop(_JOB, None)
            # a run that was refused leaves no row of its own: the schedule counts from here
            return replace(agenda, waiting=waiting, known=job.state.database.moment())

        change_agenda(job.state.database, job.name, changed)

    def _has_events_due(self, job: _Job) -> bool:
        names = [spec.name for spec in job.plan.settings.sinks]
        if not names or not outbox_rows.pending_of(job.state.database, names):
            return False
        times = [outbox_rows.next_due(job.state.database, name) for name in names]
        return any(each is not None and each <= datetime.now(UTC) for each in times)

    def _stop_children(self) -> None:
        children = [job for job in self.jobs if job.child is not None]
        for job in children:
            assert job.child is not None
            job.child.process.terminate()
        until = time.monotonic() + GRACE_S
        for job in children:
            assert job.child is not None
            job.child.process.join(max(0.0, until - time.monotonic()))
            if job.child.process.is_alive():
                job.child.process.kill()
                job.child.process.join()
            outcome = self._outcome(job.child)
            say("sweep-ends", job=job.name, stopped=True, **outcome)
            job.child = None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run_schedule(request: ScheduleRequest) -> ExitCode:
    """Run scheduled sweeps until a signal asks to stop. Raises DlpAgentError for wrong files."""
    plans = [_scheduled_file(file) for file in request.files]
    health = Health()
    with asked_by_signals() as asked, serving_health(health, request.health) as port:
        say("scheduling", jobs=[plan.settings.job for plan in plans], health_port=port)
        Scheduler(request, asked, health).run()
        say("stopped")
    return ExitCode.CLEAN


def _scheduled_file(file: Path) -> SweepFile:
    plan = read_sweep_file(file)
    if plan.schedule is None:
        raise ConfigurationError(
            "the sweep has no schedule", where=str(file), expected="the key schedule",
            found="none", remedy='Add one, such as  schedule: "0 2 * * *"',
        )  # fmt: skip
    return plan


def _check_names(jobs: Sequence[_Job]) -> None:
    names = [(job.plan.settings.state, job.name) for job in jobs]
    for job, name in zip(jobs, names, strict=True):
        if names.count(name) > 1:
            raise ConfigurationError(
                "two sweep files have one name in one state", where=str(job.file),
                expected="a name of its own for each", found=job.name,
            )  # fmt: skip


def _known_from(moment: str) -> Any:
    return lambda agenda: agenda if agenda.known else replace(agenda, known=moment)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text) if text else _EPOCH
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _when(job: _Job) -> datetime:
    return job.next or _EPOCH
