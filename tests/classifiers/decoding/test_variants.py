"""What a text can be read as: every transform, its limits, its cost, and the way back."""

from __future__ import annotations

import base64
import random
import time
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.decoding import variants
from dlpagent.classifiers.decoding.variants import TOO_DEEP, TOO_MANY, has_cue, variants_of

CARD = "4111 1111 1111 1111"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def readings(text: str) -> list[str]:
    return [variant.text for variant in variants_of(text).found]


@pytest.mark.parametrize(
    ("text", "reading", "names"),
    [
        ("a &#52;1 b", "a 41 b", ["html entity"]),
        ("a &#x34;1&nbsp;2", "a 41 2", ["html entity"]),
        ("a &amp;#52; b", "a 4 b", ["html entity"]),
        ("jan&commat;x.org", "jan@x.org", ["html entity"]),
        ("a=%34%31%2D2", "a=41-2", ["url encoding"]),
        ("a=%2534%2531", "a=41", ["url encoding"]),
        ("%u0034 %C3%A9t%C3%A9", "4 été", ["url encoding"]),
        ("card+number=4111+1111&x=1", "card number=4111 1111&x=1", ["url encoding"]),
        (r"\u0034\x31\064\n5", "414\n5", ["escape sequence"]),
        (r"{\"pin\":\"1234\"}", '{"pin":"1234"}', ["escape sequence"]),
        (r"\ud835\udfd2 is four", "4 is four", ["escape sequence"]),
        ("12\\\n34", "1234", ["escape sequence"]),
        (r"gh\_token 078\-05\-1120", "gh_token 078-05-1120", ["markdown"]),
        ("4111**1111**22", "4111111122", ["markdown"]),
        ("_4111111111111111_ x", " 4111111111111111  x", ["markdown"]),
        ("card_4111111111111111_old", "card 4111111111111111 old", ["markdown"]),
        ("caf=C3=A9=204111=\n1111", "café 41111111", ["quoted-printable"]),
        ("41<b>11</b>22", "411122", ["markup"]),
        ("41<br/>22", "41\n22", ["markup"]),
        (f"see {b64('pin 4711 0815')} x", "see pin 4711 0815 x", ["base64"]),
        (f"see {b64(b64('pin 4711 0815'))} x", "see pin 4711 0815 x", ["base64"]),
        (f"key-{b64('123456789')} x", "key-123456789 x", ["base64"]),
        (f"see {b'pin 4711 0815'.hex()}", "see pin 4711 0815", ["hexadecimal"]),
        ("34 31 31 31 20 31 31 31 31 x", "4111 1111 x", ["hexadecimal"]),
        ("nu\u0301mero 4\u03361", "número 41", ["combining mark"]),
        ("4\ufe0f\u20e31\ufe0f\u20e3", "41", ["combining mark"]),
        ("jаn@еxample.com", "jan@example.com", ["look-alike letter"]),
        ("№ ④①①①①①", "№ 411111", ["look-alike letter"]),
        ("一二三四五六七", "1234567", ["look-alike letter"]),
        ("pass-\nword: x", "password: x", ["line break"]),
        # a number put together is read with blanks and without
        ("4111.1111.1111.1111", CARD, ["separator"]),
        ("4111  1111  1111  1111", CARD, ["separator"]),
        ("4111_1111_1111_1111", CARD, ["separator"]),
        ("GB82 WEST\n1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32", ["line break"]),
        ("４１１１．１１１１．１１１１．１１１１", CARD, ["separator"]),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_undone_and_named(
    text: str, reading: str, names: list[str]
) -> None:
    first = variants_of(text).found[0]
    assert first.text == reading
    assert list(first.transforms(0, len(reading))) == names


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("41111111\n11111111", "4111111111111111"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4111111111111111"),
        ("> 4111 1111\n> 1111 1111", "> 4111111111111111"),
    ],
)
def test_a_number_is_also_read_without_gaps(text: str, reading: str) -> None:
    assert readings(text)[-1] == reading


@pytest.mark.parametrize(
    "text",
    [
        "plain prose with a card 4111 1111 1111 1111 in it",
        "100% of R&D at AT&T; fifty-fifty",
        "version 10.0.19041.1288 on 192.168.100.200 since 12.05.2023",
        "from 2020-05-12 10:22 to 12/05/2023",
        "id,amount\n17,41111111\n11111111,5\n",  # two rows of a table
        "\n".join(str(number) for number in range(41111111, 41111131)),  # a column
        "done in 35\n2026-05-12 10:22 next line of a log",
        "1990   2000   2010\n1991   2001   2011\n1992   2002   2012",
        "1111\t2222\n3333\t4444\n5555\t6666",
        "0 1 0 0 1 1 0 1 0 1 1",
        "limit = 999_999_999 or 1.234.567",
        "Internationalisation antidisestablishmentarianism ABCDEFGHIJKLMNOP",
        "sha256 2baf144a70ee42a7d4e5c30d4a5d9a1dbdbd2c2fe7b2a1f0c9b1d1b8a6e7f5c3",
        "550e8400-e29b-41d4-a716-446655440000",
        "Привет, как дела? СНИЛС 112-233-445 95; Ελληνικά 2024",
        "def __init__(self): _private = from_ or '\\n'",
        "Phone: +852 5***1234",  # masked already
    ],
)
def test_what_hides_nothing_is_read_one_way(text: str) -> None:
    assert [
        variant.text for variant in variants_of(text).found if len(variant.changes.starts)
    ] == []


def test_the_original_of_a_decoded_value_is_the_stretch_that_holds_it() -> None:
    code = b64(f"card {CARD} ok")
    text = f"x &#52; {code} 4111&nbsp;1111"
    (found,) = variants_of(text).found
    start = found.text.index(CARD)
    first, last = found.original(start, start + len(CARD))
    assert text[first:last] == code
    start = found.text.index("4111 1111", start + len(CARD))
    assert found.original(start, start + 9) == (text.index("4111&nbsp;"), len(text))


def test_only_what_lies_around_changes_of_a_long_text_is_read_again() -> None:
    text = "word " * 4_000 + "&#52;111" + " word" * 4_000
    (found,) = variants_of(text).found
    assert len(found.text) < 2_000
    start = found.text.index("4111")
    assert found.original(start, start + 4) == (20_000, 20_008)


def test_a_number_put_together_must_be_the_match() -> None:
    spaced = variants_of("4111.1111.1111.1111 and more").found[0]
    assert spaced.counts(0, 19)
    assert not spaced.counts(0, 9)
    assert not spaced.counts(20, 23)


@pytest.mark.parametrize(
    ("text", "incomplete"),
    [
        ("%2525252534", TOO_DEEP),
        (b64(b64(b64("pin 4711 0815 and more"))), TOO_DEEP),
        ("%25252534", ""),
        (b64(b64("pin 4711 0815 and more")), ""),
        ("\\" * 5_000, ""),
    ],
)
def test_a_limit_that_is_reached_is_told(text: str, incomplete: str) -> None:
    assert variants_of(text).incomplete == incomplete


def test_too_many_changes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MAX_EDITS", 3)
    assert variants_of("&#52;" * 4).incomplete == TOO_MANY
    assert variants_of("&#52;" * 3).incomplete == ""


# --- any text ----------------------------------------------------------------------------------

pieces = st.one_of(
    st.sampled_from(
        ["&#52;", "&amp;", "%34", "%25", "%C3%A9", "\\u0034", "\\n", "\\\\", "=20", "=C3=A9", "=\n",
         "<b>", "<br>", "**", "_", "__", "`", "4111", "1", "12", ".", "-", " ", "  ", "\n", "\t", "A", "a",
         "а", "\u0301", "\u200b", "１", "④", "三", "MTIzNDU2Nzg5", "3431313120", "@", "+", "=", "\ufb01",
         "\u1112\u1161", "GB82"]
    ),
    st.text(max_size=4),
)  # fmt: skip
texts = st.lists(pieces, max_size=25).map("".join)


@given(texts)
@settings(max_examples=300)
def test_every_span_of_every_reading_leads_back_into_the_text(text: str) -> None:
    found = variants_of(text)
    for variant in found.found:
        places = [variant.original(at, at + 1) for at in range(len(variant.text))]
        assert all(0 <= first < last <= len(text) for first, last in places)
        assert [first for first, _ in places] == sorted(first for first, _ in places)
        if variant.text:
            whole = variant.original(0, len(variant.text))
            assert whole == (places[0][0], places[-1][1])


@given(texts)
@example("&#52;\\nMTIzNDU2Nzg5")  # decoded, then broken over lines
@settings(max_examples=200)
def test_what_stands_in_both_leads_to_itself(text: str) -> None:
    for variant in variants_of(text).found:
        changes = variant.layer.changes()  # a chain's own say only what the chain changed
        for at, char in enumerate(variant.text):
            if not changes.touching(variant.first + at, variant.first + at + 1):
                first, last = variant.original(at, at + 1)
                made = text[first:last] + unicodedata.normalize("NFKC", text[first:last])
                assert char in made or not char.isalnum()


@given(st.lists(texts, max_size=5))
@settings(max_examples=150)
def test_a_text_with_variants_has_a_cue(rows: list[str]) -> None:
    rows = [row.encode("utf-8", "replace").decode() for row in rows]
    cued = has_cue(pa.array([*rows, None], type=pa.large_string())).to_pylist()
    for row, cue in zip(rows, cued, strict=False):
        assert cue or variants_of(row) == variants.NONE
    assert cued[-1] is None


@pytest.mark.parametrize(
    "unit",
    ["%25", "&amp;", "&#", "\\u0041", "\\", "=3D", "a=b+", "<b ", "1 ", "12.", "1\n", "1234\n", "A1\n",
     "61 ", "_a1", "**a", "a-\n", "a\u0301", "а1", "а.", "1\u200b", "④", "三", "QUJDREVGR0hJ",
     "QUJDREVGR0hJ ", "\t1"],
)  # fmt: skip
def test_cost_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Sixteen times the text may take 64 times as long, on a busy machine; its square would be 256."""
    small, large = unit * (6_000 // len(unit)), unit * (96_000 // len(unit))
    variants_of(small)
    spent = [_seconds(small), _seconds(large)]
    assert spent[1] < max(0.25, spent[0] * 64)
    assert sum(len(item.text) for item in variants_of(large).found) <= 3 * len(large)


def _seconds(text: str) -> float:
    start = time.process_time()
    variants_of(text)
    return time.process_time() - start


def test_binary_content_in_base64_is_left_alone() -> None:
    rng = random.Random(7)
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(200_000)).decode()
    assert variants_of(f"data:image/png;base64,{picture}").found == ()
