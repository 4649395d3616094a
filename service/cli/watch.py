"""dlpagent watch: folders watched, logs followed, events as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import HealthOption, PackOption, PolicyOption, VerboseOption


def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Folders, with all below.")],
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="A sweep file: its packs, policy, sinks and state apply."),
    ] = None,
    pack: PackOption = None,
    policy: PolicyOption = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="State database.", show_default="$DLPAGENT_HOME/state.db"),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", help="Write violations to this file (Office 365 records)."),
    ] = None,
    health: HealthOption = None,
    settle: Annotated[
        float, typer.Option(min=0.05, help="Seconds of quiet before a changed file is read.")
    ] = 1.0,
    rescan: Annotated[
        float, typer.Option(min=0.2, help="Seconds between two looks at everything.")
    ] = 60.0,
    push: Annotated[float, typer.Option("--push", min=0.1, help="Seconds between deliveries.")] = 5.0,
    verbose: VerboseOption = 0,
) -> None:  # fmt: skip
    """Watch folders: read what changes, follow what grows. Logs are JSON lines on stderr.

    SIGTERM stops it behind the batch at hand (exit 0); SIGHUP reads settings and policy again.
    """
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.agent.json_log import set_up_json_logging
    from dlpagent.service.agent.watch_run import WatchRequest, run_watch
    from dlpagent.service.agent.watching import Pace

    if settings is not None and (pack or policy or state or events):
        raise ConfigurationError(
            "the file says this",
            where="--settings",
            expected="no --pack, --policy, --state or --events beside it",
            found="one of them",
        )
    set_up_json_logging(verbose)
    request = WatchRequest(
        folders=tuple(folders),
        file=settings,
        packs=tuple(pack or ["builtin"]),
        policy=policy,
        state=state,
        events=events,
        health=health,
        pace=Pace(settle, rescan, push),
    )
    raise typer.Exit(int(run_watch(request)))
