"""Values of frozen dataclasses as bytes and back, for caches: data only, nothing is executed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

_TUPLE, _BIG, _MAPPING = -1, -2, -3
_SMALL = 1 << 62


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: what makes many tuples and no cycles would have it go through
    all of a loaded pack again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def to_bytes(value: object, classes: tuple[type, ...]) -> bytes:
    """A value made of the given dataclasses, tuples, mappings with text keys and plain values."""
    places = {kind: place for place, kind in enumerate(classes)}
    names = [[item.name for item in fields(kind) if item.init] for kind in classes]

    def packed(item: object) -> object:
        kind = type(item)
        if isinstance(item, Path):
            return None  # where something is kept is said anew by who reads it
        if kind in places:
            place = places[kind]
            return [place, *(packed(getattr(item, name)) for name in names[place])]
        if kind is tuple:
            return [_TUPLE, *map(packed, item)]  # type: ignore[call-overload]
        if kind is int and not -_SMALL < item < _SMALL:  # type: ignore[operator]
            return [_BIG, f"{item:x}"]
        if kind is dict:
            return [_MAPPING, {key: packed(part) for key, part in item.items()}]  # type: ignore[attr-defined]
        return item

    return msgspec.msgpack.encode(packed(value))


def from_bytes(data: bytes, classes: tuple[type, ...]) -> Any:
    """What to_bytes() was given. Raises ValueError, TypeError or IndexError for other bytes."""

    def parts(item: list[Any]) -> list[Any]:
        return [one if type(one) is not list else unpacked(one) for one in item[1:]]

    def unpacked(item: Any) -> Any:
        if type(item) is not list:
            return item
        head = item[0]
        if head >= 0:
            return classes[head](*parts(item))
        if head == _TUPLE:
            return tuple(parts(item))
        if head == _BIG:
            return int(item[1], 16)
        return {key: unpacked(part) for key, part in item[1].items()}

    try:
        with uncollected():
            return unpacked(msgspec.msgpack.decode(data))
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
