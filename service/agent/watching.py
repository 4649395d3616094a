"""Watching folders: what changes is read, what grows is followed, events go out as they come.

Hints of the system say where to look soon; rescans decide what has changed. Logs that are only
added to (FOLLOWED) are read on from their last complete line, in one run that stays open. All other
files, and folders that are one store, are read whole when they have changed, in a run for each time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlpagent.errors import BusyError, DlpAgentError, SinkError
from dlpagent.follow import catch_up, let_go
from dlpagent.outbox import Retry, drain
from dlpagent.ports import Sink, Source
from dlpagent.records import Asset
from dlpagent.service.agent.asked import Asked
from dlpagent.service.agent.health import Health
from dlpagent.service.agent.hints import Hints
from dlpagent.service.agent.identity import is_packed, mark_of, whole_bytes
from dlpagent.service.agent.json_log import say
from dlpagent.service.agent.observing import Observing
from dlpagent.service.agent.register import Followed, Register, opened_file
from dlpagent.service.agent.units import Signature, Units
from dlpagent.service.session import Session, config_hash, engine_of
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import outbox_rows
from dlpagent.sweep import Plan, Stopped, Sweep

# Sources whose logs are only added to, a record on a line; followed when the file is not packed.
FOLLOWED = frozenset({
    "claude-code", "codex", "api-log", "otlp", "litellm", "langfuse", "jsonl", "lines",
})  # fmt: skip
# The change key of followed logs: they are never unchanged, and never anew.
FOLLOWING = "followed"
# A file that is read whole is read again after so many times what its last reading took.
REST = 5.0
# Continuous writing puts off a whole reading so many times the settling time, and no longer.
PATIENCE = 5
# How long a copy of a followed log is held to be its rotation, and a vanished log to be on its way.
ROTATION_S = 10.0
BACKOFF_S, LONGEST_BACKOFF_S = 5.0, 3600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: settle: quiet before a changed file is read; rescan, push: between two of them."""

    settle: float = 1.0
    rescan: float = 60.0
    push: float = 5.0


@dataclass(slots=True)
class _Due:
    """A unit that has changed: when that was first and last heard of."""

    first: float
    last: float


@dataclass(slots=True)
class _Read:
    """A unit as it was last read. not_before: failures and costly readings are not repeated at once."""

    signature: Signature | None = None
    not_before: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Watch:
    """One watch at work: call run()."""

    session: Session
    units: Units
    hints: Hints
    asked: Asked
    health: Health
    pace: Pace
    _due: dict[Path, _Due] = field(default_factory=dict)
    _read: dict[Path, _Read] = field(default_factory=dict)
    _register: Register = field(default_factory=Register)
    _twins: dict[Path, float] = field(default_factory=dict)
    _missing: dict[str, float] = field(default_factory=dict)
    _copies: dict[Path, Signature] = field(default_factory=dict)
    _sinks: dict[str, Sink] = field(default_factory=dict)
    _following: Sweep | None = None
    _run_id: str = ""
    _vanished: bool = False
    _events: int = 0
    _rescan_at: float = 0.0
    _push_at: float = 0.0

    def run(self) -> None:
        """Until a stop or a reload is asked for. Leaves everything committed and given back."""
        with self.at_work():
            while not self.asked.stop and not self.asked.reload:
                self.turn()
                if not self._stopping():
                    self.asked.wait(self._next() - time.monotonic())
            self._push()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The run of followed logs is open while the context lasts."""
        try:
            self._begin()
            try:
                yield
            finally:
                self._end()
        finally:
            for sink in self._sinks.values():
                sink.close()

    def turn(self) -> None:
        """Once round: hear, rescan and push when it is time, read what is due."""
        now = time.monotonic()
        self._hear(now)
        if now >= self._rescan_at:
            self._rescan(now, at_once=self._rescan_at == 0.0)
            self._rescan_at = time.monotonic() + self.pace.rescan
        self._work(now)
        if self._stopping():
            return
        if time.monotonic() >= self._push_at:
            self._push()
            self._push_at = time.monotonic() + self.pace.push
        self.health.ready = True
        self.health.turn(waiting=len(self._due), followed=len(self._register.logs))

    # --- runs -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Go on with the open run of followed logs, or begin one; either way know its files."""
        state, job = self.session.state, f"{self.session.settings.job} (followed)"
        sweep = self._sweep(job)
        last = next(iter(state.runs(limit=1, job=job)), None)
        if last is not None:
            self._register.load(state.progress(last.id))
        policy = sweep.decider.policy if sweep.decider else None
        goes_on = (
            last is not None
            and state.resumable_run(job) is not None
            and (last.pack, last.policy) == (sweep.classifier.pack, policy)
            and last.config_hash == sweep.plan.config_hash
        )
        if last is not None and goes_on:
            self._run_id = state.resume_run(last.id).id
        else:
            self._run_id = state.begin_run(
                job=job, command="watch", pack=sweep.classifier.pack, policy=policy,
                config_hash=sweep.plan.config_hash,
            )  # fmt: skip
        self._following = sweep
        say("watching", run=self._run_id, resumed=goes_on, followed=len(self._register.logs),
            folders=[str(root) for root in self.units.roots])  # fmt: skip

    def _end(self) -> None:
        self.session.state.finish_run(self._run_id, "interrupted")
        say("stopped", run=self._run_id, events=self._events, waiting=len(self._due))

    def _sweep(self, job: str, *, partial: bool = True) -> Sweep:
        settings, session = self.session.settings, self.session
        plan = Plan(
            job=job,
            command="watch",
            config_hash=config_hash(settings),
            sinks=tuple(spec.name for spec in settings.sinks),
            tenant_id=settings.tenant_id,
            accept=settings.accept,
            partial=partial,
        )
        return Sweep(plan, session.state, session.classifier, session.decider, Observing(self.health),
                     self._stopping, engine_of(settings), session.suppressions)  # fmt: skip

    def _stopping(self) -> bool:
        return bool(self.asked.stop)

    # --- what has changed -------------------------------------------------------------------------

    def _hear(self, now: float) -> None:
        paths, lost = self.hints.take()
        if lost:
            say("hints-lost", level=logging.WARNING)
            self._rescan(now)
        for path in paths:
            unit = self.units.unit_of(path)
            if unit is None or (unit.is_dir() and unit == path and not self._is_unit(unit)):
                continue
            signature = self.units.signature(unit)
            if signature is not None:
                self._changed(unit, signature, now)
            elif unit in self._read:
                self._lost(unit)

    def _is_unit(self, folder: Path) -> bool:
        """A folder that was read as one; another is walked, as files may have come with it."""
        if folder in self._read:
            return True
        for unit, signature in Units([folder], self.units.left_out).walk():
            self._changed(unit, signature, time.monotonic())
        return False

    def _rescan(self, now: float, *, at_once: bool = False) -> None:
        """The truth: every unit whose signature is not the one it was read with is due."""
        met = set()
        for unit, signature in self.units.walk():
            met.add(unit)
            self._changed(unit, signature, now - (PATIENCE * self.pace.settle if at_once else 0.0))
        for unit in self._read.keys() - met:
            self._lost(unit)
        self._let_go_of_the_gone(now)
        if self._vanished and not self._due:
            self._sweep_all()

    def _changed(self, unit: Path, signature: Signature, now: float) -> None:
        """A unit is due when it is not as it was read."""
        known = self._read.get(unit)
        if known is None or known.signature != signature:
            self._touch(unit, now)

    def _touch(self, unit: Path, now: float) -> None:
        due = self._due.setdefault(unit, _Due(now, now))
        due.last = max(due.last, now)

    def _lost(self, unit: Path) -> None:
        """Not there any more: what was read of it whole is resolved by the next whole sweep."""
        self._due.pop(unit, None)
        self._twins.pop(unit, None)
        self._copies.pop(unit, None)
        if self._read.pop(unit, None) is not None:
            self._vanished = True

    def _let_go_of_the_gone(self, now: float) -> None:
        gone = {log.uri: log for log in self._register.gone()}
        for uri in self._missing.keys() - gone.keys():
            del self._missing[uri]
        for uri in gone:
            if now - self._missing.setdefault(uri, now) > max(ROTATION_S, self.pace.rescan):
                assert self._following is not None
                asset = Asset(uri, "chat_log", "", change_key=FOLLOWING)
                let_go(self._following, self._run_id, asset)
                self._register.forget(uri)
                del self._missing[uri]
                say("let-go", asset=uri)

    def _next(self) -> float:
        """When something is to be done next."""
        latest = min(self._rescan_at, self._push_at)
        return min([latest, *(self._time_of(unit, due) for unit, due in self._due.items())])

    def _time_of(self, unit: Path, due: _Due) -> float:
        quiet = min(due.last + self.pace.settle, due.first + PATIENCE * self.pace.settle)
        held = self._twins.get(unit, 0.0)
        known = self._read.get(unit)
        return max(quiet, held, known.not_before if known else 0.0)

    # --- reading ----------------------------------------------------------------------------------

    def _work(self, now: float) -> None:
        """Read all that is due: followed logs on, one by one; the rest whole, in one run."""
        ripe = [unit for unit, due in self._due.items() if self._time_of(unit, due) <= now]
        whole: dict[Path, Sequence[Source | Unreachable]] = {}
        for unit in sorted(ripe):
            if self._stopping():
                return
            del self._due[unit]
            signature = self.units.signature(unit)
            if signature is None:
                self._lost(unit)
                continue
            known = self._read.setdefault(unit, _Read())
            known.signature = signature
            self.health.working = True
            try:
                if not self._is_followed(unit):
                    whole[unit] = list(open_sources([str(unit)]))
            except DlpAgentError as error:
                self._failed(unit, str(error))
            finally:
                self.health.working = False
        if whole and not self._stopping():
            self._read_whole(whole)

    def _is_followed(self, unit: Path) -> bool:
        """Read on if the unit is a log that is added to; False when it is to be read whole."""
        if not unit.is_file():
            return False
        with opened_file(unit) as file:
            if file is None:
                return False
            if is_packed(file):
                return self._is_packed_log(unit, self._register.has_read_packed(file))
            found, log = self._register.recognise(unit, file)
            if found == "twin" and not self._held(unit):
                return True
            if found != "known":
                log = None
            source = _source_of(unit, log.connector if log else None)
            if source is None:
                return False
            start = log.mark.offset if log else 0
            whole = whole_bytes(file, start)
            if whole <= start:
                return True  # no complete line has come
            uri = log.uri if log else self._register.name_for(unit)
            name = getattr(source, "name", "")
            reached = Followed(uri, mark_of(file, unit, whole), name)
        self._catch_up(unit, source, reached)
        return True

    def _is_packed_log(self, unit: Path, is_copy: bool) -> bool:
        signature = self.units.signature(unit)
        if is_copy and signature is not None:
            self._copies[unit] = signature
            say("rotated", asset=unit.as_uri(), packed=True)
        return is_copy

    def _held(self, unit: Path) -> bool:
        """A copy of a log may be its rotation: wait for the truncation. True when that did not come."""
        now = time.monotonic()
        until = self._twins.setdefault(unit, now + ROTATION_S)
        if now >= until:
            del self._twins[unit]
            return True
        self._touch(unit, now)
        return False

    def _catch_up(self, unit: Path, source: Source, log: Followed) -> None:
        """Read a log on, up to log.mark.offset."""
        assert self._following is not None
        asset = replace(next(iter(source.discover())), uri=log.uri, change_key=FOLLOWING)
        whole = log.mark.offset
        try:
            done = catch_up(self._following, self._run_id, source, asset, whole, log.as_json())
        except BusyError as error:
            self._failed(unit, str(error))
            return
        self._events += done.violations
        if done.error is not None:
            self._failed(unit, done.error)
            return
        self._register.note(log)
        self._twins.pop(unit, None)
        self._read[unit].failures = 0
        if done.counters.records:
            say("followed", asset=log.uri, records=done.counters.records,
                violations=done.violations, upto=whole)  # fmt: skip

    def _failed(self, unit: Path, error: str) -> None:
        known = self._read.setdefault(unit, _Read())
        known.failures += 1
        wait = min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0 ** min(known.failures - 1, 20))
        known.not_before = time.monotonic() + wait
        known.signature = None
        self._touch(unit, time.monotonic())
        say("unread", level=logging.WARNING, asset=unit.as_uri(), reason=error,
            failures=known.failures, again_in_s=wait)  # fmt: skip

    def _read_whole(
        self, units: dict[Path, Sequence[Source | Unreachable]], *, partial: bool = True
    ) -> None:
        """A run over units that changed, or (partial=False) over all of them."""
        begun = time.monotonic()
        self.health.working = True
        sweep = self._sweep(self.session.settings.job, partial=partial)
        good = [
            each for found in units.values() for each in found if not isinstance(each, Unreachable)
        ]
        lost = {
            u: each for u, found in units.items() for each in found if isinstance(each, Unreachable)
        }
        try:
            result = sweep.run(good, unreachable=[(e.place, str(e.error)) for e in lost.values()])
        except (Stopped, BusyError) as error:
            if isinstance(error, BusyError):
                for unit in units:
                    self._failed(unit, str(error))
            return
        finally:
            self.health.working = False
        failed = self._failed_of(result.run_id)
        took = time.monotonic() - begun
        for unit in units:
            known = self._read.setdefault(unit, _Read())
            uri = unit.resolve().as_uri()
            reason = str(lost[unit].error) if unit in lost else next(
                (why for at, why in failed.items() if at == uri or at.startswith(f"{uri}/")), None
            )  # fmt: skip
            if reason is not None:
                self._failed(unit, reason)
                continue
            known.failures = 0
            known.not_before = time.monotonic() + REST * took / len(units)
            signature = self.units.signature(unit)
            if signature != known.signature and signature is not None:
                self._touch(unit, time.monotonic())  # written to while it was read
        self._events += sum(1 for _ in self.session.state.violations(result.run_id))
        say("read", run=result.run_id, assets=result.assets, records=result.counters.records,
            findings=result.counters.findings, status=result.status, took_s=round(took, 3))  # fmt: skip

    def _failed_of(self, run_id: str) -> dict[str, str]:
        return {
            progress.asset_uri: progress.error
            for progress in self.session.state.progress(run_id)
            if progress.status == "failed" and progress.error
        }

    def _sweep_all(self) -> None:
        """All that is read whole, so that violations of files that are gone are resolved."""
        self._vanished = False
        logs = {log.mark.path for log in self._register.logs.values()}
        units: dict[Path, Sequence[Source | Unreachable]] = {}
        for unit in self._read:
            if str(unit) not in logs and unit not in self._copies:
                try:
                    units[unit] = list(open_sources([str(unit)]))
                except DlpAgentError:
                    self._vanished = True  # gone meanwhile: the next rescan looks again
        if units:
            self._read_whole(units, partial=False)

    # --- events -----------------------------------------------------------------------------------

    def _push(self) -> None:
        """Deliver what is due. A sink that is away keeps its events in the outbox."""
        state, specs = self.session.state, self.session.settings.sinks
        names = [spec.name for spec in specs]
        if not names or not outbox_rows.pending_of(state.database, names):
            return
        for spec in specs:
            if spec.name not in self._sinks:
                try:
                    self._sinks[spec.name] = spec.open()
                except SinkError as error:
                    say("sink-away", level=logging.WARNING, sink=spec.name, reason=error.what)
        sent = drain(state, self._sinks, retry=Retry(patience=0.0))
        if sent.sent or sent.dead:
            say("pushed", sent=sent.sent, dead=sent.dead, pending=sent.pending)
        for name, reason in sent.errors.items():
            say("sink-away", level=logging.WARNING, sink=name, reason=reason)


def _source_of(unit: Path, connector: str | None) -> Source | None:
    """What follows the unit: the connector that did before, else what its file looks like."""
    found = list(open_sources([str(unit)], connector))
    source = found[0] if len(found) == 1 else None
    if source is None or isinstance(source, Unreachable):
        return None
    return source if getattr(source, "name", "") in FOLLOWED else None
