"""The result of a benchmark as tables of Markdown, for a terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def result_text(found: Mapping[str, Any]) -> str:
    """Everything measured, a table for each part."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    machine, pack = found["machine"], found["pack"]
    yield (
        f"dlpagent {found['version']}, {pack['sits']} SITs; {machine['cores']} cores "
        f"({machine['processor']}), Python {machine['python']}; CPU time of one process"
    )
    if "engine" in found:
        yield from _engine(found["engine"])
        for name, why in found.get("missing", {}).items():
            yield f"Left out: {name} ({why})."
    for part, title in (
        ("start", "start, CPU s"), ("latency", "one prompt of 2,000 characters, warm"),
        ("workers", "two workers"), ("long", "one long record"),
    ):  # fmt: skip
        if part in found:
            yield ""
            yield from _table((title, ""), [(name.replace("_", " "), f"{value:g}")
                                            for name, value in found[part].items()])  # fmt: skip
    if found.get("files"):
        yield ""
        head = ("file → findings", "MB/s", "of the engine's speed in memory", "peak MB")
        yield from _table(head, [
            (row["file"], row["mb_per_s"], f"{row['of_memory_speed']:.0%}", row["peak_mb"])
            for row in found["files"]
        ])  # fmt: skip


def _engine(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rivals = list(dict.fromkeys(name for row in rows for name in row["times"]))
    yield ""
    head = ("corpus", "MB/s", "records/s", "findings a record", "µs a finding", "planted found",
            *(f"× {name}" for name in rivals), "same as reference")  # fmt: skip
    yield from _table(head, [
        (
            row["what"], row["mb_per_s"], f"{row['records_per_s']:,}", row["findings_per_record"],
            row["us_per_finding"] or "–",
            f"{row['planted_found']}/{row['planted']}" if row["planted"] else "–",
            *(f"{row['times'][name]:,.0f}" if row["times"].get(name, 0) >= 20
              else f"{row['times'].get(name, 0):.1f}" for name in rivals),
            "yes" if row["same_as_reference"] else "NO",
        )
        for row in rows
    ])  # fmt: skip
    staged = [row for row in rows if row.get("ns_per_byte")]
    if staged:
        stages = list(dict.fromkeys(name for row in staged for name in row["ns_per_byte"]))
        yield ""
        yield from _table(("ns per byte", *stages), [
            (row["what"], *(row["ns_per_byte"].get(name, 0) for name in stages)) for row in staged
        ])  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
