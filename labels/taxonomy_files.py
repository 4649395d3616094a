"""Taxonomies read from files: our YAML, Graph's sensitivityLabel lists, Get-Label's JSON.

YAML is written by people: every slip is a problem with its line. The JSON shapes are written by
services: unknown keys are ignored, and priorities that give no order are replaced by positions.
Sources: Graph v1.0 and beta OpenAPI (sensitivityLabel), Get-Label as PowerShell's ConvertTo-Json
prints it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Protocol

from dlpagent.errors import ConfigurationError, Problem, ProblemsError
from dlpagent.labels.taxonomy import Label, Taxonomy, as_guid, in_order
from dlpagent.violations import ZERO_TENANT
from dlpagent.yaml_reader import Reader, parse_yaml

DEFAULT_TAXONOMY = Path(__file__).with_name("taxonomy.yaml")

_FILE_KEYS = ("name", "version", "description", "tenant", "labels")
_LABEL_KEYS = (
    "id",
    "name",
    "display_name",
    "priority",
    "color",
    "description",
    "enabled",
    "sublabels",
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_SETTING_COLOR = re.compile(r"\[color,\s*(#[0-9a-fA-F]{6})\]", re.IGNORECASE)


class _At(Protocol):
    """A place in a file that problems can be noted at."""

    def problem(self, what: str, expected: str = "", found: str = "", remedy: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class _JsonAt:
    """A place in a JSON file, named by its path; its line is not kept."""

    file: str
    where: str
    problems: list[Problem]

    def problem(self, what: str, expected: str = "", found: str = "", remedy: str = "") -> None:
        self.problems.append(
            Problem(self.file, 1, f"{self.where}: {what}", expected, found, remedy)
        )


@dataclass(slots=True)
class _Draft:
    """A label as read, before it is checked against the others."""

    at: _At
    label: Label
    children: list[_Draft] = field(default_factory=list)


def load_taxonomy(path: Path = DEFAULT_TAXONOMY, *, tenant: str | None = None) -> Taxonomy:
    """The taxonomy in a YAML or JSON file. tenant: the Entra tenant, where the file names none.

    Raises ProblemsError with every problem of the file, ConfigurationError when it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the label taxonomy cannot be read ({error.strerror})",
            where=str(path),
            expected="a YAML file, or JSON of Graph or Get-Label",
        ) from None
    return parse_taxonomy(data, str(path), tenant=tenant)


def parse_taxonomy(data: bytes | str, name: str, *, tenant: str | None = None) -> Taxonomy:
    """The taxonomy in the text of a file; name is how problems call it. Raises ProblemsError."""
    problems: list[Problem] = []
    content = _json_content(data)
    if content is None:
        taxonomy = _from_yaml(data, name, problems, tenant)
    else:
        taxonomy = _from_json(content, name, problems, tenant)
    if problems:
        raise ProblemsError(problems, f"{len(problems)} problem(s) in the label taxonomy {name}")
    return taxonomy


def _json_content(data: bytes | str) -> Any:
    """The value of a service's JSON (UTF-8 or UTF-16, BOM or none); None for our own form."""
    try:
        if isinstance(data, bytes):
            data = data.decode(json.detect_encoding(data))
        value = json.loads(data.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    ours = not isinstance(value, dict | list) or (isinstance(value, dict) and "labels" in value)
    return None if ours else value


def _from_yaml(
    data: bytes | str, name: str, problems: list[Problem], tenant: str | None
) -> Taxonomy:
    root = parse_yaml(data, name, problems)
    if root is None:
        return Taxonomy(())
    keys = root.mapping(_FILE_KEYS, required=("labels",))
    own = _yaml_guid(keys["tenant"]) if "tenant" in keys else tenant
    drafts = (
        [_yaml_draft(entry, own) for entry in keys["labels"].items()] if "labels" in keys else []
    )
    if "labels" in keys and keys["labels"].is_list() and not drafts:
        keys["labels"].problem("there are no labels", "at least one label")
    labels = _checked(drafts)
    _check_order(drafts)
    title = keys["name"].text() if "name" in keys else ""
    return Taxonomy(tuple(in_order(labels)), own, title)


def _yaml_draft(node: Reader, tenant: str | None) -> _Draft:
    keys = node.mapping(
        _LABEL_KEYS, required=("id", "name", "priority") if node.is_mapping() else ()
    )
    name = keys["name"].text() if "name" in keys else ""
    color = keys["color"].text() if "color" in keys else ""
    if color and not _COLOR.fullmatch(color):
        keys["color"].problem("not a color", "# and six hexadecimal digits", color)
    label = Label(
        id=_yaml_guid(keys["id"]) if "id" in keys else "",
        name=name,
        display_name=keys["display_name"].text(name) if "display_name" in keys else name,
        priority=keys["priority"].integer(low=0) if "priority" in keys else -1,
        tenant=tenant,
        color=color,
        description=keys["description"].text(allow_empty=True) if "description" in keys else "",
        enabled=keys["enabled"].boolean(True) if "enabled" in keys else True,
    )
    children = keys["sublabels"].items() if "sublabels" in keys else ()
    return _Draft(node, label, [_yaml_draft(child, tenant) for child in children])


def _yaml_guid(node: Reader) -> str:
    text = node.text()
    guid = as_guid(text) if text else ""
    if guid is None:
        node.problem("not a GUID", "32 hexadecimal digits in groups of 8-4-4-4-12", text)
    return guid or ""


def _checked(drafts: Sequence[_Draft]) -> list[Label]:
    """The labels of the drafts, joined to their parents; what cannot be is noted."""
    labels: list[Label] = []
    seen: set[str] = set()
    for siblings, parent in _levels(drafts):
        names: set[str] = set()
        for draft in siblings:
            label = draft.label
            if parent is not None and draft.children:
                draft.at.problem("a sublabel has sublabels", "two levels of labels at most")
            if label.id and label.id in seen:
                draft.at.problem("another label has the same id", "ids that differ", label.id)
            name = label.display_name.casefold()
            if name and name in names:
                draft.at.problem(
                    "another label beside it has the same name",
                    "names that differ",
                    label.display_name,
                )
            seen.add(label.id)
            names.add(name)
            below = tuple(child.label.id for child in sorted(draft.children, key=_priority))
            labels.append(replace(label, parent=parent.id if parent else None, sublabels=below))
    return labels


def _levels(drafts: Sequence[_Draft]) -> Iterator[tuple[Sequence[_Draft], Label | None]]:
    yield drafts, None
    for draft in drafts:
        if draft.children:
            yield draft.children, draft.label


def _priority(draft: _Draft) -> int:
    return draft.label.priority


def _check_order(drafts: Sequence[_Draft]) -> None:
    """Note priorities used twice, and sublabels not between their parent and the next label."""
    used: dict[int, str] = {}
    for siblings, _ in _levels(drafts):
        for draft in siblings:
            label = draft.label
            if label.priority >= 0 and label.priority in used:
                draft.at.problem(
                    f"{used[label.priority]} has the same priority",
                    "priorities that differ",
                    str(label.priority),
                )
            used.setdefault(label.priority, label.name)
    tops = sorted(drafts, key=_priority)
    for draft, following in zip_longest(tops, tops[1:]):
        end = following.label.priority if following else None
        for child in draft.children:
            inside = end is None or child.label.priority <= end  # equal: noted above
            if child.label.priority >= 0 and not (_priority(draft) <= _priority(child) and inside):
                child.at.problem(
                    "the sublabel is not in the order of its parent",
                    f"a priority above {_priority(draft)}" + (f" and below {end}" if end else ""),
                    str(child.label.priority),
                )


def _from_json(content: Any, name: str, problems: list[Problem], tenant: str | None) -> Taxonomy:
    """A Graph list ({"value": [...]} or bare) or Get-Label output (a list, or one object)."""
    root = _JsonAt(name, "top", problems)
    if isinstance(content, dict) and "@odata.nextLink" in content:
        root.problem(
            "the list has a further page",
            "the complete list",
            "an @odata.nextLink",
            "Fetch all pages and put their values into one list.",
        )
    entries = content.get("value", [content]) if isinstance(content, dict) else content
    drafts = _json_drafts(entries, root, tenant)
    if not drafts:
        root.problem("there are no labels", "a list of labels of Graph or Get-Label")
    drafts = _joined(drafts)
    _number(drafts)
    labels = in_order(_checked(drafts))
    kept = [label.priority for label in labels]
    if all(low < high for low, high in pairwise(kept)):
        return Taxonomy(tuple(labels), tenant)
    warning = Problem(
        name,
        1,
        "the priorities give no order over labels and sublabels; positions are used instead",
        severity="warning",
    )
    numbered = tuple(replace(label, priority=rank) for rank, label in enumerate(labels))
    return Taxonomy(numbered, tenant, warnings=(warning,))


def _json_drafts(entries: Any, at: _JsonAt, tenant: str | None) -> list[_Draft]:
    if not isinstance(entries, list):
        at.problem("wrong shape", "a list of labels", type(entries).__name__)
        return []
    drafts = []
    for index, entry in enumerate(entries):
        here = _JsonAt(at.file, f"{at.where}[{index}]", at.problems)
        if isinstance(entry, dict):
            drafts.append(_json_draft({key.lower(): entry[key] for key in entry}, here, tenant))
        else:
            here.problem("wrong shape", "an object", type(entry).__name__)
    return drafts


def _json_draft(entry: Mapping[str, Any], at: _JsonAt, tenant: str | None) -> _Draft:
    """One label; keys in lower case, so that both services' spellings fall together."""
    raw = _first(entry, "immutableid", "guid", "id")
    guid = as_guid(str(raw)) if raw is not None else None
    if guid is None:
        at.problem("no usable id", "a GUID in id, ImmutableId or Guid", str(raw)[:60])
    name = str(_first(entry, "name", "displayname") or "")
    if not name:
        at.problem("the label has no name", "name or displayName")
    priority = _first(entry, "priority", "sensitivity")
    label = Label(
        id=guid or "",
        name=name,
        display_name=str(_first(entry, "displayname", "name") or ""),
        priority=priority if isinstance(priority, int) else -1,
        parent=_parent_id(entry),
        tenant=tenant,
        color=_color(entry),
        description=str(_first(entry, "description", "comment", "tooltip") or ""),
        enabled=_is_enabled(entry),
    )
    below = entry.get("sublabels") or []
    nested = _JsonAt(at.file, f"{at.where}.sublabels", at.problems)
    return _Draft(at, label, _json_drafts(below, nested, tenant) if below else [])


def _first(entry: Mapping[str, Any], *keys: str) -> Any:
    return next((entry[key] for key in keys if entry.get(key) not in (None, "")), None)


def _parent_id(entry: Mapping[str, Any]) -> str | None:
    parent = entry.get("parentid") or entry.get("parent")
    if isinstance(parent, dict):
        parent = parent.get("id")
    guid = as_guid(parent) if isinstance(parent, str) else None
    return None if guid == ZERO_TENANT else guid


def _color(entry: Mapping[str, Any]) -> str:
    settings = entry.get("settings")
    listed = " ".join(map(str, settings)) if isinstance(settings, list) else ""
    found = _SETTING_COLOR.search(listed)
    color = str(entry.get("color") or (found[1] if found else ""))
    return color if _COLOR.fullmatch(color) else ""


def _is_enabled(entry: Mapping[str, Any]) -> bool:
    off = entry.get("disabled") is True or str(entry.get("disabled")).lower() == "true"
    return not off and entry.get("isenabled") is not False and entry.get("isactive") is not False


def _joined(drafts: list[_Draft]) -> list[_Draft]:
    """Flat lists (Get-Label, older Graph) as trees: each draft under the parent it names.

    A service may give a sublabel twice, inside its parent and beside it; it is kept once.
    """
    nested = {child.label.id for draft in drafts for child in draft.children}
    flat = [draft for draft in drafts if draft.label.id not in nested]
    by_id = {draft.label.id: draft for draft in flat}
    tops = []
    for draft in flat:
        parent = draft.label.parent
        if parent is None:
            tops.append(draft)
        elif parent in by_id and parent != draft.label.id:
            by_id[parent].children.append(draft)
        else:
            draft.at.problem("its parent is not in the list", "the complete list of labels", parent)
    return tops


def _number(drafts: Sequence[_Draft]) -> None:
    """Give labels without a priority the one after the label before them."""
    for siblings, _ in _levels(drafts):
        last = -1
        for draft in siblings:
            if draft.label.priority < 0:
                draft.label = replace(draft.label, priority=last + 1)
            last = draft.label.priority
