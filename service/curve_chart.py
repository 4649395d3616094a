"""A precision-recall curve as inline SVG: no script, no style of its own, read aloud by its label."""

from __future__ import annotations

from html import escape

from dlpagent.classifiers.evaluation_curve import Curve, Point

# Units inside the picture; SVG scales them to the width it is given.
SIDE = 300
MARGIN_LEFT = 34
MARGIN_TOP = 8
MARGIN_BOTTOM = 26
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def curve_svg(curve: Curve, name: str, *, marked: int | None = None) -> str:
    """The curve with a dot per threshold, its figures in the dot's title; marked: one to stand out.

    Recall to the right, precision upwards, both from 0 to 1. Points that found nothing have no
    precision and are left out. Classes to style: pr-grid, pr-axis, pr-line, pr-dot, pr-marked.
    """
    shown = [point for point in curve if point.counts.found]
    parts = [*_grid(), _line(shown), *(_dot(point, point.threshold == marked) for point in shown)]
    width, height = MARGIN_LEFT + SIDE + 8, MARGIN_TOP + SIDE + MARGIN_BOTTOM
    return (
        f'<svg class="pr" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(_spoken(shown, name))}">{"".join(parts)}</svg>'
    )


def _spoken(points: list[Point], name: str) -> str:
    said = "; ".join(
        f"from {point.threshold}: precision {point.counts.precision:.2f}, "
        f"recall {point.counts.recall:.2f}"
        for point in points
    )
    return f"{name}, precision and recall by confidence: {said or 'nothing was found'}"


def place_of(point: Point) -> tuple[float, float]:
    """Where a point lies in the picture."""
    return (
        MARGIN_LEFT + point.counts.recall * SIDE,
        MARGIN_TOP + (1 - point.counts.precision) * SIDE,
    )


def _grid() -> list[str]:
    parts = []
    bottom, right = MARGIN_TOP + SIDE, MARGIN_LEFT + SIDE
    for tick in _TICKS:
        x, y = MARGIN_LEFT + tick * SIDE, MARGIN_TOP + (1 - tick) * SIDE
        parts.append(
            f'<path class="pr-grid" d="M{x:.0f} {MARGIN_TOP}V{bottom}M{MARGIN_LEFT} {y:.0f}H{right}"/>'
            f'<text class="pr-axis" x="{MARGIN_LEFT - 4}" y="{y + 4:.0f}" text-anchor="end">'
            f"{tick:g}</text>"
            f'<text class="pr-axis" x="{x:.0f}" y="{bottom + 12}" text-anchor="middle">{tick:g}</text>'
        )
    parts.append(
        f'<text class="pr-axis" x="{right}" y="{bottom + 24}" text-anchor="end">recall →</text>'
        f'<text class="pr-axis" x="{MARGIN_LEFT + 4}" y="{MARGIN_TOP + 12}">↑ precision</text>'
    )
    return parts


def _line(points: list[Point]) -> str:
    if len(points) < 2:
        return ""
    places = " ".join("{:.1f},{:.1f}".format(*place_of(point)) for point in points)
    return f'<polyline class="pr-line" fill="none" points="{places}"/>'


def _dot(point: Point, is_marked: bool) -> str:
    x, y = place_of(point)
    says = (
        f"confidence ≥ {point.threshold}: precision {point.counts.precision:.3f}, "
        f"recall {point.counts.recall:.3f}, {point.alerts:.1f} alerts per 10,000 records"
    )
    kind = "pr-dot pr-marked" if is_marked else "pr-dot"
    radius = 6 if is_marked else 4
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
        f' data-threshold="{point.threshold}"><title>{escape(says)}</title></circle>'
    )
