"""The home of an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError, StateError
from dlpagent.service.settings import Home


def test_the_home_is_where_the_environment_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Home.of_environment() == Home(home)
    monkeypatch.delenv("DLPAGENT_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert Home.of_environment().state == Path("/somewhere/.dlpagent/state.db")


def test_without_any_home_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("DLPAGENT_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ConfigurationError, match="DLPAGENT_HOME"):
        Home.of_environment()


def test_the_key_is_made_in_the_home_or_where_it_is_named(home: Path, tmp_path: Path) -> None:
    first = Home.of_environment().evidence()
    assert (home / "evidence.key").is_file()
    assert Home.of_environment().evidence().key_id() == first.key_id()
    assert Home.of_environment().evidence(tmp_path / "other.key").key_id() != first.key_id()


def test_a_home_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"DLPAGENT_HOME|--key-file"):
        Home(tmp_path / "file").evidence()
