"""One scheduled run, in a process of its own: what it leaks ends with it, and it can be stopped."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dlpagent.errors import BusyError, ConfigurationError, DlpAgentError, ExitCode
from dlpagent.outbox import Retry, drain
from dlpagent.ports import Sink
from dlpagent.service.agent.backing_off import after_run, open_specs
from dlpagent.service.agent.health import Health
from dlpagent.service.agent.json_log import set_up_json_logging
from dlpagent.service.agent.observing import Observing
from dlpagent.service.session import exit_code, open_session
from dlpagent.service.suppressing import suppressed_in
from dlpagent.service.sweep_file import read_sweep_file
from dlpagent.state import Run, open_state
from dlpagent.state.agenda import agenda_of, change_agenda
from dlpagent.sweep import Stopped


def in_child(what: str, file: str, verbose: int, answer: Connection) -> None:
    """Run `sweep` or `push` of a sweep file and answer with its outcome; the process then exits."""
    with suppress(OSError):
        os.setpgrp()  # Ctrl-C is for the agent, which then asks us
    set_up_json_logging(verbose)
    try:
        outcome = sweep_once(Path(file)) if what == "sweep" else push_once(Path(file))
    except BusyError as error:
        outcome = {"exit": int(ExitCode.INCOMPLETE), "busy": True, "error": str(error)}
    except DlpAgentError as error:
        outcome = {"exit": int(error.exit_code), "error": str(error)}
    except KeyboardInterrupt:
        outcome = {"exit": int(ExitCode.INTERRUPTED)}
    except Exception as error:  # noqa: BLE001 - what it says may hold content: its kind is told
        outcome = {"exit": 1, "failed": True, "error": f"unexpected {type(error).__name__}"}
    answer.send(outcome)
    answer.close()
    sys.exit(outcome["exit"])


def sweep_once(file: Path) -> dict[str, Any]:
    """Run a sweep file, its failing sources left alone; a run that was cut off is gone on with."""
    plan = read_sweep_file(file)
    settings = plan.settings
    with open_session(settings) as session:
        db = session.state.database
        resume: Run | None = None
        with suppress(ConfigurationError):  # other settings than before: it begins anew
            resume = session.resumable()
        opened = open_specs(plan.sources, agenda_of(db, settings.job), datetime.now(UTC))
        sources = [each for found in opened for each in found.sources]
        try:
            result = session.sweep(sources, Observing(Health()), resume)
        except Stopped:
            return {"exit": int(ExitCode.INTERRUPTED)}
        failed = [
            p.asset_uri for p in session.state.progress(result.run_id) if p.status == "failed"
        ]
        now = datetime.now(UTC)
        agenda = change_agenda(db, settings.job, lambda a: after_run(a, opened, failed, now))
        delivered = session.deliver() if settings.sinks else None
        suppressed = suppressed_in(session.state, result, session.suppressions)
        return {
            "exit": int(exit_code(result, settings, delivered, suppressed)),
            "run": result.run_id,
            "status": result.status,
            "assets": result.assets,
            "records": result.counters.records,
            "findings": result.counters.findings,
            "left_alone": sorted(target for target in agenda.waiting if target),
            "sent": delivered.sent if delivered else 0,
            "pending": delivered.pending if delivered else 0,
        }


def push_once(file: Path) -> dict[str, Any]:
    """Deliver what is due of a sweep's outbox; waits that failures have set are kept."""
    settings = read_sweep_file(file).settings
    assert settings.state is not None
    sinks: dict[str, Sink] = {}
    with open_state(settings.state) as state:
        try:
            for spec in settings.sinks:
                sinks[spec.name] = spec.open()
            done = drain(state, sinks, retry=Retry(patience=0.0))
        finally:
            for sink in sinks.values():
                sink.close()
    left = done.dead or done.errors
    return {
        "exit": int(ExitCode.DELIVERY if left else ExitCode.CLEAN),
        "sent": done.sent, "dead": done.dead, "pending": done.pending,
    }  # fmt: skip
