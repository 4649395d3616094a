"""Dates and places of rules/_shared/dates.yaml: the forms Purview shows are found."""

import pytest

from dlpagent.classifiers.compiled import regex_finder
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import BUILTIN
from dlpagent.classifiers.sit_yaml import read_elements
from dlpagent.yaml_reader import read_yaml

_PROBLEMS = []
_ELEMENTS, _ = read_elements(
    read_yaml(BUILTIN / "_shared" / "dates.yaml", _PROBLEMS).mapping(("elements",))["elements"]
)

PUBLISHED = {
    "Func_us_date": "December 2, 2016|Dec 2, 2016|dec 02 2016|12/2/2016|12/02/16"
    "|Dec-2-2016|12-2-16",
    "Func_eu_date": "2 Dec 2016|02 dec 2016|2 Dec 16|2/12/2016|02/12/16|2-Dec-2016|2-12-16"
    "|2 Mei 2016|02 dez 2016|3 févr. 2020|3 März 1999|5 ottobre 1970|7 août 2001|8 diciembre 1990",
    "Func_expiration_date": "01/11|1/11|01/2011|1/2011|01-22|1-11|01-2000|1-2000|Jan-2010"
    "|january-10|january 2010|Jan 10|january2010|Jan10|january/2010|Jan/10",
    "Func_us_address": "Washington 98052|Washington 98052-9998|WA 98052|WA 98052-9998",
    "Regex_eu_passport_date1": "01.02.2020",
    "Regex_eu_passport_date2": "01 02 20",
    "Regex_eu_passport_date3": "01 02 2020",
    "Regex_iso_date": "1980-02-03|1980/2/3|1980-02-03T10:00:00Z",
}


def found(element, text):
    subject = Subject.of(text)
    return [subject.text[start:end] for start, end in regex_finder(_ELEMENTS[element])(subject)]


@pytest.mark.parametrize(
    ("element", "text"),
    [(name, text) for name, texts in PUBLISHED.items() for text in texts.split("|")],
)
def test_a_published_form_is_found_whole_in_a_sentence(element, text):
    assert text in found(element, f"On ({text}), or so.")


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("Func_us_date", "13/2/2016"),
        ("Func_us_date", "2016-12-02"),
        ("Func_us_date", "build 112-2-167"),
        ("Func_eu_date", "32/12/2016"),
        ("Func_eu_date", "release 1.2.2024.7"),
        ("Func_eu_date", "2 Foo 2016"),
        ("Func_expiration_date", "13/11"),
        ("Func_expiration_date", "01/02/2003"),
        ("Func_us_address", "Nevada 10001"),
        ("Func_us_address", "WA, 98052"),
        ("Regex_iso_date", "1980-13-03"),
        ("Regex_eu_passport_date1", "01.02.20"),
    ],
)
def test_what_is_no_such_date_or_place_is_not_found(element, text):
    assert found(element, text) == []


def test_the_file_has_no_problems():
    assert _PROBLEMS == []
