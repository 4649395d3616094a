"""dlpagent rules fingerprint, train: SITs made from a form or from samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dlpagent.classifiers.learned import Learned, Place

NameOption = Annotated[str, typer.Option("--name", help="Name of the SIT.")]
PackDirOption = Annotated[
    Path, typer.Option("--output", "-o", help="Pack folder; made when it is missing.")
]


# --- fingerprint ------------------------------------------------------------------------------


def fingerprint(
    template: Annotated[Path, typer.Argument(help="The empty form, as plain text.")],
    output: PackDirOption,
    name: NameOption,
    low: Annotated[int, typer.Option(help="Percent of the form for low confidence.")] = 40,
    medium: Annotated[int, typer.Option(help="Percent for medium confidence.")] = 60,
    high: Annotated[int, typer.Option(help="Percent for high confidence.")] = 80,
    exact: Annotated[
        bool, typer.Option("--exact", help="High confidence only for the very same text.")
    ] = False,
) -> None:
    """Make a SIT that finds filled-in copies of a form; the form's text is not kept."""
    from dlpagent.classifiers.fingerprint_form import form_of, write_form
    from dlpagent.classifiers.learned import place_of

    _check_levels(low, medium, high)
    place = place_of(name, output, ".fp.json")
    form = form_of(_text(template), name)
    output.mkdir(parents=True, exist_ok=True)
    write_form(form, place.content)
    _add(place, name, _of_form(place, low, medium, high, exact=exact))
    sys.stdout.write(
        f"{name}: {form.words} words of the form in {len(form.hashes)} blocks, "
        f"{place.content.stat().st_size:,} bytes, without its text, in {place.content}\n"
    )


def _check_levels(low: int, medium: int, high: int) -> None:
    from dlpagent.classifiers.fingerprint import LOWEST
    from dlpagent.errors import ConfigurationError

    if not LOWEST <= low <= medium <= high <= 100:
        raise ConfigurationError(
            "the levels are not in order", where="--low, --medium, --high",
            expected=f"percentages from {LOWEST} to 100, each at least the one before",
            found=f"{low}, {medium}, {high}",
        )  # fmt: skip


def _of_form(place: Place, low: int, medium: int, high: int, *, exact: bool) -> Learned:
    from dlpagent.classifiers.learned import Learned

    form = ("form", place.content.name)
    return Learned(
        "fingerprint",
        {
            "high": (form, ("exact", True) if exact else ("at_least", high)),
            "medium": (form, ("at_least", medium)),
            "low": (form, ("at_least", low)),
        },
        "Filled-in copies of a form, by the share of the form's words they contain.",
        "https://learn.microsoft.com/purview/sit-document-fingerprinting",
    )


def _text(path: Path) -> str:
    """The text of a template. Raises ConfigurationError when it is not plain text."""
    from dlpagent.errors import ConfigurationError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the template cannot be read ({error.strerror})", where=str(path)
        ) from None
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
        if "\0" not in text:
            return text
    except UnicodeDecodeError:
        pass
    raise ConfigurationError(
        "the template is not plain text", where=str(path), expected="text in UTF-8 or UTF-16",
        found="other bytes", remedy="Save the form as plain text (.txt) and name that file.",
    )  # fmt: skip


def _add(place: Place, name: str, learned: Learned) -> None:
    from dlpagent.classifiers.learned import add_to_pack

    if not add_to_pack(place, name, learned):
        sys.stderr.write(
            f"{place.sit} was there and stays as it is; {place.content.name} is new. "
            "Remove it first to have it written anew.\n"
        )


# --- train ------------------------------------------------------------------------------------


def train(
    samples: Annotated[
        Path,
        typer.Argument(help="Folder with positive/ and negative/, or JSON Lines: text, label."),
    ],
    output: PackDirOption,
    name: NameOption,
    folds: Annotated[int, typer.Option(help="Parts of the samples for cross-validation.")] = 5,
) -> None:
    """Learn a SIT from samples: what kind of text it is, not which value it holds."""
    from dlpagent.classifiers.learned import place_of
    from dlpagent.classifiers.trainable_model import write_model
    from dlpagent.classifiers.trainable_samples import read_samples
    from dlpagent.classifiers.trainable_training import train as learn

    place = place_of(name, output, ".model")
    model = learn(read_samples(samples), name, folds=folds)
    output.mkdir(parents=True, exist_ok=True)
    write_model(model, place.content)
    _add(place, name, _of_model(place, list(model.levels)))
    for warning in model.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    sys.stdout.write("".join(f"{line}\n" for line in _figures(place)))


def _of_model(place: Place, levels: list[str]) -> Learned:
    from dlpagent.classifiers.learned import Learned

    model = ("model", place.content.name)
    return Learned(
        "trainable",
        {level: (model, ("at_least", level)) for level in levels},
        "Texts of a kind that was learned from samples.",
        "https://learn.microsoft.com/purview/trainable-classifiers-learn-about",
    )


def _figures(place: Place) -> list[str]:
    """The figures of a model as `rules show` has them, and where it lies."""
    from dlpagent.classifiers.sit import Detector
    from dlpagent.classifiers.trainable import describe

    element = Detector(
        "", "trainable", (("model", place.content.name),), folder=str(place.sit.parent)
    )
    lines = [line for line in describe(element) if not line.startswith("warning: ")]
    return [*lines, f"written to {place.content}, without the samples' text"]
