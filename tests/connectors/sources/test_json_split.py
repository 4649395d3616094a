"""Cutting byte streams into records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.connectors.sources._json_split import Span, lines, values

JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\[]{},\n é', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
INDENT = st.sampled_from([None, 1])


def blocks_of(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[start : start + size] for start in range(0, len(raw), size))


def raws(spans: Iterator[Span]) -> list[bytes | None]:
    return [span.raw for span in spans]


@given(st.lists(JSON), INDENT, st.booleans(), st.sampled_from([1, 2, 3, 7, 1000]))
def test_each_element_of_an_array_is_a_span_wherever_blocks_end(
    elements: list[Any], indent: int | None, ascii_only: bool, size: int
) -> None:
    raw = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode()
    spans = list(values(blocks_of(raw, size), 0, False))
    assert [json.loads(span.raw or b"") for span in spans] == elements
    assert all(raw[span.offset : span.offset + span.size] == span.raw for span in spans)


@given(st.lists(JSON, min_size=1), INDENT, st.data())
def test_reading_goes_on_behind_any_span(
    elements: list[Any], indent: int | None, data: st.DataObject
) -> None:
    raw = json.dumps(elements, indent=indent).encode()
    spans = list(values([raw], 0, False))
    chosen = data.draw(st.integers(0, len(spans) - 1))
    after = spans[chosen]
    rest = values(blocks_of(raw[after.goes_on :], 5), after.goes_on, after.in_array)
    assert list(rest) == spans[chosen + 1 :]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"  \n", []),
        (b"[]", []),
        (b"\xef\xbb\xbf[1]", [b"1"]),
        (b"[1,\n 2]", [b"1", b"2"]),
        (b'{"a": [1, 2]}', [b'{"a": [1, 2]}']),
        (b'{"a": 1}\n{"b": 2}', [b'{"a": 1}', b'{"b": 2}']),
        (b'\x1e{"a": 1}\n\x1e{"b": 2}\n', [b'{"a": 1}', b'{"b": 2}']),
        (b"[1][2]", [b"1", b"2"]),
        (b'[{"a": "]"}]', [b'{"a": "]"}']),
        (b'["\\\\", "\\""]', [b'"\\\\"', b'"\\""']),
        (b"[1, bad, 3]", [b"1", b"bad", b"3"]),
    ],
)
def test_outermost_elements_and_values_are_records(raw: bytes, expected: list[bytes]) -> None:
    for size in (1, 2, 100):
        assert raws(values(blocks_of(raw, size), 0, False)) == expected


@pytest.mark.parametrize(
    "raw",
    [b'[{"a": 1}, {"b"', b'[{"a": 1},', b'[{"a": 1}', b'{"a": "', b'[{"a": 1}]]', b'{"a": 1}}'],
)
def test_a_stream_that_ends_too_early_or_goes_on_too_long_ends_torn(raw: bytes) -> None:
    spans = list(values([raw], 0, False))
    assert spans[-1].torn
    assert not any(span.torn for span in spans[:-1])


def test_a_record_above_the_limit_is_counted_and_not_kept() -> None:
    raw = json.dumps(["a", "b" * 100, "c"]).encode()
    spans = list(values(blocks_of(raw, 8), 0, False, max_bytes=50))
    assert [(span.raw, span.size) for span in spans] == [(b'"a"', 3), (None, 103), (b'"c"', 3)]
    long = b"a\n" + b"b" * 100 + b"\nc"
    assert raws(lines(blocks_of(long, 8), 0, max_bytes=50)) == [b"a", None, b"c"]


@given(st.binary().map(lambda raw: raw.replace(b"\r", b"\n")), st.sampled_from([1, 3, 1000]))
def test_lines_are_those_between_line_ends(raw: bytes, size: int) -> None:
    spans = list(lines(blocks_of(raw, size), 10))
    expected = raw.split(b"\n")
    assert [span.raw for span in spans] == (expected if expected[-1] else expected[:-1])
    assert all(raw[span.offset - 10 :].startswith(span.raw or b"") for span in spans)
    assert not spans or spans[-1].goes_on == len(raw) + 10
