from dlpagent.classifiers.validators.countries import ALPHA2, NUMERIC


def test_there_are_249_countries_in_both_tables():
    assert len(ALPHA2) == len(NUMERIC) == 249


def test_codes_have_their_iso_form():
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in ALPHA2)
    assert all(len(code) == 3 and code.isdigit() for code in NUMERIC)


def test_codes_that_look_like_countries_but_are_none_are_absent():
    assert not ALPHA2 & {"UK", "EU", "XX", "AA", "ZZ", "XK", "AN", "SU", "YU"}
    assert not NUMERIC & {"000", "001", "280", "810", "900", "999"}
