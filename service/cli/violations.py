"""dlpagent violations: listed, shown with their life, overridden, called false positives, reopened."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import actor_of, checked_choice, existing_state

if TYPE_CHECKING:
    from dlpagent.state.model import StoredViolation

WIDTH = 140
"""Of a table that does not go to a terminal."""

app = typer.Typer(help="Violations and what became of them.")

StateArgument = Annotated[
    str, typer.Option("--state", help="The state of earlier scans or sweeps, or its URL.")
]
IdsArgument = Annotated[list[str], typer.Argument(help="Ids, or their first characters.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in words.")]
ActorOption = Annotated[
    str | None,
    typer.Option("--by", help="Who decides, for the audit log.", show_default="account@machine"),
]


@app.command("list")
def list_(
    state: StateArgument,
    status: Annotated[
        str, typer.Option("--status", help="open, any, or one status (docs/violations.md).")
    ] = "open",
    severity: Annotated[str, typer.Option("--severity", help="any, high, medium or low.")] = "any",
    asset: Annotated[str, typer.Option("--asset", help="Only assets that fit this glob.")] = "*",
    rule: Annotated[str, typer.Option("--rule", help="Only rules whose name fits.")] = "*",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List violations, the most severe first."""
    from dlpagent.service.violations import STATUSES, Asked, listed, summary

    checked_choice(output_format, "--format", ("table", "json"))
    checked_choice(severity, "--severity", ("any", "high", "medium", "low"))
    status = checked_choice(status.replace("-", "_"), "--status", ("open", "any", *STATUSES))
    with existing_state(state) as opened:
        found = listed(opened, Asked(status, severity, asset, rule))
    if output_format == "json":
        for each in found[:limit]:
            sys.stdout.write(json.dumps(summary(each), ensure_ascii=False) + "\n")
    else:
        _print(found[:limit], len(found))


@app.command()
def show(
    violation: Annotated[str, typer.Argument(help="Its id, or the first characters.")],
    state: StateArgument,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show a violation: what it rests on, its history, what people said of it."""
    from dlpagent.service.violations import found_by_id, shown, shown_lines

    checked_choice(output_format, "--format", ("text", "json"))
    with existing_state(state) as opened:
        found = shown(opened, found_by_id(opened, violation))
    if output_format == "json":
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{_plain(line)}\n" for line in shown_lines(found))


@app.command()
def override(
    violations: IdsArgument,
    state: StateArgument,
    reason: ReasonOption = "",
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            help="When the override ends: 2027-01-31, or a time (UTC).",
            show_default="the longest the rule allows, else 90 days",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="The same in days from now.")
    ] = None,
    covers: Annotated[
        str,
        typer.Option(
            "--covers", help="evidence: what was found until now; item: whatever the item holds."
        ),
    ] = "evidence",
    by: ActorOption = None,
) -> None:
    """Let violations stand for a time. The rule says who may, and how (docs/policies.md)."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.violations import found_by_id
    from dlpagent.state.exempting import days_from, parsed_end
    from dlpagent.state.exempting import override as run

    checked_choice(covers, "--covers", ("evidence", "item"))
    if until and days:
        raise ConfigurationError("give --until or --days, not both", where="--until")
    with existing_state(state) as opened:
        end = parsed_end(until) if until else days_from(opened.database, days) if days else None
        for ident in [found_by_id(opened, each) for each in violations]:
            ends = run(
                opened.database,
                actor_of(by),
                ident,
                reason,
                until=end,
                covers=covers,  # type: ignore[arg-type]  # checked above
            )
            sys.stdout.write(f"{ident} overridden until {ends[:19]}Z\n")


@app.command("false-positive")
def false_positive(
    violations: IdsArgument, state: StateArgument, reason: ReasonOption = "", by: ActorOption = None
) -> None:
    """Say that violations are none, as long as what was found stays what it is."""
    from dlpagent.service.violations import found_by_id
    from dlpagent.state.exempting import call_false_positive

    with existing_state(state) as opened:
        for ident in [found_by_id(opened, each) for each in violations]:
            call_false_positive(opened.database, actor_of(by), ident, reason)
            sys.stdout.write(f"{ident} false positive\n")


@app.command()
def reopen(
    violations: IdsArgument, state: StateArgument, reason: ReasonOption = "", by: ActorOption = None
) -> None:
    """Take back an override or a false positive."""
    from dlpagent.service.violations import found_by_id
    from dlpagent.state.exempting import reopen as run

    with existing_state(state) as opened:
        for ident in [found_by_id(opened, each) for each in violations]:
            run(opened.database, actor_of(by), ident, reason)
            sys.stdout.write(f"{ident} reopened\n")


def _plain(line: str) -> str:
    from dlpagent.connectors.sinks._text import visible

    return visible(line)


def _print(found: list[StoredViolation], total: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlpagent.connectors.sinks._table import place
    from dlpagent.service.violations import in_words

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Id", "Status", "Severity", "Rule", "Where", "First", "Last"):
        table.add_column(column, overflow="fold")
    for each in found:
        violation = each.violation
        record = f"#{violation.record_id}" if violation.record_id else ""
        cells = (
            violation.id[:8],
            in_words(each.status),
            violation.severity,
            violation.rule_name,
            f"{place(violation.asset_uri)}{record}",
            each.first_seen[:10],
            each.last_seen[:10],
        )
        table.add_row(*(Text(_plain(cell)) for cell in cells))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    if total > len(found):
        sys.stderr.write(f"{total - len(found)} more; see --limit\n")
