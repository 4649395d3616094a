"""Two packs compared by meaning: what counts is said once and exactly, what does not is a note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.diff import Difference, diff_packs
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.rulepackage_export import export_rule_package
from dlpagent.classifiers.rulepackage_xml import read_rule_package
from dlpagent.classifiers.sit import (
    AnyOf,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
)
from dlpagent.findings import PackRef
from tests.classifiers.packages import BASE, CONTOSO, SMALL, written

ORDER = "b4f1c1a0-1111-4222-8333-0000000000fa"


def compared(tmp_path: Path, old: str, new: str) -> Difference:
    before = read_rule_package(written(tmp_path / "a.xml", SMALL), BASE).pack
    after = read_rule_package(written(tmp_path / "b.xml", SMALL.replace(old, new, 1)), BASE).pack
    return diff_packs(before, after)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("PO-", "PR-", r"~ regex: Order number › Regex_order: PO-\d{6} → PR-\d{6}"),
        ("<Term>purchase</Term>", "", "- keyword: Order number › Keyword_order: purchase"),
        ("<Term>purchase</Term>", "<Term>purchase</Term><Term>PO</Term>",
         "+ keyword: Order number › Keyword_order: PO"),
        ('patternsProximity="300"', 'patternsProximity="unlimited"',
         "~ proximity: Order number: 300 → unlimited"),
        ('recommendedConfidence="75"', 'recommendedConfidence="85"',
         "~ recommended confidence: Order number: 75 → 85"),
        ('confidenceLevel="75"', 'confidenceLevel="65"',
         "~ confidence: Order number › confidence 65: 75 → 65"),
        ('minCount="1"', 'minCount="2"', "- condition: Order number › confidence 85: "
         "any 1 of (Func_iban, Keyword_order)\n+ condition: Order number › confidence 85: "
         "any 1 of (Func_iban, Keyword_order ×2)"),
        ('<Match idRef="Func_iban"/>', "", "- condition: Order number › confidence 85: any 1 of "
         "(Func_iban, Keyword_order)\n+ condition: Order number › confidence 85: any 1 of "
         "(Keyword_order)"),
        ("</Entity>", '<Pattern confidenceLevel="65"><IdMatch idRef="Keyword_order"/></Pattern></Entity>',
         "+ tier: Order number: confidence 65, primary Keyword_order"),
        ("1, 2, 3", "1, 2, 4", "- validator: Order number › Regex_order: checksum(weights=(1, 2, 3), "
         "mod=10, check_digit=3, allow_alphabets=False)\n+ validator: Order number › Regex_order: "
         "checksum(weights=(1, 2, 4), mod=10, check_digit=3, allow_alphabets=False)"),
        ('matchStyle="word"', 'matchStyle="string"',
         "- keyword: Order number › Keyword_order: order\n"
         "- keyword: Order number › Keyword_order: purchase\n"
         "+ keyword: Order number › Keyword_order: order (anywhere)\n"
         "+ keyword: Order number › Keyword_order: purchase (anywhere)"),
    ],
)  # fmt: skip
def test_a_change_is_said_with_its_type_and_place(
    old: str, new: str, text: str, tmp_path: Path
) -> None:
    assert old in SMALL
    found = compared(tmp_path, old, new)
    assert "\n".join(map(str, found.changes)) == text
    assert all(change.sit_id == ORDER for change in found.changes)
    assert not found.is_equal


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("\n", "\r\n", ""),
        ('<Term caseSensitive="false">order</Term><Term>purchase</Term>',
         "<Term>purchase</Term><Term>order</Term>", ""),
        ('<Match idRef="Keyword_order" minCount="1"/><Match idRef="Func_iban"/>',
         '<Match idRef="Func_iban"/><Match idRef="Keyword_order"/>', ""),
        ('minor="0"', 'minor="7"', "~ pack version: 1.0.0.0 → 1.7.0.0"),
        (">Order number<", ">Number of an order<", "~ name: Order number → Number of an order"),
        (">An order.<", ">Any order.<", "~ description: Order number: An order. → Any order."),
    ],
)  # fmt: skip
def test_what_cannot_change_a_finding_is_a_note(
    old: str, new: str, note: str, tmp_path: Path
) -> None:
    assert old in SMALL
    found = compared(tmp_path, old, new)
    assert found.is_equal
    assert "\n".join(map(str, found.notes)) == note


def test_a_renamed_element_is_the_same_element(tmp_path: Path) -> None:
    before = read_rule_package(written(tmp_path / "a.xml", SMALL), BASE).pack
    text = SMALL.replace("Regex_order", "Regex_po").replace("Keyword_order", "Keyword_po")
    found = diff_packs(before, read_rule_package(written(tmp_path / "b.xml", text), BASE).pack)
    assert found.is_equal
    assert {str(note) for note in found.notes} == {
        "~ id: Regex_order: Regex_order → Regex_po",
        "~ id: Keyword_order: Keyword_order → Keyword_po",
    }


def test_an_element_that_nothing_uses_is_a_note(tmp_path: Path) -> None:
    unused = '<Keyword id="K"><Group matchStyle="word"><Term>k</Term></Group></Keyword>'
    found = compared(tmp_path, "<LocalizedStrings>", unused + "<LocalizedStrings>")
    assert found.is_equal
    assert [str(note) for note in found.notes] == ["+ keyword list: K: 1 entries"]


def test_types_that_came_and_went_are_said_without_their_parts(tmp_path: Path) -> None:
    before = read_rule_package(written(tmp_path / "a.xml", SMALL), BASE).pack
    after = read_rule_package(written(tmp_path / "b.xml", CONTOSO, "utf-16"), BASE).pack
    found = [str(change) for change in diff_packs(before, after).changes]
    assert found == ["- sit: Order number", "+ sit: Contoso badge", "+ sit: Contoso test",
                     "+ sit: Contoso paper"]  # fmt: skip


def test_a_list_of_several_types_names_them_all() -> None:
    def pack(*terms: str) -> Pack:
        keyword = Keyword("K", (Group("word", tuple(map(Term, terms))),))
        sits = [Sit(f"0000000{n}-1111-4222-8333-00000000000a", f"Type {n}", 1, "own",
                    (Pattern(75, "K"),)) for n in (1, 2)]  # fmt: skip
        return Pack(PackRef("p", "1", ""), "p", "", "extended",
                    {sit.id: sit for sit in sits}, {"K": keyword})  # fmt: skip

    [change] = diff_packs(pack("a"), pack("a", "b")).changes
    assert (change.sit, change.sit_id, change.after) == ("Type 1, Type 2", "", "b")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (Filter("F", "all_digits_same"), Filter("F", "text_match", "prefix", "include", "R"),
         "~ filter: Type › F: all digits the same → include prefix R"),
        (Union("F", ("R",)), Union("F", ("R", "R")), "+ part: Type › F: R"),
        (Keyword("F", (), stub=True), Regex("F", (Expression("a"),)),
         "~ element: Type › F: keyword list → regex element"),
    ],
)  # fmt: skip
def test_filters_unions_and_kinds_are_compared(before: object, after: object, text: str) -> None:
    def pack(item: object) -> Pack:
        is_filter = isinstance(item, Filter)
        primary, filters = ("R", ("F",)) if is_filter else ("F", ())
        sit = Sit(ORDER, "Type", 1, "own", (Pattern(75, primary),), filters=filters)
        regex = Regex("R", (Expression("r"),))
        elements = {"R": regex} if is_filter else {"R": regex, "F": item}
        return Pack(PackRef("p", "1", ""), "p", "", "extended", {ORDER: sit},
                    elements, {"F": item} if is_filter else {})  # type: ignore[arg-type, dict-item] # fmt: skip

    assert [str(change) for change in diff_packs(pack(before), pack(after)).changes] == [text]


def test_an_export_is_equal_to_what_it_was_made_of(tmp_path: Path) -> None:
    pack = read_rule_package(written(tmp_path / "a.xml", CONTOSO, "utf-16"), BASE).pack
    (tmp_path / "b.xml").write_bytes(export_rule_package(pack, BASE, version="9.0.0.0").data)
    found = diff_packs(pack, read_rule_package(tmp_path / "b.xml", BASE).pack)
    assert found.is_equal
    assert [note.what for note in found.notes] == ["pack version"]


# --- the diff and the hash agree --------------------------------------------------------------

small_packs = st.builds(
    lambda confidence, window, low, term, style, regex, check, filters: with_hash(
        Pack(
            PackRef("p", "1", ""), "p", "", "extended",
            {ORDER: Sit(ORDER, "Type", 1, "own", (
                Pattern(confidence, "R", (AnyOf((Match("K", low), Match("R")), low),), window, filters),
                Pattern(60, "K"),
            ))},
            {"R": Regex("R", (Expression(regex),), check),
             "K": Keyword("K", (Group(style, (Term(term), Term("x"))),))},
            {"F": Filter("F", "all_digits_same")},
        )
    ),
    st.sampled_from([60, 75]), st.sampled_from([None, 5]), st.integers(0, 2),
    st.sampled_from(["x", "y"]), st.sampled_from(["word", "string"]), st.sampled_from(["a", "b"]),
    st.sampled_from([(), (ValidatorSpec("luhn"),)]), st.sampled_from([(), ("F",)]),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(small_packs, small_packs)
def test_packs_are_equal_exactly_when_their_hashes_are(left: Pack, right: Pack) -> None:
    assert diff_packs(left, right).is_equal == (left.ref.hash == right.ref.hash)
    assert diff_packs(left, replace(left, name="other")).is_equal
