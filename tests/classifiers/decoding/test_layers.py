"""Edited texts: what a span was made from, however many layers lie between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.decoding.layers import BIT, Edit, Edits, Layer, names_of, replaced

ENTITY, BASE64 = BIT["html entity"], BIT["base64"]


def drawn_edits(data: st.DataObject, text: str) -> list[Edit]:
    """Edits of a text: in order, apart, replacing, removing, at its edges."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return [
        (start, end, data.draw(st.text("xyz", max_size=3)), data.draw(st.sampled_from([0, 1, 64])))
        for start, end in pairs
    ]


@given(st.text("abcdefgh", min_size=1, max_size=30), st.data())
@settings(max_examples=400)
def test_a_span_leads_back_to_what_it_was_made_from(text: str, data: st.DataObject) -> None:
    original = Layer(text)
    top = original
    for _ in range(data.draw(st.integers(0, 3))):
        top = top.edited(drawn_edits(data, top.text))
    if not top.text:
        return
    start = data.draw(st.integers(0, len(top.text) - 1))
    end = data.draw(st.integers(start + 1, len(top.text)))
    first, last = top.original(start, end)
    assert 0 <= first < last <= len(text)
    # a letter of the original that is still there leads to itself
    one = top.text[start]
    if one in text and top.edits is not None and top.below is original:
        made = [edit for edit in data_edits(top.edits) if edit[2] <= start < edit[3]]
        if not made:
            assert text[first] == one
        else:
            assert first == made[0][0]


def data_edits(edits: Edits) -> list[tuple[int, int, int, int]]:
    columns = (edits.start, edits.end, edits.out_start, edits.out_end)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(st.text("abcdefgh", min_size=1, max_size=30), st.data())
def test_edits_stand_where_they_were_made(text: str, data: st.DataObject) -> None:
    edits = drawn_edits(data, text)
    layer = Layer(text).edited(edits)
    assert layer.text == replaced(text, edits)
    if layer.edits is None:
        return
    for (start, end, now, _), (first, last, low, high) in zip(
        edits, data_edits(layer.edits), strict=True
    ):
        assert (first, last) == (start, end)
        assert layer.text[low:high] == now


def test_a_decoded_stretch_is_one_whole_and_a_removed_one_is_left_out() -> None:
    layer = Layer("ab QUJD cd").edited([(3, 7, "hello world", BASE64)])
    assert layer.text == "ab hello world cd"
    assert layer.original(3, 8) == layer.original(9, 14) == (3, 7)
    assert layer.original(0, 2) == (0, 2)
    assert layer.original(15, 17) == (8, 10)
    layer = Layer("12--34").edited([(2, 4, "", ENTITY)])
    assert layer.original(1, 2) == (1, 2)
    assert layer.original(2, 3) == (4, 5)
    assert layer.original(0, 4) == (0, 6)


def test_layers_lead_back_through_each_other() -> None:
    one = Layer("x%2534y").edited([(1, 4, "%", 2)])
    two = one.edited([(1, 4, "4", 2)])
    assert two.text == "x4y"
    assert two.original(1, 2) == (1, 6)


@pytest.mark.parametrize(
    ("span", "touching"),
    [((0, 2), 0), ((2, 4), ENTITY), ((3, 4), ENTITY), ((4, 5), ENTITY), ((6, 9), BASE64), ((12, 13), 0)],
)  # fmt: skip
def test_changes_say_which_of_them_touch_a_span(span: tuple[int, int], touching: int) -> None:
    layer = Layer("abcXefgYYYklmn").edited([(3, 4, "d", ENTITY), (7, 10, "hi", BASE64)])
    changes = layer.changes()
    assert changes.touching(*span) == touching
    assert changes.is_near(*span, 2) == bool(changes.touching(span[0] - 2, span[1] + 2))


def test_foldings_count_as_no_change() -> None:
    layer = Layer("a\u200bb").edited([(1, 2, "", 0)])
    assert layer.original(1, 2) == (2, 3)
    assert not len(layer.changes().starts)


def test_changes_of_lower_layers_move_with_the_text() -> None:
    one = Layer("Q__Z").edited([(3, 4, "zz", ENTITY)])
    two = one.edited([(1, 3, "", BASE64)])
    assert two.text == "Qzz"
    assert two.changes().starts.tolist() == [1, 1]
    assert two.changes(since=one).bits.tolist() == [BASE64]
    assert names_of(two.changes().touching(1, 3)) == ("html entity", "base64")


def test_stretches_around_changes_do_not_overlap() -> None:
    layer = Layer("." * 100).edited([(10, 11, "a", 1), (14, 15, "b", 1), (80, 81, "c", 1)])
    assert layer.changes().clusters(5, 100) == [(5, 20), (75, 86)]
