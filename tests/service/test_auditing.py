"""dlpagent audit, as people run it: whole or not, shown, exported and checked elsewhere."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dlpagent.service.cli import run
from dlpagent.state import open_state
from dlpagent.state.audit import record_act


@pytest.fixture
def place(tmp_path: Path) -> str:
    path = tmp_path / "state.db"
    with open_state(path) as state:
        for number in range(5):
            with state.database.write() as connection:
                name = "policy.change" if number % 2 else "key.rotate"
                record_act(connection, f"ann{number}", name, f"s{number}", {"number": number})
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(["audit", *arguments])
    out = capsys.readouterr()
    return code, out.out + out.err


def changed(place: str, statement: str) -> None:
    with closing(sqlite3.connect(place)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_whole_log_is_said_to_be_whole_with_its_head(place, capsys):
    code, out = told(capsys, "verify", "--state", place)
    assert code == 0
    assert out.startswith("whole: 5 acts, head 5:")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acts SET actor = 'mallory' WHERE seq = 2",
        "DELETE FROM acts WHERE seq = 3",
        "DELETE FROM acts WHERE seq = 5",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET acts = 4",
    ],
)
def test_what_is_done_behind_its_back_gives_exit_code_2_and_a_place(place, capsys, statement):
    changed(place, statement)
    code, out = told(capsys, "verify", "--state", place)
    assert code == 2
    assert "NOT whole" in out
    assert out.startswith(("act ", "the log "))


def test_an_older_copy_put_back_is_noticed_after_one_check(place, capsys):
    shutil.copy(place, place + ".old")
    with open_state(place) as state, state.database.write() as connection:
        record_act(connection, "ann", "x.y", "s")
    _, out = told(capsys, "verify", "--state", place)
    head = out.split()[-1]
    for suffix in ("", "-wal", "-shm"):
        Path(place + suffix).unlink(missing_ok=True)
    shutil.copy(place + ".old", place)
    assert told(capsys, "verify", "--state", place)[0] == 2
    code, out = told(capsys, "verify", "--state", place + ".old", "--head", head)
    assert (code, "cut or replaced" in out) == (2, True)


def test_the_newest_acts_are_shown(place, capsys):
    _, out = told(capsys, "show", "--state", place, "--limit", "2", "--format", "json")
    assert [json.loads(line)["actor"] for line in out.splitlines()] == ["ann3", "ann4"]
    _, out = told(capsys, "show", "--state", place, "--act", "policy.")
    assert [line.split()[2] for line in out.splitlines()] == ["ann1", "ann3"]
    _, out = told(capsys, "show", "--state", place, "--subject", "s2")
    assert "key.rotate" in out


def test_an_export_is_checked_where_the_database_is_not(place, capsys, tmp_path, home, monkeypatch):
    file = tmp_path / "log.jsonl"
    assert told(capsys, "export", "--state", place, "-o", str(file))[1].endswith("5 acts\n")
    key = tmp_path / "their.key"
    shutil.copy(home / "audit.key", key)
    key.chmod(0o600)
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "auditor"))
    assert told(capsys, "verify", "--file", str(file), "--key", str(key))[0] == 0
    assert (
        told(capsys, "verify", "--file", str(file))[0] == 2
    )  # without their key nothing is proven
    file.write_text(file.read_text("utf-8").replace("ann2", "eve2"), "utf-8")
    code, out = told(capsys, "verify", "--file", str(file), "--key", str(key))
    assert (code, "act 3 was changed" in out) == (2, True)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: lines[:-1], "not a whole export"),
        (lambda lines: lines[1:], "not a whole export"),
        (lambda _: [], "not a whole export"),
        (lambda _: ["{"], "not a whole export"),
        (lambda lines: [*lines[:2], *lines[3:]], "missing or moved"),
    ],
)
def test_a_file_that_is_no_whole_export_is_refused(place, capsys, tmp_path, spoil, says):
    file = tmp_path / "log.jsonl"
    told(capsys, "export", "--state", place, "-o", str(file))
    file.write_text("\n".join(spoil(file.read_text("utf-8").splitlines())), "utf-8")
    code, out = told(capsys, "verify", "--file", str(file))
    assert (code, says in out) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "one of the two"),
        (["--head", "5"], "not a head"),
        (["--key", "no.key"], "no such key"),
        (["--file", "no.jsonl"], "one of the two"),
    ],
)
def test_what_cannot_be_checked_is_said(place, capsys, arguments, says):
    state = ["--state", place] if arguments else []
    code, out = told(capsys, "verify", *state, *arguments)
    assert (code, says in out) == (2, True)
