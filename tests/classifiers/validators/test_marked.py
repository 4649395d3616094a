"""Tokens with a prefix: real ones pass whatever letters they have, stand-ins fail."""

import pytest

from dlpagent.classifiers.validators.marked import marked_token, password_value, token_shape


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


@pytest.mark.parametrize(
    "text",
    ["1234567890abcdef1234567890abcdef", "abc12345xyz98765", "a1b2c3d4e5f6", '"Ab3-Cd4_Ef5"'],
)
def test_a_made_up_token_has_the_shape_of_one(text: str) -> None:
    assert token_shape(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc123",
        "abcdefghijkl",
        "1234567890123",
        "v1.22.333-beta",
        "2024-05-01T10:00:00Z",
        "utf8_general2",
        "user.profile.name2",
        "get_token(user1)",
        "${API_KEY_1}abc",
        "https://api.milchhof.example/v1",
        "your-api-key-1234",
        "xxxxxxxx1234abcd",
    ],
)
def test_code_versions_dates_and_stand_ins_have_not(text: str) -> None:
    assert not token_shape(text)


@pytest.mark.parametrize("text", ["Tr0mbone-88", "#gets0m3", "p@ss", "whiteduke", "a.b.c-9"])
def test_a_password_is_a_password_value(text: str) -> None:
    assert password_value(text)


@pytest.mark.parametrize(
    "text",
    [
        "#add-password",
        "/reset/form",
        "arn:aws:iam::aws:policy/Change",
        "Password:",
        "CPAN::anycwd",
        "$DB_PASS",
        "anna@milchhof.example",
        "smtp_password",
        "config.get_secret",
    ],
)
def test_labels_paths_and_names_are_no_password_value(text: str) -> None:
    assert not password_value(text)
