"""Exact data matches in texts: the row's value, what else of that very row is near, and nothing else."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers import edm
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.detectors import description_of, detector_of
from dlpagent.classifiers.edm_build import build_store
from dlpagent.classifiers.explain import explain
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import Detector
from dlpagent.errors import ProblemsError
from dlpagent.evidence import Evidence
from tests.classifiers.edm_stores import KEY, MEMBERS, ROWS, store_of, write_rows
from tests.classifiers.test_detecting import records

SIT = """
id: 00000000-0000-4000-8000-0000000000cc
name: Member
version: 1
parity: own
elements:
  number: {regex: '\\b[Mm][-/ ]?[0-9]{4}[-/ ]?[0-9]{2}\\b'}
  alone: {detector: {kind: edm, store: store, primary: Number, through: number}}
  one:
    detector: {kind: edm, store: store, primary: Number, through: number, any: [Name, Town, Born]}
  two:
    detector: {kind: edm, store: store, primary: Number, through: number, any: [Name, Town, Born],
               min: 2, proximity: 60}
patterns:
- {confidence: 85, primary: two}
- {confidence: 75, primary: one}
- {confidence: 65, primary: alone}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("edm")
    store_of(place)
    (place / "member.yaml").write_text(SIT)
    return place


@pytest.fixture(scope="module")
def members(folder: Path) -> CompiledPack:
    return CompiledPack(load_pack(folder / "member.yaml"))


def found(pack: CompiledPack, text: str) -> list[tuple[str, int]]:
    hits = evaluate(pack, text, sits=pack.detected).hits
    return [(text[hit.start : hit.end], hit.confidence) for hit in hits]


def element(folder: Path, **params: object) -> Detector:
    return Detector(
        "element",
        "edm",
        (("store", "store"), *params.items()),
        folder=str(folder),  # type: ignore[arg-type]
    )


def spans(item: Detector, text: str) -> list[str]:
    subject = Subject.of(text)
    (seen,) = detector_of(item).look([subject])
    assert not seen.skipped
    return [subject.text[slice(*span)] for span in seen.spans]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("M-1001-77", [("M-1001-77", 65)]),
        ("m 1001/77 ok", [("m 1001/77", 65)]),
        ("M100177", [("M100177", 65)]),
        ("M-1001-78", []),
        ("M-9999-99 Anna Maria Berg", []),
        ("M-1001-77 of ANNA  MARIA\nBERG", [("M-1001-77", 75)]),
        ("M-1001-77 of Anna Maria Berg, Old Town", [("M-1001-77", 85)]),
        ("M-1001-77 of Anna Maria", [("M-1001-77", 65)]),
        ("M-1001-77, born 1980-02-01 in old town", [("M-1001-77", 85)]),
        ("M-1001-77, born 1980/02/01", [("M-1001-77", 65)]),
        ("M-1002-78 Jo Long Kiel and M-1003-79", [("M-1002-78", 85), ("M-1003-79", 75)]),
        ("M-1004-80 łucja żak", [("M-1004-80", 75)]),
        ("M-1005-81是王小明住在北京", [("M-1005-81", 85)]),
    ],
)
def test_tiers_hold_by_how_much_of_the_row_is_near(
    text: str, wanted: list[tuple[str, int]], members: CompiledPack
) -> None:
    assert found(members, text) == wanted


def test_fields_of_other_rows_do_not_count(members: CompiledPack) -> None:
    # the town is of the second and third row, the date of the second, the name of the first and third
    text = "M-1001-77 Kiel 1990-03-04"
    assert found(members, text) == [("M-1001-77", 65)]
    assert found(members, "M-1002-78 Anna Maria Berg 1971-05-06") == [("M-1002-78", 65)]


@pytest.mark.parametrize(("place", "confidence"), [(59, 85), (60, 75)])
def test_a_value_counts_that_lies_wholly_within_proximity_after(
    place: int, confidence: int, members: CompiledPack
) -> None:
    text = "M-1001-77 Old Town".ljust(place) + "1980-02-01"  # 60 characters after 9 end at 69
    assert found(members, text) == [("M-1001-77", confidence)]


@pytest.mark.parametrize(("place", "confidence"), [(60, 85), (61, 75)])
def test_a_value_counts_that_lies_wholly_within_proximity_before(
    place: int, confidence: int, members: CompiledPack
) -> None:
    text = "1980-02-01".ljust(place) + "M-1001-77 Old Town"
    assert found(members, text) == [("M-1001-77", confidence)]


def test_the_primary_value_does_not_support_itself(tmp_path: Path) -> None:
    store_of(tmp_path, [["M-1", "Same", "Same", "", "Same"]])
    item = element(tmp_path, primary="Code", any=("Name", "Town"), min=2)
    assert spans(item, "Same") == []
    assert spans(item, "Same and Same") == ["Same", "Same"]


def test_a_value_shared_by_rows_counts_for_the_row_that_agrees_best(folder: Path) -> None:
    item = element(folder, primary="Name", any=("Town", "Born"), min=2)
    assert spans(item, "Anna Maria Berg of Kiel, 1971-05-06") == ["Anna Maria Berg"]
    assert spans(item, "Anna Maria Berg of Old Town, 1980-02-01") == ["Anna Maria Berg"]
    assert spans(item, "Anna Maria Berg of Kiel, 1980-02-01") == []
    item = element(folder, primary="Name", any=("Town", "Born"), min=0)
    (seen,) = detector_of(item).look([Subject.of("Anna Maria Berg of Old Town, 1980-02-01")])
    assert seen.notes == {(0, 15): "same row: Town, Born"}


@pytest.mark.parametrize(
    ("params", "text", "is_found"),
    [
        ({"all": ("Town", "Born")}, "Zx9 Old Town 1980-02-01", True),
        ({"all": ("Town", "Born")}, "Zx9 Old Town", False),
        ({"all": ("Town",), "any": ("Born", "Name")}, "Zx9 Old Town 1980-02-01", True),
        ({"all": ("Town",), "any": ("Born", "Name")}, "Zx9 1980-02-01", False),
        ({"any": ("Town", "Born"), "max": 1}, "Zx9 Old Town", True),
        ({"any": ("Town", "Born"), "max": 1}, "Zx9 Old Town 1980-02-01", False),
        ({"any": ("Town",), "min": 0}, "Zx9", True),
        ({"any": ("Town",), "proximity": "unlimited"}, "Zx9" + " so" * 500 + " Old Town", True),
        ({"any": ("Town",)}, "Zx9" + " so" * 500 + " Old Town", False),
        ({}, "zx9 or ZX9 or xZx9x", False),
    ],
)
def test_all_any_min_max_and_proximity_mean_what_they_say(
    params: dict[str, object], text: str, is_found: bool, folder: Path
) -> None:
    hits = spans(element(folder, primary="Code", **params), text)
    assert ("Zx9" in hits) == is_found


def test_a_note_names_the_fields_that_agreed_and_no_value(folder: Path) -> None:
    item = element(folder, primary="Number", any=("Name", "Town", "Born"), min=1)
    (seen,) = detector_of(item).look([Subject.of("M-1001-77 Old Town 1980-02-01")])
    assert seen.notes == {(0, 9): "same row: Town, Born"}
    (seen,) = detector_of(element(folder, primary="Number")).look([Subject.of("M-1001-77")])
    assert seen.notes == {(0, 9): "in the store"}


def test_words_in_a_row_are_found_without_patterns(folder: Path) -> None:
    item = element(folder, primary="Name")
    text = "for anna maria berg, Anna Berg, Maria Berg and 王小明, Łucja  Żak; Annamaria Berg"
    assert spans(item, text) == ["anna maria berg", "王小明", "Łucja  Żak"]


def test_hidden_characters_do_not_hide_a_value(members: CompiledPack) -> None:
    text = "M-10\u200b01-77 of Anna\u00a0Maria Berg in Old\u00adTown, Old Town"
    assert found(members, text) == [("M-10\u200b01-77", 85)]


LETTERS = st.text(string.ascii_letters + "äé", min_size=1, max_size=8)
ROW = st.tuples(
    st.from_regex(r"\A[A-Z]{2}-[0-9]{4}-[0-9]{2}\Z"),
    st.lists(LETTERS, min_size=1, max_size=3).map(" ".join),
    LETTERS,
    st.dates().map(str),
    st.from_regex(r"\A[a-z]{2}[0-9]{4}\Z"),
)


@given(st.lists(ROW, min_size=1, max_size=5), st.data())
@settings(max_examples=40)
def test_every_planted_row_is_found_and_none_with_a_changed_digit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("planted")
    store_of(folder, rows)
    number, name, town, born, _ = data.draw(st.sampled_from(rows))
    item = element(folder, primary="Number", any=("Name", "Town", "Born"), min=3)
    near = data.draw(st.text("xyz .,\n", max_size=40))
    written = number.lower().replace("-", data.draw(st.sampled_from("-/")))
    text = f"[{near}] {name} | {written} | {town} | {born} [{near}]"
    assert len(spans(item, text)) == 1
    place = data.draw(
        st.sampled_from([place for place, char in enumerate(number) if char.isdigit()])
    )
    other = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    if other.replace("-", "") not in {row[0].replace("-", "") for row in rows}:
        assert spans(item, f"{name} | {other} | {town} | {born}") == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("kind: edm, primary: Number", "needs store"),
        ("kind: edm, store: store", "needs primary"),
        ("kind: edm, store: nowhere, primary: Number", "there is no EDM store here"),
        ("kind: edm, store: store, primary: Town", "cannot be a primary element"),
        ("kind: edm, store: store, primary: Numbr", "cannot be a primary element"),
        ("kind: edm, store: store, primary: Number, any: [Nmae]", "does not have"),
        ("kind: edm, store: store, primary: Number, any: [Name], min: 2", "min asks for more"),
        ("kind: edm, store: store, primary: Number, any: [Name], max: 0", "max is below min"),
        ("kind: edm, store: store, primary: Number, any: [Number]", "cannot support itself"),
        ("kind: edm, store: store, primary: Number, proximity: 0", "proximity is wrong"),
        ("kind: edm, store: store, primary: Number, min: some", "min is wrong"),
        ("kind: edm, store: store, primary: Number, colour: red", "takes no colour"),
        ("kind: edm, store: store, primary: Number, through: nubmer", "Did you mean number?"),
    ],
)
def test_an_element_that_cannot_be_is_a_problem_of_its_file(
    params: str, said: str, tmp_path: Path
) -> None:
    store_of(tmp_path)
    old = "{kind: edm, store: store, primary: Number, through: number}"
    (tmp_path / "member.yaml").write_text(SIT.replace(old, f"{{{params}}}"))
    with pytest.raises(ProblemsError) as caught:
        load_pack(tmp_path / "member.yaml")
    assert said in str(caught.value)


def test_through_may_name_a_type_of_the_base_pack(tmp_path: Path) -> None:
    base = load_pack(_plain(tmp_path / "base"))
    store_of(tmp_path / "mine")
    body = SIT.replace("through: number", "through: Number of a badge")
    (tmp_path / "mine" / "member.yaml").write_text(body)
    pack = CompiledPack(load_pack(tmp_path / "mine" / "member.yaml", base=base))
    assert found(pack, "M-1001-77 and M-1002.78") == [("M-1001-77", 65)]


def _plain(folder: Path) -> Path:
    folder.mkdir()
    (folder / "badge.yaml").write_text(
        "id: 00000000-0000-4000-8000-0000000000dd\nname: Number of a badge\nversion: 1\n"
        "parity: own\nelements:\n  badge: {regex: 'M-[0-9]{4}-[0-9]{2}'}\n"
        "patterns: [{confidence: 75, primary: badge}]\n"
    )
    return folder / "badge.yaml"


def test_a_refreshed_store_is_another_pack_and_is_read_anew(tmp_path: Path) -> None:
    store_of(tmp_path)
    (tmp_path / "member.yaml").write_text(SIT)
    before = load_pack(tmp_path)
    assert found(CompiledPack(before), "M-1005-81") == [("M-1005-81", 65)]
    store_of(tmp_path, ROWS[:2])
    after = load_pack(tmp_path)
    assert after.ref.hash != before.ref.hash
    assert found(CompiledPack(after), "M-1005-81") == []


def test_a_value_in_very_many_rows_makes_the_text_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edm, "MAX_ROWS_LOOKED_AT", 1)
    store_of(tmp_path)
    body = SIT.replace("primary: Number, through: number", "primary: Name")
    (tmp_path / "member.yaml").write_text(body.replace("any: [Name,", "any: [Number,"))
    classifier = classifier_of(load_pack(tmp_path), Evidence(bytes(32)))
    result = classifier.classify(records(["Jo Long", "Anna Maria Berg"]))
    assert {item.row for item in result.incomplete} == {1}
    assert "more than 1 rows" in result.incomplete[0].reason


def test_traces_and_descriptions_tell_of_the_store_and_no_value(members: CompiledPack) -> None:
    (trace,) = explain(members, "M-1001-77 Old Town").traces
    assert trace.confidence == 75
    item = members.pack.elements["two"]
    assert isinstance(item, Detector)
    (line,) = description_of(item)
    assert line.startswith("5 rows of Members, build ")


def test_files_of_rows_of_any_separator_give_the_same_findings(tmp_path: Path) -> None:
    store_of(tmp_path)
    data = write_rows(tmp_path / "rows.psv", ROWS, separator="|")
    build_store(MEMBERS, data, tmp_path / "store", KEY)
    assert spans(element(tmp_path, primary="Name"), "Jo Long") == ["Jo Long"]
