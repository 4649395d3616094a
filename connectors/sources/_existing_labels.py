"""Sensitivity labels a record already carries in its own fields, as GUIDs or names.

Microsoft Purview writes a label into documents and messages as properties named
`MSIP_Label_<GUID>_Enabled`, `…_Name`, `…_SiteId` and so on (GUID: the label's id), and into message
headers as one string `msip_labels` of the same names; chunkers copy these into metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_PROPERTY = re.compile(rf"MSIP_Label_({_GUID})_(\w+)", re.IGNORECASE)
_IN_HEADER = re.compile(rf"MSIP_Label_({_GUID})_(\w+)\s*=\s*([^;]*)", re.IGNORECASE)
_FIELDS = re.compile(r"(?:mip|msip|sensitivity|mipsensitivity)label(?:s|id|ids|guid|name|names)?")
_MAX_DEPTH = 4
_MAX_LABELS = 20
_MAX_NAME_CHARS = 200


def labels_of(record: Mapping[str, Any]) -> list[str] | None:
    """Each label once, in the order found; None when the record carries none.

    A label whose _Enabled property is false was taken off, and does not count.
    """
    found: dict[str, None] = {}
    removed: set[str] = set()
    for key, value in _fields(record, 0):
        match = _PROPERTY.fullmatch(key)
        if match:
            _note(match.group(1), match.group(2), value, found, removed)
        elif is_label_field(key):
            for name in _names(value, found, removed):
                found.setdefault(name)
    labels = [label for label in found if label not in removed][:_MAX_LABELS]
    return labels or None


def is_label_field(name: str) -> bool:
    """True for the names of fields that hold a label: sensitivity_label, msipLabels, …"""
    if _PROPERTY.fullmatch(name):
        return True
    return _FIELDS.fullmatch("".join(char for char in name.lower() if char.isalnum())) is not None


def may_hold_labels(field: pa.Field) -> bool:
    """True when the column, or a field inside its structs or maps, can hold a label."""
    if is_label_field(field.name):
        return True
    if pt.is_struct(field.type):
        return any(may_hold_labels(child) for child in field.type)
    return bool(pt.is_map(field.type))


def _fields(value: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, child in value.items():
        if isinstance(key, str):
            yield key, child
        if isinstance(child, Mapping) and depth < _MAX_DEPTH:
            yield from _fields(child, depth + 1)


def _note(guid: str, detail: str, value: object, found: dict[str, None], removed: set[str]) -> None:
    label = guid.lower()
    if value is None:
        return
    if detail.lower() == "enabled" and str(value).strip().lower() in ("false", "0", ""):
        removed.add(label)
    else:
        found.setdefault(label)


def _names(value: object, found: dict[str, None], removed: set[str]) -> Iterator[str]:
    if isinstance(value, str):
        header = list(_IN_HEADER.finditer(value))
        for match in header:
            _note(match.group(1), match.group(2), match.group(3), found, removed)
        if not header and value.strip():
            name = value.strip()[:_MAX_NAME_CHARS]
            yield name.lower() if re.fullmatch(_GUID, name) else name
    elif isinstance(value, Mapping):
        for key in ("id", "labelId", "sensitivityLabelId", "name", "displayName"):
            if isinstance(value.get(key), str):
                yield from _names(value[key], found, removed)
                return
    elif isinstance(value, list):
        for item in value[:_MAX_LABELS]:
            yield from _names(item, found, removed)
