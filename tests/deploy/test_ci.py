"""The CI files as a CI runs them: the pre-commit entry and the script of the action, for real."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlpagent.service.cli import run

ROOT = Path(__file__).resolve().parent.parent.parent
CI = ROOT / "deploy" / "ci"
CARD = "4111 1111 1111 1111"
KEY = "ab" * 32


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "clean.txt").write_text("nothing of note\n", "utf-8")
    (folder / "dirty.txt").write_text(f"my credit card is {CARD}\n", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    return folder


@pytest.mark.parametrize(
    ("names", "code"),
    [(["clean.txt"], 0), (["clean.txt", "picture.png"], 0), (["clean.txt", "dirty.txt"], 1)],
)
def test_the_pre_commit_hook_stops_what_holds_something(
    data: Path, names: list[str], code: int
) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    program, *arguments = shlex.split(hook["entry"])
    assert program == "dlpagent"
    assert run([*arguments, *(str(data / name) for name in names)]) == code


def scanned(data: Path, **settings: str) -> tuple[int, dict[str, Any], str]:
    """Run the script as the action does, with a dlpagent on the path that is this checkout's."""
    tools = data.parent / "bin"
    tools.mkdir(exist_ok=True)
    program = tools / "dlpagent"
    program.write_text(
        f"#!{sys.executable}\nfrom dlpagent.service.cli import main\nmain()\n", "utf-8"
    )
    program.chmod(0o755)
    report, output = data.parent / "report.sarif", data.parent / "output"
    output.write_text("")
    done = subprocess.run(
        ["bash", str(CI / "scan.sh")],
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            "DLPAGENT_SARIF": str(report),
            "GITHUB_OUTPUT": str(output),
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert CARD not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    assert output.read_text() == f"exit-code={done.returncode}\n"
    found = json.loads(report.read_text("utf-8")) if report.exists() else {}
    return done.returncode, found, done.stderr


def test_the_script_fails_on_findings_and_writes_sarif(data: Path) -> None:
    code, report, said = scanned(data, DLPAGENT_PATHS=f"{data}/clean.txt\n{data}/dirty.txt\n")
    assert code == 1
    assert "Findings at or above high" in said
    levels = {result["level"] for result in report["runs"][0]["results"]}
    assert "error" in levels
    assert CARD not in json.dumps(report)


def test_a_baseline_made_with_the_same_key_lets_known_values_pass_and_no_new_one(
    data: Path,
) -> None:
    key, baseline = data.parent / "ci.key", data.parent / "baseline.jsonl"
    key.write_text(f"{KEY}\n", "ascii")
    key.chmod(0o600)
    made = ["scan", str(data / "dirty.txt"), "--key-file", str(key), "--format", "jsonl",
            "-o", str(baseline), "--fail-on", "never", "--quiet"]  # fmt: skip
    assert run(made) == 0
    settings = {"DLPAGENT_PATHS": str(data / "dirty.txt"), "DLPAGENT_BASELINE": str(baseline),
                "DLPAGENT_EVIDENCE_KEY": KEY}  # fmt: skip
    assert scanned(data, **settings)[0] == 0
    moved = f"\n\nand once more: my credit card is {CARD}\n"
    (data / "dirty.txt").write_text(moved, "utf-8")
    assert scanned(data, **settings)[0] == 0
    (data / "dirty.txt").write_text("my credit card is 5500 0000 0000 0004\n", "utf-8")
    assert scanned(data, **settings)[0] == 1
    assert scanned(data, **{**settings, "DLPAGENT_EVIDENCE_KEY": "cd" * 32})[0] == 1


def test_the_action_hands_every_input_to_the_script() -> None:
    action = yaml.safe_load((CI / "action.yml").read_text("utf-8"))
    step = action["runs"]["steps"][-1]
    used = {value.removeprefix("${{ inputs.").removesuffix(" }}") for value in step["env"].values()}
    assert used == set(action["inputs"]) - {"requirement"}
    script = (CI / "scan.sh").read_text("utf-8")
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    for name in step["env"]:
        assert name in script
        assert f"`{name}`" in page
