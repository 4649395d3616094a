"""dlpagent rules import, export, lint, diff: packs and rule package files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import ProfileOption, checked_choice

if TYPE_CHECKING:
    from dlpagent.classifiers.diff import Change
    from dlpagent.classifiers.rulepackage_xml import Imported
    from dlpagent.classifiers.sit import Pack

FormatOption = Annotated[str, typer.Option("--format", help="text or json.")]
EdmStoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--edm-store", help="NAME=STORE: the store built here for an exact data match schema."
    ),
]
_FORMATS = ("text", "json")
_YAML = (".yaml", ".yml")
_DICTIONARIES = (".txt", ".csv", ".json")


# --- import -----------------------------------------------------------------------------------


def import_(
    file: Annotated[Path, typer.Argument(help="A Purview rule package (XML, UTF-8 or UTF-16).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new pack.")],
    dictionary: Annotated[
        list[str] | None,
        typer.Option(help="GUID=FILE: terms of a keyword dictionary the package refers to."),
    ] = None,
    edm_store: EdmStoreOption = None,
) -> None:
    """Turn a rule package into a pack: one YAML per SIT, GUIDs kept. A keyword dictionary (text, CSV,
    JSON) becomes a pack of one SIT that finds its terms.
    """
    from dlpagent.classifiers.pack import builtin_pack

    write_imported(read_package(file, builtin_pack(), dictionary, edm_store), output)


def read_package(
    file: Path, base: Pack, dictionary: list[str] | None, edm_store: list[str] | None
) -> Imported:
    """A rule package, or a dictionary as a pack of one SIT."""
    from dlpagent.classifiers.dictionary import dictionary_pack
    from dlpagent.classifiers.rulepackage_xml import Imported, read_rule_package

    if is_dictionary(file):
        return Imported(dictionary_pack(file), ())
    return read_rule_package(file, base, _dictionaries(dictionary), _stores(edm_store))


def is_dictionary(file: Path) -> bool:
    """Whether a file holds terms: by its name, unless it begins as XML does."""
    if file.suffix.lower() not in _DICTIONARIES or not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(64)
    return not head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def write_imported(imported: Imported, output: Path) -> None:
    """Write a pack folder and say what was noticed."""
    from dlpagent.classifiers.pack_yaml import write_pack

    for warning in imported.warnings:
        sys.stderr.write(f"{warning}\n")
    write_pack(imported.pack, output, inherited=imported.inherited)
    sys.stdout.write(
        f"{len(imported.pack.sits)} SIT(s) of {imported.pack.name} written to {output} "
        f"({len(imported.warnings)} warning(s))\n"
    )


def _dictionaries(given: list[str] | None) -> dict[str, Path]:
    """GUID → file; a JSON file says itself which dictionaries it holds."""
    from dlpagent.classifiers.dictionary import identities

    found: dict[str, Path] = {}
    plain = []
    for item in given or ():
        if item.lower().endswith(".json") and "=" not in item:
            found |= dict.fromkeys(identities(Path(item)), Path(item))
        else:
            plain.append(item)
    pairs = _pairs(plain, "--dictionary", "GUID=FILE", "a dictionary needs its GUID")
    return found | {guid.strip("{} ").lower(): Path(file) for guid, file in pairs}


def _stores(given: list[str] | None) -> dict[str, Path]:
    pairs = _pairs(given, "--edm-store", "NAME=STORE", "an EDM store needs its name")
    return {name.strip(): Path(store) for name, store in pairs}


def _pairs(
    given: list[str] | None, option: str, expected: str, what: str
) -> Iterator[tuple[str, str]]:
    from dlpagent.errors import ConfigurationError

    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not value:
            raise ConfigurationError(what, where=option, expected=expected, found=item)
        yield name, value


# --- export -----------------------------------------------------------------------------------


def export(
    pack: Annotated[
        str, typer.Argument(help="builtin, a pack folder, a SIT file or rule package.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The XML file to write.")],
    bump: Annotated[
        str, typer.Option(help="Part of the version to count up: major, minor, build, revision.")
    ] = "minor",
    publisher: Annotated[
        str, typer.Option(help="Name of the publisher.", show_default="the pack's")
    ] = "",
    sit: Annotated[
        list[str] | None, typer.Option(help="Only this SIT (GUID or name). May be repeated.")
    ] = None,
    profile: ProfileOption = "extended",
) -> None:
    """Write a pack as the rule package XML that Purview takes.

    What Purview cannot express, and what its upload would refuse, goes to standard error. Exits 2
    when the upload would refuse the file; it is written all the same, so that it can be looked at.
    """
    from dlpagent.classifiers.rulepackage_export import PARTS, bumped

    checked_choice(bump, "--bump", PARTS)
    base = base_pack(profile)
    chosen = _selected(pack_named(pack, base), sit)
    version = bumped(newest(output, chosen), bump)  # type: ignore[arg-type]
    write_exported(chosen, base, output, version, publisher=publisher, only_used=bool(sit))


def write_exported(
    chosen: Pack,
    base: Pack,
    output: Path,
    version: str,
    *,
    publisher: str = "",
    only_used: bool = False,
    encoding: str = "utf-16",
) -> None:
    """Write a pack as XML and say what Purview would not take; exits 2 when it would refuse it."""
    from dlpagent.classifiers.lint import has_errors, lint_package
    from dlpagent.classifiers.rulepackage_export import export_rule_package
    from dlpagent.classifiers.xml_writing import encoded
    from dlpagent.errors import ExitCode

    exported = export_rule_package(
        chosen, base, version=version, publisher=publisher, only_used=only_used
    )
    _write(output, encoded(exported.text, encoding))
    findings = lint_package(output, base)
    for line in (*exported.warnings, *findings):
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(
        f"{exported.sits} SIT(s) of {chosen.name} written to {output} as version {version} "
        f"({len(exported.warnings) + len(findings)} warning(s) and finding(s))\n"
    )
    if has_errors(findings):
        sys.stderr.write(f"Purview would refuse {output}: see the errors above.\n")
        raise typer.Exit(int(ExitCode.USAGE))


def _selected(pack: Pack, wanted: list[str] | None) -> Pack:
    from dlpagent.classifiers.pack_values import select
    from dlpagent.service.cli.rules import find_sit

    if not wanted:
        return pack
    idents = {find_sit(pack, name).id for name in wanted}
    return select(pack, lambda item: item.id in idents)


def newest(output: Path, pack: Pack) -> str:
    """The highest version known: the pack's, or that of the same package written there before."""
    from dlpagent.classifiers.rulepackage_export import version_of
    from dlpagent.classifiers.xml_nodes import read_xml
    from dlpagent.errors import ProblemsError

    mine = pack.ref.version
    if not output.is_file():
        return mine
    try:
        ident, version = version_of(read_xml(output))
    except ProblemsError:
        return mine
    if ident != pack.ref.id or not all(part.isdigit() for part in mine.split(".")):
        return mine
    return max(mine, version, key=lambda text: [int(part) for part in text.split(".")])


def _write(output: Path, data: bytes) -> None:
    from dlpagent.errors import ConfigurationError

    try:
        output.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be written ({error.strerror})",
            where=str(output),
            expected="a file in a folder that exists and may be written to",
        ) from None


# --- lint -------------------------------------------------------------------------------------


def lint(
    path: Annotated[
        list[Path], typer.Argument(help="Rule package files, pack folders, SIT files.")
    ],
    output_format: FormatOption = "text",
) -> None:
    """Say what is wrong with rule packages and packs: file, line, rule, what to do.

    Exits 0 when there are warnings at most, 2 when there is an error.
    """
    from dlpagent.classifiers.lint import has_errors, lint_path
    from dlpagent.errors import ExitCode

    checked_choice(output_format, "--format", _FORMATS)
    base = base_pack("extended")
    findings = [finding for one in path for finding in lint_path(one, base)]
    if output_format == "json":
        rows = [asdict(finding) for finding in findings]
        sys.stdout.write(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("".join(f"{finding}\n" for finding in findings))
    errors = sum(finding.severity == "error" for finding in findings)
    sys.stderr.write(f"{errors} error(s), {len(findings) - errors} warning(s)\n")
    if has_errors(findings):
        raise typer.Exit(int(ExitCode.USAGE))


# --- diff -------------------------------------------------------------------------------------


def diff(
    before: Annotated[
        str, typer.Argument(help="builtin, a pack folder, SIT file or rule package.")
    ],
    after: Annotated[str, typer.Argument(help="The same, to compare it with.")],
    output_format: FormatOption = "text",
    profile: ProfileOption = "extended",
    edm_store: EdmStoreOption = None,
) -> None:
    """Compare two packs by meaning: SITs, tiers, conditions, keywords, regexes, checks, filters.

    Exits 0 when they mean the same, 1 when not.
    """
    from dlpagent.classifiers.diff import diff_packs
    from dlpagent.errors import ExitCode

    checked_choice(output_format, "--format", _FORMATS)
    base = base_pack(profile)
    stores = _stores(edm_store)
    found = diff_packs(pack_named(before, base, stores), pack_named(after, base, stores))
    if output_format == "json":
        document = {
            "equal": found.is_equal,
            "changes": [asdict(item) for item in found.changes],
            "notes": [asdict(item) for item in found.notes],
        }
        sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_diff_text(found.changes, found.notes))
    if not found.is_equal:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _diff_text(changes: tuple[Change, ...], notes: tuple[Change, ...]) -> str:
    lines = [str(item) for item in changes] or ["equal in meaning"]
    if notes:
        lines += ["", "Without effect on findings:", *(f"  {item}" for item in notes)]
    return "\n".join(lines) + "\n"


# --- packs ------------------------------------------------------------------------------------


def base_pack(profile: str) -> Pack:
    from dlpagent.classifiers.pack import builtin_pack

    checked_choice(profile, "--profile", ("strict", "extended"))
    return builtin_pack(profile)  # type: ignore[arg-type]


def pack_named(name: str, base: Pack, stores: Mapping[str, Path] | None = None) -> Pack:
    """A pack by name; a file that is not YAML is a rule package, whatever it is called."""
    from dlpagent.classifiers.dictionary import dictionary_pack
    from dlpagent.classifiers.pack import load_pack
    from dlpagent.classifiers.rulepackage_xml import read_rule_package
    from dlpagent.service.packs import BUILTIN_NAME

    if name == BUILTIN_NAME:
        return base
    if is_dictionary(Path(name)):
        return dictionary_pack(Path(name))
    if is_package(name):
        return read_rule_package(Path(name), base, stores=stores).pack
    return load_pack(Path(name), profile=base.profile, base=base)


def is_package(name: str) -> bool:
    """Whether this names a file that is not YAML."""
    return Path(name).is_file() and Path(name).suffix.lower() not in _YAML
