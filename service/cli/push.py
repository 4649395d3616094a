"""dlpagent push: drain the outbox of a sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import VerboseOption, checked_choice, set_up_logging


def push(
    file: Annotated[Path, typer.Argument(help="The sweep file (docs/sweeps.md).")],
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Try again what sinks refused or gave up on.")
    ] = False,
    sink: Annotated[
        list[str] | None, typer.Option("--sink", help="Only this sink; may be given again.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Also send events made from this time on that a sink never had, because it was "
            "named later: 2026-01-31, 2026-01-31T08:00Z or all.",
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait in all for sinks that are away.")
    ] = 60.0,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    verbose: VerboseOption = 0,
) -> None:
    """Send what waits in the outbox of a sweep. Nothing is scanned.

    Exits 0 when every event is delivered, 4 when some wait or are dead letters.
    """
    set_up_logging(verbose)
    from dlpagent.service.pushing import PushRequest, parse_since, push, pushed_lines

    checked_choice(output_format, "--format", ("text", "json"))
    request = PushRequest(
        file=file,
        names=tuple(sink or ()),
        dead_letters=dead_letters,
        since=parse_since(since),
        wait_s=wait,
    )
    pushed, stands = push(request)
    if output_format == "json":
        found = {
            **stands,
            "sent": pushed.delivered.sent,
            "added": pushed.added,
            "requeued": pushed.requeued,
        }
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in pushed_lines(pushed, stands))
    raise typer.Exit(int(pushed.exit_code))
