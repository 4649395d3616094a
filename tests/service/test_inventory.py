"""dlpagent inventory, as people run it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dlpagent.findings import PackRef
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset, Checkpoint
from dlpagent.service.cli import run
from dlpagent.state import BatchCommit, Counters, Finish, open_state

PACK = PackRef("pack", "1", "h")
LABELS = load_taxonomy().labels


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A state with a dataset, an app and a pack in its register."""
    path = tmp_path / "state.db"
    with open_state(path) as state:
        run_id = state.begin_run(job="j", command="sweep", pack=PACK)
        for asset, labels in (
            (Asset("file:///data/a.jsonl", "dataset", "jsonl"), {LABELS[0].id: 1, LABELS[1].id: 2}),
            (Asset("file:///x/c.json", "chat_log", "chatgpt", app="=ChatGPT"), {"foreign": 1}),
        ):
            lease = state.claim(run_id, asset)
            batch = BatchCommit(None, Checkpoint({"n": 1}), counters=Counters(labels=labels),
                                finish=Finish("done"))  # fmt: skip
            state.commit_batch(run_id, lease, batch)
        state.finish_run(run_id, "complete")
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["inventory", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["=ChatGPT", "file:///data", "pack"]),
        (["--kind", "dataset", "--kind", "pack"], ["file:///data", "pack"]),
        (["--in", "approved"], []),
    ],
)
def test_the_list_holds_what_was_asked_for(place, capsys, arguments, names):
    code, out, _ = told(capsys, "list", "--state", place, "--format", "json", *arguments)
    assert code == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == names


def test_the_label_is_the_highest_of_its_items_by_name(place, capsys):
    _, out, _ = told(capsys, "list", "--state", place, "--format", "json")
    found = {row["name"]: row["label"] for row in map(json.loads, out.splitlines())}
    higher = max(LABELS[:2], key=lambda label: label.priority)
    assert found["file:///data"] == load_taxonomy().path(higher)
    assert found["=ChatGPT"] == "foreign"


def test_the_table_names_kind_state_and_sweep(place, capsys):
    _, out, _ = told(capsys, "list", "--state", place)
    assert "file:///data" in out
    assert "assessed" in out


def test_owner_purpose_and_state_are_set_and_shown(place, capsys):
    given = ("--owner", "ann", "--purpose", "support bot", "--to", "monitored", "--by", "bob")
    code, out, _ = told(capsys, "set", "dataset:file:///data", "--state", place, *given)
    assert (code, out) == (0, "dataset file:///data: monitored, owner ann\n")
    _, out, _ = told(capsys, "show", "file:///data", "--state", place)
    assert "monitored, owner ann, support bot" in out
    assert "by bob" in out
    _, out, _ = told(capsys, "show", "file:///data", "--state", place, "--format", "json")
    beginning = json.loads(out)["id"][:8]
    assert told(capsys, "show", beginning, "--state", place)[0] == 0


def test_retiring_needs_a_receipt_and_says_so_when_it_comes_back(place, capsys):
    code, _, err = told(capsys, "set", "file:///data", "--state", place, "--to", "retired")
    assert (code, "receipt of its deletion" in err) == (2, True)
    given = ("--to", "retired", "--receipt", "ticket 12")
    assert told(capsys, "set", "file:///data", "--state", place, *given)[0] == 0
    with open_state(place) as state:
        run_id = state.begin_run(job="j", command="sweep", pack=PACK)
        state.plan(run_id, [Asset("file:///data/a.jsonl", "dataset", "jsonl")])
    assert "met by a sweep since: file:///data" in told(capsys, "list", "--state", place)[2]


def test_the_export_is_csv_without_formulas_or_json(place, capsys, tmp_path):
    for name in ("i.csv", "i.json"):
        code, out, _ = told(capsys, "export", "--state", place, "-o", str(tmp_path / name))
        assert (code, out.endswith("3 entries\n")) == (0, True)
    with (tmp_path / "i.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=ChatGPT", "file:///data", "pack"]
    assert (rows[1]["whole"], rows[1]["trend"]) == ("yes", "0")
    assert len(json.loads((tmp_path / "i.json").read_text())["entries"]) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nothing"], "names no entry"),
        (["set", "file:///data"], "nothing is to be set"),
        (["set", "file:///data", "--to", "gone"], "not a choice"),
        (["list", "--kind", "thing"], "not a choice"),
        (["list", "--in", "thing"], "not a choice"),
        (["export", "-o", "register.txt"], "not a choice"),
    ],
)
def test_what_cannot_be_done_is_said(place, capsys, arguments, says):
    code, _, err = told(capsys, *arguments, "--state", place)
    assert (code, says in err) == (2, True)
