"""Settings that may stand in an address, or be given by name in a sweep file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_settings(
    given: Mapping[str, Any], address: Mapping[str, str], names: tuple[str, ...]
) -> dict[str, str]:
    """Settings as texts: those of the address first, then those of a sweep file (lists joined)."""
    found: dict[str, str] = {}
    for name in names:
        value = address.get(name) or given.get(name)
        if isinstance(value, list | tuple):
            value = ",".join(map(str, value))
        found[name] = "" if value is None else str(value)
    return found


def names_in(listed: str) -> tuple[str, ...]:
    """The names of a comma-separated list, each once."""
    return tuple(dict.fromkeys(one.strip() for one in listed.split(",") if one.strip()))
