"""dlpagent redact as a user meets it: files in, copies and manifests out, codes, no value printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run

CARD = "4111 1111 1111 1111"
LINES = [{"id": 7, "text": f"my credit card is {CARD}"}, {"id": 8, "text": "nothing here"}]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    lines = "".join(f"{json.dumps(line)}\n" for line in LINES)
    (tmp_path / "corpus.jsonl").write_text(lines, "utf-8")
    (tmp_path / "people.csv").write_text(f"name,credit card\nAda,{CARD}\n", "utf-8")
    return tmp_path


def cli(*arguments: object) -> int:
    return run(["redact", *(str(item) for item in arguments)])


def test_a_folder_of_copies_has_a_manifest_beside_each(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = folder / "clean"
    assert cli(folder / "corpus.jsonl", folder / "people.csv", "-o", clean) == 0
    first, second = (clean / "corpus.jsonl").read_text("utf-8").splitlines()
    assert json.loads(first)["text"] == "my credit card is **** **** **** 1111"
    assert json.loads(second) == LINES[1]
    assert (clean / "people.csv").read_text("utf-8") == (
        "name,credit card\nAda,**** **** **** 1111\n"
    )
    for name, records in (("corpus.jsonl", 2), ("people.csv", 2)):
        manifest = json.loads((clean / f"{name}.manifest.json").read_text("utf-8"))
        assert (manifest["records"], manifest["changed"]) == (records, 1)
        assert CARD not in json.dumps(manifest)
    shown = capsys.readouterr()
    assert "2 records, 1 changed" in shown.err
    assert CARD not in shown.err + shown.out


def test_what_was_encrypted_is_restored_byte_for_byte(folder: Path) -> None:
    source, copy, back = (folder / f"{name}.jsonl" for name in ("corpus", "copy", "back"))
    assert cli(source, "-o", copy, "--sit", "Credit Card Number=encrypt") == 0
    assert CARD not in copy.read_text("utf-8")
    assert cli("--restore", copy, "-o", back) == 0
    assert back.read_bytes() == source.read_bytes()


def test_a_record_that_cannot_be_read_leaves_no_copy_unless_it_may_be_dropped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, copy = folder / "corpus.jsonl", folder / "copy.jsonl"
    with source.open("a", encoding="utf-8") as file:
        file.write(f'{{"text": "{CARD}\n')
    assert cli(source, "-o", copy) == 3
    assert not copy.exists()
    shown = capsys.readouterr().err
    assert "record 2" in shown
    assert CARD not in shown
    assert cli(source, "-o", copy, "--drop-unreadable") == 3
    assert len(copy.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--operator", "blur"], 2, "mask"),
        (["--sit", "Credit Card Numbre=mask"], 2, "Credit Card Number"),
        (["--sit", "Credit Card Number=blur"], 2, "mask"),
        (["--restore"], 2, "--cipher-key"),
    ],
)
def test_wrong_use_is_told_with_what_would_be_right(
    folder: Path,
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli(folder / "corpus.jsonl", "-o", folder / "copy.jsonl", *arguments) == code
    assert words in capsys.readouterr().err
    assert not (folder / "copy.jsonl").exists()


def test_a_copy_never_overwrites_its_source(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder / "corpus.jsonl"
    before = source.read_bytes()
    assert cli(source, "-o", source) == 2
    assert source.read_bytes() == before
    assert "would overwrite" in capsys.readouterr().err
