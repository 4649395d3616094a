"""dlpagent edm: stores for exact data match, built from a schema and a file of rows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpagent.service.cli.options import QuietOption, checked_choice

if TYPE_CHECKING:
    from dlpagent.classifiers.edm_build import Built
    from dlpagent.classifiers.edm_store import Manifest

app = typer.Typer(help="Exact data match: stores of keyed digests, built from a schema and rows.")

StoreArgument = Annotated[Path, typer.Argument(help="The folder of the store.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="The key of the store.",
        show_default="STORE.key, else $DLPAGENT_HOME/edm/ID.key",
    ),
]
_FORMATS = ("text", "json")


@app.command()
def build(
    schema: Annotated[Path, typer.Argument(help="Purview's EDM schema (XML).")],
    data: Annotated[Path, typer.Argument(help="Rows with a header: CSV, TSV, pipe-separated.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the store.")],
    separator: Annotated[
        str | None,
        typer.Option(help="comma, tab or pipe.", show_default="by the name, else the header"),
    ] = None,
    key_file: KeyOption = None,
    max_bad_percent: Annotated[
        float, typer.Option(min=0, max=100, help="Lines that may be no rows, in percent.")
    ] = 1.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="one per core, at most 8")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Build a store, or refresh the one there: replaced in one step when all is well.

    Exits 3 when lines were left out that are no rows; 2 when there are too many and nothing was done.
    """
    from dlpagent.classifiers.edm_build import build_store
    from dlpagent.classifiers.edm_rows import SEPARATORS
    from dlpagent.classifiers.edm_schema import read_schema
    from dlpagent.errors import ExitCode

    if separator is not None:
        checked_choice(separator, "--separator", tuple(SEPARATORS))
    read, warnings = read_schema(schema)
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")
    key, place, is_new = _key_to_build(output, key_file)
    try:
        built = build_store(
            read,
            data,
            output,
            key,
            separator=SEPARATORS.get(separator or "", ""),
            max_bad_percent=max_bad_percent,
            workers=workers or min(os.cpu_count() or 1, 8),
            progress=None if quiet else _progress,
        )
    except BaseException:
        if is_new:
            place.unlink(missing_ok=True)
        raise
    sys.stdout.write(_built_text(built, output, place))
    if built.bad.many:
        sys.stderr.write(f"{data}: {built.bad.many} line(s) are no rows: {built.bad}\n")
        raise typer.Exit(int(ExitCode.INCOMPLETE))


def _key_to_build(store: Path, key_file: Path | None) -> tuple[bytes, Path, bool]:
    """The key of the store that is there, the one named, else a new one; its file; whether it is new."""
    from dlpagent.classifiers.edm_key import find_key, key_places, new_key, read_key
    from dlpagent.classifiers.edm_store import known_manifest

    if key_file is not None and key_file.is_file():
        return read_key(key_file), key_file, False
    before = known_manifest(store)
    if before is not None and key_file is None:
        ident = before.key_id
        place = next((item for item in key_places(store, ident) if item.is_file()), store)
        return find_key(store, ident), place, False
    return *new_key(key_file), True


def _progress(rows: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{rows:,} rows")
        sys.stderr.flush()


def _built_text(built: Built, store: Path, key: Path) -> str:
    manifest = built.manifest
    done = "is of this data already" if built.unchanged else f"built in {built.seconds:.1f} s"
    return (
        f"{store}: {manifest.rows:,} rows of {manifest.schema.name}, {_size(manifest)}, {done}\n"
        f"key: {key}\n"
    )


def _size(manifest: Manifest) -> str:
    size = sum(size for size, _ in manifest.files.values())
    return f"{size / 1e6:.1f} MB"


@app.command()
def info(
    store: StoreArgument,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """What is in a store: schema, rows, how often values repeat, size. Needs no key."""
    from dlpagent.classifiers.edm_store import read_manifest

    checked_choice(output_format, "--format", _FORMATS)
    manifest, _ = read_manifest(store)
    facts = _facts(manifest)
    if output_format == "json":
        sys.stdout.write(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return
    for name, value in facts.items():
        if name != "fields":
            sys.stdout.write(f"{name.replace('_', ' ')}: {value}\n")
    for field in facts["fields"]:
        marks = [
            "searchable" if field["searchable"] else "",
            "case ignored" if field["case_insensitive"] else "",
            f"ignores {field['ignored_delimiters']!r}" if field["ignored_delimiters"] else "",
            f"{field['filled']:,} filled",
            f"up to {field['max_words']} words",
            f"one value in up to {field['most_rows']:,} rows" if field["searchable"] else "",
        ]
        sys.stdout.write(f"  {field['name']}: {', '.join(mark for mark in marks if mark)}\n")


def _facts(manifest: Manifest) -> dict[str, Any]:
    fields = []
    for item, column in zip(manifest.schema.to_json()["fields"], manifest.extents, strict=True):
        more = {"filled": column.filled, "max_words": column.max_words}
        if item["searchable"]:
            more["most_rows"] = manifest.repeats[item["name"]]
        fields.append({**item, **more})
    return {
        "name": manifest.schema.name,
        "description": manifest.schema.description,
        "schema_version": manifest.schema.version,
        "build": manifest.build,
        "rows": manifest.rows,
        "bad_lines": manifest.bad_lines,
        "size_bytes": sum(size for size, _ in manifest.files.values()),
        "key_id": manifest.key_id,
        "chance_of_a_false_match": manifest.rows / 2**64,
        "fields": fields,
    }


@app.command()
def check(store: StoreArgument, key_file: KeyOption = None) -> None:
    """Read a whole store and compare it with its checksums; the key must be here.

    Exits 0 when all is well, 2 when not.
    """
    from dlpagent.classifiers.edm_store import Store, faults_of
    from dlpagent.errors import ExitCode

    opened = Store(store, key_file)
    faults = faults_of(opened)
    for fault in faults:
        sys.stderr.write(f"{store}: {fault}\n")
    if faults:
        sys.stderr.write("Build it again with: dlpagent edm build SCHEMA DATA -o STORE\n")
        raise typer.Exit(int(ExitCode.USAGE))
    manifest = opened.manifest
    sys.stdout.write(f"{store}: {manifest.rows:,} rows, {_size(manifest)}: all as written\n")
