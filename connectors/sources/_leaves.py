"""What one value of a record says as text: strings, digits, dates, text in bytes and data URLs."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from dlpagent.records import PartStatus

# Longer integers are no number anyone stores; Python itself refuses to print above 4,300 digits.
_MAX_INT_BITS = 4_000
# Whole numbers this large become fractions in data frames with gaps; above 2**53 digits are lost.
_WHOLE_FLOATS = (1e6, 2.0**53)
_TEXT_MIMES = ("text/", "application/json", "application/xml", "application/x-ndjson")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*(;base64)?,")


class Leaf(NamedTuple):
    """text is None when status is not "read": problem then says why. suffix is put to the path."""

    text: str | None
    status: PartStatus = "read"
    problem: str | None = None
    suffix: str = ""


class NoText(NamedTuple):
    """Stands for a value that holds no text: so many of what."""

    amount: int
    what: str


def leaf_of(value: Any) -> Leaf | None:
    """The text of one value; None when it is no part (null, truth, a fraction, empty bytes)."""
    if isinstance(value, str):
        return leaf_of_text(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return _leaf_of_number(value)
    if isinstance(value, (date, datetime, time)):
        return Leaf(value.isoformat())
    return _leaf_of_bytes(value)


def leaf_of_text(text: str) -> Leaf | None:
    """A string as it is; a data URL decoded when it holds text, else "opaque"."""
    if text.startswith("data:"):
        head = _DATA_URL.match(text[:300])
        if head:
            return _leaf_of_data_url(text, head)
    return Leaf(text) if text else None


def digits_of_float(value: float) -> str | None:
    """The digits of a whole number that was stored as a fraction; None for any other fraction."""
    low, high = _WHOLE_FLOATS
    return str(int(value)) if low <= abs(value) <= high and value.is_integer() else None


def is_printable(value: int) -> bool:
    """True for integers that str() can print at once."""
    return value.bit_length() <= _MAX_INT_BITS


def unread(found: str) -> Leaf:
    """A value that should have been text and is not."""
    return Leaf(None, "unread", f"expected text or numbers, found {found}")


def _opaque(found: str) -> Leaf:
    return Leaf(None, "opaque", f"expected text, found {found}")


def _leaf_of_number(value: int | float | Decimal) -> Leaf | None:
    if isinstance(value, float):
        digits = digits_of_float(value)
        return Leaf(digits) if digits else None
    if isinstance(value, Decimal):  # decimal(p, 0) columns hold integers; others are fractions
        is_whole = value.is_finite() and value.as_tuple().exponent == 0
        return Leaf(str(value)) if is_whole else None
    if not is_printable(value):
        return unread(f"an integer of {value.bit_length()} bits")
    return Leaf(str(value))


def _leaf_of_bytes(value: object) -> Leaf | None:
    if isinstance(value, NoText):
        return _opaque(f"{value.amount} {value.what}")
    if not isinstance(value, (bytes, bytearray, memoryview)):
        return unread(f"a value of type {type(value).__name__}")
    raw = bytes(value)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        return _opaque(f"{len(raw)} bytes that are not UTF-8 text")
    return Leaf(text) if text else None


def _leaf_of_data_url(text: str, head: re.Match[str]) -> Leaf:
    mime = head.group(1) or "text/plain"
    body = text[head.end() :]
    if not mime.startswith(_TEXT_MIMES):
        return _opaque(f"{len(body)} characters of {mime} data in a data URL")
    try:
        raw = base64.b64decode(body) if head.group(2) else unquote_to_bytes(body)
        return Leaf(raw.decode("utf-8"), suffix="#data")
    except (binascii.Error, ValueError):
        return _opaque(f"a data URL of {mime} that does not decode to UTF-8 text")
