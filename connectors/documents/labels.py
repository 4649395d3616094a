"""Sensitivity labels in documents, as texts that labels.stamps reads: label, tenant, method."""

from __future__ import annotations

import re
from collections.abc import Mapping

_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_PROPERTY = re.compile(rf"MSIP_Label_({_GUID})_(\w+)", re.IGNORECASE)
_IN_TEXT = re.compile(rf"MSIP_Label_({_GUID})_(\w+)\s*=\s*([^;\r\n]*)", re.IGNORECASE)
_KEYS = ("Enabled", "SetDate", "Method", "Name", "SiteId", "ActionId", "ContentBits")
_MAX_LABELS = 20
_MAX_VALUE_CHARS = 200


class LabelProperties:
    """Gathers properties and gives one text per label, `MSIP_Label_<GUID>_Enabled=true;…`."""

    def __init__(self) -> None:
        self._labels: dict[str, dict[str, str]] = {}

    def add(self, name: str, value: str) -> None:
        """A custom property; other names than MSIP_Label_… are left alone."""
        match = _PROPERTY.fullmatch(name)
        if match:
            self._note(match[1], match[2], value)

    def add_text(self, text: str) -> None:
        """Properties in one text, as the mail header msip_labels has them."""
        for guid, key, value in _IN_TEXT.findall(text):
            self._note(guid, key, value)

    def add_info(self, given: Mapping[str, str]) -> None:
        """The attributes of a <label> element of LabelInfo.xml (MS-OFFCRYPTO 2.6.4)."""
        guid = given.get("id", "").strip("{}")
        if not re.fullmatch(_GUID, guid):
            return
        is_on = given.get("enabled", "1") in ("1", "true") and given.get("removed", "0") in (
            "0",
            "false",
        )
        self._note(guid, "Enabled", "true" if is_on else "false")
        for attribute, key in (("method", "Method"), ("siteId", "SiteId")):
            if attribute in given:
                self._note(guid, key, given[attribute].strip("{}"))

    def values(self) -> list[str]:
        """One text per label."""
        return [
            ";".join(f"MSIP_Label_{guid}_{key}={value}" for key, value in keys.items())
            for guid, keys in list(self._labels.items())[:_MAX_LABELS]
        ]

    def _note(self, guid: str, key: str, value: str) -> None:
        known = next((one for one in _KEYS if one.lower() == key.lower()), None)
        if known is not None:
            plain = re.sub(r"[;\r\n=]", " ", value)[:_MAX_VALUE_CHARS].strip()
            self._labels.setdefault(guid.lower(), {})[known] = plain
