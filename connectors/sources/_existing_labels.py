"""Sensitivity labels a record already carries in its own fields, as GUIDs or names.

Microsoft Purview writes a label into documents and messages as properties named
`MSIP_Label_<GUID>_Enabled`, `…_Name`, `…_SiteId` and so on (GUID: the label's id), and into message
headers as one string `msip_labels` of the same names; chunkers copy these into metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from dlpagent.records import without_surrogates

_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_PROPERTY = re.compile(rf"MSIP_Label_({_GUID})_(\w+)", re.IGNORECASE)
_IN_HEADER = re.compile(rf"MSIP_Label_({_GUID})_(\w+)\s*=\s*([^;]*)", re.IGNORECASE)
_METHODS = {
    "privileged": "Privileged", "manual": "Privileged", "standard": "Standard", "auto": "Standard",
    "automatic": "Standard",
}  # fmt: skip
_DETAILS = {
    "siteid": ("siteId", "tenantId"),
    "method": ("method", "assignmentMethod", "applicationMode"),
}
_FIELDS = re.compile(r"(?:mip|msip|sensitivity|mipsensitivity)label(?:s|id|ids|guid|name|names)?")
_MAX_DEPTH = 4
_MAX_LABELS = 20
_MAX_NAME_CHARS = 200
_NAMES_KEPT = 4096
_PLAIN = (str, int, float, list, type(None))


def labels_of(record: Mapping[str, Any]) -> list[str] | None:
    """Each label once, in the order found; None when the record carries none.

    A name, a GUID, or, where the record says which tenant set the label or how, these properties as
    one text. A label whose _Enabled property is false was taken off, and does not count.
    """
    if not _may_be_labelled(record):
        return None
    found: dict[str, _Stamp] = {}
    for key, value in _fields(record, 0):
        property_ = _property_of(key)
        if property_:
            _note(*property_, value, found)
        elif is_label_field(key):
            for name in _names(value, found):
                found.setdefault(name, _Stamp(name)).is_on = True
    labels = [
        without_surrogates(stamp.text())
        for stamp in found.values()
        if stamp.is_on and not stamp.is_off
    ]
    return labels[:_MAX_LABELS] or None


@dataclass(slots=True)
class _Stamp:
    """What the properties of one label say. name: its GUID, or a name where none is given."""

    name: str
    is_on: bool = False
    is_off: bool = False
    site: str = ""
    method: str = ""

    def text(self) -> str:
        """The name; with tenant or method, the properties that say so."""
        if not (self.site or self.method):
            return self.name
        said = [("Enabled", "true"), ("SiteId", self.site), ("Method", self.method)]
        return ";".join(f"MSIP_Label_{self.name}_{key}={value}" for key, value in said if value)

    def note(self, detail: str, value: str) -> None:
        """One property; what is no GUID or no method is not kept: a field may hold anything."""
        match detail:
            case "enabled" if value.lower() in ("false", "0", "no", ""):
                self.is_off = True
            case "siteid" if re.fullmatch(_GUID, value.strip("{}")):
                self.site = value.strip("{}").lower()
            case "method":
                self.method = _METHODS.get(value.lower(), self.method)
        self.is_on = True


@lru_cache(_NAMES_KEPT)  # names of fields repeat from record to record
def _property_of(name: str) -> tuple[str, str] | None:
    """GUID and detail of a property's name."""
    match = _PROPERTY.fullmatch(name) if len(name) <= _MAX_NAME_CHARS else None
    return (match.group(1), match.group(2)) if match else None


@lru_cache(_NAMES_KEPT)
def is_label_field(name: str) -> bool:
    """True for the names of fields that hold a label: sensitivity_label, msipLabels, …"""
    if len(name) > _MAX_NAME_CHARS:
        return False
    if _property_of(name):
        return True
    return _FIELDS.fullmatch("".join(char for char in name.lower() if char.isalnum())) is not None


def may_hold_labels(field: pa.Field) -> bool:
    """True when the column, or a field inside its structs or maps, can hold a label."""
    if is_label_field(field.name):
        return True
    if pt.is_struct(field.type):
        return any(may_hold_labels(child) for child in field.type)
    return bool(pt.is_map(field.type))


def _may_be_labelled(record: Mapping[str, Any], depth: int = 0) -> bool:
    """Whether any field is one of a label; quick, for nearly no record is."""
    for key, child in record.items():
        if isinstance(key, str) and is_label_field(key):
            return True
        if (
            not isinstance(child, _PLAIN)
            and isinstance(child, Mapping)
            and depth < _MAX_DEPTH
            and _may_be_labelled(child, depth + 1)
        ):
            return True
    return False


def _fields(value: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, child in value.items():
        if isinstance(key, str):
            yield key, child
        if isinstance(child, Mapping) and depth < _MAX_DEPTH:
            yield from _fields(child, depth + 1)


def _note(guid: str, detail: str, value: object, found: dict[str, _Stamp]) -> None:
    if value is not None:
        label = guid.lower()
        found.setdefault(label, _Stamp(label)).note(detail.lower(), str(value).strip())


def _names(value: object, found: dict[str, _Stamp]) -> Iterator[str]:
    if isinstance(value, str):
        header = list(_IN_HEADER.finditer(value))
        for match in header:
            _note(match.group(1), match.group(2), match.group(3), found)
        if not header and value.strip():
            name = value.strip()[:_MAX_NAME_CHARS]
            yield name.lower() if re.fullmatch(_GUID, name) else name
    elif isinstance(value, Mapping):
        yield from _of_object(value, found)
    elif isinstance(value, list):
        for item in value[:_MAX_LABELS]:
            yield from _names(item, found)


def _of_object(value: Mapping[Any, Any], found: dict[str, _Stamp]) -> Iterator[str]:
    """A label as services write it: its id or name, and beside it how and by whose tenant."""
    for key in ("id", "labelId", "sensitivityLabelId", "name", "displayName"):
        label = value.get(key)
        if not isinstance(label, str):
            continue
        if re.fullmatch(_GUID, label.strip()):
            for detail, names in _DETAILS.items():
                for name in names:
                    _note(label.strip(), detail, value.get(name), found)
        yield from _names(label, found)
        return
