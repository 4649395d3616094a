"""Running a sweep file, and what `sweep status` tells of its state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError, ExitCode
from dlpagent.ports import Source
from dlpagent.service.cli.scanning import Watcher, progress_for, write_html
from dlpagent.service.pushing import existing_state, lag_line
from dlpagent.service.session import Session, exit_code, open_session
from dlpagent.service.summary import summary_lines
from dlpagent.service.suppressing import suppressed_in
from dlpagent.service.sweep_file import SweepFile, read_sweep_file
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import Run
from dlpagent.state.agenda import agenda_of
from dlpagent.sweep import Stopped


def run_sweep(
    file: Path, *, must_resume: bool, full: bool, quiet: bool, workers: int | None = None
) -> ExitCode:
    """Run the sweep of a file. Raises DlpAgentError for what a person must mend."""
    plan = read_sweep_file(file)
    settings = replace(
        plan.settings,
        full=full or plan.settings.full,
        workers=workers or plan.settings.workers,
    )
    with open_session(settings) as session:
        resume = _resumable(session, file, must_resume=must_resume)
        sources = list(_sources(plan))
        watcher = Watcher(progress_for(sources, quiet=quiet), session, [])
        try:
            result = session.sweep(sources, watcher, resume)
        except Stopped as stop:
            sys.stderr.write(stop.render() + "\n")
            return ExitCode.INTERRUPTED
        finally:
            watcher.progress.close()
        delivered = session.deliver() if settings.sinks else None
        if plan.report is not None:
            write_html(session, result, plan.report, watcher.progress.figures())
        suppressed = suppressed_in(session.state, result, session.suppressions)
        if not quiet:
            for line in summary_lines(session, result, delivered, suppressed):
                sys.stderr.write(line + "\n")
        return exit_code(result, settings, delivered, suppressed)


def _resumable(session: Session, file: Path, *, must_resume: bool) -> Run | None:
    """The run to go on with. `run` starts anew when the settings have changed, `resume` refuses."""
    try:
        found = session.resumable()
    except ConfigurationError:
        if must_resume:
            raise
        return None
    if found is None and must_resume:
        raise ConfigurationError(
            "there is no run to resume",
            where=str(file),
            expected="a run that was cut off",
            found="none",
            remedy=f"Start one: dlpagent sweep run {file}",
        )
    return found


def _sources(plan: SweepFile) -> Iterator[Source | Unreachable]:
    for spec in plan.sources:
        yield from open_sources([spec.target], spec.connector, **spec.settings)


def status_of(file: Path, limit: int) -> dict[str, Any]:
    """Runs, assets, violations and delivery of a sweep, as plain JSON values."""
    plan = read_sweep_file(file)
    settings = plan.settings
    with existing_state(settings.state, file) as state:
        runs = state.runs(limit=limit, job=settings.job)
        agenda = agenda_of(state.database, settings.job)
        return {
            "v": 1,
            "job": settings.job,
            "state": state.place,
            "schedule": asdict(plan.schedule) if plan.schedule else None,
            "agenda": asdict(agenda),
            "runs": [asdict(run) for run in runs],
            "assets": [asdict(item) for item in state.progress(runs[0].id)] if runs else [],
            "violations": state.violations_by_severity(),
            "delivery": [asdict(lag) for lag in state.outbox_lag()],
        }


def status_text(found: dict[str, Any]) -> str:
    """The status as a person reads it."""
    return "\n".join(_status_lines(found)) + "\n"


def _status_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"Sweep {found['job']}, state {found['state']}"
    if found["schedule"]:
        paused = found["agenda"]["paused"]
        since = f"; paused since {paused}" if paused else ""
        yield f"  scheduled {found['schedule']['cron']} ({found['schedule']['timezone']}){since}"
    for target, wait in found["agenda"]["waiting"].items():
        what = target or "the sweep itself"
        yield f"  left alone until {wait['until']} after {wait['failures']} failure(s): {what}"
    for run in found["runs"]:
        totals = run["totals"]
        counters = totals.get("counters", {})
        yield (
            f"  {run['started_at']}  {run['status']:<11} {counters.get('records', 0):,} records  "
            f"{counters.get('findings', 0):,} findings  assets {totals.get('assets', {})}"
        )
    if found["assets"]:
        yield "Assets of the newest run:"
    for asset in found["assets"]:
        counters = asset["counters"]
        yield (
            f"  {asset['status']:<11} {counters['records']:>9,} records {counters['findings']:>9,} "
            f"findings {counters['problems']:>6,} problems  {asset['asset_uri']}"
        )
        if asset["error"]:
            yield f"    {asset['error']}"
    yield "Open violations: " + (
        ", ".join(f"{many} {severity}" for severity, many in found["violations"].items()) or "none"
    )
    for lag in found["delivery"]:
        yield lag_line(lag)
