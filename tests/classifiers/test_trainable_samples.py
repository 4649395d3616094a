"""Samples are read from folders and lines; doubles and near copies are seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.classifiers.trainable_samples import Sample, cleaned, read_samples
from dlpagent.errors import ProblemsError
from tests.classifiers.forms import filled, template
from tests.classifiers.letters import letter, resignations


def seen(samples: list[Sample]) -> list[tuple[str, bool]]:
    return [(sample.text, sample.is_positive) for sample in samples]


def test_samples_come_from_folders_of_files_and_from_lines(tmp_path: Path) -> None:
    (tmp_path / "positive" / "more").mkdir(parents=True)
    (tmp_path / "negative").mkdir()
    (tmp_path / "positive" / "a.txt").write_text("\ufeffone", "utf-8")
    (tmp_path / "positive" / "more" / "b.md").write_text("two")
    (tmp_path / "positive" / "c.png").write_bytes(b"\x89PNG")
    (tmp_path / "negative" / "d.jsonl").write_text('{"text": "three"}\n\n{"text": "four"}\n')
    lines = [{"text": "five", "label": label} for label in ("positive", True, 1, "negative", 0)]
    (tmp_path / "all.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert seen(read_samples(tmp_path)) == [
        ("one", True), ("two", True), ("three", False), ("four", False),
        ("five", True), ("five", True), ("five", True), ("five", False), ("five", False),
    ]  # fmt: skip
    assert seen(read_samples(tmp_path / "all.jsonl"))[0] == ("five", True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", b'{"text": "a", "label": "positive"}\nnot json\n', "x.jsonl:2: the line is no sample"),
        ("x.jsonl", b'{"text": "a"}\n', "with text and label"),
        ("x.jsonl", b'{"text": "a", "label": "perhaps"}\n', "positive or negative"),
        ("x.jsonl", b"\xff\xfe\x00", "not UTF-8"),
        ("positive/x.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("positive/x.jsonl", b"[1]", "no sample"),
        ("other.txt", b"text", "there are no samples here"),
    ],
)  # fmt: skip
def test_what_is_no_sample_is_named_with_its_place(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProblemsError) as caught:
        read_samples(tmp_path)
    assert said in str(caught.value)


def test_a_missing_folder_has_no_samples(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="cannot be used"):
        read_samples(tmp_path / "none")


def samples(*texts: str, positive: bool = True) -> list[Sample]:
    return [Sample(text, positive, f"{positive} {place}") for place, text in enumerate(texts)]


def test_doubles_are_left_out_whatever_their_case_and_punctuation() -> None:
    text = letter("offer", 1)
    found = cleaned(samples(text, text.upper(), text.replace(".", " !"), letter("offer", 2)))
    assert found.doubles == 2
    assert [sample.text for sample in found.samples] == [text, letter("offer", 2)]


def test_a_text_on_both_sides_is_named_by_its_places() -> None:
    text = letter("offer", 1)
    found = cleaned([*samples(text), *samples(text, positive=False)])
    assert found.both == (("True 0", "False 0"),)


def test_filled_in_copies_of_one_form_are_near_copies_and_letters_are_not() -> None:
    copies = [filled(template("nda"), seed, longest=2) for seed in range(4)]
    found = cleaned(samples(*copies, *resignations(12)))
    assert len(set(found.groups[:4])) == 1
    assert len(set(found.groups)) == 13
