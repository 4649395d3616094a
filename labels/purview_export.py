"""A policy's rules and auto-labels as objects for Purview's cmdlets.

The keys are parameters of New-DlpComplianceRule and New-AutoSensitivityLabelRule, and the Guid that
names the rule here. What Purview cannot say is noted, and its rule left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlpagent.errors import Problem
from dlpagent.labels.advanced_rule import CONTENT, advanced_rule, groups_of
from dlpagent.labels.locations import EVERYTHING
from dlpagent.labels.policy import Action, Policy, Rule
from dlpagent.violations import Mode

_PURVIEW_MODES: dict[Mode, str] = {
    "enforce": "Enable",
    "audit": "TestWithoutNotifications",
    "simulate": "TestWithoutNotifications",
}
_WRITTEN: dict[Action, tuple[str, Any]] = {
    "block": ("BlockAccess", True),
    "notify": ("NotifyUser", ["LastModifier"]),
    "warn": ("NotifyAllowOverride", ["WithJustification"]),
    "alert": ("GenerateAlert", ["SiteAdmin"]),
    "quarantine": ("Quarantine", True),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """Objects for Purview's cmdlets, and what could not be said in them."""

    objects: tuple[dict[str, Any], ...]
    notes: tuple[Problem, ...]


def export_rules(policy: Policy) -> Exported:
    """The policy's rules and auto-labels as objects for New-DlpComplianceRule and
    New-AutoSensitivityLabelRule; a rule whose meaning Purview cannot say is left out and noted."""
    notes: list[Problem] = []
    objects = [_policy_object(policy)]
    for rule in policy.rules:
        missing = [*_inexpressible(rule)]
        try:
            if rule.conditions:
                value = advanced_rule(rule.conditions, policy.taxonomy)
        except ValueError as error:
            missing.append(str(error))
        if missing:
            text = f"rule {rule.name}: not exported: Purview has no {', no '.join(missing)}"
            notes.append(Problem(policy.file, rule.line, text))
            continue
        notes += _softer(policy, rule)
        objects.append(_rule_object(policy, rule, value))
    for auto in policy.auto_labels:
        groups = groups_of(auto.conditions, policy.taxonomy)
        if groups is None:
            text = f"auto-label {auto.label.name}: not exported: Purview takes two levels of groups"
            notes.append(Problem(policy.file, 1, text))
            continue
        objects.append(
            {
                "Name": f"{policy.name}: {auto.label.name}",
                "Policy": policy.name,
                "ApplySensitivityLabel": auto.label.id,
                CONTENT: groups,
            }
        )
    return Exported(tuple(objects), tuple(notes))


def exported_json(exported: Exported) -> str:
    """The objects as JSON text, ready for ConvertFrom-Json."""
    return json.dumps(exported.objects, indent=2, ensure_ascii=False) + "\n"


def _policy_object(policy: Policy) -> dict[str, Any]:
    value = {"Name": policy.name, "Guid": policy.id, "Mode": _PURVIEW_MODES[policy.mode]}
    return value | ({"Comment": policy.description} if policy.description else {})


def _inexpressible(rule: Rule) -> Iterator[str]:
    if rule.ceiling:
        yield "ceilings"
    for name, globs in (("apps", rule.apps), ("users", rule.users), ("assets", rule.assets)):
        if globs != EVERYTHING:
            yield f"patterns of {name}"


def _softer(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """What a rule loses although its condition is whole."""
    without = [action for action in rule.actions if action not in _WRITTEN and action != "audit"]
    if without:
        text = f"rule {rule.name}: actions without counterpart: {', '.join(without)}"
        yield Problem(policy.file, rule.line, text, severity="warning")
    if policy.mode_of(rule) == "audit":
        text = f"rule {rule.name}: Purview has no audit mode; it is exported as a test"
        yield Problem(policy.file, rule.line, text, severity="warning")
    if rule.override.by or rule.override.days or not rule.override.allowed:
        text = f"rule {rule.name}: who may override it and for how long is not exported"
        yield Problem(policy.file, rule.line, text, severity="warning")
    if rule.locations != ("any",):
        text = f"rule {rule.name}: its places are not exported: {', '.join(rule.locations)}"
        remedy = "Set the locations of the policy in Purview."
        yield Problem(policy.file, rule.line, text, remedy=remedy, severity="warning")


def _rule_object(policy: Policy, rule: Rule, value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"Name": rule.name, "Guid": rule.id, "Policy": policy.name}
    if rule.description:
        found["Comment"] = rule.description
    found["ReportSeverityLevel"] = rule.severity.capitalize()
    if rule.mode:
        found["Mode"] = _PURVIEW_MODES[rule.mode]
    for action in rule.actions:
        if action in _WRITTEN:
            key, setting = _WRITTEN[action]
            found[key] = setting
    if "warn" in rule.actions and not rule.override.justification:
        found["NotifyAllowOverride"] = ["WithoutJustification"]
    return found | {"IsAdvancedRule": True, "AdvancedRule": json.dumps(value, ensure_ascii=False)}
