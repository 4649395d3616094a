"""The labels an item already carries, read from what sources put into the `labels` column.

A value of that column is a label's GUID, its name or path, or one or more MSIP_Label_ properties as
Office documents, mail headers and PDFs carry them: MSIP_Label_<GUID>_Enabled=true,
…_SiteId=<tenant>, …_Method=Privileged. Properties of one label may come as one text separated by
semicolons, or as several values. Sources: MS-OFFCRYPTO 2.6 and the Microsoft Information Protection
SDK's page on label metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dlpagent.labels.taxonomy import Label, Taxonomy, as_guid
from dlpagent.violations import LabelRef

# Privileged: a person chose it; Standard: by default or automatically. "" when nothing says so.
Method = Literal["manual", "automatic", ""]

_METHODS: dict[str, Method] = {"privileged": "manual", "standard": "automatic"}
_PROPERTY = re.compile(
    r"MSIP_Label_\{?(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?_(?P<key>[a-z]+)"
    r"(?:[\"']?\s*[=:]\s*[\"']?(?P<value>[^;\"'\r\n]*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One label an item carries. label is None when the taxonomy does not know it.

    id is "" when only a name was given. A name that is not known is not kept: the column may hold
    anything, and what is kept may be shown.
    """

    label: LabelRef | None
    id: str
    tenant: str | None = None
    method: Method = ""


@dataclass(frozen=True, slots=True)
class Stamps:
    """All labels an item carries: known ones in falling priority, and those nobody can rank."""

    known: tuple[Stamp, ...] = ()
    unknown: tuple[Stamp, ...] = ()

    @property
    def highest(self) -> Stamp | None:
        """The most sensitive label known."""
        return self.known[0] if self.known else None

    def unknown_text(self) -> str:
        """The unknown labels in words: GUIDs and a count of names, never the names. "" for none."""
        if not self.unknown:
            return ""
        ids = [stamp.id for stamp in self.unknown if stamp.id]
        names = len(self.unknown) - len(ids)
        parts = [*ids[:3]]
        parts += [f"{len(ids) - 3} more"] if len(ids) > 3 else []
        parts += [f"{names} given by name"] if names else []
        return ", ".join(parts)


NO_STAMPS = Stamps()


def read_stamps(values: Iterable[str], taxonomy: Taxonomy) -> Stamps:
    """The labels that the values of the `labels` column say. Order and repeats do not matter.

    A label stamped by another tenant is unknown even when its GUID is ours: default labels have the
    same GUIDs everywhere. A label counts as carried unless every Enabled property says it is not.
    """
    properties: dict[str, dict[str, set[str]]] = {}
    names: set[str] = set()
    for value in values:
        matches = list(_PROPERTY.finditer(value))
        for match in matches:
            of_label = properties.setdefault(match["id"].lower(), {})
            text = (match["value"] or "").strip().lower()
            of_label.setdefault(match["key"].lower(), set()).add(text)
        if not matches and value.strip():
            names.add(" ".join(value.casefold().split()))
    stamps = [_named(name, taxonomy) for name in sorted(names)]
    for guid, keys in properties.items():
        enabled = keys.get("enabled", {"true"})
        if not enabled <= {"false", "0", "no"}:
            stamps.append(_stamped(guid, keys, taxonomy))
    return _ranked(stamps)


def _named(text: str, taxonomy: Taxonomy) -> Stamp:
    label = taxonomy.find(text)
    return Stamp(_ref(label, taxonomy), label.id if label else as_guid(text) or "")


def _stamped(guid: str, keys: dict[str, set[str]], taxonomy: Taxonomy) -> Stamp:
    sites = {site for text in keys.get("siteid", ()) if (site := as_guid(text))}
    ours = not sites or taxonomy.tenant is None or taxonomy.tenant in sites
    tenant = taxonomy.tenant if ours and sites else min(sites, default=None)
    # Set by hand anywhere is set by hand: a manual label binds more than an automatic one.
    said = {_METHODS.get(text, "") for text in keys.get("method", ())}
    method: Method = "manual" if "manual" in said else "automatic" if "automatic" in said else ""
    return Stamp(_ref(taxonomy.get(guid) if ours else None, taxonomy), guid, tenant, method)


def _ref(label: Label | None, taxonomy: Taxonomy) -> LabelRef | None:
    return taxonomy.ref(label) if label else None


def _ranked(stamps: Iterable[Stamp]) -> Stamps:
    known = [stamp for stamp in stamps if stamp.label]
    unknown = [stamp for stamp in stamps if not stamp.label]
    known.sort(key=_falling)
    return Stamps(tuple(known), tuple(sorted(unknown, key=lambda s: (s.id, s.tenant or ""))))


def _falling(stamp: Stamp) -> tuple[int, int, str]:
    """Highest first; among equal labels the one that says most (set by hand) first."""
    priority = stamp.label.priority if stamp.label else 0
    return (-priority, ("manual", "automatic", "").index(stamp.method), stamp.id)
