"""The report says what happened, obeys nobody's text and asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import re
import stat
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.connectors.sinks._report_charts import stacked_bar
from dlpagent.connectors.sinks._report_violations import MAX_PLACES, MAX_VIOLATIONS
from dlpagent.connectors.sinks.report import (
    AssetFigures,
    ReadProblem,
    ReportData,
    SitFindings,
    Totals,
    render_report,
    write_report,
)
from dlpagent.errors import SinkError
from dlpagent.findings import PackRef
from dlpagent.violations import Event, LabelRef, PolicyRef, SitCount, SitRef, Violation

CARD = SitRef("50842eb7-edc8-4019-85dd-5a5c1f2bb085", "Credit Card Number")

EMPTY = ReportData(
    generated_at=datetime(2026, 3, 1, 12, 4, tzinfo=UTC),
    totals=Totals(assets=3, records=12_000, parts=24_000, chars=9_000_000, seconds=4.5),
    coverage={"read": 24_000},
    pack=PackRef("core", "1.4.0", "9f31c2d4a77b"),
)


@pytest.fixture
def full(make_violation: Callable[..., Violation]) -> ReportData:
    """A run with something of everything."""
    return replace(
        EMPTY,
        policy=PolicyRef("ai-data", "AI data policy", "7"),
        totals=replace(EMPTY.totals, size_bytes=90_000_000),
        coverage={"read": 23_990, "unread": 7, "protected": 2, "opaque": 1, "no_content": 0},
        run={"Run": "3d0c8b1e"},
        incomplete=("The rule IBAN ran out of time on 2 parts.",),
        problems=(
            ReadProblem("file:///d/a.jsonl", "9", "text", "unread", "Half a line.", {"offset": 77}),
        ),
        problems_total=10,
        sits=(SitFindings(CARD, high=1_200, medium=30, low=4),),
        assets=(
            AssetFigures(
                "file:///data/chat.jsonl",
                "dataset",
                "jsonl",
                records=12_000,
                high=1_200,
                violations={"high": 2, "low": 1},
                labels=(("Highly Confidential", 17),),
                existing="General",
                incomplete=True,
            ),
        ),
        violations=(
            make_violation(severity="high"),
            make_violation(severity="high", incomplete=True),
            make_violation(severity="low", ceiling=LabelRef("g", "General", 1)),
        ),
    )


def parsed(data: ReportData) -> ET.Element:
    """The report as XML: it parses only when every tag is closed and everything is escaped."""
    text = render_report(data)
    assert text.startswith("<!DOCTYPE html>\n")
    return fromstring(text.partition("\n")[2])


def words(element: ET.Element) -> str:
    """What is to be read, style and script left out, one space between all words."""
    texts = (
        text
        for each in element.iter()
        for text in ((each.text if each.tag not in ("style", "script") else ""), each.tail)
    )
    spaced = " ".join(" ".join(text or "" for text in texts).split())
    return re.sub(r" ([,.:;)])", r"\1", spaced)


@pytest.mark.parametrize(
    ("severities", "coverage", "expected"),
    [
        ({"high": 2, "medium": 1, "low": 0}, {"read": 9}, "3 violations in 3 assets: 2 high, 1 m"),
        ({"low": 1}, {"read": 9}, "1 violation in 3 assets: 1 low."),
        ({}, {"read": 9}, "No violations in 3 assets."),
        ({}, {"read": 9, "unread": 1}, "No violations found in 3 assets, but not everything could"),
        ({}, {"read": 9, "no_content": 1}, "but not everything could be checked."),
    ],
)
def test_the_headline_says_what_happened(
    severities: dict[Any, int], coverage: dict[Any, int], expected: str
) -> None:
    page = parsed(replace(EMPTY, severities=severities, coverage=coverage))
    assert expected in words(next(page.iter("h1")))
    assert expected in words(next(page.iter("title")))


def test_all_figures_are_in_the_report(full: ReportData) -> None:
    text = words(parsed(full))
    for expected in (
        "3 violations in 3 assets: 2 high, 1 low.",
        "12,000 records with 9.0 million characters were checked",
        "the pack core and the policy AI data policy in 4.5 seconds",
        "Incomplete. 10 parts could not be checked. The rule IBAN ran out of time",
        "Findings 1,234 1,200 of high confidence",
        "Parts read 99.9 % 23,990 of 24,000",
        "Speed 20.0 MB a second",
        "Read 23,990",
        "Protected (encrypted) 2",
        "Half a line.",
        "9 more parts in the state.",
        "Highly Confidential (17 items)",
        "carries General",
        "1,200 / 0 / 0",
        "No card numbers",
        "3 Credit Card Number (2 unique) at confidence 85 or above.",
        "Credit Card Number: 3 (2 unique), confidence 85",
        "****-****-****-1111",
        "messages[1].content 10–29 · record r7 · byte 812, row 8",
        "1 more place in the state",
        "This place may hold at most General: move, redact or delete the item.",
        "Scan it again: a part of the item could not be checked.",
        "quarantine",
        "core 1.4.0 (9f31c2d4a77b)",
        "AI data policy (ai-data), version 7",
        "Run 3d0c8b1e",
        "1 March 2026, 12:04 UTC",
    ):
        assert expected in text, expected


def test_a_complete_and_clean_run_says_so() -> None:
    text = words(parsed(EMPTY))
    assert "Complete. Every part was read" in text
    assert "No policy rule fired on any item." in text
    assert "Incomplete" not in text


def test_the_report_asks_nothing_of_the_network(full: ReportData) -> None:
    page = parsed(full)
    for element in page.iter():
        assert element.tag not in ("link", "img", "iframe", "object", "base", "form", "a")
        assert not {"src", "href", "action", "style", "onclick", "onload"} & set(element.attrib)
    style = next(page.iter("style")).text or ""
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_script_may_run(full: ReportData) -> None:
    page = parsed(full)
    (script,) = page.iter("script")
    digest = base64.b64encode(hashlib.sha256((script.text or "").encode()).digest()).decode()
    (policy,) = (
        meta.attrib["content"]
        for meta in page.iter("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_violation_of_the_table_is_shown_without_being_obeyed(any_event: Event) -> None:
    data = replace(EMPTY, violations=(any_event.violation,))
    page = parsed(data)
    assert len(list(page.iter("script"))) == 1
    assert "\u202e" not in words(page)
    assert any_event.violation.reason.split("\n")[0][:20] in words(page)


@given(text=st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_text_is_only_ever_text(text: str) -> None:
    sit = SitRef("s", text)
    asset = AssetFigures(text, "document", text, labels=((text, 1),), existing=text)
    problem = ReadProblem(text, text, text, "unread", text, {"file": text})
    data = replace(
        EMPTY,
        pack=PackRef(text, text, text),
        policy=PolicyRef(text, text, text),
        run={text or "x": text},
        incomplete=(text,),
        problems=(problem,),
        sits=(SitFindings(sit, high=1),),
        assets=(asset,),
    )
    page, plain = parsed(data), parsed(replace(data, pack=PackRef("", "", "")))
    assert [element.tag for element in page.iter()] == [element.tag for element in plain.iter()]
    assert len(list(page.iter("script"))) == 1


def test_tables_charts_and_headings_can_be_heard(full: ReportData) -> None:
    page = parsed(full)
    assert page.get("lang") == "en"
    for table in page.iter("table"):
        assert words(next(table.iter("caption")))
    for picture in page.iter("svg"):
        assert picture.get("role") == "img"
        assert picture.get("aria-label")
    for heading in page.iter("th"):
        assert heading.get("scope") in ("col", "row")
    levels = [int(e.tag[1]) for e in page.iter() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for select in page.iter("select"):
        assert any(label.get("for") == select.get("id") for label in page.iter("label"))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int) -> None:
    style = next(parsed(EMPTY).iter("style")).text or ""
    root = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", root))
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("page", "card")]
    pairs += [(level, f"{level}-tint") for level in ("high", "medium", "low", "ok")]
    pairs += [("ink", "track"), ("ink", "medium-tint"), ("ink", "ok-tint")]
    for ink, ground in pairs:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {ground}"


def test_no_more_violations_are_listed_than_a_browser_likes(
    make_violation: Callable[..., Violation],
) -> None:
    many = tuple(
        make_violation(severity="low", rule_name=f"rule {n}") for n in range(MAX_VIOLATIONS + 20)
    )
    worst = make_violation(severity="high", rule_name="the worst")
    page = parsed(replace(EMPTY, violations=(*many, worst), severities={"high": 1, "low": 9_000}))
    rows = [row for row in page.iter("tr") if row.get("data-severity")]
    assert len(rows) == MAX_VIOLATIONS
    assert "the worst" in words(rows[0])
    assert "8,501 more violations in the state." in words(page)


def test_no_more_places_are_listed_than_a_browser_likes(
    make_violation: Callable[..., Violation], make_place: Callable[..., Any]
) -> None:
    places = tuple(make_place(start=n) for n in range(100))
    many = tuple(make_violation(places=places, places_total=100) for _ in range(60))
    page = parsed(replace(EMPTY, violations=many))
    listed = [code for code in page.iter("code") if code.get("class") == "masked"]
    assert len(listed) == MAX_PLACES
    assert "100 more places in the state" in words(page)


def test_a_chart_shows_the_largest_and_counts_the_rest() -> None:
    sits = tuple(SitFindings(SitRef(str(n), f"SIT {n}"), high=n + 1) for n in range(30))
    text = words(parsed(replace(EMPTY, sits=sits)))
    assert "SIT 29" in text
    assert "SIT 17 " not in text
    assert "18 more types in the state." in text


@pytest.mark.parametrize(
    ("segments", "longest", "widths"),
    [
        ((("high", 1), ("medium", 1)), 4, [250.0, 250.0]),
        ((("high", 0), ("medium", 5)), 0, [1000.0]),
        ((("high", 1_000_000), ("low", 1)), 0, [994.0, 6.0]),
        ((), 0, []),
    ],
)
def test_bars_are_in_proportion_and_no_segment_disappears(
    segments: tuple[tuple[str, int], ...], longest: int, widths: list[float]
) -> None:
    bar = fromstring(stacked_bar(segments, "a bar", longest=longest))
    assert [float(rect.attrib["width"]) for rect in bar] == pytest.approx(widths, abs=0.1)


def test_a_report_is_written_for_its_owner_and_replaces_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.html"
    write_report(path, EMPTY)
    write_report(path, replace(EMPTY, severities={"high": 4}))
    assert "4 violations" in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(SinkError, match="cannot be written"):
        write_report(tmp_path / "report.html", EMPTY)
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_run_of_no_time_and_nothing_is_still_a_report() -> None:
    nothing = replace(EMPTY, totals=Totals(0, 0, 0, 0, 0.0), coverage={})
    text = words(parsed(nothing))
    assert "No violations in 0 assets." in text
    assert "No asset was found where the run looked." in text


def test_sits_without_a_count_are_left_out_of_evidence(
    make_violation: Callable[..., Violation],
) -> None:
    held = make_violation(
        sits=(SitCount("s", "Name", 70, 1, 1, ((70, 1, 1),)),),
        places=(),
        places_total=0,
        actions=(),
    )
    text = words(parsed(replace(EMPTY, violations=(held,))))
    assert "Name: 1 (1 unique), confidence 70" in text
    assert "Review the item; the rule names no action." in text


def test_types_that_were_not_looked_for_are_named_where_it_says_complete() -> None:
    told = render_report(replace(EMPTY, left_out="2 types were not looked for."))
    assert "2 types were not looked for." in told
    assert "Every rule was evaluated" not in told
    assert "Every rule was evaluated" in render_report(EMPTY)
