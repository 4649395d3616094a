"""The picture of a curve: where points lie, what it says, and that names cannot break it."""

from __future__ import annotations

from xml.etree import ElementTree

from dlpagent.classifiers.evaluation import Counts
from dlpagent.classifiers.evaluation_curve import Point
from dlpagent.service.curve_chart import MARGIN_LEFT, MARGIN_TOP, SIDE, curve_svg, place_of

CURVE = (
    Point(65, Counts(10, 20, 10), 100, 20, 0, 0),
    Point(85, Counts(10, 5, 5), 100, 5, 0, 0),
    Point(95, Counts(10, 0, 0), 100, 0, 0, 0),
)


def test_recall_goes_right_and_precision_up() -> None:
    assert place_of(CURVE[0]) == (MARGIN_LEFT + SIDE, MARGIN_TOP + SIDE / 2)
    assert place_of(CURVE[1]) == (MARGIN_LEFT + SIDE / 2, MARGIN_TOP)


def test_it_is_well_formed_and_says_its_figures_and_escapes_its_name() -> None:
    drawn = curve_svg(CURVE, '<b>"x"&', marked=85)
    tree = ElementTree.fromstring(drawn)  # noqa: S314 - what was just drawn
    assert tree.attrib["aria-label"].startswith('<b>"x"&, precision and recall by confidence')
    dots = [item for item in tree.iter() if item.tag == "circle"]
    assert [item.attrib["data-threshold"] for item in dots] == ["65", "85"]
    assert [("pr-marked" in item.attrib["class"]) for item in dots] == [False, True]
    assert dots[0][0].text == (
        "confidence ≥ 65: precision 0.500, recall 1.000, 2000.0 alerts per 10,000 records"
    )


def test_nothing_found_is_said() -> None:
    assert "nothing was found" in curve_svg(CURVE[2:], "x")
