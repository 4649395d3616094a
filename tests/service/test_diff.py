"""dlpagent diff from packs and labelled texts to tables, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run

ID = "11111111-1111-4111-8111-111111111111"
SIT = """
id: {id}
name: {name}
version: 1
parity: own
proximity: {proximity}
elements:
  {name}_value: {{regex: '{letter}[0-9]{{6}}'}}
  {name}_words: {{keywords: [card]}}
patterns:
  - {{confidence: 85, primary: {name}_value, match: [{name}_words]}}
  - {{confidence: 65, primary: {name}_value}}
"""
ROWS = [
    {"id": "1", "source": "near", "text": "card A123456",
     "spans": [{"start": 5, "end": 12, "type": "Alpha"}]},
    {"id": "2", "source": "far", "text": "card " + "x " * 20 + "A654321", "spans": []},
    {"id": "3", "source": "near", "text": "card B123456", "spans": []},
]  # fmt: skip


def pack(folder: Path, *, proximity: int, with_b: bool = True) -> Path:
    folder.mkdir()
    (folder / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    (folder / "a.yaml").write_text(SIT.format(id=ID, name="Alpha", letter="A", proximity=proximity))
    if with_b:
        other = ID.replace("1", "2")
        (folder / "b.yaml").write_text(
            SIT.format(
                id=other.replace("-4222-8222", "-4111-8111"), name="Beta", letter="B", proximity=300
            )
        )
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def diff(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["diff", *map(str, arguments), "-q"])
    return code, capsys.readouterr().out


def test_a_narrower_proximity_changes_a_level_and_is_named_as_the_cause(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packs = [pack(tmp_path / "a", proximity=300), pack(tmp_path / "b", proximity=20)]
    code, out = diff(*packs, "--on", corpus, "--format", "json", capsys=capsys)
    found = json.loads(out)
    assert code == 1
    assert (found["evaluated_sits"], found["all_sits"]) == (1, 2)
    (sit,) = found["sits"]
    assert sit["name"] == "Alpha"
    assert [change["text"] for change in sit["causes"]] == ["~ proximity: Alpha: 300 → 20"]
    assert {name: (tally["level_changed"], tally["same"]) for name, tally in
            sit["sources"].items()} == {"near": (0, 1), "far": (1, 0)}  # fmt: skip
    (change,) = found["changes"]
    assert (change["before"], change["after"], change["right"]) == (85, 65, False)
    assert "654321" not in out
    code, text = diff(*packs, "--on", corpus, capsys=capsys)
    assert "1 of 2 SITs can have changed" in text
    assert "Level changed: 1" in text
    assert "654321" not in text


def test_a_type_that_is_gone_loses_its_findings(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packs = [pack(tmp_path / "a", proximity=300), pack(tmp_path / "b", proximity=300, with_b=False)]
    code, out = diff(*packs, "--on", corpus, "--format", "json", capsys=capsys)
    total = json.loads(out)["total"]
    assert code == 1
    assert (total["lost"], total["lost_wrong"], total["new"]) == (1, 1, 0)


def test_equal_packs_exit_0_and_nothing_is_evaluated(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packs = [pack(tmp_path / "a", proximity=300), pack(tmp_path / "b", proximity=300)]
    code, out = diff(*packs, "--on", corpus, capsys=capsys)
    assert code == 0
    assert "0 of 2 SITs" in out
    assert "No rule changed" in out


def test_what_is_neither_packs_on_texts_nor_scans_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["diff", str(tmp_path), str(tmp_path)])
    assert code == 2
    assert "this is no scan" in capsys.readouterr().err
