"""dlpagent rules: packs listed, shown and checked; rules_files.py turns them to and from files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpagent.service.cli import rules_convert, rules_files, rules_learned
from dlpagent.service.cli.options import PackOption, ProfileOption, checked_choice

if TYPE_CHECKING:
    from dlpagent.classifiers.sit import Pack, Sit

app = typer.Typer(help="Packs of sensitive information types and rule packages.")


@app.command("list")
def list_(
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    text: Annotated[
        str | None, typer.Option("--grep", help="Only SITs whose name holds this.")
    ] = None,
) -> None:
    """List the SITs of a pack."""
    checked_choice(output_format, "--format", ("table", "json"))
    found = [
        sit
        for sit in _sits(_loaded(pack, profile))
        if text is None or text.casefold() in sit.name.casefold()
    ]
    if output_format == "json":
        sys.stdout.write(
            json.dumps([_row(sit) for sit in found], indent=1, ensure_ascii=False) + "\n"
        )
        return
    _print_table(found)


def _sits(pack: Pack) -> list[Sit]:
    return sorted(pack.sits.values(), key=lambda sit: (sit.name.casefold(), sit.id))


def _loaded(names: list[str] | None, profile: str) -> Pack:
    from dlpagent.service.packs import whole_packs

    checked_choice(profile, "--profile", ("strict", "extended"))
    return whole_packs(names or ["builtin"], profile)  # type: ignore[arg-type]


def _row(sit: Sit) -> dict[str, Any]:
    return {
        "id": sit.id,
        "name": sit.name,
        "version": sit.version,
        "parity": sit.parity,
        "confidences": sorted({pattern.confidence for pattern in sit.patterns}, reverse=True),
        "recommended_confidence": sit.recommended_confidence,
        "proximity": sit.proximity,
        "file": sit.file,
    }


def _print_table(sits: list[Sit]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Name", "Id", "Parity", "Confidences"):
        table.add_column(column, overflow="fold")
    for sit in sits:
        tiers = sorted({pattern.confidence for pattern in sit.patterns}, reverse=True)
        table.add_row(sit.name, sit.id, sit.parity, " ".join(map(str, tiers)) or "-")
    console = Console()
    console.print(table)
    console.print(f"{len(sits)} sensitive information types")


@app.command()
def show(
    sit: Annotated[str, typer.Argument(help="GUID or name of a SIT.")],
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show a SIT: patterns, elements, keyword terms, examples, what is ours in it."""
    from dlpagent.service.sit_view import sit_json, sit_text

    checked_choice(output_format, "--format", ("text", "json"))
    loaded = _loaded(pack, profile)
    chosen = find_sit(loaded, sit)
    if output_format == "json":
        sys.stdout.write(json.dumps(sit_json(loaded, chosen), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(sit_text(loaded, chosen))


def find_sit(pack: Pack, wanted: str) -> Sit:
    """A SIT by GUID, or by name without regard to case. Raises ConfigurationError with near names."""
    import difflib

    from dlpagent.errors import ConfigurationError

    key = wanted.strip("{} ").casefold()
    by_name = {sit.name.casefold(): sit for sit in pack.sits.values()}
    found = pack.sits.get(key) or by_name.get(key)
    if found is not None:
        return found
    parts = [sit for name, sit in by_name.items() if key in name]
    if len(parts) == 1:
        return parts[0]
    near = [sit.name for sit in parts[:5]] or [
        by_name[name].name for name in difflib.get_close_matches(key, by_name, 3, 0.5)
    ]
    raise ConfigurationError(
        "there is no such SIT" if not parts else "several SITs have this in their name",
        where=wanted,
        expected="the GUID or name of a SIT of the pack",
        found="none" if not parts else ", ".join(near),
        remedy=f"Did you mean: {', '.join(near)}?" if near else "List them: dlpagent rules list",
    )


@app.command()
def check(
    path: Annotated[
        list[Path] | None,
        typer.Argument(help="Pack folders or SIT files.", show_default="the built-in pack"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only problems.")] = False,
) -> None:
    """Prove packs: they load, every example is found, every near miss is not.

    Exits 0 when all holds, 2 with every problem at its file and line when not.
    """
    from dlpagent.classifiers.pack import BUILTIN, load_pack
    from dlpagent.classifiers.prove import prove, slow_paths, unproven
    from dlpagent.errors import ExitCode, ProblemsError

    base = load_pack(BUILTIN) if path else None
    failed = False
    for place in path or [BUILTIN]:
        try:
            pack = load_pack(place, base=base)
        except ProblemsError as error:
            sys.stderr.write(error.render() + "\n")
            failed = True
            continue
        problems = prove(pack)
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        failed |= bool(problems)
        if not quiet:
            sys.stdout.write(_proof(pack, len(problems)))
            for ident, why in unproven(pack).items():
                sys.stdout.write(f"  {pack.sits[ident].name}: not proven: {why}\n")
            for ident, names in slow_paths(pack).items():
                sys.stdout.write(
                    f"  {pack.sits[ident].name}: {', '.join(names)} cannot run on RE2 and runs in a "
                    "process that is killed when its time is over\n"
                )
    raise typer.Exit(int(ExitCode.USAGE if failed else ExitCode.CLEAN))


def _proof(pack: Pack, problems: int) -> str:
    sits = [sit for sit in pack.sits.values() if sit.parity != "name"]
    examples = sum(len(sit.examples) for sit in sits)
    misses = sum(len(sit.near_misses) for sit in sits)
    verdict = "all proven" if not problems else f"{problems} problem(s)"
    named = len(pack.sits) - len(sits)
    tail = f"; {named} known by name only" if named else ""
    return (
        f"{pack.name} {pack.ref.version}: {len(sits)} SITs, {examples} examples, "
        f"{misses} near misses: {verdict}{tail}\n"
    )


app.command("import")(rules_files.import_)
app.command("export")(rules_files.export)
app.command("convert")(rules_convert.convert)
app.command("lint")(rules_files.lint)
app.command("diff")(rules_files.diff)
app.command("fingerprint")(rules_learned.fingerprint)
app.command("train")(rules_learned.train)
