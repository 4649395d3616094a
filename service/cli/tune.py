"""dlpagent tune: changes of a SIT that would help, measured on texts they were not chosen by."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import (
    KeyOption,
    PackOption,
    ProfileOption,
    QuietOption,
    checked_choice,
)


def tune(
    sit: Annotated[str, typer.Argument(help="GUID or name of a SIT.")],
    on: Annotated[
        list[str],
        typer.Option("--on", help="Labelled texts, or states with verdicts, as for eval."),
    ],
    type_map: Annotated[
        Path | None,
        typer.Option("--map", help="JSON: labelled types and SITs → the names they meet under."),
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(help="JSON: which types each source is labelled for. May be repeated."),
    ] = None,
    min_confidence: Annotated[
        str, typer.Option(help="low, medium, high or 1–100: findings below do not count.")
    ] = "medium",
    objective: Annotated[
        str, typer.Option(help="f1, f2, precision or recall: what is to rise.")
    ] = "f1",
    folds: Annotated[
        int, typer.Option(min=2, max=20, help="Parts the texts are divided into.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Another seed divides the texts otherwise.")] = 0,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    output_format: Annotated[
        str, typer.Option("--format", help="table, json or yaml-patch.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.", show_default="stdout")
    ] = None,
    key_file: KeyOption = None,
    quiet: QuietOption = False,
) -> None:
    """Suggest keywords, exclusions, proximity and tiers for a SIT, each with its gain. Applies nothing."""
    from dlpagent.service.cli.evals import written
    from dlpagent.service.cli.rules import find_sit
    from dlpagent.service.corpora import read_map, read_sources
    from dlpagent.service.documents import read_texts
    from dlpagent.service.packs import load_packs
    from dlpagent.service.session import parse_level
    from dlpagent.service.settings import Home
    from dlpagent.service.tune_view import tuning_json, tuning_patch, tuning_text
    from dlpagent.service.tuning import OBJECTIVES
    from dlpagent.service.tuning import tune as tuned

    checked_choice(output_format, "--format", ("table", "json", "yaml-patch"))
    checked_choice(objective, "--objective", OBJECTIVES)
    checked_choice(profile, "--profile", ("strict", "extended"))
    floor = parse_level(min_confidence)
    home = Home.of_environment()
    types, labelled = read_map(type_map), read_sources(sources or ())
    loaded = load_packs(pack or ["builtin"], profile, home.path / "cache")  # type: ignore[arg-type]
    chosen = find_sit(loaded, sit)
    texts = read_texts(on, loaded, types, key_file or home.key_file, labelled_only=True)
    for note in [*(f"{place}: {reason}" for place, reason in texts.lost), *texts.notes]:
        sys.stderr.write(f"{note}\n")
    found = tuned(
        loaded, chosen, texts.documents, types, labelled=labelled, floor=floor,
        objective=objective, folds=folds, seed=seed,  # type: ignore[arg-type]
        progress=(lambda _done, _all: None) if quiet else _tell,
    )  # fmt: skip
    if output_format == "json":
        text = json.dumps(tuning_json(found), ensure_ascii=False, indent=1) + "\n"
    else:
        text = tuning_patch(found) if output_format == "yaml-patch" else tuning_text(found)
    if output is None:
        sys.stdout.write(text)
    else:
        written(output, text)


def _tell(done: int, everything: int) -> None:
    if done == everything or done % 20 == 0:
        sys.stderr.write(f"{done} of {everything} changes tried\n")
