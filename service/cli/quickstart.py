"""dlpagent quickstart: the main job on data that ships with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import VerboseOption, set_up_logging


def quickstart(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for report, events, state and the data scanned.")
    ] = Path("dlpagent-quickstart"),
    with_purview: Annotated[
        bool,
        typer.Option(
            "--with-purview",
            help="Also send the violations to a Microsoft on this machine and show what it took.",
        ),
    ] = False,
    verbose: VerboseOption = 0,
) -> None:
    """Scan a ChatGPT export, a JSONL corpus and a vector store; label; write violations as events.

    Everything runs on this machine; nothing is downloaded or sent. Exits 0 when it worked, though
    the data holds violations: they are what it shows.
    """
    set_up_logging(verbose)
    from dlpagent.service.demo.run import run_quickstart

    raise typer.Exit(int(run_quickstart(out, with_purview=with_purview)))
