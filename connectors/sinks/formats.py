"""Findings as a stream, for `scan --format`: jsonl, json, csv, sarif, table (docs/sinks.md).

A writer is given the findings of one asset after another and is closed once. Nothing is held back
but counts, so a corpus with a billion findings needs no more memory than one with ten. No format
holds a value: findings have only masked shapes and keyed digests.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final, Protocol

import msgspec
import pyarrow as pa

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._csv import CsvWriter
from dlpagent.connectors.sinks._output import Output, rows_of
from dlpagent.connectors.sinks._sarif import SarifWriter
from dlpagent.connectors.sinks._table import TableWriter
from dlpagent.errors import ConfigurationError
from dlpagent.findings import PackRef, level_of
from dlpagent.suppressions import Verdict
from dlpagent.violations import Violation

NOBODY: Final[Mapping[int, Verdict]] = {}


class FindingsWriter(Protocol):
    """What `scan` writes its findings to."""

    def write(
        self, asset_uri: str, findings: pa.RecordBatch, suppressed: Mapping[int, Verdict] = NOBODY
    ) -> None:
        """Write findings (FINDING_SCHEMA) of one asset; an asset may come in several batches.

        suppressed: row → the verdict that suppresses it; such findings are shown as what they are.
        """

    def close(self, summary: Mapping[str, Any], violations: Sequence[Violation] = ()) -> None:
        """End the output. The stream itself stays open: it belongs to the caller.

        summary: any JSON object; `incomplete`, a list of reasons, is shown by sarif and table.
        """


class _Sit(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Pack(msgspec.Struct, frozen=True):
    id: str
    version: str


class _Locator(msgspec.Struct, frozen=True, omit_defaults=True):
    file: str | None = None
    offset: int | None = None
    row_group: int | None = None
    row: int | None = None


class _Suppressed(msgspec.Struct, frozen=True, omit_defaults=True):
    verdict: str
    reason: str
    owner: str
    until: str | None = None


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """The documented finding line, version 1; the same keys as findings.finding_lines."""

    v: int
    asset: str
    record: str
    part: str
    start: int
    end: int
    sit: _Sit
    confidence: int
    level: str
    masked: str
    key: str
    pack: _Pack
    locator: _Locator
    suppressed: _Suppressed | None = None


class JsonLinesWriter:
    """One finding a line."""

    def __init__(self, output: Output, pack: PackRef, names: Mapping[str, str]) -> None:
        self._output = output
        self._lines = _Lines(pack, names)

    def write(
        self, asset_uri: str, findings: pa.RecordBatch, suppressed: Mapping[int, Verdict] = NOBODY
    ) -> None:
        """See FindingsWriter.write."""
        lines = list(self._lines.of(asset_uri, findings, suppressed))
        self._output.write(msgspec.json.Encoder().encode_lines(lines))

    def close(
        self,
        summary: Mapping[str, Any],  # noqa: ARG002 - a stream of findings ends without one
        violations: Sequence[Violation] = (),  # noqa: ARG002
    ) -> None:
        """See FindingsWriter.close."""
        self._output.flush()


class JsonWriter:
    """One document: {"v":1,"findings":[…],"violations":[…],"summary":{…}}; whole when closed."""

    def __init__(self, output: Output, pack: PackRef, names: Mapping[str, str]) -> None:
        self._output = output
        self._lines = _Lines(pack, names)
        self._separator = b"\n"
        output.write(b'{"v":1,"findings":[')

    def write(
        self, asset_uri: str, findings: pa.RecordBatch, suppressed: Mapping[int, Verdict] = NOBODY
    ) -> None:
        """See FindingsWriter.write."""
        encode_line = msgspec.json.Encoder().encode
        lines = [encode_line(line) for line in self._lines.of(asset_uri, findings, suppressed)]
        if lines:
            self._output.write(self._separator + b",\n".join(lines))
            self._separator = b",\n"

    def close(self, summary: Mapping[str, Any], violations: Sequence[Violation] = ()) -> None:
        """See FindingsWriter.close."""
        self._output.write(b'],\n"violations":[')
        for index, violation in enumerate(violations):
            self._output.write((b",\n" if index else b"\n") + encode(violation.to_json()))
        self._output.write(b'],\n"summary":' + encode(summary) + b"}\n")
        self._output.flush()


class _Lines:
    """Turns batches into finding lines; SITs and the pack are built once."""

    def __init__(self, pack: PackRef, names: Mapping[str, str]) -> None:
        self._pack = _Pack(pack.id, pack.version)
        self._names = names
        self._sits: dict[str, _Sit] = {}

    def of(
        self, asset_uri: str, findings: pa.RecordBatch, suppressed: Mapping[int, Verdict]
    ) -> Iterator[_Line]:
        asset = asset_uri.encode("utf-8", "replace").decode()
        for number, (
            record,
            part,
            start,
            end,
            sit_id,
            confidence,
            _pattern,
            masked,
            key,
            file,
            offset,
            group,
            row,
        ) in enumerate(rows_of(findings)):
            yield _Line(
                1,
                asset,
                record,
                part,
                start,
                end,
                self._sit(sit_id),
                confidence,
                level_of(confidence),
                masked,
                key,
                self._pack,
                _Locator(file, offset, group, row),
                _said_of(suppressed.get(number)),
            )

    def _sit(self, sit_id: str) -> _Sit:
        sit = self._sits.get(sit_id)
        if sit is None:
            sit = self._sits[sit_id] = _Sit(sit_id, self._names.get(sit_id, sit_id))
        return sit


def _said_of(verdict: Verdict | None) -> _Suppressed | None:
    if verdict is None:
        return None
    return _Suppressed(verdict.ruling, verdict.reason, verdict.owner, verdict.expires_at)


_WRITERS: Final[Mapping[str, Callable[[Output, PackRef, Mapping[str, str]], FindingsWriter]]] = {
    "table": TableWriter,
    "jsonl": JsonLinesWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
    "sarif": SarifWriter,
}

FORMATS: Final = tuple(_WRITERS)


def findings_writer(
    format_name: str, stream: IO[bytes] | io.TextIOBase, pack: PackRef, names: Mapping[str, str]
) -> FindingsWriter:
    """The writer of a format onto a binary stream, or a text stream such as sys.stdout.

    names: SIT id → name. Raises ConfigurationError when there is no such format.
    """
    writer = _WRITERS.get(format_name)
    if writer is None:
        raise ConfigurationError(
            "there is no such output format",
            where="--format",
            expected=f"one of {', '.join(FORMATS)}",
            found=repr(format_name),
            remedy="html, ocsf and o365 are written from violations, not from findings.",
        )
    return writer(Output(stream), pack, names)
