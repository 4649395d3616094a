"""The one door: every name is there, documented and measured; nothing ever raises."""

import importlib.util
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.validators import VALIDATORS, validator
from dlpagent.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]


def _selectivity():
    path = ROOT / "benchmarks" / "validator_selectivity.py"
    spec = importlib.util.spec_from_file_location("validator_selectivity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_SELECTIVITY = _selectivity()


def test_an_unknown_name_is_refused_with_its_nearest_names():
    with pytest.raises(ConfigurationError, match="nl_bsn"):
        validator("nl_bsm")


def test_a_known_name_gives_the_validator_of_the_table():
    assert validator("iban") is VALIDATORS["iban"]


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        VALIDATORS["mine"] = bool


def test_every_name_says_its_country_or_topic_in_snake_case():
    assert [n for n in VALIDATORS if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", n)] == []


def test_every_validator_is_documented_with_a_rule_and_a_measured_share():
    text = (ROOT / "docs" / "validators.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(VALIDATORS)
    assert [row for row in rows if not re.fullmatch(r"<?[\d.]+ %", row[3])] == []


def test_every_validator_has_a_shape_to_be_measured_with():
    assert set(_SELECTIVITY.SHAPES) == set(VALIDATORS)


def test_a_shape_draws_what_it_says():
    drawn = _SELECTIVITY.draw("AB\\Ad{3}-h*", random.Random(1))
    assert re.fullmatch(r"[A-Z]BA\d{3}-[0-9a-f][A-Z0-9]", drawn)


_NEAR = st.text(alphabet="0123456789ABCXYZabcxyz -./:+@=_()²٣１\u00a0\n", max_size=40)
_BYTES = st.binary(max_size=40).map(lambda octets: octets.decode("latin-1"))
_ANY = st.one_of(st.text(max_size=60), _NEAR, _BYTES)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=_ANY)
def test_no_validator_raises_and_each_answers_with_a_truth_value(text):
    for name, check in VALIDATORS.items():
        assert isinstance(check(text), bool), name


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_validator_raises_on_strings_of_its_own_shape_with_one_character_swapped(data):
    seed = data.draw(st.integers(0, 2**32))
    rng = random.Random(seed)
    odd = data.draw(st.characters())
    for name, check in VALIDATORS.items():
        text = _SELECTIVITY.draw(_SELECTIVITY.SHAPES[name], rng)
        at = rng.randrange(len(text))
        assert isinstance(check(text[:at] + odd + text[at + 1 :]), bool), name


@pytest.mark.parametrize(
    "piece",
    ["0", "a", "_", "A_", "a.", " ", "-1", "=", "aB3/", "{", "Ab", "x(", "a_b", "@a.b", ":"],
)
def test_a_very_long_text_is_answered_by_all_without_runaway(piece):
    text = piece * (100_000 // len(piece))
    for name, check in VALIDATORS.items():
        assert isinstance(check(text), bool), name


def test_all_zeros_is_no_number_anywhere_but_in_the_plain_formula_and_the_address():
    numbers = {n: c for n, c in VALIDATORS.items() if not c.__module__.endswith(".marked")}
    zeros = {n for n, check in numbers.items() if any(check("0" * k) for k in range(5, 21))}
    assert zeros == {"luhn", "ipv4_undotted"}
