"""Marks in place of values: deterministic, typed, provable; numbers stay numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.errors import StateError
from dlpagent.evidence import Evidence
from dlpagent.service.redact.operators import Cipher, Marks, Operator, number_masked

MARKS = Marks(Evidence(b"k" * 32), Cipher(b"c" * 32))
OTHER = Marks(Evidence(b"o" * 32), Cipher(b"o" * 32))


def put(operator: Operator, value: str = "4111 1111 1111 1111", marks: Marks = MARKS) -> str:
    """The mark of a card number."""
    key = marks.evidence.key(value)
    return marks.put(operator, value, sit="Credit Card Number", form="number", key=key)


@pytest.mark.parametrize("operator", ["token", "hash", "encrypt"])
def test_the_same_value_gets_the_same_mark_under_one_key_only(operator: Operator) -> None:
    assert put(operator) == put(operator)
    assert put(operator) != put(operator, "5555 5555 5555 4444")
    assert put(operator) != put(operator, marks=OTHER)
    assert "4111" not in put(operator)


def test_two_writings_of_a_value_get_one_token() -> None:
    assert put("token") == put("token", "4111-1111-1111-1111")
    assert put("token").startswith("[CREDIT_CARD_NUMBER_")


@pytest.mark.parametrize("operator", ["token", "hash", "encrypt"])
def test_marks_are_known_again_by_their_key(operator: Operator) -> None:
    mark = put(operator)
    text = f"a {mark} b"
    assert [(item.start, item.end) for item in MARKS.own(text)] == [(2, 2 + len(mark))]
    assert not list(OTHER.own(text))


@pytest.mark.parametrize("operator", ["token", "hash", "encrypt"])
def test_a_mark_with_one_character_changed_is_nobodys(operator: Operator) -> None:
    mark = put(operator)
    place = len(mark) - 8
    changed = mark[:place] + ("1" if mark[place] != "1" else "2") + mark[place + 1 :]
    assert not list(MARKS.own(changed))


@pytest.mark.parametrize("value", ["x", "é😀", "a" * 10_000, "[ENC_x]"])
def test_ciphertexts_lead_back(value: str) -> None:
    (found,) = MARKS.own(put("encrypt", value))
    assert found.value == value


@pytest.mark.parametrize(
    ("number", "steps"),
    [
        ("4111111111111111", ["1000000000001111", "1000000000000000", "0"]),
        ("-123456789", ["-100000089", "-100000000", "0"]),
        ("078051120", ["100000020", "100000000", "0"]),
        ("9", ["1", "0"]),
    ],
)
def test_a_number_becomes_one_of_as_many_digits_and_in_the_end_0(
    number: str, steps: list[str]
) -> None:
    for step in steps:
        number = number_masked(number)
        assert number == step


def test_the_cipher_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cipher.key"
    sealed = Cipher.of_file(path).encrypt("x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Cipher.of_file(path).encrypt("x") == sealed
    path.chmod(0o644)
    with pytest.raises(StateError, match="0600"):
        Cipher.of_file(path)
