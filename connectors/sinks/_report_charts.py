"""Bars as inline SVG inside plain tables: the text stays text, so it scales, wraps and is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from dlpagent.connectors.sinks._text import shortened, visible

# Units of a full bar; SVG stretches it to the width of its cell.
_WIDTH: Final = 1000
_HEIGHT: Final = 14
# A segment that is there must be seen.
_LEAST: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: its name, the note beneath, and (class name, count) of each segment."""

    name: str
    segments: tuple[tuple[str, int], ...]
    note: str = ""

    @property
    def total(self) -> int:
        """All segments together."""
        return sum(count for _, count in self.segments)


def html(text: str, limit: int = 0) -> str:
    """Text for HTML content or a quoted attribute; hostile characters are made visible."""
    shown = visible(text)
    return escape(shortened(shown, limit) if limit else shown, quote=True)


def bar_chart(caption: str, column: str, bars: Sequence[Bar], *, unit: str) -> str:
    """A table of bars, the longest filling its cell. caption is heard, not seen."""
    longest = max((bar.total for bar in bars), default=0)
    rows = "".join(_row(bar, longest, unit) for bar in bars)
    return (
        f'<table class="chart"><caption class="unseen">{html(caption)}</caption>'
        '<colgroup><col class="named"/><col/><col class="counted"/></colgroup>'
        f'<thead class="unseen"><tr><th scope="col">{html(column)}</th>'
        f'<th scope="col">Bar</th><th scope="col">{html(unit.capitalize())}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def stacked_bar(segments: Sequence[tuple[str, int]], label: str, *, longest: int = 0) -> str:
    """One bar. label is what a screen reader says of it; longest is the count of a full bar."""
    there = [(name, count) for name, count in segments if count]
    rects, at = [], 0.0
    for (name, _), width in zip(there, _widths([c for _, c in there], longest), strict=True):
        rects.append(
            f'<rect class="fill-{name}" x="{at:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT}"/>'
        )
        at += width
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-label="{html(label)}">{"".join(rects)}</svg>'
    )


def _widths(counts: Sequence[int], longest: int) -> list[float]:
    """Widths in proportion, none too small to be seen; the widest makes room for those."""
    scale = _WIDTH / max(longest, sum(counts), 1)
    widths = [max(count * scale, _LEAST) for count in counts]
    excess = sum(widths) - _WIDTH
    if excess > 0:
        widths[widths.index(max(widths))] -= excess
    return widths


def _row(bar: Bar, longest: int, unit: str) -> str:
    parts = ", ".join(f"{count:,} {name}" for name, count in bar.segments if count) or "none"
    note = f'<span class="note">{html(bar.note, 80)}</span>' if bar.note else ""
    picture = stacked_bar(bar.segments, f"{bar.total:,} {unit}: {parts}", longest=longest)
    return (
        f'<tr><th scope="row"><span class="name">{html(bar.name, 60)}</span>{note}</th>'
        f'<td class="picture">{picture}</td><td class="number">{bar.total:,}</td></tr>'
    )
