"""Payloads as LangChain, LlamaIndex and plain clients store them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlpagent.connectors.sources._vector_payload import parts_of_payload


def parts(payload: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(part.part, part.text, part.context) for part in parts_of_payload(payload)]


NODE = {"id_": "n1", "text": "node text", "metadata": {"file": "a.txt", "page": "7"}}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            {"page_content": "hi", "metadata": {"source": "a.txt", "page": 3, "score": 0.5}},
            [
                ("payload.page_content", "hi", None),
                ("payload.metadata.source", "a.txt", "metadata source"),
                ("payload.metadata.page", "3", "metadata page"),
            ],
        ),
        (
            {"_node_content": json.dumps(NODE), "file": "a.txt"},
            [
                ("payload._node_content.id_", "n1", "node content id"),
                ("payload._node_content.text", "node text", None),
                ("payload._node_content.metadata.page", "7", "node content metadata page"),
                ("payload.file", "a.txt", "file"),
            ],
        ),
        (
            {"_node_content": json.dumps({"text": "t"}), "text": "t"},
            [("payload.text", "t", None)],
        ),
        ({"_node_content": "{broken"}, [("payload._node_content", "{broken", "node content")]),
        ({"_node_content": '["a"]'}, [("payload._node_content", '["a"]', "node content")]),
        (
            {"customer_ssn": 123456789, "tags": ["x", {"k.k": "v"}]},
            [
                ("payload.customer_ssn", "123456789", "customer ssn"),
                ("payload.tags[0]", "x", "tags"),
                ('payload.tags[1]["k.k"]', "v", "tags k k"),
            ],
        ),
        ({}, []),
    ],
)
def test_every_text_of_a_payload_is_a_part(
    payload: dict[str, Any], expected: list[tuple[str, str, str | None]]
) -> None:
    assert parts(payload) == expected


def test_a_key_that_may_be_a_value_is_scanned_and_not_shown() -> None:
    assert [part for part, _, _ in parts({"4111111111111111": "x"})] == [
        "payload{0}#key",
        "payload{0}",
    ]
