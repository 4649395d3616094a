"""One JSON value, strict or nearly so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._json_parse import parse
from dlpagent.connectors.sources._shapes import parts_of


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "x"}', {"a": "x"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "x\ty"}', {"a": "x\ty"}),
        (b'{"a": "x", "b": Infinity}', {"a": "x", "b": float("inf")}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
    ],
)
def test_json_is_read_as_its_writers_meant_it(raw: bytes, value: Any) -> None:
    parsed = parse(raw)
    assert (parsed.value, parsed.problem, parsed.invalid_bytes) == (value, None, 0)


@pytest.mark.parametrize(
    ("raw", "text", "invalid"),
    [
        (b'{"a": "caf\xe9"}', "caf\ufffd", 1),
        (b'{"a": "\xe2\x82 \xff\xff"}', "\ufffd \ufffd\ufffd", 4),
        ('{"a": "real \ufffd '.encode() + b'\xff"}', "real \ufffd \ufffd", 1),
    ],
)
def test_bytes_that_are_not_utf8_are_read_as_replacement_and_counted(
    raw: bytes, text: str, invalid: int
) -> None:
    assert parse(raw) == ({"a": text}, invalid, None)


def test_deep_nesting_keeps_what_lies_beside_it() -> None:
    raw = b'{"deep": ' + b"[" * 10_000 + b"]" * 10_000 + b', "card": "4111"}'
    parts = list(parts_of(parse(raw).value))
    assert [(part.status, part.text) for part in parts] == [("unread", None), ("read", "4111")]


@pytest.mark.parametrize(
    "raw",
    [b'{"a": "secret', b'{"a": secret}', b"secret", b"", b"{} secret", b"[" * 50_000, b"\x00"],
)
def test_what_is_no_json_is_a_problem_that_tells_no_text(raw: bytes) -> None:
    problem = parse(raw).problem
    assert problem is not None
    assert problem.startswith("expected JSON, found")
    assert "secret" not in problem


@given(st.binary())
def test_no_bytes_raise(raw: bytes) -> None:
    parse(raw)


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_all_json_is_read(value: Any) -> None:
    assert parse(json.dumps(value).encode()).value == value
