"""Rich Text Format: its words, without control words and binary data."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_LINES = {b"par", b"line", b"row", b"sect", b"page"}
_SIGNS = {
    b"tab": "\t", b"cell": "\t", b"emdash": "\u2014", b"endash": "\u2013", b"bullet": "\u2022",
    b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d",
}  # fmt: skip
# Destinations that are no text; every other unknown one behind \* is skipped, too.
_SKIPPED = {
    b"fonttbl", b"colortbl", b"stylesheet", b"pict", b"objdata", b"themedata", b"datastore",
    b"colorschememapping", b"latentstyles", b"listtable", b"listoverridetable", b"rsidtbl",
    b"generator", b"xmlnstbl", b"blipuid",
}  # fmt: skip
_KEPT = {b"annotation", b"footnote", b"fldinst", b"atnauthor", b"shptxt", b"bkmkstart"}
_CODE_PAGES = {932: "cp932", 936: "gbk", 949: "cp949", 950: "big5", 65001: "utf-8"}


class RtfText:
    """text: the words. has_objects: pictures or embedded objects were passed over. is_whole: every
    group ends, and so do binary data.
    """

    def __init__(self, raw: bytes) -> None:
        self.has_objects = False
        self.is_whole = True
        self._encoding = "cp1252"
        self._skip = False
        self._unicode_skip = 1
        self.text = "".join(self._pieces(raw))

    def _pieces(self, raw: bytes) -> Iterator[str]:
        pending, to_skip = bytearray(), 0
        for match in self._tokens(raw):
            code, plain = match[3], match[6]
            if code or plain:
                if not self._skip:
                    given = bytes([int(code, 16)]) if code else plain
                    dropped = min(to_skip, len(given))
                    to_skip -= dropped
                    pending += given[dropped:]
                continue
            if pending:
                yield pending.decode(self._encoding, "replace")
                pending.clear()
            if match[1] == b"u" and match[2] and not self._skip:
                yield chr(int(match[2]) & 0xFFFF)
                to_skip = self._unicode_skip
            elif match[1]:
                yield from self._word(match[1], int(match[2] or 0))
            elif match[4] is not None:
                yield from self._sign(match[4], raw, match.end())
        yield pending.decode(self._encoding, "replace")

    def _tokens(self, raw: bytes) -> Iterator[re.Match[bytes]]:
        """What stands between groups, whose states are kept here; binary data are passed over."""
        stack: list[tuple[bool, int]] = []
        at = 0
        while match := _TOKEN.match(raw, at) or _TOKEN.match(raw, at + 1):
            at = match.end()
            if match[1] == b"bin":
                at += max(0, int(match[2] or 0))
            elif match[5] == b"{":
                stack.append((self._skip, self._unicode_skip))
            elif match[5]:
                self._skip, self._unicode_skip = stack.pop() if stack else (False, 1)
            yield match
        self.is_whole = not stack and at <= len(raw)

    def _word(self, word: bytes, number: int) -> Iterator[str]:
        if word in _SKIPPED:
            self.has_objects |= word in (b"pict", b"objdata")
            self._skip = True
        elif word == b"ansicpg":
            self._encoding = _CODE_PAGES.get(
                number, f"cp{number}" if 1250 <= number <= 1258 else "cp1252"
            )
        elif word == b"uc":
            self._unicode_skip = max(0, min(number, 8))
        elif not self._skip:
            if word in _LINES:
                yield "\n"
            elif word in _SIGNS:
                yield _SIGNS[word]

    def _sign(self, sign: bytes, raw: bytes, at: int) -> Iterator[str]:
        if sign == b"*":
            match = _TOKEN.match(raw, at)
            self._skip = self._skip or not (match and match[1] in _KEPT)
        elif not self._skip:
            if sign == b"~":
                yield "\u00a0"
            elif sign in b"{}\\":
                yield sign.decode("latin-1")
            elif sign in (b"\n", b"\r"):
                yield "\n"


def joined_surrogates(text: str) -> str:
    """Characters beyond 16 bits, which come as two \\u words."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
