"""dlpagent sweep: checkpointed jobs from a YAML file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import QuietOption, VerboseOption, checked_choice, set_up_logging

app = typer.Typer(help="Checkpointed sweeps from a YAML file: run, resume, status.")

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
