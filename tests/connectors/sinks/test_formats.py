"""Each format reads back to the same findings, streams, and runs nothing in whoever opens it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlpagent.connectors.sinks._csv import safe_cell
from dlpagent.connectors.sinks.formats import FORMATS, findings_writer
from dlpagent.errors import ConfigurationError
from dlpagent.findings import FINDING_SCHEMA, PackRef, finding_lines
from dlpagent.violations import Violation

SARIF = jsonschema.Draft202012Validator(
    json.loads(
        (
            Path(__file__).parents[2] / "data" / "schemas" / "sarif-2.1.0-emitted.schema.json"
        ).read_text("utf-8")
    )
)
PACK = PackRef("core", "1.2.0", "abcd")
NAMES = {"card": "Credit Card Number", "ssn": "U.S. Social Security Number (SSN)"}
HOSTILE = "=cmd|'/c calc'!A1,\"x\"\n<b>[red]\x1b[31m{0}[link](javascript:x)\u202egpj.exe"


def finding(**changed: Any) -> dict[str, Any]:
    base = {
        "record_id": "r7",
        "part": "messages[1].content",
        "start": 10,
        "end": 29,
        "sit_id": "card",
        "confidence": 85,
        "pattern": 0,
        "masked": "****-****-****-1111",
        "key": "0123456789abcdef0123456789abcdef",
        "locator_file": "/data/chat.jsonl",
        "locator_offset": 812,
        "locator_row_group": None,
        "locator_row": 7,
    }
    return base | changed


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=FINDING_SCHEMA)


TABLE: list[tuple[str, pa.RecordBatch]] = [
    ("file:///data/chat.jsonl", batch(finding(), finding(sit_id="ssn", confidence=66, start=40))),
    ("file:///data/chat.jsonl", batch()),
    ("qdrant-edge:///srv/shards#claims", batch(finding(locator_file=None, locator_offset=None))),
    (
        "s3://b/part 0.parquet",
        batch(finding(locator_row_group=2, confidence=65, sit_id="own 機密")),
    ),
    (f"file:///{HOSTILE}", batch(finding(record_id=HOSTILE, part=HOSTILE, locator_file=HOSTILE))),
    ("-", batch(finding(record_id="+1", part="@x", masked="-**"))),
]


def written(
    name: str,
    batches: Sequence[tuple[str, pa.RecordBatch]] = TABLE,
    summary: Mapping[str, Any] | None = None,
    violations: Sequence[Violation] = (),
) -> str:
    stream = io.BytesIO()
    writer = findings_writer(name, stream, PACK, NAMES)
    for asset, findings in batches:
        writer.write(asset, findings)
    writer.close(summary or {"findings": 7}, violations)
    return stream.getvalue().decode("utf-8")


def expected_lines() -> list[dict[str, Any]]:
    return [
        line
        for asset, findings in TABLE
        for line in finding_lines(findings, asset_uri=asset, pack=PACK, names=NAMES)
    ]


def test_jsonl_gives_the_documented_line_for_every_finding() -> None:
    text = written("jsonl")
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines == expected_lines()
    assert [list(line) for line in lines] == [list(line) for line in expected_lines()]


def test_json_is_one_document_of_the_same_lines(
    make_violation: Callable[..., Violation],
) -> None:
    held = make_violation()
    document = json.loads(written("json", violations=[held, held]))
    assert document["v"] == 1
    assert document["findings"] == expected_lines()
    assert document["summary"] == {"findings": 7}
    assert document["violations"] == json.loads(json.dumps([held.to_json()] * 2))


@pytest.mark.parametrize("name", FORMATS)
def test_a_scan_without_findings_is_whole_too(name: str) -> None:
    text = written(name, batches=[])
    if name == "json":
        assert json.loads(text)["findings"] == []
    elif name == "sarif":
        SARIF.validate(json.loads(text))
    else:
        assert len(text.splitlines()) == {"jsonl": 0, "csv": 1, "table": 1}[name]


def test_csv_reads_back_and_no_cell_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv"), newline="")))
    lines = expected_lines()
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in row.values())
        assert row["asset"].removeprefix("'") == line["asset"]
        assert row["record"].removeprefix("'") == line["record"]
        assert row["masked"].removeprefix("'") == line["masked"]
        assert (row["start"], row["end"]) == (str(line["start"]), str(line["end"]))
        assert (row["sit_id"], row["sit_name"]) == (line["sit"]["id"], line["sit"]["name"])
        assert (row["confidence"], row["level"]) == (str(line["confidence"]), line["level"])
        assert row["row_group"] == str(line["locator"].get("row_group", ""))


@given(st.text())
@example(" =1+1")
@example("  ＝1")
@example("'=1")
def test_a_safe_cell_gives_the_text_back_and_starts_no_formula(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip(" ").startswith(tuple("=+-@\t\r\n＝＋－＠"))
    assert (cell[1:] if cell.startswith("'") else cell) == text


def test_sarif_is_valid_and_holds_every_finding() -> None:
    document = json.loads(written("sarif"))
    SARIF.validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    lines = expected_lines()
    assert len(run["results"]) == len(lines)
    for result, line in zip(run["results"], lines, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == line["sit"]["id"]
        assert (
            result["level"] == {"high": "error", "medium": "warning", "low": "note"}[line["level"]]
        )
        assert result["partialFingerprints"]["dlpagentValue/v1"] == line["key"]
        assert result["properties"]["start"] == line["start"]
    places = [result["partialFingerprints"]["dlpagentPlace/v1"] for result in run["results"]]
    assert len(set(places)) == len(places)
    assert run["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("asset", "locator", "region"),
    [
        ("file:///a.jsonl", {}, {"byteOffset": 812, "startLine": 8}),
        ("file:///a.jsonl", {"locator_row": None}, {"byteOffset": 812}),
        ("file:///a.txt", {}, {"byteOffset": 812}),
        ("file:///a.parquet", {"locator_offset": None}, None),
        ("qdrant-edge:///x#y", {}, None),
    ],
)
def test_sarif_names_the_region_only_where_the_asset_is_a_file(
    asset: str, locator: dict[str, Any], region: dict[str, int] | None
) -> None:
    document = json.loads(written("sarif", [(asset, batch(finding(**locator)))]))
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == asset
    assert place.get("region") == region


def test_sarif_says_when_the_scan_is_incomplete() -> None:
    document = json.loads(written("sarif", summary={"incomplete": ["2 parts {unread}"]}))
    SARIF.validate(document)
    (invocation,) = document["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "2 parts {{unread}}"


def test_sarif_messages_hold_no_links_or_placeholders_of_others() -> None:
    names = {"card": "[click](javascript:x) {0}"}
    stream = io.BytesIO()
    writer = findings_writer("sarif", stream, PACK, names)
    writer.write("-", batch(finding()))
    writer.close({})
    message = json.loads(stream.getvalue())["runs"][0]["results"][0]["message"]["text"]
    assert message.startswith("\\[click\\](javascript:x) {{0}} with confidence 85")


def test_the_table_counts_by_asset_sit_and_level(
    make_violation: Callable[..., Violation],
) -> None:
    many = batch(*(finding(start=n, confidence=c) for n, c in enumerate([85] * 12 + [70] * 3)))
    text = written(
        "table",
        [("file:///a", many), ("file:///a", many), ("file:///b", batch(finding(sit_id="ssn")))],
        summary={"incomplete": ["1 part was not read"]},
        violations=[make_violation(severity="low"), make_violation(severity="high")],
    )
    rows = [line.split() for line in text.splitlines()]
    assert ["/a", "Credit", "Card", "Number", "24", "6", "·"] in rows
    assert any(row[:1] == ["/b"] and row[-3:] == ["1", "·", "·"] for row in rows)
    assert text.index("high ") < text.index("low ")
    assert "No card numbers" in text
    assert "Incomplete: 1 part was not read" in text


def test_the_table_shows_hostile_names_without_obeying_them(
    make_violation: Callable[..., Violation],
) -> None:
    held = make_violation(rule_name=HOSTILE, reason=HOSTILE, actions=(HOSTILE,))
    text = written("table", violations=[held])
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[r" in text  # markup is shown as written, folded where the column is narrow


def test_the_table_shows_a_bounded_number_of_rows() -> None:
    text = written("table", [(f"file:///{n}", batch(finding())) for n in range(230)])
    assert "… and 30 rows more." in text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("wrap", [io.StringIO, lambda: io.TextIOWrapper(io.BytesIO(), "utf-8")])
def test_text_streams_are_written_to_as_well(name: str, wrap: Callable[[], Any]) -> None:
    stream = wrap()
    writer = findings_writer(name, stream, PACK, NAMES)
    for asset, findings in TABLE:
        writer.write(asset, findings)
    writer.close({"findings": 7})
    text = (
        stream.getvalue()
        if isinstance(stream, io.StringIO)
        else stream.buffer.getvalue().decode("utf-8")
    )
    assert text == written(name)
    assert not stream.closed


@pytest.mark.parametrize("name", ["jsonl", "json", "csv", "sarif"])
def test_findings_are_written_as_they_come(name: str) -> None:
    stream = io.BytesIO()
    writer = findings_writer(name, stream, PACK, NAMES)
    writer.write("file:///a", batch(finding()))
    assert b"****-****-****-1111" in stream.getvalue()


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="jsonl"):
        findings_writer("yaml", io.BytesIO(), PACK, NAMES)


@pytest.mark.parametrize("name", FORMATS)
@given(texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 3))
def test_any_text_survives_every_format(name: str, texts: tuple[str, str, str]) -> None:
    asset, record, part = texts
    text = written(name, [(asset, batch(finding(record_id=record, part=part)))])
    if name in ("jsonl", "json"):
        line = json.loads(text) if name == "jsonl" else json.loads(text)["findings"][0]
        assert (line["asset"], line["record"], line["part"]) == texts
    elif name == "csv":
        (row,) = csv.DictReader(io.StringIO(text, newline=""))
        held = tuple(row[column] for column in ("asset", "record", "part"))
        assert tuple(cell[1:] if cell.startswith("'") else cell for cell in held) == texts
    elif name == "sarif":
        SARIF.validate(json.loads(text))
