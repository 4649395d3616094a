"""dlpagent eval: how well a pack finds what people labelled."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import (
    KeyOption,
    NerBudgetOption,
    NerOption,
    PackOption,
    ProfileOption,
    QuietOption,
    checked_choice,
)

if TYPE_CHECKING:
    from dlpagent.service.evaluating import Report

FORMATS = ("table", "json", "html")


def evaluate(
    corpus: Annotated[
        list[str],
        typer.Argument(
            help="Labelled texts: span JSONL, CSV (text, label), Presidio JSON; folders; a state."
        ),
    ],
    type_map: Annotated[
        Path | None,
        typer.Option("--map", help="JSON: labelled types and SITs → the names they meet under."),
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(help="JSON: which types each source is labelled for. May be repeated."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="A field of the documents that divides their source further.")
    ] = "",
    min_confidence: Annotated[
        str, typer.Option(help="low, medium, high or 1–100: what gates, types and faults count.")
    ] = "medium",
    min_iou: Annotated[
        float, typer.Option(help="Share of label and finding together that they must share.")
    ] = 0.0,
    min_precision: Annotated[
        float | None, typer.Option(help="Exit 1 when precision lies below (0–1).")
    ] = None,
    min_recall: Annotated[
        float | None, typer.Option(help="Exit 1 when recall lies below (0–1).")
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            help="A type or group that must reach it. May be repeated.", show_default="all types"
        ),
    ] = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "auto",
    ner_budget: NerBudgetOption = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write what was found as JSON Lines, without values.")
    ] = None,
    output_format: Annotated[
        str, typer.Option("--format", help="table, json, html; several with commas.")
    ] = "table",
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="File to write, one per format.",
                     show_default="stdout"),
    ] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show the values of faults; on a terminal only.")
    ] = False,
    key_file: KeyOption = None,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Measure a pack on labelled texts: precision, recall, F1, F2, intervals, false positives per MB.

    Exit codes: 0 done and every gate reached, 1 a gate missed, 2 usage or configuration error,
    3 a rule ran out of time somewhere.
    """
    from dlpagent.classifiers.detecting import classifier_of
    from dlpagent.errors import ExitCode
    from dlpagent.evidence import KEY_BYTES, Evidence
    from dlpagent.service import evaluating
    from dlpagent.service.corpora import read_map, read_sources
    from dlpagent.service.documents import read_texts
    from dlpagent.service.ner import parse, set_budget
    from dlpagent.service.packs import load_packs
    from dlpagent.service.session import parse_level
    from dlpagent.service.settings import Home

    checked_choice(profile, "--profile", ("strict", "extended"))
    forms = _forms(output_format, output or ())
    floor = parse_level(min_confidence)
    limits = evaluating.Gate(
        _share(min_precision, "--min-precision"), _share(min_recall, "--min-recall"),
        tuple(gate or ()),
    )  # fmt: skip
    _share(min_iou, "--min-iou")
    types, labelled = read_map(type_map), read_sources(sources or ())
    loaded = load_packs(pack or ["builtin"], profile, ner=parse(ner))  # type: ignore[arg-type]
    set_budget(ner_budget)
    if not quiet:
        _warn_of_unknown(type_map, evaluating.unknown_names(loaded, types))
    home = Home.of_environment()
    texts = read_texts(corpus, loaded, types, key_file or home.key_file, by, labelled_only=True)
    documents = texts.documents
    for note in [*(f"{place}: {reason}" for place, reason in texts.lost), *texts.notes]:
        sys.stderr.write(f"{note}\n")
    # nothing of the evidence is kept, so a key of this moment will do
    evidence = Evidence(secrets.token_bytes(KEY_BYTES))
    classifier = classifier_of(loaded, evidence, home.path / "cache")
    found = evaluating.predict(
        documents, classifier, loaded.sit_names, types, _progress(len(documents), quiet)
    )
    if predictions is not None:
        _written(predictions, lambda: evaluating.write_predictions(predictions, documents, found))
    report = evaluating.report(documents, found, loaded, types, labelled, corpus, floor, min_iou)
    for form, path in forms:
        visible = show_values and path is None and sys.stdout.isatty()
        shown = {document.id: document.text for document in documents} if visible else {}
        _write(report, form, path, shown)
    missed = evaluating.missed_gates(report, limits)
    for sentence in missed:
        sys.stderr.write(f"Gate missed: {sentence}\n")
    if report.incomplete or texts.lost:
        _tell_incomplete(report.incomplete)
        raise typer.Exit(int(ExitCode.INCOMPLETE))
    if missed:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _forms(formats: str, outputs: Sequence[Path]) -> list[tuple[str, Path | None]]:
    """Formats with the files they go to; without files there may be one format."""
    from dlpagent.errors import ConfigurationError

    names = [checked_choice(name.strip(), "--format", FORMATS) for name in formats.split(",")]
    if len(outputs) != len(names) and not (len(names) == 1 and not outputs):
        raise ConfigurationError(
            "formats and outputs do not match",
            where="-o",
            expected=f"{len(names)} file(s), one for each format",
            found=str(len(outputs)),
        )
    files: list[Path | None] = [*outputs] or [None]
    return list(zip(names, files, strict=True))


def _share(value: float | None, option: str) -> float | None:
    from dlpagent.errors import ConfigurationError

    if value is not None and not 0 <= value <= 1:
        raise ConfigurationError(
            "this is not a share", where=option, expected="a number from 0 to 1", found=str(value)
        )
    return value


def _warn_of_unknown(path: Path | None, names: Sequence[str]) -> None:
    if names:
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        sys.stderr.write(f"{path}: warning: {len(names)} name(s) are no SIT of the pack: {some}\n")


def _progress(total: int, quiet: bool) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if not quiet:
            sys.stderr.write(f"{done} of {total} documents\n")

    return tell


def _write(report: Report, form: str, path: Path | None, shown: Mapping[str, str]) -> None:
    from dlpagent.service.eval_page import report_page
    from dlpagent.service.eval_view import report_json, report_text

    if form == "json":
        text = json.dumps(report_json(report), ensure_ascii=False, indent=1) + "\n"
    else:
        text = report_page(report) if form == "html" else report_text(report, shown)
    if path is None:
        sys.stdout.write(text)
        return
    written(path, text)


def written(path: Path, text: str) -> None:
    """Write a file that is whole or not there. Raises ConfigurationError."""
    draft = path.with_name(path.name + ".partial")

    def write() -> None:
        draft.write_text(text, "utf-8")
        draft.replace(path)

    _written(path, write)


def _written(path: Path, write: Callable[[], None]) -> None:
    from dlpagent.errors import ConfigurationError

    try:
        write()
    except OSError as error:
        raise ConfigurationError(
            f"this cannot be written ({error.strerror})",
            where=str(path),
            expected="a file in a folder that exists and this user may write to",
        ) from None


def _tell_incomplete(items: Sequence[tuple[str, str, str]]) -> None:
    if not items:
        return
    for where, sit, reason in items[:10]:
        sys.stderr.write(f"{where}: incomplete: {sit}: {reason}\n")
    sys.stderr.write(f"{len(items)} rule(s) did not finish; the figures leave them out.\n")
