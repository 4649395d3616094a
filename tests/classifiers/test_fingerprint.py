"""Filled-in copies of forms are found, other forms and other text are not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.fingerprint import Stretch, stretches
from dlpagent.classifiers.fingerprint_form import Form, form_of, write_form
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.words import words_of
from dlpagent.errors import ProblemsError
from dlpagent.evidence import Evidence
from tests.classifiers.forms import OTHERS, TEMPLATES, edited, filled, flowed, template
from tests.classifiers.test_detecting import records

SALT = 0x1234_5678_9ABC_DEF1
FORMS = {name: form_of(template(name), name, salt=SALT) for name in TEMPLATES}
PROSE = (
    "The council met again on Tuesday and heard how the harbour wall is to be mended. Three firms "
    "have sent prices; the work should begin in spring when the tides allow it. Some members asked "
    "whether the path along the water will stay open, and the engineer said that it will. "
)


def found(form: Form, *texts: str) -> list[Stretch]:
    return stretches(form, words_of([Subject.of(text) for text in texts]))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("seed", range(3))
def test_every_filled_in_copy_is_found_whole(name: str, seed: int) -> None:
    (item,) = found(FORMS[name], filled(template(name), seed))
    assert item.covered == 1
    assert not item.is_exact


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("other", [*TEMPLATES, *OTHERS])
def test_no_other_form_is_taken_for_it(name: str, other: str) -> None:
    if other != name:
        assert not found(FORMS[name], filled(template(other), 1))


@pytest.mark.parametrize("name", TEMPLATES)
def test_line_breaks_case_and_punctuation_do_not_matter(name: str) -> None:
    (item,) = found(FORMS[name], flowed(filled(template(name), 4)))
    assert item.covered == 1


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("share", "least"), [(0.02, 0.8), (0.05, 0.6), (0.1, 0.4)])
def test_small_edits_cost_little(name: str, share: float, least: float) -> None:
    (item,) = found(FORMS[name], edited(filled(template(name), 2), 3, share))
    assert item.covered >= least


@pytest.mark.parametrize("name", TEMPLATES)
def test_full_width_letters_and_invisible_characters_do_not_hide_a_form(name: str) -> None:
    text = filled(template(name), 3)
    wide = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    (item,) = found(FORMS[name], wide)
    assert item.covered == 1
    (item,) = found(FORMS[name], text.replace("e", "e\u200b"))
    assert item.covered == 1


def test_the_span_is_the_stretch_that_the_form_covers() -> None:
    copy = filled(template("tax"), 1)
    text = PROSE * 30 + copy + PROSE * 30
    (item,) = found(FORMS["tax"], text)
    begin, end = text.index(copy), text.index(copy) + len(copy)
    assert item.start == begin
    assert end - 120 < item.end <= end  # what is written into the last blank is not of the form


def test_several_copies_in_a_text_are_found_one_by_one() -> None:
    copies = [filled(template("intake"), seed) for seed in range(6)]
    text = PROSE.join(copies)
    items = found(FORMS["intake"], text)
    assert [item.start for item in items] == [text.index(copy) for copy in copies]
    assert [item.covered for item in items] == [1] * 6
    back_to_back = "\n".join(copies)
    assert len(found(FORMS["intake"], back_to_back)) == 6


def test_a_torn_copy_before_a_whole_one_is_a_finding_of_its_own() -> None:
    whole, torn = filled(template("nda"), 1), filled(template("nda"), 2)
    torn = torn[: len(torn) * 6 // 10]
    first, second = found(FORMS["nda"], torn + "\n" + whole)
    assert first.end <= len(torn)
    assert 0.5 <= first.covered <= 0.7
    assert (second.start, second.covered) == (len(torn) + 1, 1)


@pytest.mark.parametrize(("labels", "lines", "shown"), [(20, 20, 0), (10, 28, 8)])
def test_short_labels_and_whole_lines_add_up(labels: int, lines: int, shown: int) -> None:
    """Labels of two words are the smaller part of the form; the lines alone are not enough of it."""
    short = [f"left{number} right{number}" for number in range(labels)]
    long = [f"one{number} two{number} three{number}" for number in range(lines)]
    form = form_of("\n".join([*short, *long]), "x", salt=SALT)
    (item,) = found(form, " value ".join([*short, *long[:shown]]))
    assert item.covered == pytest.approx((2 * labels + 3 * shown) / (2 * labels + 3 * lines))
    assert 0.4 <= item.covered < 0.45


def test_words_of_two_texts_are_no_block_together() -> None:
    text = template("tax")
    cut = text.index("of tax adviser")
    (alone,) = found(FORMS["tax"], text[:cut])
    (item,) = found(FORMS["tax"], text[:cut], text[cut:])
    assert item.covered == alone.covered < 1


def test_a_heading_repeated_on_every_page_does_not_split_a_copy() -> None:
    lines = filled(template("nda"), 1).splitlines()
    lines[20:20] = ["MUTUAL NON-DISCLOSURE AGREEMENT", "page 2"]
    lines[30:30] = ["MUTUAL NON-DISCLOSURE AGREEMENT", "page 3"]
    (item,) = found(FORMS["nda"], "\n".join(lines))
    assert item.covered == 1


def test_half_a_form_has_half_the_share() -> None:
    text = filled(template("nda"), 1)
    (item,) = found(FORMS["nda"], text[: len(text) // 2])
    assert 0.4 <= item.covered <= 0.6
    assert not found(FORMS["nda"], text[: len(text) // 5])


def test_long_answers_do_not_hide_a_form() -> None:
    text = template("review").replace("{{achievements}}", PROSE * 25)
    (item,) = found(FORMS["review"], text)
    assert item.covered == 1


def test_phrases_of_a_form_scattered_over_a_long_text_are_not_the_form() -> None:
    rng = random.Random(1)
    lines = [line for line in template("nda").splitlines() if line.strip()]
    text = "".join(PROSE * 10 + rng.choice(lines) + "\n" for _ in range(100))
    assert not found(FORMS["nda"], text)


def test_a_stray_phrase_before_and_after_is_no_part_of_the_copy() -> None:
    copy = filled(template("tax"), 1)
    stray = "Tax withheld on interest and dividends was discussed. "
    text = stray + PROSE * 6 + copy + PROSE * 6 + stray
    (item,) = found(FORMS["tax"], text)
    assert item.start == text.index(copy)
    assert item.end <= text.index(copy) + len(copy)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_same_words_and_no_others_are_an_exact_copy(name: str) -> None:
    text = template(name)
    (item,) = found(FORMS[name], text)
    assert item.is_exact
    (item,) = found(FORMS[name], text.upper())
    assert item.is_exact
    (item,) = found(FORMS[name], text + "\none word more")
    assert not item.is_exact


def test_the_same_words_in_another_order_are_no_exact_copy() -> None:
    lines = template("tax").split("\n")
    lines[5], lines[6] = lines[6], lines[5]
    (item,) = found(FORMS["tax"], "\n".join(lines))
    assert item.covered == 1
    assert not item.is_exact


TRADE = """秘密保持契約書
この契約は甲と乙の間で締結される。甲の氏名：____ 乙の氏名：____
当事者は本契約に定める情報を第三者に開示してはならない。契約期間は締結の日から____年間とする。"""


def test_forms_in_scripts_without_blanks_are_found() -> None:
    form = form_of(TRADE, "x", salt=SALT)
    (item,) = found(form, "前文です。" * 20 + TRADE.replace("____", "山田太郎") + "以上。" * 20)
    assert item.covered == 1
    other = "本日は晴天なり。会議の資料を添付します。ご確認のほどよろしくお願いいたします。" * 20
    assert not found(form, other)


@given(st.lists(st.tuples(st.sampled_from(TEMPLATES), st.integers(0, 9)), max_size=4))
@settings(max_examples=25)
def test_each_form_is_found_as_often_as_it_stands_in_a_batch_or_alone(
    parts: list[tuple[str, int]],
) -> None:
    texts = [PROSE + filled(template(name), seed) for name, seed in parts]
    for name, form in FORMS.items():
        wanted = [place for place, (part, _) in enumerate(parts) if part == name]
        assert [item.owner for item in found(form, *texts)] == wanted
        together = "\n\n".join(texts)
        assert len(found(form, together)) == len(wanted)


@given(st.text(max_size=400))
def test_any_text_has_sound_spans(text: str) -> None:
    for item in found(FORMS["tax"], text, f"{text} {filled(template('tax'), 1)}"):
        assert item.owner == 1
        assert 0 <= item.start < item.end


@pytest.mark.parametrize(
    "text",
    [
        "", "\x00\x01\x02" * 100_000, "\ufffd" * 100_000, "a" * 1_000_000, "date of birth " * 50_000,
        "契" * 300_000, "\ud800\udfff" * 1_000, "first party name and title second party " * 20_000,
    ],
    ids=["empty", "binary", "undecodable", "one word", "a phrase", "signs", "surrogates", "labels"],
)  # fmt: skip
def test_hostile_text_is_no_form_and_takes_no_time(text: str) -> None:
    for form in FORMS.values():
        assert not found(form, text)


# --- as a SIT ---------------------------------------------------------------------------------

SIT = """
id: 00000000-0000-4000-8000-0000000000fa
name: Tax refund form
version: 1
parity: own
value: text
elements:
  whole: {detector: {kind: fingerprint, form: tax.fp.json, exact: true}}
  most: {detector: {kind: fingerprint, form: tax.fp.json, at_least: 80}}
  much: {detector: {kind: fingerprint, form: tax.fp.json, at_least: 40}}
  urgent: {keywords: [strictly private]}
patterns:
- {confidence: 95, primary: whole}
- {confidence: 85, primary: most, match: [urgent]}
- {confidence: 75, primary: most}
- {confidence: 65, primary: much}
references: [a page]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_form(FORMS["tax"], tmp_path / "tax.fp.json")
    (tmp_path / "tax.yaml").write_text(SIT)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        (template("tax"), 95),
        ("Strictly private. " + filled(template("tax"), 1), 85),
        ("Strictly private. " + PROSE * 3 + filled(template("tax"), 1), 75),
        (edited(filled(template("tax"), 1), 1, 0.1), 65),
        (filled(template("invoice"), 1), 0),
    ],
)
def test_levels_and_keywords_work_together(text: str, confidence: int, folder: Path) -> None:
    compiled = CompiledPack(load_pack(folder))
    hits = evaluate(compiled, text, sits=compiled.detected).hits
    assert [hit.confidence for hit in hits] == ([confidence] if confidence else [])


def test_a_batch_gives_the_findings_of_its_texts(folder: Path) -> None:
    classifier = classifier_of(load_pack(folder), Evidence(bytes(32)))
    texts = [
        None,
        PROSE,
        filled(template("tax"), 1),
        "",
        template("tax"),
        filled(template("nda"), 1),
    ]
    matches = classifier.classify(records(texts)).matches.to_pylist()
    assert [(item["row"], item["confidence"]) for item in matches] == [(2, 75), (4, 95)]
    assert "Income" not in matches[0]["masked"]


def test_a_trace_tells_of_every_level(folder: Path) -> None:
    (trace,) = explain(CompiledPack(load_pack(folder)), filled(template("tax"), 1)).traces
    assert [item.confidence for item in trace.patterns if item.primary_found] == [85, 75, 65]
    assert trace.confidence == 75


def test_another_form_behind_the_same_name_is_another_pack(folder: Path) -> None:
    before = load_pack(folder).ref.hash
    write_form(FORMS["nda"], folder / "tax.fp.json")
    pack = load_pack(folder)
    assert pack.ref.hash != before
    compiled = CompiledPack(pack)
    assert not evaluate(compiled, filled(template("tax"), 1), sits=compiled.detected).hits
    assert evaluate(compiled, filled(template("nda"), 1), sits=compiled.detected).hits


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{kind: fingerprint}", "needs a form"),
        ("{kind: fingerprint, form: none.fp.json}", "No such file"),
        ("{kind: fingerprint, form: tax.yaml}", "another file"),
        ("{kind: fingerprint, form: tax.fp.json, at_least: 20}", "from 30 to 100"),
        ("{kind: fingerprint, form: tax.fp.json, at_least: most}", "from 30 to 100"),
        ("{kind: fingerprint, form: tax.fp.json, exact: 3}", "true or false"),
        ("{kind: fingerprint, form: tax.fp.json, above: 20}", "takes no above"),
    ],
)
def test_wrong_parameters_are_problems_of_the_sit_file(
    params: str, said: str, folder: Path
) -> None:
    text = SIT.replace("{kind: fingerprint, form: tax.fp.json, exact: true}", params)
    (folder / "tax.yaml").write_text(text)
    with pytest.raises(ProblemsError) as caught:
        load_pack(folder)
    assert said in str(caught.value)
    assert "tax.yaml:8" in str(caught.value)
