import random

import pytest
from stdnum.ca import sin as stdnum_sin
from stdnum.us import itin as stdnum_itin
from stdnum.us import ssn as stdnum_ssn

from dlpagent.classifiers.validators import north_america as na

VALID = [
    (na.us_ssn, "536-90-4399"),  # an example of python-stdnum
    (na.us_ssn, "001 01 0001"),  # the lowest the rules allow
    (na.us_ssn, "899999999"),  # the highest
    (na.us_ssn, "078-05-1120"),  # once printed in wallets; Purview does not single it out
    (na.us_ssn_pre2011, "733-01-0001"),
    (na.us_ssn_pre2011, "750-01-0001"),
    (na.us_ssn_pre2011, "772-99-9999"),
    (na.us_itin, "900-70-0000"),
    (na.us_itin, "912-50-1234"),  # range opened in 2011
    (na.us_itin, "999 99 9999"),
    (na.us_dea, "AP5836727"),  # worked example of public texts
    (na.us_dea, "f91234563"),  # generated: business registrant, 1+3+5 + 2*(2+4+6) = 33
    (na.us_npi, "1234567893"),  # CMS check-digit standard
    (na.us_npi, "1245319599"),  # widely published example
    (na.us_mbi, "1EG4-TE5-MK73"),  # CMS sample card
    (na.us_mbi, "1eg4te5mk72"),  # generated: format
    (na.vin, "1M8GDM9AXKP042788"),  # textbook example with check digit X
    (na.vin, "11111111111111111"),  # textbook: all ones is valid
    (na.vin, "5gzcz43d13s812715"),
    (na.ca_sin, "130 692 544"),  # widely published test number
    (na.ca_sin, "123456782"),
    (na.ca_ohip, "9876543217"),  # generated: Luhn
    (na.ca_ohip, "9876-543-217-AB"),  # with version code
    (na.mx_clabe, "032180000118359719"),  # worked example of an encyclopaedia
    (na.mx_clabe, "002 010 07777777777 1"),  # worked example of public texts
]
INVALID = [
    (na.us_ssn, "000-12-3456"), (na.us_ssn, "666-12-3456"), (na.us_ssn, "900-12-3456"),
    (na.us_ssn, "999-99-9999"), (na.us_ssn, "123-00-4567"), (na.us_ssn, "123-45-0000"),
    (na.us_ssn, "12345678"),
    (na.us_ssn, "1234567890"), (na.us_ssn_pre2011, "734-01-0001"),
    (na.us_ssn_pre2011, "749-01-0001"), (na.us_ssn_pre2011, "773-01-0001"),
    (na.us_ssn_pre2011, "666-01-0001"), (na.us_itin, "900-89-0000"), (na.us_itin, "900-93-0000"),
    (na.us_itin, "900-49-0000"), (na.us_itin, "900-66-0000"), (na.us_itin, "800-70-0000"),
    (na.us_dea, "AP5836728"), (na.us_dea, "QP5836727"), (na.us_dea, "A15836727"),
    (na.us_npi, "3234567893"), (na.us_npi, "123456789"), (na.us_mbi, "0EG4TE5MK73"),
    (na.us_mbi, "1SG4TE5MK73"), (na.us_mbi, "1EG4TE5MK7"), (na.us_mbi, "1EGATE5MK73"),
    (na.vin, "1M8GDM9A1KP042788"), (na.vin, "1M8GDM9AXKPO42788"), (na.vin, "WVWZZZ1JZXW000001"),
    (na.ca_sin, "046 454 286"), (na.ca_sin, "823456785"), (na.ca_sin, "12345678"),
    (na.mx_clabe, "032180000118359718"), (na.mx_clabe, "03218000011835971"),
    (na.mx_clabe, "000000000000000000"),
    (na.ca_ohip, "0876543217"), (na.ca_ohip, "9876543217A1"), (na.ca_ohip, "9876543218"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "number"), VALID)
def test_a_true_number_is_valid(check, number):
    assert check(number)


@pytest.mark.parametrize(("check", "number"), INVALID)
def test_a_number_that_breaks_a_rule_is_not_valid(check, number):
    assert not check(number)


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (na.ca_sin, "130692544"),
        (na.us_npi, "1234567893"),
        (na.ca_ohip, "9876543217"),
        (na.mx_clabe, "032180000118359719"),
        (na.vin, "11111111111111111"),
    ],
)
def test_every_changed_digit_is_refused(check, number):
    for at, char in enumerate(number):
        for digit in set("0123456789") - {char}:
            assert not check(number[:at] + digit + number[at + 1 :])


def test_ca_sin_agrees_with_stdnum_on_random_numbers():
    rng = random.Random(1)
    for _ in range(3000):
        number = f"{rng.randrange(10**9):09}"
        assert na.ca_sin(number) is stdnum_sin.is_valid(number)


def test_us_ssn_agrees_with_stdnum_on_random_numbers():
    rng = random.Random(2)
    for _ in range(3000):
        number = f"{rng.randrange(10**9):09}"
        if number in ("078051120", "219099999", "457555462"):
            continue  # advertised numbers, which stdnum alone refuses
        assert na.us_ssn(number) is stdnum_ssn.is_valid(number)


def test_us_itin_accepts_all_that_stdnum_does():
    rng = random.Random(2)
    for _ in range(2000):
        number = f"9{rng.randrange(10**8):08}"
        newer = 50 <= int(number[3:5]) <= 65
        assert na.us_itin(number) is (stdnum_itin.is_valid(number) or newer)
