import pytest

from dlpagent.classifiers.validators.south_america import br_rg


@pytest.mark.parametrize("number", ["29.465.327-2", "12.345.678-2", "123456782"])
def test_worked_examples_are_valid(number):
    assert br_rg(number)


def test_a_remainder_of_ten_is_written_x_in_either_case():
    # 1*9 + 0*8 + 0*7 + 0*6 + 0*5 + 0*4 + 2*3 + 3*2 = 21; 21 mod 11 = 10
    assert br_rg("10.000.023-X")
    assert br_rg("10000023x")


def test_every_changed_digit_is_refused():
    number = "294653272"
    for at, char in enumerate(number):
        for digit in set("0123456789X" if at == 8 else "0123456789") - {char}:
            assert not br_rg(number[:at] + digit + number[at + 1 :])


def test_every_exchange_of_neighbours_is_refused():
    number = "294653272"
    for at in range(8):
        assert not br_rg(number[:at] + number[at + 1] + number[at] + number[at + 2 :])


def test_a_ric_has_eleven_digits_and_no_public_check():
    assert br_rg("1234567890-1")
    assert not br_rg("1234567890-X")


@pytest.mark.parametrize("number", ["", "2946532", "29.465.32X-2", "00.000.000-0", "00000000000"])
def test_wrong_lengths_letters_and_zeros_are_refused(number):
    assert not br_rg(number)
