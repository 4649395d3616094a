"""Evaluation reports as a table for people and as JSON for programs. No value is in either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from dlpagent.classifiers.evaluation import Counts, Figures, Negatives, per_mb, wilson
from dlpagent.classifiers.evaluation_curve import Curve
from dlpagent.classifiers.evaluation_faults import FAULT_KINDS, Fault
from dlpagent.connectors.sinks._text import visible
from dlpagent.findings import LEVEL_FLOOR
from dlpagent.service.evaluating import TOTAL, Report

FAULT_TITLES = {
    "missed": "Missed: labelled and not found",
    "false": "False: found and not labelled",
    "decoy": "Look-alikes taken for the real thing",
    "negative": "Found in documents that hold nothing",
}


def floor_name(floor: int) -> str:
    """low, medium, high for the first confidence of a level (and what lies above), else the number."""
    names = {value: name for name, value in LEVEL_FLOOR.items()}
    return names.get(floor, str(floor))


def report_json(report: Report) -> dict[str, Any]:
    """The whole report as plain JSON values, version 1 (docs/eval.md)."""
    return {
        "v": 1,
        "pack": asdict(report.pack),
        "corpora": list(report.corpora),
        "min_confidence": report.floor,
        "seconds": round(report.seconds, 3),
        "bytes": report.size_bytes,
        "levels": {floor_name(floor): _figures(item) for floor, item in report.figures.items()},
        "curves": {
            "total": curve_json(report.curves.total),
            "types": {name: curve_json(item) for name, item in report.curves.types.items()},
        },
        "confusion": [asdict(item) for item in report.confusions],
        "faults": {kind: [asdict(item) for item in report.faults[kind]] for kind in FAULT_KINDS},
        "incomplete": [
            {"where": where, "sit": sit, "reason": reason}
            for where, sit, reason in report.incomplete
        ],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "min_confidence": figures.floor,
        "documents": figures.documents,
        "total": counts_json(figures.total),
        "any_type": counts_json(figures.any_type),
        "types": {name: counts_json(item) for name, item in sorted(figures.types.items())},
        "groups": {name: counts_json(item) for name, item in sorted(figures.groups.items())},
        "sources": {name: counts_json(item) for name, item in sorted(figures.sources.items())},
        "types_in_source": [
            {"source": source, "type": name, **counts_json(item)}
            for (source, name), item in sorted(figures.in_source.items())
        ],
        "parts": {
            f"{source}/{part}": counts_json(item)
            for (source, part), item in sorted(figures.parts.items())
        },
        "sits": {name: asdict(item) for name, item in sorted(figures.sits.items())},
        "negatives": _negatives(figures.negatives),
    }


def curve_json(curve: Curve) -> list[dict[str, Any]]:
    """A curve's points by ascending confidence. alerts: records with a finding per 10,000."""
    return [
        {
            "min_confidence": point.threshold,
            **counts_json(point.counts),
            "alerts_per_10000": point.alerts,
            "false_per_mb": point.false_per_mb,
        }
        for point in curve
    ]


def counts_json(counts: Counts) -> dict[str, Any]:
    """Counts with their rates and 95 % intervals."""
    return {
        **asdict(counts),
        "precision": counts.precision,
        "precision_95": wilson(counts.overlapping, counts.found),
        "recall": counts.recall,
        "recall_95": wilson(counts.overlapping, counts.gold),
        "f1": counts.f(1),
        "f2": counts.f(2),
        "exact_precision": counts.exact_precision,
        "exact_recall": counts.exact_recall,
    }


def _negatives(negatives: Negatives) -> dict[str, Any]:
    size = negatives.size_bytes
    return {
        "documents": negatives.documents,
        "bytes": size,
        "false": negatives.false,
        "documents_hit": negatives.documents_hit,
        "false_per_mb": negatives.false_per_mb,
        "by_type": {name: per_mb(count, size) for name, count in most(negatives.by_type)},
        "by_source": {
            name: per_mb(*counted) for name, counted in sorted(negatives.by_source.items())
        },
    }


def most(counted: dict[str, int]) -> list[tuple[str, int]]:
    """Counted names, the most frequent first."""
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


HEAD = ("labelled", "found", "right", "P", "95 %", "R", "95 %", "F1", "F2", "exact R", "decoys")


def cells(counts: Counts) -> tuple[str, ...]:
    """Counts as the columns of HEAD."""
    decoys = f"{counts.decoys_hit}/{counts.decoys}" if counts.decoys else "–"
    return (
        str(counts.gold), str(counts.found), str(counts.overlapping),
        f"{counts.precision:.3f}", interval(counts.overlapping, counts.found),
        f"{counts.recall:.3f}", interval(counts.overlapping, counts.gold),
        f"{counts.f(1):.3f}", f"{counts.f(2):.3f}", f"{counts.exact_recall:.3f}", decoys,
    )  # fmt: skip


def interval(hits: int, trials: int) -> str:
    """A 95 % interval, as .93–.98; a dash when nothing was tried."""
    if not trials:
        return "–"
    return "–".join(f"{end:.2f}".removeprefix("0") for end in wilson(hits, trials))


def by_size(table: dict[str, Counts]) -> list[tuple[str, Counts]]:
    """Types with most labels first."""
    return sorted(table.items(), key=lambda item: (-item[1].gold, -item[1].found, item[0]))


Rows = list[tuple[str, Counts]]


def tables(report: Report) -> list[tuple[str, Rows]]:
    """Titles and rows of the tables of counts, the same for every way of showing them."""
    here = report.at_floor
    levels = [
        (f"{floor_name(floor)} and above", item.total) for floor, item in report.figures.items()
    ]
    parts = [(f"{source} · {part}", item) for (source, part), item in sorted(here.parts.items())]
    title = f"from confidence {floor_name(report.floor)}"
    found = [
        ("Levels, all types together", levels),
        (
            f"Types, {title}",
            [*by_size(here.types), (TOTAL, here.total), ("any type", here.any_type)],
        ),
        (f"Groups, {title}", sorted(here.groups.items())),
        (f"Sources, {title}", [*sorted(here.sources.items()), *parts]),
    ]
    return [(name, rows) for name, rows in found if rows]


def report_text(report: Report, shown: Mapping[str, str] | None = None) -> str:
    """The report as a person reads it in a terminal.

    shown: document id → text, of those whose values may be seen instead of their masked shapes.
    """
    lines = [f"pack {report.pack.id} {report.pack.version}, {report.at_floor.documents} documents, "
             f"{report.size_bytes / 1e6:.2f} MB in {report.seconds:.1f} s", ""]  # fmt: skip
    for title, rows in tables(report):
        lines += [title, *_table(rows), ""]
    lines += list(_curve_lines(report))
    lines += list(_negative_lines(report))
    if report.confusions:
        lines += ["One type found on another: labelled, found as, instead, as well"]
        lines += [
            f"  {item.gold:<24} {item.found:<24} {item.instead:>5} {item.beside:>5}"
            for item in report.confusions[:20]
        ]
        lines.append("")
    for kind in FAULT_KINDS:
        if report.faults[kind]:
            lines += [
                FAULT_TITLES[kind],
                *(_fault(item, shown or {}) for item in report.faults[kind]),
                "",
            ]
    return "\n".join(lines)


def _table(rows: Iterable[tuple[str, Counts]]) -> Iterator[str]:
    table = [("", *HEAD), *((name, *cells(counts)) for name, counts in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        first, *rest = (cell for cell in row)
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield f"  {first.ljust(widths[0])}  {numbers}".rstrip()


def _curve_lines(report: Report) -> Iterator[str]:
    yield "All types together by confidence: from, found, P, R, alerts per 10,000 documents"
    for point in report.curves.total:
        counts = point.counts
        yield (f"  {point.threshold:>3}  {counts.found:>7}  {counts.precision:.3f}"
               f"  {counts.recall:.3f}  {point.alerts:>7.0f}")  # fmt: skip
    yield ""


def _negative_lines(report: Report) -> Iterator[str]:
    if not report.at_floor.negatives.documents:
        return
    yield "False positives per MB in documents that hold nothing"
    for floor, item in report.figures.items():
        found = item.negatives
        yield (f"  {floor_name(floor) + ' and above':<18} {found.false_per_mb or 0:8.2f}"
               f"  ({found.false} in {found.size_bytes / 1e6:.2f} MB)")  # fmt: skip
    here = report.at_floor.negatives
    for name, count in most(here.by_type)[:20]:
        yield f"    {name:<60} {per_mb(count, here.size_bytes) or 0:8.2f}"
    yield ""


def _fault(fault: Fault, shown: Mapping[str, str]) -> str:
    text = shown.get(fault.document)
    value = fault.masked if text is None else visible(text[fault.start : fault.end])
    by = ", ".join(fault.sits)
    confidence = f" {fault.confidence}" if fault.confidence else ""
    return f"  {fault.where} {fault.start}–{fault.end}  {fault.type}{confidence}  {value}" + (
        f"  by {by}" if by and by != fault.type else ""
    )
