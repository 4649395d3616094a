"""dlpagent quarantine: tag, move or delete the records that violations name, with receipts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import KeyOption, actor_of, checked_choice, existing_state

if TYPE_CHECKING:
    from dlpagent.service.quarantine import Outcome

_LISTED = 20
_WORDS = {
    "same": "as swept",
    "changed": "changed since the sweep: left alone",
    "gone": "not there any more",
    "unknown": "the state does not say how it was: left alone; sweep again",
    "refused": "refused",
    "unfinished": "unfinished: run the command again",
}


def quarantine(
    state: Annotated[str, typer.Argument(help="The state of earlier scans or sweeps, or its URL.")],
    action: Annotated[str, typer.Option("--action", help="tag, move or delete.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; without this the plan is printed.")
    ] = False,
    violation: Annotated[
        list[str] | None,
        typer.Option("--violation", help="Only these: ids, or their first characters."),
    ] = None,
    severity: Annotated[str, typer.Option("--severity", help="any, high, medium or low.")] = "any",
    asset: Annotated[str, typer.Option("--asset", help="Only assets that fit this glob.")] = "*",
    rule: Annotated[str, typer.Option("--rule", help="Only rules whose name fits.")] = "*",
    findings: Annotated[
        str | None,
        typer.Option(
            "--findings",
            help="Take every record with a finding of low, medium, high or 1-100 instead of "
            "those of open violations.",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", help="Where to move: a collection, a table; of files a folder."),
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            "--source",
            help="The address the sweep was given, where the asset's own "
            "lacks a user or a setting.",
        ),
    ] = "",
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who acts, for receipts.", show_default="account@machine"),
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    key_file: KeyOption = None,
) -> None:
    """Act on the records that open violations name. Prints the plan unless --apply is given.

    Exit codes: 0 nothing was, or has to be, left alone, 2 usage or configuration error, 3 records
    were left alone.
    """
    from dlpagent.errors import ConfigurationError, ExitCode
    from dlpagent.service.quarantine import Order, applied, planned, wanted_of
    from dlpagent.service.session import parse_level
    from dlpagent.service.settings import Home
    from dlpagent.service.violations import Asked

    checked_choice(action, "--action", ("tag", "move", "delete"))
    checked_choice(severity, "--severity", ("any", "high", "medium", "low"))
    checked_choice(output_format, "--format", ("text", "json"))
    if to and action != "move":
        raise ConfigurationError("only records that are moved need a place", where="--to",
                                 expected="--action move", found=f"--action {action}")  # fmt: skip
    floor = None if findings is None else parse_level(findings)
    order = Order(action, actor_of(by), to, source)  # type: ignore[arg-type]  # checked above
    with existing_state(state) as opened:
        key = Home.of_environment().evidence(key_file)
        wanted = wanted_of(opened, Asked("open", severity, asset, rule), violation or (), floor)
        outcomes = (applied if apply else planned)(opened, wanted, order, key)
    for one in outcomes:
        if output_format == "json":
            sys.stdout.write(json.dumps(one.json(), ensure_ascii=False) + "\n")
        else:
            _print(one, done=apply)
    if not outcomes:
        sys.stderr.write("Nothing to act on: no open violation fits.\n")
    elif not apply:
        sys.stderr.write("This is the plan; nothing was changed. Do it with --apply.\n")
    whole = all(one.is_whole for one in outcomes)
    raise typer.Exit(int(ExitCode.CLEAN if whole else ExitCode.INCOMPLETE))


def _print(outcome: Outcome, *, done: bool) -> None:
    from dlpagent.connectors.sinks._text import visible

    count = len(outcome.records)
    verb = "" if done else "would "
    sys.stdout.write(visible(f"{outcome.asset_uri}: {verb}{outcome.action} {count} record(s)"))
    sys.stdout.write(visible(f" to {outcome.to}\n") if outcome.to else "\n")
    by_word: dict[str, list[str]] = {}
    for record, word in outcome.records.items():
        by_word.setdefault(word, []).append(record)
    for word, records in by_word.items():
        shown = ", ".join(records[:_LISTED]) + (" …" if len(records) > _LISTED else "")
        sys.stdout.write(visible(f"  {len(records)} {_WORDS.get(word, word)}: {shown}") + "\n")
    for line in outcome.why.splitlines():
        sys.stdout.write(visible(f"  {line}") + "\n")
