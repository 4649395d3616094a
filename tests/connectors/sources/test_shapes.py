"""Parts of one record: names, roles, contexts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._shapes import MAX_DEPTH, parts_of, record_id_of, words_of

OPENAI = {
    "messages": [
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": [{"type": "text", "text": "ask"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"type": "function", "function": {"arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "content": "result"},
    ]
}
ANTHROPIC = {
    "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "input": {"customer_ssn": "1"}}]}
    ]
}
SHAREGPT = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
ALPACA = {"instruction": "i", "input": "n", "output": "o", "source": "web"}
PREFERENCE = {
    "prompt": "p",
    "chosen": [{"role": "assistant", "content": "good"}],
    "rejected": "bad",
}
RESPONSE = {"choices": [{"message": {"role": "assistant", "content": "hello"}}]}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            OPENAI,
            [
                ("messages[0].content", "rules", "system", None),
                ("messages[1].content[0].text", "ask", "user", None),
                ("messages[2].tool_calls[0].function.arguments", '{"a": 1}', "assistant", None),
                ("messages[3].content", "result", "tool", None),
            ],
        ),
        (
            ANTHROPIC,
            [("messages[0].content[0].input.customer_ssn", "1", "assistant", "customer ssn")],
        ),
        (
            SHAREGPT,
            [
                ("conversations[0].value", "q", "user", None),
                ("conversations[1].value", "a", "assistant", None),
            ],
        ),
        (
            ALPACA,
            [
                ("instruction", "i", "user", None),
                ("input", "n", "user", None),
                ("output", "o", "assistant", None),
                ("source", "web", None, "source"),
            ],
        ),
        (
            {"prompt": "p", "completion": "c"},
            [("prompt", "p", "user", None), ("completion", "c", "assistant", None)],
        ),
        (
            PREFERENCE,
            [
                ("prompt", "p", "user", None),
                ("chosen[0].content", "good", "assistant", None),
                ("rejected", "bad", "assistant", None),
            ],
        ),
        (RESPONSE, [("choices[0].message.content", "hello", "assistant", None)]),
        ({"text": "t"}, [("text", "t", None, None)]),
        (
            {"role": "admin", "content": "x"},
            [("role", "admin", None, "role"), ("content", "x", None, None)],
        ),
        (
            {"patient": {"homePhone": 4255550100, "tags": ["a", "", "b"]}},
            [
                ("patient.homePhone", "4255550100", None, "patient home Phone"),
                ("patient.tags[0]", "a", None, "patient tags"),
                ("patient.tags[2]", "b", None, "patient tags"),
            ],
        ),
    ],
)
def test_parts_are_named_by_json_path_with_role_and_context(
    record: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert [(p.part, p.text, p.role, p.context) for p in parts_of(record)] == expected


@pytest.mark.parametrize("value", [None, True, False, 1.5, "", [], {}, float("nan"), float("inf")])
def test_nothing_to_read_gives_no_part(value: object) -> None:
    assert list(parts_of({"a": value})) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (219099999, "219099999"),
        (4111111111111111.0, "4111111111111111"),
        (Decimal("4111111111111111"), "4111111111111111"),
        (date(1990, 2, 3), "1990-02-03"),
        (datetime(1990, 2, 3, tzinfo=UTC), "1990-02-03T00:00:00+00:00"),
        (b"caf\xc3\xa9", "café"),
    ],
)
def test_values_of_tables_are_read_as_a_person_would_write_them(value: object, text: str) -> None:
    assert [part.text for part in parts_of({"a": value})] == [text]


@pytest.mark.parametrize(
    ("record", "part", "status"),
    [
        ({"url": "data:image/png;base64,AAAA"}, "url", "opaque"),
        ({"data": "QUJD" * 40, "media_type": "image/png"}, "data", "opaque"),
        ({"a": b"\xff\xfe\x00"}, "a", "opaque"),
        ({"input_ids": list(range(500))}, "input_ids", "opaque"),
        ({"a": 1 << 5000}, "a", "unread"),
        ({"a": object()}, "a", "unread"),
    ],
)
def test_what_is_not_text_is_told_and_not_read(
    record: dict[str, Any], part: str, status: str
) -> None:
    found = [found for found in parts_of(record) if found.status != "read"]
    assert [(one.part, one.status, one.text) for one in found] == [(part, status, None)]
    assert found[0].problem is not None
    assert "expected" in found[0].problem


@pytest.mark.parametrize(
    "url", ["data:text/plain;base64,Y2Fmw6k=", "data:text/plain;charset=utf-8,caf%C3%A9"]
)
def test_text_in_a_data_url_is_decoded(url: str) -> None:
    assert [(part.part, part.text) for part in parts_of({"u": url})] == [("u#data", "café")]


def test_a_key_that_may_be_a_value_is_scanned_and_not_shown() -> None:
    record = {"jane@contoso.example": {"4111111111111111": "x"}, "a.b": "y"}
    assert [(part.part, part.text) for part in parts_of(record)] == [
        ("{0}#key", "jane@contoso.example"),
        ("{0}{0}#key", "4111111111111111"),
        ("{0}{0}", "x"),
        ('["a.b"]', "y"),
    ]


@pytest.mark.parametrize("depth", [MAX_DEPTH, 10_000])
def test_nesting_below_the_limit_is_one_unread_part_and_the_rest_is_read(depth: int) -> None:
    deep: Any = "lost"
    for _ in range(depth):
        deep = [deep]
    parts = list(parts_of({"deep": deep, "text": "kept"}))
    assert [(part.status, part.text) for part in parts] == [("unread", None), ("read", "kept")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": 7}, "7"),
        ({"uuid": "u", "text": "t"}, "u"),
        ({"_id": {"$oid": "66f0"}}, "66f0"),
        ({"id": "", "record_id": "r"}, "r"),
        ({"id": True, "text": "t"}, None),
        ({"id": 1.5}, None),
        ({"id": "x" * 600}, None),
        ({"id": "a\ud800"}, "a\ufffd"),
    ],
)
def test_record_id_is_the_records_own_string_or_integer(
    record: dict[str, Any], expected: str | None
) -> None:
    assert record_id_of(record) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customer_ssn", "customer ssn"),
        ("customer-ssn", "customer ssn"),
        ("customerSSN", "customer SSN"),
        ("IBANNumber", "IBAN Number"),
        ("phone1", "phone 1"),
        ("w2", "w2"),
        ("Straße.Nr", "Straße Nr"),
        ("__", ""),
    ],
)
def test_a_key_gives_its_words(name: str, words: str) -> None:
    assert words_of(name) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["messages", "text", "role", "id", "data", "x"]), JSON))
def test_every_string_of_any_record_is_a_part(record: dict[str, Any]) -> None:
    found = {part.text for part in parts_of(record)}
    roles = {"user", "assistant", "system"}
    assert {text for text in _strings(record) if text and text not in roles} <= found


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for child in value.values() for text in _strings(child)]
    return [text for child in value for text in _strings(child)] if isinstance(value, list) else []
