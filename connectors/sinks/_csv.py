"""Findings as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from dlpagent.connectors.sinks._output import Output, rows_of
from dlpagent.findings import PackRef, level_of
from dlpagent.suppressions import Verdict
from dlpagent.violations import Violation

COLUMNS: Final = (
    "asset",
    "record",
    "part",
    "start",
    "end",
    "sit_id",
    "sit_name",
    "confidence",
    "level",
    "masked",
    "key",
    "pack_id",
    "pack_version",
    "file",
    "offset",
    "row_group",
    "row",
    "suppressed",
)

# A cell that begins with one of these is a formula to some spreadsheet (OWASP, "CSV injection");
# the full-width forms are folded to them by spreadsheets of East Asian locales.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """The text, behind an apostrophe when a spreadsheet would take it for a formula.

    A text that begins with an apostrophe gets another: taking one away gives the original back.
    """
    if text.startswith((*_FORMULA_STARTS, "'")) or text.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{text}"
    return text


class CsvWriter:
    """A header line, then one finding a row; empty cells where a locator says nothing."""

    def __init__(self, output: Output, pack: PackRef, names: Mapping[str, str]) -> None:
        self._output = output
        self._pack = (safe_cell(pack.id), safe_cell(pack.version))
        self._names = names
        self._write_rows([COLUMNS])

    def write(
        self,
        asset_uri: str,
        findings: pa.RecordBatch,
        suppressed: Mapping[int, Verdict] | None = None,
    ) -> None:
        """See FindingsWriter.write."""
        hidden = suppressed or {}
        asset = safe_cell(asset_uri)
        self._write_rows(
            (
                asset,
                safe_cell(row[0]),
                safe_cell(row[1]),
                *row[2:4],
                safe_cell(row[4]),
                safe_cell(self._names.get(row[4], row[4])),
                row[5],
                level_of(row[5]),
                safe_cell(row[7]),
                row[8],
                *self._pack,
                safe_cell(row[9] or ""),
                *row[10:],
                hidden[number].ruling if number in hidden else "",
            )
            for number, row in enumerate(rows_of(findings))
        )

    def close(
        self,
        summary: Mapping[str, Any],  # noqa: ARG002 - rows end without one
        violations: Sequence[Violation] = (),  # noqa: ARG002
    ) -> None:
        """See FindingsWriter.close."""
        self._output.flush()

    def _write_rows(self, rows: Any) -> None:
        # RFC 4180 line ends; with "\n" alone Python before 3.13 leaves a lone "\r" unquoted.
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        self._output.write(text.getvalue().encode("utf-8", "replace"))
