"""dlpagent inventory: the register of AI apps, stores, datasets and packs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpagent.service.cli.options import LabelsOption, actor_of, checked_choice, existing_state

WIDTH = 160
"""Of a table that does not go to a terminal."""

app = typer.Typer(help="The register: AI apps, stores, datasets, packs.")

StateArgument = Annotated[
    str, typer.Option("--state", help="The state of earlier scans or sweeps, or its URL.")
]
EntryArgument = Annotated[
    str, typer.Argument(help="Its name, kind:name, id, or the beginning of the id.")
]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="app, store, dataset or pack. May be repeated.")
]
InOption = Annotated[
    list[str] | None,
    typer.Option("--in", help="assessed, approved, monitored or retired. May be repeated."),
]


@app.command("list")
def list_(
    state: StateArgument,
    kind: KindOption = None,
    stands: InOption = None,
    labels: LabelsOption = None,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List the register: whose, in which state, last sweep, label, open violations, trend."""
    checked_choice(output_format, "--format", ("table", "json"))
    found = _rows(state, kind, stands, labels)
    if output_format == "json":
        for row in found:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        _print(found)
    again = [row["name"] for row in found if row["seen_since"]]
    if again:
        sys.stderr.write(f"retired, and met by a sweep since: {', '.join(again)}\n")


@app.command()
def show(
    entry: EntryArgument,
    state: StateArgument,
    labels: LabelsOption = None,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show one entry."""
    from dlpagent.connectors.sinks._text import visible
    from dlpagent.service.inventory import found_entry, row_of, shown_lines
    from dlpagent.service.session import load_taxonomy

    checked_choice(output_format, "--format", ("text", "json"))
    with existing_state(state) as opened:
        row = row_of(found_entry(opened, entry), load_taxonomy(labels))
    if output_format == "json":
        sys.stdout.write(json.dumps(row, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{visible(line)}\n" for line in shown_lines(row))


@app.command("set")
def set_(
    entry: EntryArgument,
    state: StateArgument,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="What it is for.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="assessed, approved, monitored or retired.")
    ] = None,
    receipt: Annotated[
        str,
        typer.Option("--receipt", help="How its deletion is proven, in words; kept as a receipt."),
    ] = "",
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="Who says so, for the audit log.", show_default="account@machine"
        ),
    ] = None,
) -> None:
    """Say whose an entry is, what it is for, or move it to another state.

    Retiring asks for a last sweep that read all of it, and a receipt of its deletion.
    """
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.inventory import found_entry
    from dlpagent.state.register import STATES, say

    if to is not None:
        checked_choice(to, "--to", STATES)
    if owner is None and purpose is None and to is None and not receipt:
        raise ConfigurationError(
            "nothing is to be set",
            where="inventory set",
            expected="--owner, --purpose, --to or --receipt",
        )
    with existing_state(state) as opened:
        told = say(
            opened.database,
            actor_of(by),
            found_entry(opened, entry).id,
            owner=owner,
            purpose=purpose,
            state=to,  # type: ignore[arg-type]  # checked above
            receipt=receipt,
        )
    sys.stdout.write(f"{told.kind} {told.name}: {told.state}, owner {told.owner or 'nobody'}\n")


@app.command()
def export(
    state: StateArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A file: .csv or .json.")],
    kind: KindOption = None,
    stands: InOption = None,
    labels: LabelsOption = None,
) -> None:
    """Write the register as CSV or JSON."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.inventory import as_csv, as_json

    checked_choice(output.suffix, "--output", (".csv", ".json"))
    found = _rows(state, kind, stands, labels)
    text = as_csv(found) if output.suffix == ".csv" else as_json(found)
    try:
        output.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(
            f"the register cannot be written ({error.strerror})", where=str(output)
        ) from None
    sys.stdout.write(f"{output}: {len(found)} entries\n")


def _rows(
    state: str, kind: Sequence[str] | None, stands: Sequence[str] | None, labels: str | None
) -> list[dict[str, Any]]:
    from dlpagent.service.inventory import rows
    from dlpagent.service.session import load_taxonomy
    from dlpagent.state.register import KINDS, STATES

    for each in kind or ():
        checked_choice(each, "--kind", KINDS)
    for each in stands or ():
        checked_choice(each, "--in", STATES)
    with existing_state(state) as opened:
        return rows(opened, load_taxonomy(labels), kind or (), stands or ())


def _print(found: Sequence[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlpagent.connectors.sinks._text import visible

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Kind", "Name", "State", "Owner", "Last sweep", "Label", "Open", "Trend"):
        table.add_column(column, overflow="fold")
    for row in found:
        standing = f"{row['high']} / {row['medium']} / {row['low']}"
        swept = (row["last_sweep"] or "never")[:10] + ("" if row["whole"] else " (not whole)")
        cells = (
            row["kind"], row["name"], row["state"], row["owner"],
            swept if row["kind"] != "pack" else (row["last_sweep"] or "never")[:10],
            row["label"] or "", standing, f"{row['trend']:+d}" if row["trend"] else "",
        )  # fmt: skip
        table.add_row(*(Text(visible(cell)) for cell in cells))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
