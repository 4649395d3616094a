"""dlpagent audit: the log of administrative acts and verdicts, checked, shown, exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import checked_choice, existing_state

app = typer.Typer(help="The audit log: verify, show, export.")

StateArgument = Annotated[str, typer.Option("--state", help="The state whose log is meant.")]


@app.command()
def verify(
    state: Annotated[
        str | None, typer.Option("--state", help="The state whose log is meant.", show_default="")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Check an export instead of a state.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="The audit.key of another installation; may be repeated."),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="A head an earlier check printed; may be repeated."),
    ] = None,
) -> None:
    """Check that no act was changed, moved, added or taken away.

    Exits 0 when the log is whole, 2 when it is not; every place it shows at is named.
    """
    from dlpagent.errors import ConfigurationError, ExitCode
    from dlpagent.service.auditing import checked, checked_file

    if (state is None) == (file is None):
        raise ConfigurationError("give --state or --file, one of the two", where="audit verify")
    if file is not None:
        verdict = checked_file(file, key or (), head or ())
    else:
        with existing_state(str(state)) as opened:
            verdict = checked(opened, key or (), head or ())
    for fault in verdict.faults:
        place = f"act {fault.seq}" if fault.seq else "the log"
        sys.stdout.write(f"{place} {fault.what}\n")
    if not verdict.whole:
        sys.stdout.write(f"NOT whole: {len(verdict.faults)} fault(s) in {verdict.acts} acts\n")
        raise typer.Exit(int(ExitCode.USAGE))
    sys.stdout.write(f"whole: {verdict.acts} acts, head {verdict.head or 'none'}\n")


@app.command()
def show(
    state: StateArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    act: Annotated[str, typer.Option("--act", help="Only acts whose name begins so.")] = "",
    subject: Annotated[
        str, typer.Option("--subject", help="Only of what has this id, or begins so.")
    ] = "",
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show the newest acts: when, by whom, what, on what."""
    from dlpagent.connectors.sinks._text import visible
    from dlpagent.service.auditing import act_json, act_line, newest_acts

    checked_choice(output_format, "--format", ("text", "json"))
    with existing_state(state) as opened:
        found = newest_acts(opened, limit, act, subject)
    for each in found:
        if output_format == "json":
            sys.stdout.write(json.dumps(act_json(each), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(visible(act_line(each)) + "\n")


@app.command()
def export(
    state: StateArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
) -> None:
    """Write the whole log as JSON lines, which audit verify --file checks anywhere."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.auditing import exported

    with existing_state(state) as opened:
        lines = list(exported(opened))
    try:
        output.write_text("".join(lines), "utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the export cannot be written ({error.strerror})", where=str(output)
        ) from None
    sys.stdout.write(f"{output}: {len(lines) - 2} acts\n")
