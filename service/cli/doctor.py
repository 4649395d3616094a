"""dlpagent doctor: is this installation, and are these sweeps, fit to run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import checked_choice

if TYPE_CHECKING:
    from dlpagent.service.doctor import Check

_MARKS = {"ok": "ok  ", "note": "note", "wrong": "FAIL"}


def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE…]", help="Sweep files to look at, too.")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Look at configuration, keys, clock, engine, cache, extras, sources and sinks.

    Exit codes: 0 all is well; 2 the set-up is wrong; 3 a source cannot be had; 4 a sink cannot.
    """
    from dlpagent.service.doctor import examine, exit_code

    checked_choice(output_format, "--format", ("text", "json"))
    checks = examine(files or [])
    if output_format == "json":
        found = {"v": 1, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for check in checks for line in _lines(check))
    raise typer.Exit(int(exit_code(checks)))


def _lines(check: Check) -> list[str]:
    found = check.found.replace("\n", "\n       ")
    lines = [f"{_MARKS[check.verdict]}  {check.name}: {found}"]
    if check.remedy:
        lines.append(f"      → {check.remedy}")
    return lines
