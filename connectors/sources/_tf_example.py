"""tf.train.Example and SequenceExample out of their protobuf bytes, without TensorFlow.

Example: 1 features; SequenceExample: 1 context, 2 feature lists. Features: 1 a map from a name to a
feature, which is 1 bytes, 2 floats or 3 whole numbers. Source: tensorflow/core/example/*.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dlpagent.connectors.sources._decode import binary_kind, decode

_MAX_VARINT_BYTES = 10
# Longer lists of numbers are a tokeniser's or a model's.
_MAX_NUMBERS = 16
_SIGN = 1 << 63


class NotProtobufError(ValueError):
    """The bytes are no message of this shape."""


class Features(NamedTuple):
    """values: by name, as JSON would have them. opaque: names of what holds no text → what it is."""

    values: dict[str, Any]
    opaque: dict[str, str]


def features_of(raw: bytes) -> Features:
    """All features of a record. Raises NotProtobufError when it is not of this shape."""
    found = Features({}, {})
    for number, body in _fields(raw):
        if number not in (1, 2) or not isinstance(body, bytes):
            raise NotProtobufError
        for _, entry in _fields(body):
            name, value = _entry(entry)
            if number == 1:
                _note(found, name, [_feature(value)])
            else:
                _note(found, name, [_feature(one) for _, one in _fields(value)])
    return found


def _entry(raw: int | bytes) -> tuple[str, bytes]:
    """A name and its value, of an entry of a map."""
    name, value = "", b""
    for number, body in _fields(raw):
        if not isinstance(body, bytes):
            raise NotProtobufError
        if number == 1:
            name = body.decode("utf-8", "replace")
        elif number == 2:
            value = body
    return name, value


def _feature(raw: int | bytes) -> list[Any]:
    """The values of a feature: bytes, floats (as None) or whole numbers."""
    values: list[Any] = []
    for kind, body in _fields(raw):
        if kind == 2:
            values.append(None)
        for _, value in _fields(body):
            if kind == 1 and isinstance(value, bytes):
                values.append(value)
            elif kind == 3:
                numbers = _varints(value) if isinstance(value, bytes) else [value]
                values += [one - 2 * _SIGN if one >= _SIGN else one for one in numbers]
            elif kind not in (1, 2, 3):
                raise NotProtobufError
    return values


def _note(found: Features, name: str, lists: list[list[Any]]) -> None:
    """Put the values of a name where they belong; a single one stands without its list."""
    values = [value for each in lists for value in each if value is not None]
    texts: list[Any] = []
    for value in values:
        if isinstance(value, bytes):
            if binary_kind(value[: 1 << 16]) is not None and value:
                found.opaque[name] = "bytes that are no text"
                continue
            texts.append(decode(value, None).text)
        else:
            texts.append(value)
    if len(texts) > _MAX_NUMBERS and all(isinstance(value, int) for value in texts):
        found.opaque[name] = f"a list of {len(texts)} numbers"
    elif texts:
        found.values[name] = texts[0] if len(texts) == 1 else texts


def _fields(raw: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: whole numbers, or bytes."""
    if not isinstance(raw, bytes):
        raise NotProtobufError
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise NotProtobufError
        if wire == 0:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(raw, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise NotProtobufError
        if at + size > len(raw):
            raise NotProtobufError
        yield number, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if at + place >= len(raw):
            raise NotProtobufError
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise NotProtobufError


def _varints(raw: bytes) -> list[int]:
    found, at = [], 0
    while at < len(raw):
        value, at = _varint(raw, at)
        found.append(value)
    return found
