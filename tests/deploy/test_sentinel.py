"""What is deployed to Sentinel fits what the sink sends; queries name columns that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from dlpagent.connectors.sinks._sentinel_row import COLUMNS, STREAM, TABLE

FOLDER = Path(__file__).parents[2] / "deploy" / "sentinel"
RULES = sorted(FOLDER.glob("analytic-rules/*.yaml"))
HUNTS = sorted(FOLDER.glob("hunting/*.yaml"))
PARSER = FOLDER / "parsers" / "ASimAlertEventDlpAgent.yaml"
WORKBOOK = FOLDER / "workbooks" / "dlpagent.json"

# Words of KQL that the queries use; every other word must be a column or be made by the query.
KQL_WORDS = """summarize arg_max by where extend project order desc top count countif dcount sum
min max bin make_set take_any isnotempty isempty iff case and or in not join kind inner on let bool
false mv expand tostring tolong toint strcat strcat_array bag_pack startswith ago ingestion_time
disabled parser places"""
KQL = set(KQL_WORDS.split())


def words(query: str) -> set[str]:
    """Names in a query, without strings and comments."""
    plain = re.sub(r'"[^"]*"|//[^\n]*', " ", query)
    plain = re.sub(r"\b(Place|Sit)\.\w+", r"\1", plain)  # members of dynamic columns
    return set(re.findall(r"\b[A-Za-z_]\w*", plain))


def made_in(query: str) -> set[str]:
    """Names a query makes itself: Name = …, and the results of mv-expand and let."""
    return set(re.findall(r"\b([A-Za-z_]\w*)\s*=(?![=~])", query))


def unknown_words(query: str) -> set[str]:
    return words(query) - KQL - set(COLUMNS) - made_in(query) - {TABLE}


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def workbook_queries() -> list[tuple[str, str]]:
    items = json.loads(WORKBOOK.read_text("utf-8"))["items"]
    return [(item["name"], item["content"]["query"]) for item in items if item["type"] == 3]


def columns_of(template: list[dict[str, str]]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in template}


def test_the_table_has_the_columns_of_the_sink() -> None:
    (table,) = json.loads((FOLDER / "table.json").read_text("utf-8"))["resources"]
    schema = table["properties"]["schema"]
    assert schema["name"] == TABLE
    assert columns_of(schema["columns"]) == dict(COLUMNS)


def test_the_rule_takes_the_stream_of_the_sink_into_the_table() -> None:
    rule, role = json.loads((FOLDER / "dcr.json").read_text("utf-8"))["resources"]
    properties = rule["properties"]
    assert columns_of(properties["streamDeclarations"][STREAM]["columns"]) == dict(COLUMNS)
    (flow,) = properties["dataFlows"]
    assert (flow["streams"], flow["outputStream"], flow["transformKql"]) == (
        [STREAM], STREAM, "source",
    )  # fmt: skip
    assert role["properties"]["roleDefinitionId"] == "[variables('metricsPublisher')]"


QUERIES = [
    *((path.stem, yaml_of(path)["query"]) for path in (*RULES, *HUNTS)),
    ("parser", yaml_of(PARSER)["ParserQuery"]),
    *workbook_queries(),
]


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_every_query_counts_an_event_once_and_names_only_what_there_is(
    name: str, query: str
) -> None:
    assert TABLE in query
    assert re.search(r"summarize arg_max\(TimeGenerated, \*\).* by EventId", query), name
    assert unknown_words(query) == set()
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing)


def test_a_column_that_is_not_there_would_be_noticed() -> None:
    assert unknown_words(f"{TABLE} | where Severty == 'High'") >= {"Severty"}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_is_complete_and_maps_only_what_its_query_gives(path: Path) -> None:
    rule = yaml_of(path)
    for key in ("id", "name", "description", "severity", "queryFrequency", "queryPeriod",
                "triggerOperator", "triggerThreshold", "tactics", "kind", "version"):  # fmt: skip
        assert key in rule, key
    UUID(rule["id"])
    given = set(COLUMNS) | made_in(rule["query"])
    mapped = {m["columnName"] for entity in rule["entityMappings"] for m in entity["fieldMappings"]}
    shown = re.findall(r"\{\{(\w+)\}\}", json.dumps(rule["alertDetailsOverride"]))
    last = rule["query"].rsplit("project" if "| project" in rule["query"] else "summarize", 1)[1]
    for name in mapped | set(rule["customDetails"].values()) | set(shown):
        assert name in given
        assert name in words(last), f"{name} is no column of the result"


def test_there_are_three_rules_and_ids_are_all_different() -> None:
    ids = [yaml_of(path)["id"] for path in (*RULES, *HUNTS)]
    assert len(RULES) == 3
    assert len(set(ids)) == len(ids)


def test_the_parser_gives_every_mandatory_field_of_the_schema() -> None:
    query = yaml_of(PARSER)["ParserQuery"]
    for field in ("EventCount", "EventStartTime", "EventEndTime", "EventType", "EventUid",
                  "EventProduct", "EventVendor", "EventSchema", "EventSchemaVersion"):  # fmt: skip
        assert re.search(rf"\b{field} = ", query), field
    for name, value in (("EventType", "Alert"), ("EventSchema", "AlertEvent"),
                        ("EventSchemaVersion", "0.1"),
                        ("DetectionMethod", "Data Loss Prevention")):  # fmt: skip
        assert f'{name} = "{value}"' in query


def test_the_readme_names_every_file() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    assert all(name in text for name in ("table.json", "dcr.json", "ASimAlertEventDlpAgent"))
