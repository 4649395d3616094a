"""Keys and column headings: how they stand in part names, and the words they give as context."""

from __future__ import annotations

import re
from functools import lru_cache

from dlpagent.records import without_surrogates

# A key with more digits than this may itself be a value (a card number, a phone number, an SSN).
_MAX_DIGITS = 5
_MAX_CHARS = 64

_WORD = re.compile(r"[^\W\d_]+\d*|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z]{3})(?=\d)")
_PLAIN = re.compile(r'[^.\[\]"{}#\s][^.\[\]"{}#]*')


def words_of(name: str) -> str:
    """The words of a key or column heading: customer_ssn and customerSSN give customer ssn/SSN."""
    return _words_of(name) if len(name) <= _MAX_CHARS else ""


def step_of(key: str) -> str | None:
    """How a key stands in a path: `.key` or `["k.e.y"]`; None when it may be a value itself."""
    return _step_of(key) if len(key) <= _MAX_CHARS else None


def is_value_like(key: str) -> bool:
    """True when a key may be a value itself, so that it must be scanned and not be shown.

    An e-mail address, six digits or more, or over 64 characters.
    """
    return step_of(key) is None


@lru_cache(maxsize=4096)
def _words_of(name: str) -> str:
    return " ".join(_WORD.findall(_CAMEL.sub(" ", name)))


@lru_cache(maxsize=4096)
def _step_of(key: str) -> str | None:
    if "@" in key or sum(map(str.isdigit, key)) > _MAX_DIGITS:
        return None
    if _PLAIN.fullmatch(key) is None:
        escaped = without_surrogates(key).replace("\\", "\\\\").replace('"', '\\"')
        return f'["{escaped}"]'
    return f".{without_surrogates(key)}"
