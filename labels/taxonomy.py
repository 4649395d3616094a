"""A sensitivity-label taxonomy: the labels of one tenant, in order of sensitivity.

Order is priority: a higher number is more sensitive; sublabels come after their parent and before
the next label. A parent with sublabels is a heading and is never applied to anything.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dlpagent.errors import Problem
from dlpagent.violations import LabelRef

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEPARATOR = re.compile(r"\s*[/\\]\s*")


def as_guid(text: str) -> str | None:
    """A GUID in lower case without braces, or None when the text is something else."""
    bare = text.strip().lower()
    if bare.startswith("{") and bare.endswith("}"):
        bare = bare[1:-1]
    return bare if _GUID.fullmatch(bare) else None


@dataclass(frozen=True, slots=True)
class Label:
    """One sensitivity label. parent and sublabels are GUIDs; tenant is the Entra tenant's."""

    id: str
    name: str
    display_name: str
    priority: int
    parent: str | None = None
    sublabels: tuple[str, ...] = ()
    tenant: str | None = None
    color: str = ""
    description: str = ""
    enabled: bool = True

    @property
    def is_appliable(self) -> bool:
        """Whether an item may be given this label."""
        return self.enabled and not self.sublabels


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The labels of one tenant in rising priority, found by GUID, path or name.

    Ids are unique, priorities rise strictly, every parent is held: dlpagent.labels.taxonomy_files
    sees to it. warnings: what a reader should know although the taxonomy could be read.
    """

    labels: tuple[Label, ...]
    tenant: str | None = None
    name: str = ""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    _by_id: dict[str, Label] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, list[Label]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {label.id: label for label in self.labels})
        by_name: dict[str, list[Label]] = {}
        for label in self.labels:
            for key in self._keys(label):
                by_name.setdefault(key, []).append(label)
        object.__setattr__(self, "_by_name", by_name)

    def get(self, guid: str) -> Label | None:
        """The label with this GUID (any case, with or without braces)."""
        return self._by_id.get(as_guid(guid) or "")

    def find_all(self, text: str) -> Sequence[Label]:
        """Every label a GUID, path ("Confidential/Finance") or bare name may mean; case is ignored.

        A full path beats a bare name, so a top label is never taken for a sublabel of its name.
        """
        guid = as_guid(text)
        if guid:
            return [label] if (label := self._by_id.get(guid)) else []
        key = _folded(text)
        found = self._by_name.get(key, [])
        whole = [label for label in found if key in self._paths(label)]
        return whole or found

    def find(self, text: str) -> Label | None:
        """The one label the text means; None when there is none, or more than one."""
        found = self.find_all(text)
        return found[0] if len(found) == 1 else None

    def near(self, text: str) -> list[str]:
        """Up to three paths that look like the text, for "did you mean"."""
        paths = {_folded(self.path(label)): self.path(label) for label in self.labels}
        bare = {_folded(label.display_name): self.path(label) for label in self.labels}
        close = difflib.get_close_matches(_folded(text), [*paths, *bare], 5)
        return list(dict.fromkeys(paths.get(key) or bare[key] for key in close))[:3]

    def path(self, label: Label) -> str:
        """The name a person reads: parent/label, by display names."""
        parent = self._by_id.get(label.parent or "")
        return f"{parent.display_name}/{label.display_name}" if parent else label.display_name

    def ref(self, label: Label) -> LabelRef:
        """The label as decisions and violations carry it, named by its path."""
        return LabelRef(label.id, self.path(label), label.priority)

    def family(self, label: Label) -> tuple[Label, ...]:
        """The label and its sublabels, in rising priority."""
        return (label, *(self._by_id[guid] for guid in label.sublabels))

    def digest(self) -> str:
        """A digest of what decisions depend on: ids, order, parents, tenant; names may change."""
        rows = [[x.id, x.parent, x.priority, x.enabled] for x in self.labels]
        return hashlib.sha256(json.dumps([self.tenant, rows]).encode()).hexdigest()

    def _paths(self, label: Label) -> set[str]:
        parent = self._by_id.get(label.parent or "")
        if parent is None:
            return {_folded(label.display_name), _folded(label.name)}
        return {
            _folded(f"{above}/{below}")
            for above in (parent.display_name, parent.name)
            for below in (label.display_name, label.name)
        }

    def _keys(self, label: Label) -> set[str]:
        return self._paths(label) | {_folded(label.display_name), _folded(label.name)}


def in_order(labels: Iterable[Label]) -> list[Label]:
    """Labels in rising sensitivity: by priority, each parent followed by its sublabels."""
    listed = sorted(labels, key=lambda label: label.priority)
    return [
        label
        for top in listed
        if top.parent is None
        for label in (top, *(below for below in listed if below.parent == top.id))
    ]


def _folded(name: str) -> str:
    """How names are compared: case folded, one kind of separator, single spaces."""
    return _SEPARATOR.sub("/", " ".join(name.casefold().split()))
