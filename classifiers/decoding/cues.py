"""What shows that a text may be written in a way that hides values: one RE2 expression, one pass.

Wide on purpose where being exact would cost time: a cue alone changes nothing.
"""

from __future__ import annotations

from dlpagent.classifiers.decoding.lookalikes import COUNTED, DRESSED, MARKS, TWINS

_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _signs(without: int, least: int = 0) -> str:
    """The base64 signs whose value has none of some bits, as the inside of a class."""
    return "".join(
        sign for value, sign in enumerate(_SIGNS) if not value & without and value >= least
    )


# Three ASCII characters in base64: the top bit of each octet is 0, which rules out half the signs
# of three places in four; the first octet is a blank or more.
_QUAD = rf"[{_signs(32, 8)}][{_signs(8)}][{_signs(2)}_][A-Za-z0-9+/_\-]"
# The same in UTF-16: every second octet is 0.
_WIDE = r"[A-Za-z][A-Za-z0-9+/]A[A-Za-z0-9+/][A-Za-z0-9+/][A-Za-z0-9+/]BAA"

_NOTHING = r"[\x{ad}\x{200b}-\x{200f}\x{2060}-\x{2064}\x{feff}]*"
_DIGIT = rf"(?:[0-9\p{{Nd}}]{_NOTHING})"
_SIGN = rf"(?:[0-9A-Z\p{{Nd}}\x{{ff21}}-\x{{ff3a}}]{_NOTHING})"
_BLANK = rf"(?:\p{{Zs}}{_NOTHING})"
_DASH = rf"(?:[\-\x{{2010}}-\x{{2015}}\x{{2212}}]{_NOTHING})"
_POINT = rf"(?:[._/+*~\x{{b7}}\x{{2022}}\x{{ff0e}}\x{{ff0f}}\x{{ff3f}}]{_NOTHING}|{_DASH})"
_GAP = f"{_BLANK}?{_POINT}{_BLANK}?"
_BREAK = r"[ \x{a0}]?-?[ \x{a0}]?\r?\n[ \t>]*"
_INLINE = (
    "b|i|u|s|em|strong|span|font|mark|small|code|del|ins|sub|sup|wbr|a|kbd|tt|big|strike"
    "|br|p|div|li|tr|td|th|h[1-6]"
)

_PARTS = (
    # escapes
    r"&#[0-9xX]",
    r"&[A-Za-z][A-Za-z0-9]{1,30};",
    r"%[0-9A-Fa-f]{2}|%u[0-9A-Fa-f]{4}",
    r"\\",
    r"=\r?\n|=3D|[A-Za-z,.:;]=20[A-Za-z]|=20[^\s=]+=20|=[0-9A-F]{2}=[0-9A-F]{2}",
    rf"</?(?i:{_INLINE})[ \t\r\n/>]|<!--",
    r"[A-Za-z0-9]\+[A-Za-z0-9+%]*=|=[^\s&=]*[A-Za-z0-9]\+[A-Za-z0-9]",
    # encodings
    rf"(?:{_QUAD}){{3}}|(?:{_QUAD}){{2}}[A-Za-z0-9+/_\-]{{8}}|[A-Za-z0-9+/_\-]{{8}}(?:{_QUAD}){{2}}",
    _WIDE,
    r"(?:[2-7][0-9A-Fa-f][ :]?){9}",
    # typographic marks
    r"[0-9A-Za-z@.\-](?:\*\*|~~|\|\||`|__)\**[0-9A-Za-z@.\-]",
    r"(?:^|[^0-9A-Za-z_])_+(?:[A-Z0-9]{4}|[0-9A-Za-z_.+\-]*[0-9@])",
    r"[0-9A-Z]_+(?:$|[^0-9A-Za-z_])|\.[a-z]{2,3}_|[0-9]{7}_|_[0-9]{7}|_[A-Z]{2}[0-9]{7}",
    r"[a-z]-[ \t]*\r?\n[ \t]*[a-z]",
    # letters that are not what they look like
    rf"[{MARKS}\x{{3099}}\x{{309a}}]|[\x{{1100}}-\x{{1112}}][\x{{1161}}-\x{{1175}}]",
    rf"[0-9A-Za-z][@._+/=:\-]*[{TWINS}]|[{TWINS}][{TWINS}@._+/=:\-]*[0-9A-Za-z]",
    rf"(?:[{DRESSED}{COUNTED}][ .\-]?){{3}}|[\x{{1f150}}-\x{{1f189}}\x{{fb00}}-\x{{fb06}}\x{{132}}\x{{133}}]",
    # numbers broken, dotted, spaced out
    rf"{_DIGIT}[A-Z]*{_BREAK}{_SIGN}|{_SIGN}{_BREAK}[A-Z]*{_DIGIT}",
    rf"{_DIGIT}(?:{_BLANK}{_BLANK}+|\t+){_SIGN}",
    rf"{_SIGN}{_DIGIT}{_GAP}{_SIGN}{_SIGN}+{_GAP}{_SIGN}",
    rf"{_DIGIT}{_POINT}{_POINT}{_SIGN}",
    rf"(?:{_DIGIT}(?:{_GAP}|{_BLANK}{_BLANK}?)){{8}}{_DIGIT}",
)

CUES = "|".join(f"(?:{part})" for part in _PARTS)
