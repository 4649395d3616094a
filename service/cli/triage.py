"""dlpagent triage: values found, verdicts on them, baselines; and the evidence key they stand under."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import KeyOption, PackOption, ProfileOption, checked_choice

if TYPE_CHECKING:
    from dlpagent.classifiers.sit import Pack
    from dlpagent.service.settings import Home
    from dlpagent.service.triage import ValueGroup
    from dlpagent.state import State

WIDTH = 140
"""Of a table that does not go to a terminal."""

app = typer.Typer(help="Values that were found, verdicts on them, and baselines.")

StateArgument = Annotated[
    str, typer.Option("--state", help="The state of earlier scans or sweeps, or its URL.")
]
SitOption = Annotated[
    list[str] | None, typer.Option("--sit", help="Only this SIT (GUID or name). May be repeated.")
]
AssetOption = Annotated[
    str, typer.Option("--asset", help="Only assets whose URI fits this glob (* crosses /).")
]
ActorOption = Annotated[
    str | None,
    typer.Option("--by", help="Who decides, for the audit log.", show_default="account@machine"),
]


@app.command("list")
def list_(
    state: StateArgument,
    sit: SitOption = None,
    asset: AssetOption = "*",
    standing: Annotated[
        str, typer.Option(help="open, decided, true, false, accepted or any.")
    ] = "open",
    min_confidence: Annotated[str, typer.Option(help="low, medium, high or 1–100.")] = "low",
    limit: Annotated[int, typer.Option(min=1, help="At most so many values.")] = 50,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List the values found, one line per value and SIT, those found most often first."""
    from dlpagent.service.session import parse_level
    from dlpagent.service.triage import STANDINGS, value_groups

    checked_choice(output_format, "--format", ("table", "json"))
    checked_choice(standing, "--standing", STANDINGS)
    loaded = _pack(pack, profile)
    with opened(state) as found:
        groups = value_groups(
            found,
            sit_ids=_ids(loaded, sit),
            asset=asset,
            standing=standing,  # type: ignore[arg-type]
            min_confidence=parse_level(min_confidence),
        )
    if output_format == "json":
        for group in groups[:limit]:
            sys.stdout.write(json.dumps(group.json(loaded.sit_names), ensure_ascii=False) + "\n")
    else:
        _print(groups[:limit], loaded.sit_names, len(groups))


@app.command("set")
def set_(
    key: Annotated[list[str], typer.Argument(help="Keys of values, or their first characters.")],
    state: StateArgument,
    verdict: Annotated[
        str, typer.Option(help="true (rightly found), false, accepted, or open (take it back).")
    ],
    reason: Annotated[str, typer.Option(help="Why; needed for false and accepted.")] = "",
    owner: Annotated[
        str, typer.Option(help="Who answers for it.", show_default="who decides")
    ] = "",
    expires: Annotated[
        str | None, typer.Option(help="Until when: 2030-12-31 or 90d.", show_default="no end")
    ] = None,
    scope: Annotated[str, typer.Option(help="Assets it holds for: a glob over URIs.")] = "*",
    sit: SitOption = None,
    by: ActorOption = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    key_file: KeyOption = None,
) -> None:
    """Decide on values. A value that several SITs found is decided on for all of them, or --sit."""
    from dlpagent.service.triage import (
        Decision,
        decide,
        expiry,
        find_groups,
        value_groups,
        withdraw,
    )
    from dlpagent.suppressions import RULINGS

    checked_choice(verdict, "--verdict", (*RULINGS, "open"))
    loaded = _pack(pack, profile)
    with opened(state) as found:
        groups = value_groups(found, sit_ids=_ids(loaded, sit), standing="any")
        chosen = find_groups(groups, key, loaded.sit_names)
        if verdict == "open":
            many = withdraw(found, _actor(by), chosen, reason)
            sys.stdout.write(f"{many} verdict(s) taken back\n")
            return
        decision = Decision(
            verdict,  # type: ignore[arg-type]
            reason,
            owner,
            scope,
            expiry(expires) if expires else None,
        )
        evidence = _home().evidence(key_file)
        stored = decide(found, _actor(by), chosen, decision, key_id=evidence.key_id(),
                        names=loaded.sit_names)  # fmt: skip
    for item in stored:
        until = f", until {item.expires_at}" if item.expires_at else ""
        sys.stdout.write(f"{item.key[:12]} {item.sit_name}: {item.ruling}{until}\n")


@app.command("export")
def export(
    state: StateArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="stdout"),
    ] = None,
) -> None:
    """Write all verdicts as a baseline, for `scan --baseline` and `triage import`. It holds no value."""
    from dlpagent.service.baselines import baseline_json
    from dlpagent.service.cli.evals import written
    from dlpagent.state.verdicts import stored_verdicts

    with opened(state) as found:
        document = baseline_json(stored_verdicts(found.database))
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        written(output, text)
        sys.stderr.write(f"{len(document['verdicts'])} verdict(s) written\n")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A baseline, or the JSON Lines of a scan.")],
    state: StateArgument,
    by: ActorOption = None,
    key_file: KeyOption = None,
) -> None:
    """Add the verdicts of a baseline to a state; findings of a scan become accepted where they lie."""
    import hashlib

    from dlpagent.service.baselines import read_baseline
    from dlpagent.state.verdicts import set_verdicts

    given = read_baseline(file, key_file or _home().key_file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with opened(state) as found:
        set_verdicts(found.database, _actor(by), given, act="verdict.import",
                     origin=f"{file.name} sha256:{digest}")  # fmt: skip
    sys.stdout.write(f"{len(given)} verdict(s) added\n")


@app.command("rotate-key")
def rotate_key(
    state: StateArgument,
    by: ActorOption = None,
    key_file: KeyOption = None,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Make no key; drop the former ones no verdict waits under."),
    ] = False,
) -> None:
    """Make a new evidence key. Values under verdicts keep the key they had until `triage rekey`."""
    from dlpagent.service import rekeying

    key = key_file or _home().key_file
    _home().evidence(key_file)
    with opened(state) as found:
        if forget:
            gone = rekeying.forget_former(found, _actor(by), key)
            waiting = len(rekeying.waiting_verdicts(found, key))
            sys.stdout.write(f"{len(gone)} former key(s) dropped; {waiting} verdict(s) wait\n")
            return
        rotation = rekeying.rotate_key(found, _actor(by), key)
        waiting = len(rekeying.waiting_verdicts(found, key))
    sys.stdout.write(
        f"key {rotation.before} is now key {rotation.after}; "
        f"{waiting} verdict(s) stand under former keys\n"
    )


@app.command("rekey")
def rekey(
    source: Annotated[list[str], typer.Argument(help="Where the values lie, as for scan.")],
    state: StateArgument,
    by: ActorOption = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    key_file: KeyOption = None,
) -> None:
    """Read sources again and carry verdicts over to the present evidence key. Exits 3 if some wait."""
    from dlpagent.errors import ExitCode
    from dlpagent.service import rekeying
    from dlpagent.service.wiring import Unreachable, open_sources

    loaded = _pack(pack, profile)
    opened_sources = list(open_sources(source))
    lost = [item for item in opened_sources if isinstance(item, Unreachable)]
    for item in lost:
        sys.stderr.write(f"{item.place}: {item.error}\n")
    good = [item for item in opened_sources if not isinstance(item, Unreachable)]
    with opened(state) as found:
        done = rekeying.rekey(
            found, _actor(by), key_file or _home().key_file, loaded, good, _home().path / "cache"
        )
    sys.stdout.write(f"{done.carried} verdict(s) carried over, {done.waiting} still wait\n")
    if done.waiting or lost:
        raise typer.Exit(int(ExitCode.INCOMPLETE))


# --- what they share ------------------------------------------------------------------------------


def opened(place: str) -> State:
    """An existing state; a name that is wrong makes no new one."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.state import open_state

    if "://" not in place and not Path(place).is_file():
        raise ConfigurationError(
            "there is no such state",
            where="--state",
            expected="the state of an earlier scan or sweep",
            found=place,
            remedy="Make one: dlpagent scan SOURCE --state FILE",
        )
    return open_state(place)


def _home() -> Home:
    from dlpagent.service.settings import Home

    return Home.of_environment()


def _actor(given: str | None) -> str:
    from dlpagent.state.audit import local_actor

    return given or local_actor()


def _pack(names: Sequence[str] | None, profile: str) -> Pack:
    from dlpagent.service.packs import load_packs

    checked_choice(profile, "--profile", ("strict", "extended"))
    return load_packs(names or ["builtin"], profile, _home().path / "cache")  # type: ignore[arg-type]


def _ids(pack: Pack, names: Sequence[str] | None) -> list[str]:
    from dlpagent.service.cli.rules import find_sit

    return [find_sit(pack, name).id for name in names or ()]


def _print(groups: Sequence[ValueGroup], names: Mapping[str, str], total: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlpagent.connectors.sinks._table import place
    from dlpagent.findings import level_of

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Key", "Type", "Value", "Level", "Found", "Assets", "First", "Verdict"):
        table.add_column(column, overflow="fold")
    cell: Callable[[object], Text] = lambda value: Text(str(value))  # noqa: E731
    for group in groups:
        ruling = group.verdict
        said = f"{ruling.ruling}: {ruling.reason}" if ruling else "–"
        where = f"{place(group.first[0])} {group.first[1]}"
        table.add_row(
            *map(cell, (
                group.key[:12], names.get(group.sit_id, group.sit_id), group.masked,
                level_of(group.confidence), f"{group.findings:,}", f"{len(group.asset_findings):,}",
                where, said,
            ))
        )  # fmt: skip
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table)
    console.print(f"{len(groups)} of {total} value(s)", markup=False)
