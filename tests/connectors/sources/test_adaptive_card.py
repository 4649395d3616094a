"""Adaptive Cards as texts."""

from __future__ import annotations

from typing import Any

import pytest

from dlpagent.connectors.sources._adaptive_card import card_parts, plain_words


def block(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True}


def texts(*body: Any) -> list[str | None]:
    card = {"type": "AdaptiveCard", "version": "1.0", "body": list(body)}
    return [part.text for part in card_parts(card, "content", "assistant")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([block("a [1](https://x)."), block("a [^1^].")], ["a [1](https://x)."]),
        ([block("a [^1^]."), block("a [1](https://x).")], ["a [1](https://x)."]),
        ([block("see **[doc](https://x)**"), block("see **doc[2]**")],
         ["see **[doc](https://x)**"]),
        ([block("same"), block("same")], ["same"]),
        ([block("one"), block("two")], ["one", "two"]),
        ([block("[a](https://x/long) b"), block("[a](https://y) b")],
         ["[a](https://x/long) b", "[a](https://y) b"]),
        ([block("id [219099999]"), block("id")], ["id [219099999]", "id"]),
        ([{"type": "FactSet", "facts": [{"title": "IBAN", "value": "GB82"}]}], ["IBAN", "GB82"]),
        ([{"type": "Action.OpenUrl", "url": "https://x", "title": "Open"}],
         ["https://x", "Open"]),
        ([{"type": ["no", "constant"]}], ["no", "constant"]),
        ([{"type": "x" * 100}], ["x" * 100]),
    ],
)  # fmt: skip
def test_each_text_of_a_card_is_read_once(body: list[Any], expected: list[str]) -> None:
    assert texts(*body) == expected


def test_parts_are_named_by_their_path_in_the_card() -> None:
    (part,) = card_parts({"body": [block("hi")]}, "attachments[0].content", "assistant")
    assert (part.part, part.role, part.context) == (
        "attachments[0].content.body[0].text", "assistant", None,
    )  # fmt: skip


def test_words_are_compared_without_citations_and_link_targets() -> None:
    assert plain_words("**a** [b](https://c)[1](https://d) [^2^]!") == "a b"
