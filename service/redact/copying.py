"""One file to its clean copy and the manifest beside it; whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from dlpagent import __version__
from dlpagent.connectors.sources.csv_file import CsvFile
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.connectors.sources.text_file import TextFile
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.service.redact.parquet_columns import copy_parquet
from dlpagent.service.redact.rewriting import Redactor, Restorer, Rewriter
from dlpagent.service.redact.text_files import Done, copy_csv, copy_json, copy_jsonl, copy_text

_Copy = Callable[[Path, BinaryIO, Rewriter], Done]
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one file. is_written: whether there is a copy."""

    done: Done
    form: str
    is_written: bool
    manifest: dict[str, Any]


def copy_file(
    source: Path, target: Path, rewriter: Redactor | Restorer, *, drop_unreadable: bool = False
) -> Copied:
    """Write the copy and, for redactions, `<target>.manifest.json`.

    With anything unreadable there is no copy, unless it may be left out. Raises ConfigurationError
    when the copy would overwrite its source, SourceError when the source cannot be read.
    """
    _check(source, target)
    form, copy = form_of_file(source)
    before = dict(rewriter.counts) if isinstance(rewriter, Redactor) else {}
    partial_file = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_file.open("wb") as out:
            done = copy(source, out, rewriter)
            out.flush()
            os.fsync(out.fileno())
        is_written = not done.unread or drop_unreadable
        manifest = _manifest(source, partial_file, form, done, rewriter, before)
        if is_written:
            if isinstance(rewriter, Redactor):
                _write(Path(f"{target}.manifest.json"), manifest)
            partial_file.replace(target)
    except OSError as error:
        raise SourceError(
            f"the copy cannot be made ({error.strerror or type(error).__name__})",
            where=f"{source} → {target}",
        ) from None
    finally:
        partial_file.unlink(missing_ok=True)
    return Copied(done, form, is_written, manifest)


def form_of_file(path: Path) -> tuple[str, _Copy]:
    """How a file is read. Raises SourceError for what no clean copy can be made of."""
    if ParquetFile.recognises(path):
        return "parquet", copy_parquet
    if JsonLines.recognises(path):
        return "jsonl", copy_jsonl
    if path.name.lower().removesuffix(".gz").removesuffix(".zst").endswith(".json"):
        return "json", copy_json
    if CsvFile.recognises(path):
        return "csv", copy_csv
    if TextFile.recognises(path):
        return "text", copy_text
    raise SourceError(
        "no clean copy can be made of this",
        where=str(path),
        expected="a file of text, JSON, JSON Lines, CSV or Parquet",
        remedy="Convert it, or leave it out.",
    )


def _check(source: Path, target: Path) -> None:
    if not source.is_file():
        raise SourceError("is not there, or is no file", where=str(source))
    if target.exists() and target.samefile(source):
        raise ConfigurationError(
            "the copy would overwrite its source",
            where=str(target),
            expected="another place for the copy",
            remedy="Name another file or folder with --output.",
        )


def _manifest(
    source: Path,
    copy: Path,
    form: str,
    done: Done,
    rewriter: Redactor | Restorer,
    before: dict[tuple[str, str], int],
) -> dict[str, Any]:
    """Counts and hashes; no value, and no word of the data."""
    common: dict[str, Any] = {
        "v": 1,
        "tool": f"dlpagent {__version__}",
        "source": {"name": source.name, "format": form, "sha256": _sha256(source)},
        "copy": {"sha256": _sha256(copy)},
        "records": done.records,
        "changed": done.changed,
        "left_out": len(done.unread),
        "unreadable": [item._asdict() for item in done.unread[:_SHOWN]],
    }
    if isinstance(rewriter, Restorer):
        return common
    pack, names = rewriter.classifier.pack, rewriter.classifier.sit_names
    counts = {key: n - before.get(key, 0) for key, n in sorted(rewriter.counts.items())}
    return {
        **common,
        "pack": {"id": pack.id, "version": pack.version, "hash": pack.hash},
        "key": rewriter.marks.evidence.key_id(),
        "min_confidence": rewriter.min_confidence,
        "default_operator": rewriter.default,
        "redacted": [
            {"sit": {"id": sit, "name": names[sit]}, "operator": operator, "count": count}
            for (sit, operator), count in counts.items()
            if count
        ],
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _write(path: Path, manifest: dict[str, Any]) -> None:
    draft = path.with_name(path.name + ".partial")
    draft.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    draft.replace(path)
