"""The systemd units and the container file: what they run exists, and they ask for no rights."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from dlpagent.service.cli import app

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
CONTAINER = (DEPLOY / "container" / "Containerfile").read_text("utf-8")


def options_known(words: list[str]) -> None:
    """Walk to the command and look for every option it is given."""
    command = typer.main.get_command(app)
    rest = list(words)
    while rest and hasattr(command, "commands") and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    assert not hasattr(command, "commands"), words
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_exists(unit: Path) -> None:
    line = re.search(r"^ExecStart=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    assert line
    words = shlex.split(line[1])
    assert words[:2] == ["/usr/bin/env", "dlpagent"]
    options_known(words[2:])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_has_no_rights_beyond_its_state(unit: Path) -> None:
    lines = unit.read_text("utf-8").splitlines()
    for wanted in (
        "User=dlpagent", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict",
        "PrivateTmp=yes", "StateDirectoryMode=0700", "UMask=0077", "KillMode=mixed",
    ):  # fmt: skip
        assert wanted in lines, wanted


def test_systemd_has_nothing_to_say_of_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    names = []
    for unit in UNITS:
        name = unit.name.replace("@.", "@srv-exports.")
        (tmp_path / name).write_text(unit.read_text("utf-8"))
        names.append(f"./{name}")
    done = subprocess.run(
        ["systemd-analyze", "verify", *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    about_ours = [line for line in done.stderr.splitlines() if "dlpagent" in line]
    assert about_ours == []


def test_the_container_runs_without_root_what_exists() -> None:
    assert re.search(r"^USER 10001:10001$", CONTAINER, re.MULTILINE)
    command = re.search(r"^CMD \[(.*)\]$", CONTAINER, re.MULTILINE)
    assert command
    options_known([word.strip(' "') for word in command[1].split(",")])
