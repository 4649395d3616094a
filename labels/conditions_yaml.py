"""Conditions read from YAML: nested and/or/not groups over leaves that name SITs or labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from dlpagent.findings import LEVEL_FLOOR, LEVELS, Level
from dlpagent.labels.conditions import (
    LABEL_STATES,
    All,
    AnyOf,
    Condition,
    LabelCondition,
    Not,
    SitCondition,
)
from dlpagent.labels.names import Names, listed
from dlpagent.yaml_reader import Reader

MAX_COUNT = 500  # Purview: counts of a rule lie in 1..500, or the maximum is "any"
MAX_NODES = 20_000  # of one policy: YAML aliases can make a small file a huge tree

_KINDS = ("and", "or", "not", "sit", "sits", "label")
_BOUNDS = ("min_count", "max_count", "min_confidence", "max_confidence", "confidence")


@dataclass(slots=True)
class ConditionReader:
    """Reads the conditions of one policy, and counts them against MAX_NODES."""

    names: Names
    nodes: int = 0

    def read(self, node: Reader) -> Condition | None:
        """The condition at a node; None when nothing of it can be used. Problems are noted."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            if self.nodes == MAX_NODES + 1:
                node.problem("the policy is too large", f"at most {MAX_NODES} conditions")
            return None
        keys = node.mapping((*_KINDS, *_BOUNDS, "match"))
        kinds = [kind for kind in _KINDS if kind in keys]
        if len(kinds) == 1:
            _note_strays(keys, kinds[0])
            return self._of_kind(keys, kinds[0])
        if keys or (node.is_mapping() and not node.node.value):
            node.problem("not one condition", "exactly one of " + listed(_KINDS), listed(kinds))
        return None

    def _of_kind(self, keys: Mapping[str, Reader], kind: str) -> Condition | None:
        part = keys[kind]
        if kind == "not":
            inner = self.read(part)
            return Not(inner) if inner else None
        if kind == "label":
            return self._label(part)
        return self._group(part, kind) if kind in ("and", "or") else self._sits(keys, kind)

    def _group(self, node: Reader, kind: str) -> Condition | None:
        entries = list(node.items())
        if node.is_list() and not entries:
            node.problem("the list is empty", "at least one condition")
        parts = tuple(part for entry in entries if (part := self.read(entry)))
        if not parts:
            return None
        return All(parts) if kind == "and" else AnyOf(parts)

    def _label(self, node: Reader) -> Condition | None:
        if not node.is_list() and (state := node.text()) in LABEL_STATES:
            return LabelCondition(state=state)
        entries = list(node.items()) if node.is_list() else [node]
        if not entries:
            node.problem("the list is empty", "at least one label")
        labels = {ref.id: ref for entry in entries for ref in self.names.family(entry)}
        return LabelCondition(tuple(labels.values())) if labels else None

    def _sits(self, keys: Mapping[str, Reader], kind: str) -> Condition | None:
        one = self.names.sit(keys["sit"]) if kind == "sit" else None
        sits = ((one,) if one else ()) if kind == "sit" else self.names.sits(keys["sits"])
        match = keys["match"].choice(("any", "all"), "any") if "match" in keys else "any"
        (fewest, most), (low, high) = _counts(keys), _confidences(keys)
        leaves = tuple(
            SitCondition(sit, fewest, most, low or self.names.confidence_of(sit), high)
            for sit in sits
        )
        if len(leaves) <= 1:
            return leaves[0] if leaves else None
        return All(leaves) if match == "all" else AnyOf(leaves)


def _note_strays(keys: Mapping[str, Reader], kind: str) -> None:
    """Bounds belong to leaves that name SITs; beside a group they would have no effect."""
    for key, node in keys.items():
        if key in _BOUNDS and kind not in ("sit", "sits"):
            node.problem(
                f"{key} does not belong here", "it beside sit or sits", f"it beside {kind}"
            )
        if key == "match" and kind != "sits":
            node.problem("match does not belong here", "it beside sits", f"it beside {kind}")


def _counts(keys: Mapping[str, Reader]) -> tuple[int, int | None]:
    """Least and greatest number of unique instances; a greatest of None is "any"."""
    low = keys["min_count"].integer(1, low=1, high=MAX_COUNT) if "min_count" in keys else 1
    node = keys.get("max_count")
    if node is None or (node.is_scalar() and node.node.value == "any"):
        return low, None
    high = node.integer(MAX_COUNT, low=1, high=MAX_COUNT)
    if high < low:
        node.problem("the maximum is below the minimum", f"at least {low}, or any", str(high))
    return low, high


def _confidences(keys: Mapping[str, Reader]) -> tuple[int | None, int]:
    """Least and greatest confidence that counts; None: the least is the one the SIT recommends."""
    low: int | None = 1 if "max_confidence" in keys else None
    if "min_confidence" in keys:
        low = keys["min_confidence"].integer(1, low=1, high=100)
        if "confidence" in keys:
            keys["confidence"].problem("min_confidence is given too", "one of the two")
    elif "confidence" in keys:
        low = LEVEL_FLOOR[cast("Level", keys["confidence"].choice(LEVELS, "low"))]
    high = keys["max_confidence"].integer(100, low=1, high=100) if "max_confidence" in keys else 100
    if low is not None and high < low:
        keys["max_confidence"].problem("it is below the minimum", f"at least {low}", str(high))
    return low, high
