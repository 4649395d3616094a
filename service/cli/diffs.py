"""dlpagent diff: two packs on the same texts, or two scans."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import (
    KeyOption,
    NerOption,
    PackOption,
    ProfileOption,
    QuietOption,
    checked_choice,
)

if TYPE_CHECKING:
    from dlpagent.classifiers.comparison import Tally


def diff(
    before: Annotated[
        str, typer.Argument(help="A pack; or a scan: a state (#run), findings, a Purview export.")
    ],
    after: Annotated[str, typer.Argument(help="What it is compared with.")],
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            help="Texts to try the packs on: labelled corpora, states with verdicts, any source.",
            show_default="none: A and B are scans",
        ),
    ] = None,
    type_map: Annotated[
        Path | None, typer.Option("--map", help="JSON: labelled types and SITs, as for eval.")
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(help="JSON: which types each source is labelled for. May be repeated."),
    ] = None,
    pack: PackOption = None,
    pack_after: Annotated[
        list[str] | None,
        typer.Option(
            "--pack-after", help="Scans: the pack of the second, so that changed rules are named.",
            show_default="as --pack",
        ),
    ] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Scans: files are the same when their names are.")
    ] = False,
    profile: ProfileOption = "extended",
    ner: NerOption = "auto",
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.", show_default="stdout")
    ] = None,
    key_file: KeyOption = None,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Say what a change of rules changes: findings new, lost, of another level, the same.

    With --on, A and B are packs; only SITs whose findings can differ are evaluated. Without, they are
    scans. Exits 0 when nothing changed, 1 when something did, 3 when something cannot be compared.
    """
    from dlpagent.errors import ExitCode
    from dlpagent.service.cli.evals import written
    from dlpagent.service.settings import Home

    checked_choice(output_format, "--format", ("table", "json"))
    checked_choice(profile, "--profile", ("strict", "extended"))
    home = Home.of_environment()
    if on:
        text, total = _packs(
            (before, after), on, type_map, sources or [], profile, ner, output_format,
            key_file or home.key_file, quiet=quiet,
        )  # fmt: skip
    else:
        text, total = _scans(
            (before, after), pack, pack_after, profile, output_format, by_name=by_name
        )
    if output is None:
        sys.stdout.write(text)
    else:
        written(output, text)
    if total.incomparable:
        raise typer.Exit(int(ExitCode.INCOMPLETE))
    if total.changes:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _packs(
    names: tuple[str, str], on: list[str], type_map: Path | None, sources: list[Path],
    profile: str, ner: str, form: str, key_file: Path, *, quiet: bool,
) -> tuple[str, Tally]:  # fmt: skip
    from dlpagent.service.compare_view import comparison_json, comparison_text
    from dlpagent.service.comparing import compare_packs
    from dlpagent.service.corpora import read_map, read_sources
    from dlpagent.service.documents import read_texts
    from dlpagent.service.ner import parse
    from dlpagent.service.packs import load_packs
    from dlpagent.service.settings import Home

    cache = Home.of_environment().path / "cache"
    types, labelled = read_map(type_map), read_sources(sources)
    packs = [load_packs([name], profile, cache, parse(ner)) for name in names]  # type: ignore[arg-type]
    texts = read_texts(on, packs[0], types, key_file)
    for place, reason in texts.lost:
        sys.stderr.write(f"{place}: {reason}\n")
    for note in () if quiet else texts.notes:
        sys.stderr.write(f"{note}\n")
    found = compare_packs(
        packs[0], packs[1], texts.documents, types, labelled=labelled, cache=cache
    )
    if form == "json":
        text = json.dumps(comparison_json(found), ensure_ascii=False, indent=1) + "\n"
    else:
        text = comparison_text(found)
    return text, found.total


def _scans(
    targets: tuple[str, str], pack: list[str] | None, pack_after: list[str] | None, profile: str,
    form: str, *, by_name: bool,
) -> tuple[str, Tally]:  # fmt: skip
    from dlpagent.classifiers.comparison import causes
    from dlpagent.classifiers.sub_pack import differing
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.compare_view import scans_json, scans_text
    from dlpagent.service.comparing_scans import compare_scans, is_scan, read_side
    from dlpagent.service.packs import load_packs
    from dlpagent.service.settings import Home

    for target in targets:
        if not is_scan(target):
            raise ConfigurationError(
                "this is no scan",
                where=target,
                expected="a state, the findings of a scan, or an export of Purview",
                found="something else, or nothing",
                remedy="Packs are compared on texts: dlpagent diff A B --on CORPUS; by meaning alone: "
                "dlpagent rules diff A B",
            )
    cache = Home.of_environment().path / "cache"
    first = load_packs(pack or ["builtin"], profile, cache)  # type: ignore[arg-type]
    second = load_packs(pack_after, profile, cache) if pack_after else first  # type: ignore[arg-type]
    sides = read_side(targets[0], first), read_side(targets[1], second)
    found = compare_scans(*sides, by_name=by_name)
    if pack_after:
        changed = differing(first, second) & {sit for sit, _ in found.tallies}
        found.causes = causes(first, second, changed)
    if form == "json":
        return json.dumps(scans_json(found), ensure_ascii=False, indent=1) + "\n", found.total
    return scans_text(found), found.total
