"""Findings and violations as tables for a terminal: counts by asset and SIT, then what fired."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from dlpagent.connectors.sinks._output import Output
from dlpagent.connectors.sinks._text import counted, shortened, visible
from dlpagent.findings import LEVELS, PackRef, level_of
from dlpagent.suppressions import Verdict
from dlpagent.violations import Violation

if TYPE_CHECKING:
    from rich.console import Console

# Rows shown of each table; the rest is counted in a last line.
MAX_ROWS: Final = 200
WIDTH: Final = 120

_SEVERITY_ORDER: Final = {"high": 0, "medium": 1, "low": 2}
_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "cyan"}


class TableWriter:
    """Counts while findings come, prints when closed."""

    def __init__(
        self,
        output: Output,
        pack: PackRef,  # noqa: ARG002 - every writer is made alike
        names: Mapping[str, str],
    ) -> None:
        self._output = output
        self._names = names
        self._counts: dict[tuple[str, str], dict[str, int]] = {}
        self._suppressed: dict[str, int] = {}

    def write(
        self,
        asset_uri: str,
        findings: pa.RecordBatch,
        suppressed: Mapping[int, Verdict] | None = None,
    ) -> None:
        """See FindingsWriter.write. What is suppressed is told in one line at the end."""
        counted_rows = findings.select(["sit_id", "confidence"])
        for verdict in (suppressed or {}).values():
            self._suppressed[verdict.ruling] = self._suppressed.get(verdict.ruling, 0) + 1
        if suppressed:
            rows = [row for row in range(findings.num_rows) if row not in suppressed]
            counted_rows = counted_rows.take(pa.array(rows, pa.int64()))
        table = pa.Table.from_batches([counted_rows])
        grouped = table.group_by(["sit_id", "confidence"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            levels = self._counts.setdefault((asset_uri, row["sit_id"]), dict.fromkeys(LEVELS, 0))
            levels[level_of(row["confidence"])] += row["count_all"]

    def close(self, summary: Mapping[str, Any], violations: Sequence[Violation] = ()) -> None:
        """See FindingsWriter.close."""
        console = self._console()
        if self._counts:
            self._print_findings(console)
        else:
            console.print("No findings.")
        if self._suppressed:
            many = ", ".join(f"{count:,} {name}" for name, count in self._suppressed.items())
            console.print(f"Suppressed by verdicts, not counted above: {many}.")
        if violations:
            _print_violations(console, violations)
        for reason in summary.get("incomplete") or ():
            console.print(f"Incomplete: {visible(str(reason))}", markup=False, highlight=False)
        text = console.file
        assert isinstance(text, io.StringIO)
        self._output.write_text(text.getvalue())
        self._output.flush()

    def _console(self) -> Console:
        from rich.console import Console  # noqa: PLC0415 - half the start-up time of --help

        columns = shutil.get_terminal_size((WIDTH, 40)).columns
        return Console(
            file=io.StringIO(),
            width=columns if self._output.is_terminal else WIDTH,
            force_terminal=self._output.is_terminal,
            highlight=False,
        )

    def _print_findings(self, console: Console) -> None:
        table = _table(
            "Findings", "Asset", "Sensitive information type", *("High", "Medium", "Low")
        )
        for column in table.columns[2:]:
            column.justify = "right"
        ordered = sorted(
            self._counts.items(),
            key=lambda item: (
                item[0][0],
                *(-item[1][level] for level in ("high", "medium", "low")),
                item[0][1],
            ),
        )
        for (asset, sit_id), levels in ordered[:MAX_ROWS]:
            table.add_row(
                _cell(place(asset), 60),
                _cell(self._names.get(sit_id, sit_id), 50),
                *(_number(levels[level], level) for level in ("high", "medium", "low")),
            )
        console.print(table)
        _print_rest(console, len(ordered), "row")


def _print_violations(console: Console, violations: Sequence[Violation]) -> None:
    """One row per rule and asset: how many items, and of what."""
    groups: dict[tuple[int, str, str], list[Violation]] = {}
    for violation in violations:
        order = _SEVERITY_ORDER[violation.severity]
        groups.setdefault((order, violation.rule_name, violation.asset_uri), []).append(violation)
    table = _table("Violations", "Severity", "Rule", "Asset", "Items", "Found", "Actions")
    table.columns[3].justify = "right"
    for (_, rule, asset), held in sorted(groups.items())[:MAX_ROWS]:
        severity = held[0].severity
        table.add_row(
            _cell(severity, 8, _STYLES[severity]),
            _cell(rule, 60),
            _cell(place(asset), 60),
            _cell(f"{len(held):,}", 16),
            _cell(_found(held), 200),
            _cell(", ".join(held[0].actions) or "–", 40),
        )
    console.print(table)
    _print_rest(console, len(groups), "row")


def _found(held: Sequence[Violation]) -> str:
    """SITs with how often each was found, the most frequent first."""
    counts: dict[str, int] = {}
    for violation in held:
        for sit in violation.sits:
            counts[sit.name] = counts.get(sit.name, 0) + sit.count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({many:,})" for name, many in ordered) or held[0].reason


def place(asset_uri: str) -> str:
    """An asset as a person names it: a file by its path, from the current folder where it is below."""
    parts = urlsplit(asset_uri)
    if parts.scheme != "file":
        return asset_uri
    path = Path(url2pathname(parts.path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _print_rest(console: Console, total: int, noun: str) -> None:
    if total > MAX_ROWS:
        console.print(f"… and {counted(total - MAX_ROWS, noun)} more.")


def _table(title: str, *columns: str) -> Any:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(text: str, limit: int, style: str = "") -> Any:
    """Text as itself: no markup, no control characters, no more than limit characters."""
    from rich.text import Text  # noqa: PLC0415

    return Text(shortened(visible(text), limit), style=style)


def _number(value: int, level: str) -> Any:
    return _cell(f"{value:,}" if value else "·", 16, _STYLES[level] if value else "dim")
