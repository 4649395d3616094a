"""An evaluation report as one page of HTML: no script, nothing asked of the network, no value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from dlpagent.classifiers.evaluation import Counts, per_mb
from dlpagent.classifiers.evaluation_faults import FAULT_KINDS, Fault
from dlpagent.service.curve_chart import curve_svg
from dlpagent.service.eval_view import (
    FAULT_TITLES,
    HEAD,
    cells,
    floor_name,
    interval,
    most,
    tables,
)
from dlpagent.service.evaluating import TOTAL, Report

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
<title>dlpagent evaluation</title>
<style>
{style}
.curves {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }}
.curves figure {{ margin: 0; padding: 0.75rem; }}
.pr-grid {{ stroke: var(--line); fill: none; }}
.pr-axis {{ fill: var(--soft); font-size: 11px; }}
.pr-line {{ stroke: var(--accent); stroke-width: 2; }}
.pr-dot {{ fill: var(--accent); }}
.pr-marked {{ fill: var(--high-fill); }}
table.plain td.number, table.plain th.number {{ text-align: right; white-space: nowrap; }}
</style>
</head>
<body>
<header class="top">
<p class="eyebrow">dlpagent evaluation · {pack}</p>
<h1>{headline}</h1>
<p class="lead">{lead}</p>
{state}
</header>
<main>
{body}
</main>
<footer>
<p class="how">Right: labels that a finding of their type overlaps, one to one. P, R: precision, recall; intervals: 95 %, Wilson. Decoys: look-alikes found. This page holds no value and asks nothing of the network.</p>
</footer>
</body>
</html>
"""  # noqa: E501 - a line of HTML


def report_page(report: Report) -> str:
    """The whole page."""
    total = report.at_floor.total
    style = files("dlpagent.connectors.sinks").joinpath("report.css").read_text("utf-8")
    sections = [
        *(_section(title, _counts_table(rows)) for title, rows in tables(report)),
        _curves(report),
        _negatives(report),
        _confusions(report),
        *(_faults(FAULT_TITLES[kind], report.faults[kind]) for kind in FAULT_KINDS),
    ]
    return _PAGE.format(
        style=style,
        pack=escape(f"pack {report.pack.id} {report.pack.version}"),
        headline=f"Precision {total.precision:.3f}, recall {total.recall:.3f}",
        lead=escape(
            f"{report.at_floor.documents} documents, {report.size_bytes / 1e6:.2f} MB; findings "
            f"from confidence {floor_name(report.floor)}; F1 {total.f(1):.3f}, F2 {total.f(2):.3f}."
        ),
        state=_state(report),
        body="\n".join(sections),
    )


def _state(report: Report) -> str:
    if not report.incomplete:
        return ""
    return (
        '<div class="state partial"><strong>Incomplete</strong>'
        f"<span>{len(report.incomplete)} rule(s) ran out of time.</span></div>"
    )


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{inside}\n</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table; the first `left` columns are words, the rest numbers. Cells are escaped here."""

    def cell(tag: str, column: int, text: str) -> str:
        numeric = ' class="number"' if column >= left else ""
        return f"<{tag}{numeric}>{escape(text)}</{tag}>"

    top = "".join(cell("th", column, text) for column, text in enumerate(head))
    body = "\n".join(
        "<tr>" + "".join(cell("td", column, text) for column, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="card scroll"><table class="plain"><thead><tr>{top}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _counts_table(rows: Iterable[tuple[str, Counts]]) -> str:
    return _table(("", *HEAD), ((name, *cells(counts)) for name, counts in rows))


CURVES_SHOWN = 24


def _curves(report: Report) -> str:
    """Precision and recall by threshold: all types together with its figures, then the largest types."""
    if not report.curves.total:
        return ""
    largest = sorted(report.curves.types.items(), key=lambda item: -item[1][0].counts.gold)
    pictures = [(TOTAL, report.curves.total), *largest[:CURVES_SHOWN]]
    figures = "".join(
        f'<figure class="card"><figcaption>{escape(name)}</figcaption>'
        f"{curve_svg(curve, name, marked=report.floor)}</figure>"
        for name, curve in pictures
    )
    rows = [
        (f"≥ {point.threshold}", str(point.counts.found), f"{point.counts.precision:.3f}",
         interval(point.counts.overlapping, point.counts.found), f"{point.counts.recall:.3f}",
         interval(point.counts.overlapping, point.counts.gold), f"{point.alerts:.0f}",
         "–" if point.false_per_mb is None else f"{point.false_per_mb:.2f}")
        for point in report.curves.total
    ]  # fmt: skip
    head = ("confidence", "found", "P", "95 %", "R", "95 %", "alerts per 10,000", "false per MB")
    left_out = len(largest) - CURVES_SHOWN
    more = f"<p>{left_out} more types are in the JSON.</p>" if left_out > 0 else ""
    return _section(
        "Precision and recall by confidence",
        _table(head, rows) + f'<div class="curves">{figures}</div>{more}',
    )


def _negatives(report: Report) -> str:
    if not report.at_floor.negatives.documents:
        return ""
    here = report.at_floor.negatives
    levels = [
        (f"{floor_name(floor)} and above", str(item.negatives.false),
         f"{item.negatives.false_per_mb or 0:.2f}")
        for floor, item in report.figures.items()
    ]  # fmt: skip
    types = [
        (name, str(count), f"{per_mb(count, here.size_bytes) or 0:.2f}")
        for name, count in most(here.by_type)
    ]
    title = f"False positives in {here.size_bytes / 1e6:.2f} MB that hold nothing"
    return _section(title, _table(("", "found", "per MB"), [*levels, *types]))


def _confusions(report: Report) -> str:
    if not report.confusions:
        return ""
    rows = [(item.gold, item.found, str(item.instead), str(item.beside))
            for item in report.confusions[:50]]  # fmt: skip
    head = ("labelled", "found as", "instead", "as well")
    return _section("One type found on another", _table(head, rows, left=2))


def _faults(title: str, faults: Sequence[Fault]) -> str:
    if not faults:
        return ""
    rows = [
        (fault.where, f"{fault.start}–{fault.end}", fault.type, fault.masked,
         ", ".join(fault.sits) or "–", str(fault.confidence or "–"))
        for fault in faults
    ]  # fmt: skip
    head = ("place", "characters", "type", "masked", "found by", "confidence")
    return _section(title, _table(head, rows, left=5))
