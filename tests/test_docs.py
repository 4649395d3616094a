"""The documentation is a tested part of the product: every command, option, connector, code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from dlpagent.errors import ExitCode
from dlpagent.service.cli import app
from dlpagent.service.sweep_file import _KEYS
from dlpagent.service.wiring import SINKS, SOURCES

ROOT = Path(__file__).resolve().parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text("utf-8")


def commands(group: object, path: tuple[str, ...] = ("dlpagent",)) -> list[tuple[str, object]]:
    found = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found += commands(command, (*path, name))
        else:
            found.append((" ".join((*path, name)), command))
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_and_option_is_documented(name: str, command: object) -> None:
    assert f"`{name}" in CLI, name
    for parameter in command.params:  # type: ignore[attr-defined]
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}" in CLI, f"{name} {option}"


def test_every_exit_code_is_documented() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)}
    assert codes == {int(code) for code in ExitCode}


def test_every_connector_has_a_page_and_a_row() -> None:
    index = (ROOT / "docs" / "connectors" / "README.md").read_text("utf-8")
    for row in SOURCES:
        assert (ROOT / "docs" / "connectors" / f"{row.name}.md").is_file(), row.name
        assert f"[{row.name}]({row.name}.md)" in index


def test_every_sink_and_sweep_key_is_documented() -> None:
    sweeps = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    for key in _KEYS:
        assert re.search(rf"^{key}:", sweeps, re.MULTILINE), key
    for name in SINKS:
        assert f"`{name}`" in (ROOT / "docs" / "sinks.md").read_text("utf-8") or name in sweeps


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(re.findall(r"^    \S", readme, re.MULTILINE)) == 2
