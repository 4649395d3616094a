"""dlpagent sweep: checkpointed jobs from a YAML file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import (
    HealthOption,
    QuietOption,
    VerboseOption,
    checked_choice,
    set_up_logging,
)

app = typer.Typer(help="Checkpointed sweeps from a YAML file: run, resume, status, schedule.")

FileArgument = Annotated[Path, typer.Argument(help="The sweep file (docs/sweeps.md).")]
SweepWorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=256, help="Processes that classify side by side.",
        show_default="those of the file",
    ),
]  # fmt: skip


@app.command()
def run(
    file: FileArgument,
    full: Annotated[bool, typer.Option("--full", help="Read unchanged assets again, too.")] = False,
    workers: SweepWorkersOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Run a sweep. A run that was cut off is gone on with; unchanged assets are skipped.

    Exit codes as for scan.
    """
    set_up_logging(verbose)
    from dlpagent.service.cli.sweeping import run_sweep

    raise typer.Exit(
        int(run_sweep(file, must_resume=False, full=full, workers=workers, quiet=quiet))
    )


@app.command()
def resume(
    file: FileArgument,
    workers: SweepWorkersOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Go on with the run of a sweep that was cut off; exits 2 when there is none."""
    set_up_logging(verbose)
    from dlpagent.service.cli.sweeping import run_sweep

    raise typer.Exit(
        int(run_sweep(file, must_resume=True, full=False, workers=workers, quiet=quiet))
    )


@app.command()
def status(
    file: FileArgument,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    limit: Annotated[int, typer.Option(min=1, help="Runs shown.")] = 5,
) -> None:
    """Show the runs of a sweep: assets, coverage, findings, violations, delivery."""
    from dlpagent.service.cli.sweeping import status_of, status_text

    checked_choice(output_format, "--format", ("text", "json"))
    found = status_of(file, limit)
    if output_format == "json":
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(status_text(found))


@app.command()
def schedule(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Sweep files with a schedule.")],
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Sweeps that run side by side.")] = 1,
    push: Annotated[
        float, typer.Option(min=0.5, help="Seconds between two looks at what waits for its sink.")
    ] = 60.0,
    health: HealthOption = None,
    verbose: VerboseOption = 0,
) -> None:  # fmt: skip
    """Run sweeps when their schedules say so, until stopped. Logs are JSON lines on stderr.

    SIGTERM stops it behind the batches at hand (exit 0); SIGHUP reads the files again.
    """
    from dlpagent.service.agent.json_log import set_up_json_logging
    from dlpagent.service.agent.scheduling import ScheduleRequest, run_schedule

    set_up_json_logging(verbose)
    request = ScheduleRequest(tuple(files), parallel, push, health, verbose)
    raise typer.Exit(int(run_schedule(request)))


@app.command()
def pause(file: FileArgument) -> None:
    """Pause a scheduled sweep: running agents begin it no more, until unpause. It may run by hand."""
    _set_paused(file, paused=True)


@app.command()
def unpause(file: FileArgument) -> None:
    """Let a paused sweep go on; times missed meanwhile are made up for once."""
    _set_paused(file, paused=False)


def _set_paused(file: Path, *, paused: bool) -> None:
    from dlpagent.service.sweep_file import read_sweep_file
    from dlpagent.state import open_state
    from dlpagent.state.agenda import set_paused
    from dlpagent.state.audit import local_actor

    settings = read_sweep_file(file).settings
    assert settings.state is not None
    with open_state(settings.state) as state:
        changed = set_paused(state.database, settings.job, paused=paused, actor=local_actor())
    word = "paused" if paused else "not paused"
    sys.stderr.write(f"The sweep {settings.job} is {word}{'' if changed else ' already'}.\n")
