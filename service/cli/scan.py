"""dlpagent scan: one shot over paths, globs, URIs or standard input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import (
    EngineOption,
    KeyOption,
    LabelsOption,
    NerBudgetOption,
    NerOption,
    PackOption,
    PolicyOption,
    ProfileOption,
    QuietOption,
    StateOption,
    VerboseOption,
    WorkersOption,
    checked_choice,
    set_up_logging,
)


def scan(
    source: Annotated[
        list[str], typer.Argument(help="Paths, folders, globs, URIs (qdrant-edge://…) or -")
    ],
    connector: Annotated[
        str | None,
        typer.Option(help="Read with this connector instead of the one the file looks like."),
    ] = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    policy: PolicyOption = None,
    labels: LabelsOption = None,
    min_confidence: Annotated[
        str, typer.Option(help="low, medium, high or 1–100: findings below are not made.")
    ] = "low",
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, jsonl, json, csv, sarif, html, ocsf, o365; several with commas.",
            show_default="table on a terminal, else jsonl",
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", help="File to write, one per format.", show_default="stdout"
        ),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="low, medium, high or never: findings from this level on exit 1.")
    ] = "high",
    accept: Annotated[
        str,
        typer.Option(help="Part statuses that are no reason for exit 3: opaque,protected,…"),
    ] = "",
    state: StateOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the scan that was cut off (needs --state).")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Verdicts (dlpagent triage export) or an earlier scan's JSON Lines: what is in it "
            "is suppressed.",
            show_default="none",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="With --state: read unchanged assets again, too.")
    ] = False,
    workers: WorkersOption = 1,
    engine: EngineOption = "local",
    ner: NerOption = "off",
    ner_budget: NerBudgetOption = None,
    key_file: KeyOption = None,
    tenant_id: Annotated[
        str | None, typer.Option(help="Entra tenant (GUID) named in events.")
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Scan sources once and print findings to standard output.

    Exit codes: 0 complete and clean, 1 findings at or above --fail-on, 2 usage or configuration
    error, 3 incomplete, 4 delivery failed, 130 interrupted.
    """
    set_up_logging(verbose)
    from dlpagent.service.cli.scanning import Request, run_scan

    checked_choice(fail_on, "--fail-on", ("low", "medium", "high", "never"))
    checked_choice(profile, "--profile", ("strict", "extended"))
    checked_choice(ner, "--ner", ("off", "auto", "on"))
    code = run_scan(
        Request(
            targets=tuple(source),
            connector=connector,
            packs=tuple(pack or ("builtin",)),
            profile=profile,
            policy=policy,
            labels=labels,
            min_confidence=min_confidence,
            formats=output_format,
            outputs=tuple(output or ()),
            fail_on=fail_on,
            accept=accept,
            state=state,
            resume=resume,
            full=full,
            workers=workers,
            engine=engine,
            ner=ner,
            ner_budget=ner_budget,
            baseline=baseline,
            key_file=key_file,
            tenant_id=tenant_id,
            quiet=quiet,
        )
    )
    raise typer.Exit(int(code))
