"""Forms as files: what is kept of a template, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from dlpagent.classifiers.fingerprint_form import Form, form_of, read_form, write_form
from dlpagent.errors import ConfigurationError, RuleError
from tests.classifiers.forms import TEMPLATES, template

SALT = 0x1234_5678_9ABC_DEF1


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_form_written_is_the_form_read(name: str, tmp_path: Path) -> None:
    form = form_of(template(name), name)
    write_form(form, tmp_path / "x.fp.json")
    again = read_form(tmp_path / "x.fp.json")
    assert (again.name, again.salt, again.exact, again.all_words) == (
        form.name, form.salt, form.exact, form.all_words,
    )  # fmt: skip
    for field in ("hashes", "lengths", "weights"):
        assert np.array_equal(getattr(again, field), getattr(form, field))


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_word_of_the_template_is_in_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.fp.json"
    write_form(form_of(template(name), "a name"), path)
    text = path.read_text().lower()
    words = set(re.findall(r"[a-z]{5,}", template(name).lower()))
    own = {"kind", "fingerprint", "name", "salt", "words", "exact", "blocks", "hashes", "lengths"}
    assert not {word for word in words - own if f'"{word}"' in text or f" {word} " in text}
    assert path.stat().st_size < 2_500


def test_blocks_are_disjoint_sorted_and_have_no_order() -> None:
    form = form_of(template("nda"), "nda", salt=SALT)
    assert form.words <= form.all_words  # every word in one block at most
    assert np.all(form.hashes[1:] > form.hashes[:-1])
    assert form.words == int(form.weights.sum())


def test_two_forms_of_one_template_share_no_hashes() -> None:
    one, two = form_of(template("tax"), "x"), form_of(template("tax"), "x")
    assert not set(one.hashes.tolist()) & set(two.hashes.tolist())
    same = form_of(template("tax"), "x", salt=SALT), form_of(template("tax"), "x", salt=SALT)
    assert np.array_equal(same[0].hashes, same[1].hashes)


def blocks_of(text: str) -> Form:
    """The blocks of a text, with enough other text to be a form."""
    return form_of(f"{text}\n{template('tax')}", "x", salt=SALT)


@pytest.mark.parametrize(
    "blank",
    ["____", "....", "[ ]", "[your name]", "{{client}}", "<client name>", "\t", "\n", ": ", "   "],
)
def test_what_stands_on_two_sides_of_a_blank_is_never_one_block(blank: str) -> None:
    both = blocks_of(f"signed by us{blank}in this town")
    apart = blocks_of("signed by us\nin this town")
    assert set(both.hashes.tolist()) == set(apart.hashes.tolist())


def test_single_words_between_blanks_do_not_count() -> None:
    assert blocks_of("Name: ____ Place: ____").words == blocks_of("").words


def test_text_in_a_placeholder_is_not_of_the_form() -> None:
    with_text = blocks_of("between [name of the first party] and them")
    assert set(with_text.hashes.tolist()) == set(blocks_of("between\nand them").hashes.tolist())


def test_a_block_that_stands_twice_weighs_twice() -> None:
    once, twice = blocks_of("exactly these words"), blocks_of("exactly these words\n" * 2)
    assert len(once.hashes) == len(twice.hashes)
    assert twice.words == once.words + 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "too little"),
        ("Name: ____\nAddress: ____\nPhone: ____\n" * 20, "0 words in 0"),
        ("the same three words and no more\n" * 50, "in 2"),
        ("word " * 200_001, "too long"),
    ],
)
def test_a_template_that_cannot_be_recognised_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        form_of(text, "x")


CJK = (
    "この契約は甲と乙の間で締結される秘密保持契約である。"
    "当事者は本契約に定める情報を第三者に開示してはならない。"
)


def test_scripts_without_blanks_take_blocks_of_more_characters() -> None:
    form = form_of(CJK, "x")
    assert form.lengths.min() >= 3
    assert np.median(form.lengths) >= 6


def damaged(**changes: object) -> str:
    document = json.loads(_document())
    document.update(changes)
    return json.dumps(document)


def _document() -> str:
    with TemporaryDirectory() as folder:
        write_form(form_of(template("nda"), "nda", salt=SALT), Path(folder, "f"))
        return Path(folder, "f").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "\x00", damaged(v=2), damaged(kind="model"), damaged(hashes="AAAA"),
        damaged(lengths=""), damaged(salt="xyz"), damaged(hashes=None), damaged(weights="!!"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error_with_a_remedy(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.fp.json"
    path.write_text(text)
    with pytest.raises(RuleError, match="Make it anew"):
        read_form(path)


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="No such file"):
        read_form(tmp_path / "x.fp.json")
