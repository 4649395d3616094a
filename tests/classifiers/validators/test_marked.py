"""Tokens with a prefix: real ones pass whatever letters they have, stand-ins fail."""

import pytest

from dlpagent.classifiers.validators.marked import marked_token


@pytest.mark.parametrize(
    "text",
    ["AKIA7ARMI7MQQETFINP5", "dapiabcd12347f", "'hf_kTzQpLwMnBvCxZ'", "sk_live_9aZ3"],
)
def test_a_token_passes_whatever_its_letters(text: str) -> None:
    assert marked_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxx",
        "sk-ant-api03-your-key",
        "hf_****************",
        "aaaabbbbcccc",
        "deadbeefdeadbeef",
    ],
)
def test_a_stand_in_fails(text: str) -> None:
    assert not marked_token(text)
