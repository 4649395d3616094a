"""Standard input as a source."""

from __future__ import annotations

import io
from typing import Any

import pytest

from dlpagent.connectors.sources.stdin import Stdin, StdinFormat
from dlpagent.errors import SourceError

OBJECTS = b"".join(b'{"id": %d, "text": "t%d"}\n' % (number, number) for number in range(5_000))


def read(raw: bytes, form: StdinFormat = "auto", **settings: Any) -> list[Any]:
    source = Stdin("-", form=form, stream=io.BytesIO(raw), **settings)
    (asset,) = source.discover()
    assert (asset.uri, asset.kind, asset.item) == ("stdin:", "stream", "asset")
    return list(source.read(asset))


def texts(raw: bytes, form: StdinFormat = "auto") -> list[tuple[str, str, str]]:
    rows = [row for batch, _ in read(raw, form) for row in batch.to_pylist()]
    return [(row["record_id"], row["part"], row["text"]) for row in rows]


@pytest.mark.parametrize(
    ("raw", "form", "expected"),
    [
        (b"hello\nworld", "auto", [("0", "text", "hello\nworld")]),
        (b'{"text": "a"}\n{"text": "b"}', "auto", [("0", "text", "a"), ("1", "text", "b")]),
        (b'{"text": "a"}\n', "text", [("0", "text", '{"text": "a"}\n')]),
        (b'{"text": "a"}\nnote', "auto", [("0", "text", '{"text": "a"}\nnote')]),
        (
            b'{"text": "a"}\nnote',
            "jsonl",
            [("0", "text", "a"), ("1", "#tail", "note"), ("1", "#record", None)],
        ),
        (b'{\n "text": "a"\n}', "auto", [("0", "text", '{\n "text": "a"\n}')]),
        ("größe".encode("utf-16"), "auto", [("0", "text", "größe")]),
        (b"\xef\xbb\xbf{}\n", "auto", []),
        (b"", "auto", []),
        (b"\0\0", "auto", [("0", "text", None)]),
    ],
)
def test_input_is_json_lines_when_all_its_first_lines_are_objects(
    raw: bytes, form: StdinFormat, expected: list[tuple[str, str, str]]
) -> None:
    assert texts(raw, form) == expected


def test_more_than_the_first_look_is_read_to_the_end() -> None:
    assert len(texts(OBJECTS)) == 10_000
    text = b"word " * 50_000
    assert texts(text) == [("0", "text", text.decode())]


def test_only_the_last_checkpoint_is_done_and_tells_the_bytes() -> None:
    checkpoints = [checkpoint for _, checkpoint in read(OBJECTS, batch_rows=3_000)]
    assert [one.done for one in checkpoints] == [False, False, False, True]
    assert checkpoints[-1].bytes_read == len(OBJECTS)
    assert [one.done for _, one in read(b"")] == [True]


def test_it_cannot_be_resumed_and_says_what_to_do() -> None:
    (_, checkpoint), *_ = read(OBJECTS, batch_rows=3_000)
    source = Stdin("-", stream=io.BytesIO(OBJECTS))
    (asset,) = source.discover()
    with pytest.raises(SourceError, match="Save the input to a file"):
        list(source.read(asset, checkpoint))
