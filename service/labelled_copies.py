"""Labels written into copies of training files: one column more, everything else as it was.

JSON Lines and Parquet only, for there a column more changes nothing else. The value is what
connectors read back as a label set automatically, so a later scan honours it. A label a person set,
or one of another tenant, is never overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from dlpagent.connectors.sources._json_split import lines
from dlpagent.connectors.sources._parquet_groups import DAMAGE, is_encrypted
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.connectors.sources.parquet import ParquetFile
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.service.labelling import LabelledRecord
from dlpagent.service.redact.parquet_columns import compression_of
from dlpagent.service.redact.text_files import packed
from dlpagent.violations import LabelRef

COLUMN: Final = "sensitivity_label"
_FIELDS: Final = ("id", "name", "method", "tenantId")
_STRUCT: Final = pa.struct([pa.field(name, pa.string()) for name in _FIELDS])


@dataclass(slots=True)
class RowLabels:
    """Which row of a file gets which label. left_to_people: rows whose label a person set and must
    raise; foreign: rows whose label nobody here can rank."""

    decider: PolicyDecider
    labels: dict[int, LabelRef] = field(default_factory=dict)
    left_to_people: int = 0
    foreign: int = 0

    def add(self, record: LabelledRecord) -> None:
        """Take in what was recommended for a record."""
        found = record.recommendation
        if found.existing and found.existing.id == found.label.id:
            return
        stamps = self.decider.stamps(record.item.labels)
        if stamps.highest and stamps.highest.method == "manual":
            self.left_to_people += len(record.rows)
        elif stamps.unknown:
            self.foreign += len(record.rows)
        else:
            self.labels.update(dict.fromkeys(record.rows, found.label))

    def value(self, row: int) -> dict[str, str] | None:
        """The label of a row as it is written; None for none."""
        label = self.labels.get(row)
        if label is None:
            return None
        tenant = self.decider.taxonomy.tenant
        value = {"id": label.id, "name": label.name, "method": "Standard"}
        return value | ({"tenantId": tenant} if tenant else {})


def can_be_labelled(path: Path) -> bool:
    """Whether a copy of this file can carry labels."""
    return path.is_file() and (ParquetFile.recognises(path) or JsonLines.recognises(path))


def check_copy(source: Path, target: Path) -> None:
    """Raises ConfigurationError when no labelled copy of the source can be written there."""
    if not can_be_labelled(source):
        raise ConfigurationError(
            "no labelled copy can be made of this",
            where=str(source),
            expected="a JSON Lines or Parquet file",
            remedy="Leave --write out; the labels are in the output and in --lineage.",
        )
    if target.exists() and target.samefile(source):
        raise ConfigurationError(
            "the copy would overwrite its source",
            where=str(target),
            expected="another place for the copy",
            remedy="Name another file or folder with --write.",
        )


def write_copy(source: Path, target: Path, labels: RowLabels) -> int:
    """Write the copy, whole or not at all; returns how many rows got a label. Raises SourceError."""
    check_copy(source, target)
    draft = target.with_name(target.name + ".partial")
    write = _parquet if ParquetFile.recognises(source) else _json_lines
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as out:
            written = write(source, out, labels)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(target)
    except (OSError, *DAMAGE) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SourceError(
            f"the labelled copy cannot be made ({why})",
            where=f"{source} → {target}",
            remedy="Mend the file, or leave --write out.",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return written


def _json_lines(source: Path, target: BinaryIO, labels: RowLabels) -> int:
    written = 0
    with source.open("rb") as file:
        stream = ByteStream(file)
        with closing(packed(target, stream.compression)) as out:
            for row, span in enumerate(lines(stream.blocks(), 0)):
                if span.raw is None:
                    raise _too_long(source, row)
                value = labels.value(row)
                raw = span.raw if value is None else _with_label(span.raw, value)
                written += raw is not span.raw
                out.write(raw if span.torn else raw + b"\n")
        if stream.problem:
            raise SourceError(
                "the file ends in the middle", where=str(source), found=stream.problem
            )
    return written


def _too_long(source: Path, row: int) -> SourceError:
    return SourceError("a line is too long to be copied", where=f"{source}, line {row + 1}")


def _with_label(raw: bytes, value: Mapping[str, str]) -> bytes:
    """The line with the column set; everything else stays, to the byte."""
    text = raw.decode("utf-8", "surrogateescape")
    written = json.dumps(value, ensure_ascii=False)
    end = text.rstrip().removesuffix("}")
    if end == text.rstrip():
        return raw  # no object
    held = {key: span for key, span in _members(text) if key == COLUMN}
    if COLUMN in held:
        start, stop = held[COLUMN]
        done = text[:start] + written + text[stop:]
    else:
        comma = "," if end.strip("\ufeff \t\r\n") != "{" else ""
        done = f"{end}{comma}{json.dumps(COLUMN)}:{written}}}{text[len(text.rstrip()) :]}"
    return done.encode("utf-8", "surrogateescape")


def _members(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The keys of a JSON object and where their values stand. Stops at what is not JSON."""
    decoder, place = json.JSONDecoder(), text.find("{") + 1
    skip = partial(_behind_blanks, text)
    while (place := skip(place)) < len(text) and text[place] == '"':
        try:
            key, place = decoder.raw_decode(text, place)
            start = skip(skip(place) + 1)
            _, stop = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield key, (start, stop)
        place = skip(stop) + 1  # the comma


def _behind_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _parquet(source: Path, target: BinaryIO, labels: RowLabels) -> int:
    if is_encrypted(source):
        raise SourceError("is encrypted", where=str(source), remedy="Decrypt it first.")
    written, first = 0, 0
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        at, schema = _schema(file.schema_arrow, source)
        with pq.ParquetWriter(target, schema, compression=compression_of(file)) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                values = [labels.value(first + row) for row in range(table.num_rows)]
                first += table.num_rows
                written += sum(value is not None for value in values)
                table = _labelled(table, at, schema, values)
                writer.write_table(table, row_group_size=max(1, table.num_rows))
    return written


def _schema(schema: pa.Schema, source: Path) -> tuple[int, pa.Schema]:
    """The place of the column, and the schema with it. Raises ConfigurationError when a column of
    that name holds something else."""
    at = schema.get_field_index(COLUMN)
    if at < 0:
        at = len(schema)
        return at, _described(schema.append(pa.field(COLUMN, _STRUCT)))
    kind = schema.field(at).type
    if pt.is_string(kind) or pt.is_large_string(kind) or kind == _STRUCT:
        return at, schema
    raise ConfigurationError(
        f"the column {COLUMN} holds something else",
        where=str(source),
        expected="text, or id, name, method and tenantId",
        found=str(kind)[:80],
        remedy="Rename the column.",
    )


def _described(schema: pa.Schema) -> pa.Schema:
    """Data sets of Hugging Face describe their columns in the metadata: the new one as well."""
    metadata = dict(schema.metadata or {})
    try:
        described = json.loads(metadata[b"huggingface"])
        features = described["info"]["features"]
        features[COLUMN] = {name: {"dtype": "string", "_type": "Value"} for name in _FIELDS}
    except (KeyError, ValueError, TypeError):
        return schema
    return schema.with_metadata({**metadata, b"huggingface": json.dumps(described).encode()})


def _labelled(
    table: pa.Table, at: int, schema: pa.Schema, values: list[dict[str, str] | None]
) -> pa.Table:
    kind = schema.field(at).type
    if at < table.num_columns:  # what is not set anew stays
        held = table.column(at).to_pylist()
        plain = not pt.is_struct(kind)
        new: list[Any] = [value["id"] if value and plain else value for value in values]
        merged = [one if one is not None else old for one, old in zip(new, held, strict=True)]
        return table.set_column(at, schema.field(at), pa.array(merged, kind))
    return table.append_column(schema.field(at), pa.array(values, kind)).cast(schema)
