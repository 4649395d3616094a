"""dlpagent bench: figures on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import QuietOption, checked_choice


def bench(
    megabytes: Annotated[
        float, typer.Option("--mb", min=0.05, help="Text for each corpus, in megabytes.")
    ] = 4.0,
    corpora: Annotated[
        str, typer.Option(help="Names of corpora with commas; see docs/performance.md.",
                          show_default="all")
    ] = "",
    rivals: Annotated[
        str, typer.Option(help="re, reference, re2-set, presidio, kingfisher, none or all.")
    ] = "re,reference",
    parts: Annotated[
        str, typer.Option(help="start, engine, latency, files, workers, long; with commas.",
                          show_default="all")
    ] = "",
    against: Annotated[
        Path | None,
        typer.Option(help="A Python interpreter with another version of dlpagent to compare with."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other texts.")] = 7,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the JSON here, too.")
    ] = None,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Measure this installation: MB/s on made texts, beside what it replaces; start, memory, files.

    Texts are made, seeded; nothing of yours is read. Takes minutes; leave the machine alone meanwhile.
    Exit codes: 0 done, 1 an engine found something else than the reference, 2 usage error.
    """
    from dlpagent.service.bench.rivals import RIVALS
    from dlpagent.service.bench.run import PARTS, Bench, Wanted
    from dlpagent.service.bench.view import result_text
    from dlpagent.service.settings import Home

    checked_choice(output_format, "--format", ("table", "json"))
    all_rivals = {"none": (), "all": RIVALS}.get(rivals)
    wanted = Wanted(
        megabytes=megabytes,
        corpora=_names(corpora),
        rivals=all_rivals if all_rivals is not None else _checked(rivals, "--rivals", RIVALS),
        parts=_checked(parts, "--parts", PARTS) or PARTS,
        seed=seed,
        against=str(against) if against else None,
    )
    cache = Home.of_environment().path / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    found = Bench(wanted, _say(quiet=quiet), cache).run()
    text = json.dumps(found, indent=1) + "\n"
    if output is not None:
        output.write_text(text, encoding="utf-8")
    sys.stdout.write(text if output_format == "json" else result_text(found))
    raise typer.Exit(int(not all(row["same_as_reference"] for row in found.get("engine", ()))))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _checked(text: str, option: str, known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(checked_choice(name, option, known) for name in _names(text))


def _say(*, quiet: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"{text} …\n")

    return say
