"""dlpagent label: which label data should carry and why; its lineage; the labels there are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dlpagent.service.cli.options import (
    KeyOption,
    LabelsOption,
    NerOption,
    PackOption,
    ProfileOption,
    checked_choice,
)

if TYPE_CHECKING:
    from dlpagent.service.labelling_run import Labelling, Shown

_FORMATS = ("text", "jsonl")


class _Group(TyperGroup):
    """`dlpagent label FILE` is `dlpagent label recommend FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["recommend", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group, help="Sensitivity labels: recommended, traced to the file and record, shown."
)

PolicyOption = Annotated[
    str,
    typer.Option("--policy", help="The policy whose auto-labels apply: a YAML file, or example."),
]


@app.command()
def recommend(
    source: Annotated[
        list[str], typer.Argument(help="Files, folders, URIs as for scan; or a state of scans.")
    ],
    policy: PolicyOption = "example",
    labels: LabelsOption = None,
    connector: Annotated[str | None, typer.Option(help="Read with this connector.")] = None,
    records: Annotated[
        bool, typer.Option("--records", help="Show every record that has a label, too.")
    ] = False,
    output_format: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    lineage: Annotated[
        Path | None,
        typer.Option(
            "--lineage", help="Write the manifest of which file and record has which label."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            help="Write a labelled copy (JSON Lines, Parquet); a folder for several files.",
        ),
    ] = None,
    fail_above: Annotated[
        str | None, typer.Option("--fail-above", help="Exit 1 when a label is above this one.")
    ] = None,
    second_opinion: Annotated[
        bool,
        typer.Option(
            "--second-opinion",
            help="Ask the tenant of --labels as well. Sends ids of types, counts and confidences.",
        ),
    ] = False,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "off",
    key_file: KeyOption = None,
) -> None:
    """Recommend a label for each file, collection and table, from its records, and say why.

    Exit codes: 0 everything was read, 1 a label is above --fail-above, 2 usage or configuration
    error, 3 something was not read or not asked.
    """
    from dlpagent.service.labelling_run import Wanted, open_labelling

    checked_choice(output_format, "--format", _FORMATS)
    wanted = Wanted(
        targets=tuple(source),
        policy=policy,
        labels=labels,
        connector=connector,
        lineage=lineage,
        write=write,
        fail_above=fail_above,
        second_opinion=second_opinion,
        packs=tuple(pack or ("builtin",)),
        profile=checked_choice(profile, "--profile", ("strict", "extended")),  # type: ignore[arg-type]
        ner=checked_choice(ner, "--ner", ("off", "auto", "on")),  # type: ignore[arg-type]
        key_file=key_file,
    )
    with ExitStack() as stack:
        labelling = stack.enter_context(open_labelling(wanted))
        for shown in labelling.run(with_records=records):
            _print(shown, output_format)
        _say_end(labelling, output_format)
        raise typer.Exit(int(labelling.exit_code()))


@app.command()
def verify(
    manifest: Annotated[Path, typer.Argument(help="A manifest that --lineage wrote.")],
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="Also: labels were given by this policy, as it is."),
    ] = None,
    labels: LabelsOption = None,
    require_seal: Annotated[
        bool, typer.Option("--require-seal", help="Also: it was written by this installation.")
    ] = False,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "off",
    key_file: KeyOption = None,
) -> None:
    """Check a manifest: it is as it was written, and every file is as it was when it was labelled.

    Exits 0 when all holds, 1 when something does not, 2 when it is no manifest.
    """
    from dataclasses import replace

    from dlpagent.errors import ExitCode
    from dlpagent.service.labelling_run import Wanted, basis_of
    from dlpagent.service.lineage import verify as check
    from dlpagent.service.settings import Home

    checked_choice(profile, "--profile", ("strict", "extended"))
    checked_choice(ner, "--ner", ("off", "auto", "on"))
    basis = None
    if policy:
        packs = tuple(pack or ("builtin",))
        basis = basis_of(Wanted((), policy, labels, packs=packs, profile=profile, ner=ner))  # type: ignore[arg-type]
    home = Home.of_environment()
    has_key = (key_file or home.key_file).exists()  # none is made for the sake of checking
    found = check(manifest, home.evidence(key_file) if has_key else None, basis)
    if require_seal and not found.is_sealed:
        found = replace(found, problems=(*found.problems, "it was not sealed by this installation"))
    for text in found.problems:
        sys.stdout.write(f"{manifest}: {text}\n")
    for text in found.notes:
        sys.stderr.write(f"note: {text}\n")
    verdict = f"{len(found.problems)} problem(s)" if found.problems else "all as it was labelled"
    sys.stdout.write(f"{manifest}: {found.files} files: {verdict}\n")
    raise typer.Exit(int(ExitCode.FINDINGS if found.problems else ExitCode.CLEAN))


@app.command()
def taxonomy(
    labels: LabelsOption = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the tenant again, however young the copy is.")
    ] = False,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show the labels in use, where they come from and, of a tenant's, how old they are."""
    from datetime import UTC, datetime

    from dlpagent.service.taxonomy_view import taxonomy_json, taxonomy_lines, taxonomy_of
    from dlpagent.service.tenant_labels import age_in_words

    checked_choice(output_format, "--format", ("text", "json"))
    found, fetched_at = taxonomy_of(labels, refresh=refresh)
    for warning in found.warnings:
        sys.stderr.write(f"{warning}\n")
    if output_format == "json":
        json.dump(taxonomy_json(found, fetched_at), sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")
        return
    age = f", fetched {age_in_words(fetched_at, datetime.now(UTC))} ago" if fetched_at else ""
    for line in taxonomy_lines(found, f"{labels or 'shipped with dlpagent'}{age}"):
        sys.stdout.write(f"{line}\n")


def _print(shown: Shown, output_format: str) -> None:
    if output_format == "jsonl":
        sys.stdout.write(json.dumps(shown.to_json(), ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in shown.lines())
    sys.stdout.flush()


def _say_end(labelling: Labelling, output_format: str) -> None:
    out: Any = sys.stdout if output_format == "text" else sys.stderr
    out.writelines(f"{line}\n" for line in _end_lines(labelling))


def _end_lines(labelling: Labelling) -> Iterator[str]:
    label, many = labelling.highest(), len(labelling.done)
    yield f"All of it: {label.name if label else 'no label'} ({many} asset{'s' if many != 1 else ''})"
    yield from labelling.notes
