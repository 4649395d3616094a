"""Codes of diseases: published ones are known, neighbours that do not exist are not."""

import string

import pytest

from dlpagent.classifiers.validators.diseases import _listed, icd_9_cm, icd_10_cm

# Published examples: ICD-10-CM Official Guidelines for Coding and Reporting; ICD-9-CM guidelines.
TEN = [
    "E11.9",
    "I10",
    "J45.909",
    "C50.911",
    "S52.521A",
    "T36.0X1A",
    "Z23",
    "U07.1",
    "C7A.00",
    "M1A.9XX0",
]
NINE = ["250.00", "401.9", "V58.67", "E885.9", "486", "042", "E849", "V27.0", "001"]


@pytest.mark.parametrize("code", TEN)
def test_codes_of_icd_10_cm_are_known_with_and_without_dot(code):
    for text in (code, code.replace(".", ""), code.lower(), f" {code} "):
        assert icd_10_cm(text)


@pytest.mark.parametrize("code", NINE)
def test_codes_of_icd_9_cm_are_known_with_and_without_dot(code):
    for text in (code, code.replace(".", ""), code.lower(), f" {code} "):
        assert icd_9_cm(text)


@pytest.mark.parametrize(
    "code",
    ["E11.7", "E119.", "E1.19", "E11..9", "E11.9.1", "A00-A09", "I10.0", "E19.9", "Z99.999", "", ".", "1",
     "E11.91", "M10.5", "Ｅ11.9", "E1１.9",],
)  # fmt: skip
def test_codes_that_do_not_exist_or_are_torn_are_not_codes_of_icd_10_cm(code):
    assert not icd_10_cm(code)


@pytest.mark.parametrize(
    "code",
    ["401.5", "000.1", "4.019", "2500.0", "E88.59", "V586.7", "401.", "999.999", "", "E", "25"],
)
def test_codes_that_do_not_exist_or_are_torn_are_not_codes_of_icd_9_cm(code):
    assert not icd_9_cm(code)


@pytest.mark.parametrize("code", ["E11.9", "J45.909", "C50.911", "S52.521A"])
def test_few_codes_with_one_place_changed_exist(code):
    changed = [
        code[:at] + letter + code[at + 1 :]
        for at in range(len(code))
        if code[at] != "."
        for letter in string.digits + string.ascii_uppercase
        if letter != code[at]
    ]
    assert sum(map(icd_10_cm, changed)) < len(changed) / 4


def test_the_lists_have_the_numbers_of_codes_that_were_published():
    """74,000 to 75,000 billable codes in force, and the categories above them; 14,567 in ICD-9-CM."""
    ten, nine = _listed("icd_10_cm"), _listed("icd_9_cm")
    assert len(ten) == 98_476
    assert len({code[:3] for code in ten}) == 1_917
    assert len(nine) == 17_553
    assert all(len(code) <= 7 for code in ten | nine)
