"""Conditions to and from the JSON of Purview's DLP rules: AdvancedRule and its groups.

Sources: the reference of New-DlpComplianceRule (AdvancedRule, ContentContainsSensitiveInformation,
ContentIsNotLabeled). The JSON of its examples has commas before closing brackets; they are read.
What has no counterpart here is Lost, and the group that goes on without it says what that changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from dlpagent.errors import Problem
from dlpagent.findings import LEVEL_FLOOR, Level
from dlpagent.labels.conditions import All, AnyOf, Condition, LabelCondition, Not, SitCondition
from dlpagent.labels.conditions_yaml import MAX_COUNT
from dlpagent.labels.names import DEFAULT_CONFIDENCE
from dlpagent.labels.taxonomy import Taxonomy, as_guid
from dlpagent.violations import LabelRef, SitRef

CONTENT = "ContentContainsSensitiveInformation"
UNLABELLED = "ContentIsNotLabeled"
MAX_DEPTH = 100

# A comma before a closing bracket; strings are matched first, so that commas in them stay.
_STRAY_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lost:
    """Conditions that have no counterpart here, in words."""

    what: tuple[str, ...]


@dataclass(slots=True)
class ConditionImport:
    """Reads the conditions of one file's rules. notes: what a rule goes on without, as warnings.

    sit_names: SIT id → name of the pack in use; recommended: the confidence that counts where a
    rule gives none.
    """

    file: str
    taxonomy: Taxonomy
    sit_names: Mapping[str, str]
    recommended: Mapping[str, int] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)
    _by_name: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {}
        for sit_id, name in self.sit_names.items():
            self._by_name.setdefault(name.casefold(), []).append(sit_id)

    def note(self, where: str, what: str, found: str = "", remedy: str = "") -> None:
        """Keep a warning; where names the rule."""
        text = f"{where}: {what}"
        self.notes.append(Problem(self.file, 1, text, "", found, remedy, severity="warning"))

    def advanced(self, rule: Any, where: str) -> Condition | Lost:
        """The condition of an AdvancedRule, as its text or as the value the text holds."""
        if isinstance(rule, str):
            try:
                rule = lenient_json(rule)
            except (ValueError, RecursionError):
                return Lost(("an AdvancedRule that is not JSON",))
        root = _keys(rule).get("condition", rule)
        return self.node(root, where)

    def node(
        self, node: Any, where: str, *, positive: bool = True, depth: int = 0
    ) -> Condition | Lost:
        """A group of conditions, or one. positive: not inside an odd number of Nots."""
        keys = _keys(node)
        if depth > MAX_DEPTH:
            return Lost((f"conditions nested deeper than {MAX_DEPTH}",))
        operator = str(keys.get("operator", "and")).casefold()
        if "conditionname" in keys:
            found = self.named(
                str(keys["conditionname"]), keys.get("value"), where, positive=positive
            )
            return _negated(found) if operator == "not" else found
        subs = keys.get("subconditions")
        if operator not in ("and", "or", "not") or not isinstance(subs, list) or not subs:
            return Lost(("a group of conditions that cannot be read",))
        inner = positive != (operator == "not")
        parts = [self.node(sub, where, positive=inner, depth=depth + 1) for sub in subs]
        # "Not" over several: none of them, as exceptions are.
        found = self._joined("and" if operator == "and" else "or", parts, where, positive=inner)
        return _negated(found) if operator == "not" else found

    def named(
        self, name: str, value: Any, where: str, *, positive: bool = True
    ) -> Condition | Lost:
        """One condition by the name of its parameter; a name with ExceptIf is negated."""
        folded = name.casefold()
        if folded.startswith("exceptif"):
            return _negated(self.named(name[8:], value, where, positive=not positive))
        if folded == CONTENT.casefold():
            return self.content(value, where, positive=positive)
        if folded == UNLABELLED.casefold():
            unlabelled = LabelCondition(state="none")
            return Not(unlabelled) if _is_false(value) else unlabelled
        return Lost((f"the condition {name}",))

    def content(self, value: Any, where: str, *, positive: bool = True) -> Condition | Lost:
        """SITs and labels of ContentContainsSensitiveInformation: a list of SITs (any of them), or
        groups of them with an operator between the groups (default And) and in each (default Or)."""
        entries = value if isinstance(value, list) else [value]
        parts = [self._group(entry, where, positive, 0) for entry in entries]
        return self._joined("or", parts, where, positive=positive)

    def _group(self, entry: Any, where: str, positive: bool, depth: int) -> Condition | Lost:
        keys = _keys(entry)
        if depth > MAX_DEPTH:
            return Lost((f"groups nested deeper than {MAX_DEPTH}",))
        groups = _list(keys.get("groups"))
        sits, labels = _list(keys.get("sensitivetypes")), _list(keys.get("labels"))
        if not (groups or sits or labels):
            return self._sit(entry, where)
        operator = str(keys.get("operator", "and" if groups else "or")).casefold()
        if operator not in ("and", "or"):
            return Lost((f"a group with the operator {operator}",))
        parts = [self._group(group, where, positive, depth + 1) for group in groups]
        parts += [self._sit(sit, where) for sit in sits]
        parts += self._labels(labels, operator)
        return self._joined(operator, parts, where, positive=positive)

    def _labels(self, entries: Sequence[Any], operator: str) -> list[Condition | Lost]:
        """Labels of an Or group are one condition: any of these. A label stands for its sublabels."""
        read = [self._label(entry) for entry in entries]
        if operator == "and":
            return [LabelCondition(each) if isinstance(each, tuple) else each for each in read]
        known = {ref.id: ref for each in read if isinstance(each, tuple) for ref in each}
        parts: list[Condition | Lost] = [LabelCondition(tuple(known.values()))] if known else []
        return parts + [each for each in read if isinstance(each, Lost)]

    def _label(self, entry: Any) -> tuple[LabelRef, ...] | Lost:
        keys = _keys(entry)
        kind = str(keys.get("type", "Sensitivity"))
        text = str(keys.get("id") or keys.get("name") or entry)
        label = self.taxonomy.find(text) if kind.casefold() == "sensitivity" else None
        if label is None:
            return Lost((f"the {kind.lower()} label {as_guid(text) or text[:60]}",))
        return tuple(map(self.taxonomy.ref, self.taxonomy.family(label)))

    def _sit(self, entry: Any, where: str) -> Condition | Lost:
        keys = _keys(entry)
        text = str(keys.get("id") or keys.get("name") or "").strip()
        sit = self._sit_named(text) or self._sit_named(str(keys.get("name") or "").strip())
        if sit is None:
            shown = str(keys.get("name") or text)[:80] or "without a name"
            return Lost((f"the sensitive information type {shown}, which the pack lacks",))
        fewest, most = _number(keys.get("mincount")), _number(keys.get("maxcount"))
        low, high = _number(keys.get("minconfidence")), _number(keys.get("maxconfidence"))
        level = str(keys.get("confidencelevel", "")).casefold()
        if low is None and level in LEVEL_FLOOR:
            low = LEVEL_FLOOR[cast("Level", level)]
        if low is None:
            low = self.recommended.get(sit.id, DEFAULT_CONFIDENCE) if high is None else 1
        upper = 100 if high is None or high < 0 else high
        counts = (max(fewest or 1, 1), most if most and most > 0 else None)
        return self._bounded(SitCondition(sit, *counts, max(low, 1), upper), where)

    def _bounded(self, leaf: SitCondition, where: str) -> Condition | Lost:
        """The leaf with bounds a policy can have: a maximum above 500 counts as any."""
        most = leaf.max_count
        if leaf.min_count > MAX_COUNT or leaf.min_confidence > min(leaf.max_confidence, 100):
            return Lost((f"{leaf.sit.name} with bounds that nothing meets",))
        if leaf.max_confidence > 100 or (most is not None and most < leaf.min_count):
            return Lost((f"{leaf.sit.name} with bounds that nothing meets",))
        if most is None or most <= MAX_COUNT:
            return leaf
        self.note(where, f"a maximum above {MAX_COUNT} counts as any", f"{leaf.sit.name}: {most}")
        return SitCondition(
            leaf.sit, leaf.min_count, None, leaf.min_confidence, leaf.max_confidence
        )

    def _sit_named(self, text: str) -> SitRef | None:
        """By GUID first: names are translated, ids are not."""
        guid = as_guid(text)
        if guid is not None:
            return SitRef(guid, self.sit_names[guid]) if guid in self.sit_names else None
        found = self._by_name.get(text.casefold(), [])
        return SitRef(found[0], self.sit_names[found[0]]) if len(found) == 1 else None

    def _joined(
        self, operator: str, parts: Sequence[Condition | Lost], where: str, *, positive: bool
    ) -> Condition | Lost:
        kept = tuple(part for part in parts if not isinstance(part, Lost))
        lost = tuple(what for part in parts if isinstance(part, Lost) for what in part.what)
        if not kept:
            return Lost(lost)
        for what in lost:
            often = "more" if (operator == "and") == positive else "less"
            self.note(where, f"left out {what}; the rule fires {often} often than in Purview")
        if len(kept) == 1:
            return kept[0]
        return All(kept) if operator == "and" else AnyOf(kept)


def advanced_rule(condition: Condition, taxonomy: Taxonomy) -> dict[str, Any]:
    """The condition as the value of an AdvancedRule. Raises ValueError, in words, for what Purview
    cannot say: labels of other tenants."""
    node = _exported(condition, taxonomy)
    if "ConditionName" in node:
        node = {"Operator": "And", "SubConditions": [node]}
    return {"Version": "1.0", "Condition": node}


def groups_of(condition: Condition, taxonomy: Taxonomy) -> list[dict[str, Any]] | None:
    """The condition as groups of ContentContainsSensitiveInformation, two levels deep at most, as
    auto-labelling takes it; None when it does not fit."""
    if (one := _group_of(condition, taxonomy)) is not None:
        return [{"operator": "And", "groups": [one]}]
    if not isinstance(condition, All | AnyOf):
        return None
    groups = [_group_of(part, taxonomy) for part in condition.parts]
    if None in groups:
        return None
    named = [{**cast("dict[str, Any]", each), "name": f"Group{n}"} for n, each in enumerate(groups)]
    return [{"operator": "And" if isinstance(condition, All) else "Or", "groups": named}]


def lenient_json(text: str) -> Any:
    """The value of JSON text that may have commas before closing brackets. Raises ValueError."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_STRAY_COMMA.sub(lambda match: match[1] or "", text))


def _exported(condition: Condition, taxonomy: Taxonomy) -> dict[str, Any]:
    match condition:
        case Not(part):
            return {"Operator": "Not", "SubConditions": [_exported(part, taxonomy)]}
        case LabelCondition(state="none"):
            return {"ConditionName": UNLABELLED, "Value": True}
        case LabelCondition(state="unknown"):
            raise ValueError("labels the taxonomy does not know")
    group = _group_of(condition, taxonomy)
    if group is not None:
        return {"ConditionName": CONTENT, "Value": [{"Operator": "And", "groups": [group]}]}
    assert isinstance(condition, All | AnyOf)  # leaves have a group of their own
    return {
        "Operator": "And" if isinstance(condition, All) else "Or",
        "SubConditions": [_exported(part, taxonomy) for part in condition.parts],
    }


def _group_of(condition: Condition, taxonomy: Taxonomy) -> dict[str, Any] | None:
    """A leaf, or an And or Or of SITs only, as one group; None for anything else."""
    match condition:
        case SitCondition():
            return _group("Or", (condition,))
        case LabelCondition(labels, state) if state in (None, "any"):
            # "any" is any label known here: all of them
            refs = labels or tuple(map(taxonomy.ref, taxonomy.labels))
            named = [{"name": ref.id, "type": "Sensitivity"} for ref in refs]
            return {"Operator": "Or", "name": "Default", "labels": named}
        case All(parts) | AnyOf(parts):
            sits = tuple(part for part in parts if isinstance(part, SitCondition))
            operator = "And" if isinstance(condition, All) else "Or"
            return _group(operator, sits) if len(sits) == len(parts) else None
    return None


def _group(operator: str, sits: Sequence[SitCondition]) -> dict[str, Any]:
    types = [
        {
            "name": leaf.sit.name,
            "id": leaf.sit.id,
            "mincount": leaf.min_count,
            "maxcount": leaf.max_count or -1,
            "minconfidence": leaf.min_confidence,
            "maxconfidence": leaf.max_confidence,
        }
        for leaf in sits
    ]
    return {"Operator": operator, "name": "Default", "sensitivetypes": types}


def _negated(found: Condition | Lost) -> Condition | Lost:
    return found if isinstance(found, Lost) else Not(found)


def _keys(value: Any) -> dict[str, Any]:
    """An object with its keys in lower case: cmdlets and portal spell them differently."""
    if not isinstance(value, dict):
        return {}
    return {str(key).casefold(): item for key, item in value.items()}


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> int | None:
    """A whole number, or its text; None for anything else."""
    try:
        return int(str(value))
    except ValueError:
        return None


def _is_false(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and str(values[0]).casefold() in ("false", "0", "no")
