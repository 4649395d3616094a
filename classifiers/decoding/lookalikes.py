"""Letters that are not what they look like: split accents, stacked marks, other scripts' look-alikes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from dlpagent.classifiers.decoding.layers import BIT, Edit

# Look-alikes of Latin letters, after the confusables data of Unicode Technical Standard 39: only
# those a reader takes for the letter at once.
_TWINS = {
    # Cyrillic
    **dict(zip("АВЕКМНОРСТУХЅІЈԌԚԜҮҺӀЗЬ", "ABEKMHOPCTYXSIJGQWYHI3b", strict=True)),
    **dict(zip("аеорсухѕіјԁԛԝһѵүклтмнвӏ", "aeopcyxsijdqwhvykntmhbl", strict=True)),
    # Greek
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺ", "ABEZHIKMNOPTYXCM", strict=True)),
    **dict(zip("αορνικυχϲϳετωη", "aopvikuxcjetwn", strict=True)),
    # Armenian, Cherokee, Lisu, Latin of other alphabets
    **dict(zip("օսոհցքԱՍՕ", "ounhgqUUO", strict=True)),
    **dict(zip("ᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏀᎮᏚᎢᏙᎳᏃᏢ", "ABCDEHJKLMGPSTVWZP", strict=True)),
    **dict(zip("ꓐꓚꓓꓰꓖꓧꓙꓗꓡꓟꓠꓳꓑꓢꓔꓴꓦꓪꓫꓬꓜ", "BCDEGHJKLMNOPSTUVWXYZ", strict=True)),
    **dict(zip("ıɑɡɩʋᴏᴄᴠᴡᴢꜱʟɴʀᴀᴇ", "iagivocvwzslnrae", strict=True)),
}
# кл and the like stand for letters only inside a word that is Latin for the rest.
_LOOSE = frozenset("клтмнвЗЬετωηικυχ")
TWINS = "".join(_TWINS)
"""The look-alikes, as the inside of a class."""

MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
"""Marks written over or through Latin letters and digits. Those of other scripts are parts of letters."""

DRESSED = (
    "\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089\u2460-\u249b\u24ea\u24f5-\u24ff\u2776-\u2793"
    "\U0001f100-\U0001f10a"
)
"""Superscript, subscript, circled and other dressed digits: footnotes, unless many stand together."""

COUNTED = "〇零一二三四五六七八九"
"""Digits as Chinese and Japanese texts write numbers out."""

# A word, address or identifier in which a look-alike stands beside plain letters or digits.
_RUN = re.compile(rf"[0-9A-Za-z{TWINS}][0-9A-Za-z{TWINS}@._+/=:-]*")
_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile("[A-Za-z]")

_MARKED = re.compile(
    f"[^{MARKS}][{MARKS}]+"
    "|[\u3046-\u30fd][\u3099\u309a]|[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?"
)
_DRESSED = re.compile(f"[{DRESSED}]")
_COUNTED = re.compile(f"[{COUNTED}]{{6,}}")
_MANY = re.compile(f"(?:{_DRESSED.pattern}[ .-]?){{6}}")
# Letters in dark circles and squares have no plain form of their own in Unicode.
_BOXED = re.compile("[\U0001f150-\U0001f169\U0001f170-\U0001f189]")
_LIGATURE = re.compile("[\ufb00-\ufb06\u01c4-\u01cc\u01f1-\u01f3\u0132\u0133]")


def marks_in(text: str) -> Iterator[Edit]:
    """The edits that compose accents with their letters, and take marks off what takes none."""
    for match in _MARKED.finditer(text):
        written = match[0]
        composed = unicodedata.normalize("NFC", written)
        if len(composed) > 1 and (written[0].isascii() or len(composed) > 2):
            composed = composed[0]
        if composed != written:
            yield match.start(), match.end(), composed, BIT["combining mark"]


def lookalikes_in(text: str) -> Iterator[Edit]:
    """The edits that write look-alikes as what they look like, in order."""
    return iter(sorted([*_twins(text), *_dressed(text)]))


def _twins(text: str) -> Iterator[Edit]:
    for run in _RUN.finditer(text):
        if run[0].isascii() or not any(char < "\x7f" and char.isalnum() for char in run[0]):
            continue
        for word in _WORD.finditer(run[0]):
            if word[0].isascii() or not _is_disguised(word[0]):
                continue
            for place, char in enumerate(word[0], run.start() + word.start()):
                if char in _TWINS:
                    yield place, place + 1, _TWINS[char], BIT["look-alike letter"]


def _is_disguised(word: str) -> bool:
    """Whether a word's foreign letters all pass for Latin ones."""
    mixed = _PLAIN.search(word) is not None
    return all(char in _TWINS and (mixed or char not in _LOOSE) for char in word if char > "\x7f")


def _dressed(text: str) -> Iterator[Edit]:
    if _MANY.search(text):
        for match in _DRESSED.finditer(text):
            digit = unicodedata.numeric(match[0])
            if digit == int(digit):
                yield match.start(), match.end(), str(int(digit)), BIT["look-alike letter"]
    for match in _COUNTED.finditer(text):
        for place, char in enumerate(match[0], match.start()):
            now = str(max(0, COUNTED.index(char) - 1))
            yield place, place + 1, now, BIT["look-alike letter"]
    for match in _BOXED.finditer(text):
        code = (ord(match[0]) - 0x1F150) % 0x20
        if code < 26:
            yield match.start(), match.end(), chr(65 + code), BIT["look-alike letter"]
    for match in _LIGATURE.finditer(text):
        now = unicodedata.normalize("NFKC", match[0])
        yield match.start(), match.end(), now, BIT["look-alike letter"]
