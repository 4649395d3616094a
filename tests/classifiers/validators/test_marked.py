"""Tokens with a prefix: real ones pass whatever letters they have, stand-ins fail."""

import pytest

from dlpagent.classifiers.validators.marked import (
    keyed_token,
    marked_token,
    password_value,
    token_shape,
    vendor_token,
)


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


@pytest.mark.parametrize(
    "text",
    ["sk_live_1234567890abcdefghijklmn", "CFPAT-abcdefghijklmnopqrstuvwxyz", "dapiabcd12347f"],
)
def test_a_format_of_a_vendor_is_proof_whatever_its_letters(text: str) -> None:
    assert vendor_token(text)


@pytest.mark.parametrize(
    "text",
    ["", "AKIAIOSFODNN7EXAMPLE", "sk-ant-api03-your-key", "hf_****************", "hvs.abcDEF12345",
     "aaaabbbbcccc"],
)  # fmt: skip
def test_a_stand_in_or_a_cut_token_is_no_vendor_token(text: str) -> None:
    assert not vendor_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "1234567890abcdef1234567890abcdef",
        "abcdefghij1234567890ABCDEFGHIJ",
        "ABCdefGHIjklMNOpqrSTUv",
        "12345678-1234-1234-1234-123456789abc",
        "yfi45upwc03e6uq6Zayqwt7vvaad4a6mjtyjaadtp35",
        "'Kq7ZpLx9WtSs5BvG'",
    ],
)
def test_what_reads_as_a_token_behind_its_name_is_one(text: str) -> None:
    assert keyed_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abcd1234",
        "1601234567890123",
        "arn:aws:kms:us-east-1:123456789012:key/f7bc0f8e-1a3a",
        "PKIX_RSA_PKCS1V15_2048_SHA256",
        "pgstattuple_approx_v1_5",
        "*d2i_EC_PUBKEY_bio1",
        "obj2KeysOfAll.length",
        "CustomAuthorizerOfShop2",
        "projects/myproj/secrets/admin-pat/versions/1",
        "db1.milchhof.example",
        "secret-version=latest1234",
        "your-api-key-1234567890",
        "xxxxxxxx1234abcd5678",
        "0000000011111111",
    ],
)
def test_identifiers_names_files_and_stand_ins_are_no_keyed_token(text: str) -> None:
    assert not keyed_token(text)
