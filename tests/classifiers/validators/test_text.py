import pytest

from dlpagent.classifiers.validators import text


@pytest.mark.parametrize(
    ("found", "bare"),
    [
        ("12 34-56.78", "12345678"),
        ("12\u00a034\u201356\u202f78", "12345678"),
        ("A123456(3)", "A1234563"),
        ("12/34:56_78", "12345678"),
        ("abC", "abC"),
        ("1+2", "1+2"),
        ("", ""),
    ],
)
def test_separators_are_taken_out_and_case_is_kept(found, bare):
    assert text.compact(found) == bare


@pytest.mark.parametrize("found", ["", "12a", "1²", "١٢", "１２", "1+2"])
def test_only_ascii_digits_are_digits(found):
    assert text.digits(found) == ""


def test_a_length_that_is_not_allowed_gives_nothing():
    assert text.digits("1 234", 4) == "1234"
    assert text.digits("1 234", 3, 5) == ""
    assert text.letters_and_digits("ab-1", 3) == "AB1"
    assert text.letters_and_digits("ab-1", 4) == ""
    assert text.letters_and_digits("äb1") == ""
