"""dlpagent rules convert: a rule package to a pack, a pack to a rule package, in one step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli import rules_files
from dlpagent.service.cli.options import ProfileOption, checked_choice

if TYPE_CHECKING:
    from dlpagent.classifiers.sit import Pack

_ENCODINGS = ("utf-16", "utf-8")
_KEEP = "none"


def convert(
    source: Annotated[
        str, typer.Argument(help="A rule package, dictionary, pack folder, SIT file, or builtin.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="FILE.xml: a rule package; else a pack folder.")
    ],
    encoding: Annotated[str, typer.Option(help="Of the XML: utf-16 or utf-8.")] = "utf-16",
    bump: Annotated[
        str,
        typer.Option(
            help="Part of the version to count up: none, major, minor, build, revision; over an "
            "earlier file of the same package none keeps the higher one."
        ),
    ] = _KEEP,
    publisher: Annotated[
        str, typer.Option(help="Name of the publisher.", show_default="the pack's")
    ] = "",
    dictionary: Annotated[
        list[str] | None,
        typer.Option(help="GUID=FILE: terms of a keyword dictionary the package refers to."),
    ] = None,
    edm_store: rules_files.EdmStoreOption = None,
    profile: ProfileOption = "extended",
) -> None:
    """Turn XML into YAML, YAML into XML, or XML into XML of another encoding or version.

    Exits 2 when Purview would refuse the XML; it is written all the same, so that it can be looked at.
    """
    from dlpagent.classifiers.rulepackage_export import PARTS, bumped

    checked_choice(encoding, "--encoding", _ENCODINGS)
    checked_choice(bump, "--bump", (_KEEP, *PARTS))
    base = rules_files.base_pack(profile)
    if output.suffix.lower() != ".xml":
        _to_folder(source, output, base, dictionary, edm_store)
        return
    pack = _read(source, base, dictionary, edm_store)
    version = rules_files.newest(output, pack)
    if bump != _KEEP:
        version = bumped(version, bump)  # type: ignore[arg-type]
    rules_files.write_exported(pack, base, output, version, publisher=publisher, encoding=encoding)


def _to_folder(
    source: str,
    output: Path,
    base: Pack,
    dictionary: list[str] | None,
    edm_store: list[str] | None,
) -> None:
    from dlpagent.errors import ConfigurationError

    if not rules_files.is_package(source):
        raise ConfigurationError(
            "a pack becomes a rule package, and its file is called so",
            where="--output",
            expected="the name of a file that ends in .xml",
            found=str(output),
        )
    imported = rules_files.read_package(Path(source), base, dictionary, edm_store)
    rules_files.write_imported(imported, output)


def _read(
    source: str, base: Pack, dictionary: list[str] | None, edm_store: list[str] | None
) -> Pack:
    """A pack by name, what was noticed of a rule package said."""
    if not rules_files.is_package(source):
        return rules_files.pack_named(source, base)
    imported = rules_files.read_package(Path(source), base, dictionary, edm_store)
    for warning in imported.warnings:
        sys.stderr.write(f"{warning}\n")
    return imported.pack
