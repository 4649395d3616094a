"""dlpagent rules fingerprint and train as a user meets them: files, messages, findings, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run
from tests.classifiers.forms import FORMS, filled, template
from tests.classifiers.letters import others, resignations

NAME = "New patient intake form"


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(item) for item in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "pack"
    arguments = ("rules", "fingerprint", FORMS / "intake.txt", "-o", folder, "--name", NAME)
    code, out, err = cli(*arguments, capsys=capsys)
    assert (code, err) == (0, "")
    assert "without its text" in out
    return folder


def test_a_form_becomes_a_pack_that_proves_itself_and_shows_what_it_holds(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(path.name for path in pack.iterdir()) == [
        "new-patient-intake-form.fp.json", "new-patient-intake-form.yaml", "pack.yaml",
    ]  # fmt: skip
    assert cli("rules", "check", pack, capsys=capsys)[0] == 0
    code, out, _ = cli("rules", "show", NAME, "--pack", pack, capsys=capsys)
    assert code == 0
    assert "60 % or more of the form" in out
    assert "words in" in out


def test_a_scan_finds_filled_in_copies_in_a_corpus(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    texts = [filled(template(name), seed) for seed in range(3) for name in ("intake", "tax", "nda")]
    corpus.write_text(
        "".join(
            json.dumps({"id": f"r{row}", "text": text}) + "\n" for row, text in enumerate(texts)
        )
    )
    code, out, _ = cli("scan", corpus, "--pack", pack, "--format", "jsonl", "-q", capsys=capsys)
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(item["record"], item["confidence"]) for item in found] == [
        ("r0", 85), ("r3", 85), ("r6", 85),
    ]  # fmt: skip
    assert len({item["key"] for item in found}) == 3
    assert "Okafor" not in out


def test_explain_names_the_level_that_held(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = pack.parent / "text.txt"
    text.write_text(filled(template("intake"), 1))
    code, out, _ = cli("explain", "--pack", pack, "--file", text, capsys=capsys)
    assert code == 1  # something was found
    assert "confidence 85 (high)" in out


def test_made_again_the_sit_stays_as_it_was_written(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sit, form = pack / "new-patient-intake-form.yaml", pack / "new-patient-intake-form.fp.json"
    sit.write_text(sit.read_text().replace("confidence: 65", "confidence: 60"))
    before, old = sit.read_text(), form.read_text()
    code, _, err = cli(
        "rules", "fingerprint", FORMS / "nda.txt", "-o", pack, "--name", NAME, capsys=capsys
    )
    assert code == 0
    assert "stays as it is" in err
    assert sit.read_text() == before
    assert form.read_text() != old


def test_an_export_says_that_purview_has_no_place_for_it(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = cli("rules", "export", pack, "-o", tmp_path / "x.xml", capsys=capsys)
    assert "does not know" in err


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"Name: ____", (), "too little"),
        (b"%PDF-1.7\x00\xff\xfe\xfd", (), "not plain text"),
        (None, (), "cannot be read"),
        (template("nda").encode(), ("--low", "70"), "not in order"),
        (template("nda").encode(), ("--low", "10"), "not in order"),
    ],
)
def test_what_cannot_be_a_form_is_refused_with_a_reason(
    content: bytes | None,
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    form = tmp_path / "form.txt"
    if content is not None:
        form.write_bytes(content)
    code, _, err = cli(
        "rules", "fingerprint", form, "-o", tmp_path / "p", "--name", "x", *options, capsys=capsys
    )
    assert code == 2
    assert said in err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_templates_in_other_encodings_are_the_same_form(
    encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = tmp_path / "form.txt"
    form.write_text(template("nda"), encoding=encoding)
    code, out, _ = cli(
        "rules", "fingerprint", form, "-o", tmp_path / "p", "--name", "x", "--exact", capsys=capsys
    )
    assert code == 0
    assert "242 words" in out
    assert "exact: true" in (tmp_path / "p" / "x.yaml").read_text()


# --- train ------------------------------------------------------------------------------------


def samples(folder: Path, positive: int, negative: int) -> Path:
    """A folder of samples: files on one side, lines on the other."""
    (folder / "positive").mkdir(parents=True)
    (folder / "negative").mkdir()
    for number, text in enumerate(resignations(positive)):
        (folder / "positive" / f"{number}.txt").write_text(text)
    lines = [json.dumps({"text": text}) for text in others(negative)]
    (folder / "negative" / "mail.jsonl").write_text("\n".join(lines))
    return folder


def test_samples_become_a_sit_with_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = samples(tmp_path / "samples", 50, 150)
    pack = tmp_path / "pack"
    code, out, err = cli(
        "rules", "train", place, "-o", pack, "--name", "Letter of resignation", capsys=capsys
    )
    assert code == 0
    assert "5-fold cross-validation: average precision" in out
    assert "near copies" in err
    assert cli("rules", "check", pack, capsys=capsys)[0] == 0
    shown = cli("rules", "show", "Letter of resignation", "--pack", pack, capsys=capsys)[1]
    assert "learned from 50 positive and" in shown
    assert "precision 1.000" in shown
    manifest = (pack / "letter-of-resignation.model" / "manifest.json").read_text()
    assert "resign from" not in manifest
    corpus = tmp_path / "corpus.jsonl"
    texts = [*resignations(4, 9_000), *others(40, 9_000)]
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    code, out, _ = cli("scan", corpus, "--pack", pack, "--format", "jsonl", "-q", capsys=capsys)
    assert (code, len(out.splitlines())) == (1, 4)


@pytest.mark.parametrize(
    ("positive", "negative", "options", "said"),
    [
        (5, 50, (), "too few samples"),
        (30, 40, ("--folds", "1"), "folds"),
    ],
)
def test_samples_that_do_not_suffice_leave_no_pack(
    positive: int,
    negative: int,
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = samples(tmp_path / "samples", positive, negative)
    code, _, err = cli(
        "rules", "train", place, "-o", tmp_path / "p", "--name", "x", *options, capsys=capsys
    )
    assert code == 2
    assert said in err
    assert not (tmp_path / "p").exists()


def test_a_folder_without_samples_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli(
        "rules", "train", tmp_path, "-o", tmp_path / "p", "--name", "x", capsys=capsys
    )
    assert code == 2
    assert "there are no samples here" in err
