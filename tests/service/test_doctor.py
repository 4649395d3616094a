"""dlpagent doctor: what is wrong is found, said with its remedy, and told by the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run as cli
from dlpagent.service.doctor import EXTRAS, Check, exit_code

SWEEP = "name: n\nstate: state.db\npolicy: example\nsources: [{source}]\nsinks: {{o365: {sink}}}\n"


def examined(capsys: pytest.CaptureFixture[str], *files: Path) -> tuple[int, dict[str, Check]]:
    code = cli(["doctor", "--format", "json", *map(str, files)])
    found = json.loads(capsys.readouterr().out)
    return code, {each["name"]: Check(**each) for each in found["checks"]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


def sweep(folder: Path, source: str = "a.txt", sink: str = "out.jsonl") -> Path:
    (folder / "a.txt").write_text("x")
    path = folder / "s.yaml"
    path.write_text(SWEEP.format(source=source, sink=sink))
    return path


def test_a_sound_installation_and_sweep_are_well_and_nothing_is_made(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = examined(capsys, sweep(tmp_path))
    assert code == 0, checks
    assert "wrong" not in {check.verdict for check in checks.values()}
    assert not (tmp_path / "state.db").exists()
    assert not (tmp_path / "out.jsonl").exists()
    assert not list(home.glob("*.key"))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_may_read_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], mode: int
) -> None:
    key = home / "evidence.key"
    key.write_bytes(b"k" * 32)
    key.chmod(mode)
    code, checks = examined(capsys)
    assert code == 2
    assert checks["key evidence.key"].verdict == "wrong"
    assert "chmod 600" in checks["key evidence.key"].remedy
    key.chmod(0o600)
    assert examined(capsys)[0] == 0


def test_a_home_that_others_may_write_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.chmod(0o777)
    code, checks = examined(capsys)
    assert (code, checks["home"].verdict) == (2, "wrong")


@pytest.mark.parametrize(
    ("source", "sink", "code", "which"),
    [
        ("absent/*", "out.jsonl", 3, "source"),
        ("qdrant://127.0.0.1:1", "out.jsonl", 3, "source"),
        ("a.txt", "{sink: webhook, target: 'https://127.0.0.1:1/x', settings: {secret_env: NONE_SET}}",
         4, "sink"),
        ("a.txt", "{sink: cef, target: 'tcp://127.0.0.1:1'}", 4, "sink"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("home")
def test_what_cannot_be_had_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
    source: str, sink: str, code: int, which: str,
) -> None:  # fmt: skip
    found, checks = examined(capsys, sweep(tmp_path, source, sink))
    wrong = [check for check in checks.values() if check.verdict == "wrong"]
    assert [check.kind for check in wrong] == [which], wrong
    assert wrong[0].remedy
    assert found == code


@pytest.mark.usefixtures("home")
def test_a_wrong_sweep_file_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text("name: n\nsuorces: [a]\n")
    code, checks = examined(capsys, tmp_path / "s.yaml")
    assert code == 2
    assert "unknown key" in checks[str(tmp_path / "s.yaml")].found


def test_the_set_up_comes_before_sources_and_those_before_sinks() -> None:
    def codes(*kinds: str) -> int:
        return int(exit_code([Check("x", "wrong", "", kind=kind) for kind in kinds]))  # type: ignore[arg-type]

    assert (codes(), codes("sink"), codes("sink", "source"), codes("sink", "source", "setup")) == (
        0, 4, 3, 2,
    )  # fmt: skip


def test_every_extra_it_names_exists() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert set(EXTRAS) <= set(project["project"]["optional-dependencies"])
