"""Text of unknown origin made safe to look at: names of assets, records and parts are hostile."""

from __future__ import annotations

import re
from typing import Final

# Control characters (a terminal obeys them), the marks that turn the writing direction (they make
# "gpj.exe" read "exe.jpg"), code points XML and UTF-8 cannot carry.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with every character that is not seen as itself shown as U+FFFD."""
    return _INVISIBLE.sub("\ufffd", text)


def shortened(text: str, limit: int) -> str:
    """At most limit characters of a text, the middle left out."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun, thousands separated: "1 record", "12,000 records"."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
