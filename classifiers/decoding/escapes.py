"""Escapes undone: HTML entities, URL encoding, JSON and Markdown backslashes, quoted-printable, tags."""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Iterator

from dlpagent.classifiers.decoding.layers import BIT, Edit

_HEX = "[0-9A-Fa-f]"


def _octets(mark: str) -> str:
    """One character of UTF-8 beyond ASCII, each octet written as mark and two hex digits."""
    more = f"{mark}[89ABab]{_HEX}"
    return (
        f"{mark}[CDcd]{_HEX}{more}|{mark}[Ee]{_HEX}(?:{more}){{2}}|{mark}[Ff][0-4](?:{more}){{3}}"
    )


# Tags that stand inside a word or number without parting it, and those that part it.
_INLINE = "b|i|u|s|em|strong|span|font|mark|small|code|del|ins|sub|sup|wbr|a|kbd|tt|big|strike"

# Every escape begins with one of four signs: a class at the start lets the search run to the next.
_ESCAPE = re.compile(
    r"[&%\\<](?:"
    r"(?<=&)(?P<entity>\#[xX][0-9A-Fa-f]{1,6};?|\#[0-9]{1,7};?|[A-Za-z][A-Za-z0-9]{1,30};)"
    rf"|(?<=%)(?:(?P<url_octets>{_octets('%')[1:].replace('|%', '|')})|(?P<url>[0-7]{_HEX})"
    rf"|(?P<url_code>u{_HEX}{{4}}))"
    rf"|(?<=\\)(?:(?P<pair>u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}})"
    rf"|(?P<code>u{_HEX}{{4}}|u\{{{_HEX}{{1,6}}\}}|U{_HEX}{{8}}|x\{{{_HEX}{{1,6}}\}})"
    rf"|(?P<octets>{_octets(chr(92) * 2 + 'x')[2:].replace('|' + chr(92) * 2, '|')})"
    rf"|(?P<octet>x{_HEX}{{2}})"
    r"|(?P<octal>[01][0-7]{2})"
    r"|(?P<letter>[nrtbfv0\"'/\\])"
    r"|(?P<fold>\r?\n)"
    r"|(?P<mark>[-_.*+#!()\[\]{}`~|<>@=:&$%^,;]))"
    rf"|(?<=<)(?:(?P<tag>!--[^<>]{{0,200}}-->|/?(?i:{_INLINE})(?:\s[^<>]{{0,300}})?/?>)"
    r"|(?P<line>/?(?i:br|p|div|li|tr|td|th|h[1-6])(?:\s[^<>]{0,300})?/?>)))"
)
_LETTERS = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": " ",
    "f": " ",
    "v": " ",
    "0": "",
    '"': '"',
    "'": "'",
    "/": "/",
    "\\": "\\",
}
_KIND = {
    "entity": BIT["html entity"],
    "url_octets": BIT["url encoding"],
    "url": BIT["url encoding"],
    "url_code": BIT["url encoding"],
    "mark": BIT["markdown"],
    "tag": BIT["markup"],
    "line": BIT["markup"],
}

# Quoted-printable is believed of a line that shows it and holds no other sign of equality:
# "x=4111" is an assignment elsewhere.
_IS_QUOTED = re.compile(
    r"=\r?(?:\n|\Z)|=3D|=[0-9A-F]{2}=[0-9A-F]{2}|[A-Za-z,.:;]=20[A-Za-z]|=20[^\s=]{1,60}=20"
)
_IS_OTHER = re.compile(r"=(?![0-9A-F]{2}|\r?(?:\n|\Z))")
_LINE = re.compile(r"[^\n]*+\n?")
_QUOTED = re.compile(f"=\r?\n|{_octets('=')}|=[0-7][0-9A-F]")
_PAIR = re.compile(r"[^=]++=[^=]++")  # the padding of base64 is none
_PLUS = re.compile(r"\+(?<=[A-Za-z0-9]\+)(?=[A-Za-z0-9%])")
_BORDERS = " \t\r\n&\"'<>"
MAX_PAIR_CHARS = 200
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]+")


def escapes_in(text: str) -> Iterator[Edit]:
    """The edits that undo one level of escaping, in order."""
    for match in _ESCAPE.finditer(text):
        kind = match.lastgroup or ""
        now = _undone(kind, match[0])
        if now != match[0]:
            bit = _KIND.get(kind, BIT["escape sequence"])
            yield match.start(), match.end(), now, bit if _matters(text, match, kind) else 0


def _matters(text: str, match: re.Match[str], kind: str) -> bool:
    """Whether a backslash can have hidden something: programs are full of those that cannot.

    A letter escape spoils the word behind it, a quote or sign the words at both sides.
    """
    if kind not in ("letter", "mark"):
        return True
    behind = text[match.end() : match.end() + 1].isalnum()
    if match[0][1] in "nrtbfv0":
        return behind
    before = text[match.start() - 1 : match.start()].isalnum()
    return before and behind if kind == "mark" or match[0][1] in "\\/" else before or behind


def _undone(kind: str, written: str) -> str:
    if kind == "entity":
        return _entity(written)
    if kind in ("url_octets", "octets", "url", "octet"):
        return _of_octets(written)
    if kind == "pair":
        return _char(0x10000 + (int(written[2:6], 16) - 0xD800) * 0x400
                     + int(written[8:], 16) - 0xDC00, written)  # fmt: skip
    if kind in ("code", "url_code"):
        return _char(int(_NOT_HEX.sub("", written[2:]), 16), written)
    if kind == "octal":
        return chr(int(written[1:], 8))
    if kind == "letter":
        return _LETTERS[written[1]]
    if kind == "mark":
        return written[1]
    return "\n" if kind == "line" else ""


def _entity(written: str) -> str:
    if written[1] == "#":
        return html.unescape(written)
    return html.entities.html5.get(written[1:], written)


def _of_octets(written: str) -> str:
    octets = bytes.fromhex(written.replace("\\x", "").replace("%", "").replace("=", ""))
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1") if len(octets) == 1 else written


def _char(code: int, written: str) -> str:
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else written


def quoted_in(text: str) -> Iterator[Edit]:
    """The edits that undo quoted-printable in lines that show it."""
    if "=" not in text:
        return
    for line in _LINE.finditer(text):
        if "=" not in line[0] or not _IS_QUOTED.search(line[0]) or _IS_OTHER.search(line[0]):
            continue
        for match in _QUOTED.finditer(text, *line.span()):
            written = match[0]
            now = "" if written[1] in "\r\n" else _of_octets(written)
            if now != written:
                yield match.start(), match.end(), now, BIT["quoted-printable"]


def forms_in(text: str) -> Iterator[Edit]:
    """The edits that write a plus in a query or form as the blank it stands for."""
    if "+" not in text or "=" not in text:
        return
    for match in _PLUS.finditer(text):
        if _PAIR.fullmatch(_token(text, match.start())):
            yield match.start(), match.end(), " ", BIT["url encoding"]


def _token(text: str, place: int) -> str:
    """What stands around a place, as far as a name and its value in a query reach."""
    before = text[max(0, place - MAX_PAIR_CHARS) : place]
    behind = text[place : place + MAX_PAIR_CHARS]
    first = max(before.rfind(sign) for sign in _BORDERS) + 1
    last = min((behind + sign).find(sign) for sign in _BORDERS)
    return before[first:] + behind[:last]
