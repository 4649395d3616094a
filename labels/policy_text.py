"""A policy as the YAML text that reads back as the same policy, with SIT names as comments."""

from __future__ import annotations

import re
from typing import Any

import yaml

from dlpagent.labels.conditions import All, AnyOf, Condition, LabelCondition, Not, SitCondition
from dlpagent.labels.locations import EVERYTHING, Globs
from dlpagent.labels.policy import AutoLabel, Policy, Rule
from dlpagent.violations import USUAL_TERMS, OverrideTerms

_NAMED = re.compile(r"^(?P<line>\s*(?:- )*(?:sit|label|ceiling): (?P<id>[0-9a-f-]{36}))$", re.M)
_LISTED = re.compile(r"^(?P<line>\s*(?:- )+(?P<id>[0-9a-f-]{36}))$", re.M)


def policy_yaml(policy: Policy) -> str:
    """The policy as YAML; names of SITs and labels follow their ids as comments. Examples are not
    written."""
    value: dict[str, Any] = {
        "id": policy.id,
        "name": policy.name,
        "version": policy.version,
        "mode": policy.mode,
    }
    if policy.description:
        value["description"] = policy.description
    if policy.auto_labels:
        value["auto_labels"] = [_auto_label(auto) for auto in policy.auto_labels]
    if policy.rules:
        value["rules"] = [_rule(rule) for rule in policy.rules]
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    names = {sit.id: sit.name for sit in policy.sits()}
    names |= {label.id: policy.taxonomy.path(label) for label in policy.taxonomy.labels}
    return _commented(text, names)


def _commented(text: str, names: dict[str, str]) -> str:
    def comment(match: re.Match[str]) -> str:
        name = " ".join(names.get(match["id"], "").split())
        return f"{match['line']} # {name}" if name else match["line"]

    return _LISTED.sub(comment, _NAMED.sub(comment, text))


def _auto_label(auto: AutoLabel) -> dict[str, Any]:
    reason = {"reason": auto.reason} if auto.reason else {}
    return {"label": auto.label.id, **reason, "conditions": _condition(auto.conditions)}


def _rule(rule: Rule) -> dict[str, Any]:
    value: dict[str, Any] = {"id": rule.id, "name": rule.name}
    if rule.description:
        value["description"] = rule.description
    value["severity"] = rule.severity
    if rule.mode:
        value["mode"] = rule.mode
    if rule.item:
        value["item"] = rule.item
    value["locations"] = list(rule.locations)
    for name, globs in (("apps", rule.apps), ("users", rule.users), ("assets", rule.assets)):
        if globs != EVERYTHING:
            value[name] = _globs(globs)
    if rule.conditions:
        value["conditions"] = _condition(rule.conditions)
    if rule.ceiling:
        value["ceiling"] = rule.ceiling.label.id
    value["actions"] = list(rule.actions)
    if rule.override != USUAL_TERMS:
        value["override"] = _override(rule.override)
    return value


def _override(terms: OverrideTerms) -> dict[str, Any] | str:
    if not terms.allowed:
        return "none"
    value: dict[str, Any] = {"by": list(terms.by)} if terms.by else {}
    value["justification"] = "required" if terms.justification else "optional"
    return value | ({"days": terms.days} if terms.days else {})


def _globs(globs: Globs) -> dict[str, list[str]]:
    pairs = (("include", globs.include), ("exclude", globs.exclude))
    return {name: list(patterns) for name, patterns in pairs if patterns}


def _condition(condition: Condition) -> dict[str, Any]:
    match condition:
        case SitCondition(sit, fewest, most, low, high):
            value: dict[str, Any] = {"sit": sit.id}
            value |= {"min_count": fewest} if fewest != 1 else {}
            value |= {"max_count": most} if most is not None else {}
            value["min_confidence"] = low  # always said: what a SIT recommends may change
            return value | ({"max_confidence": high} if high != 100 else {})
        case LabelCondition(labels, state):
            return {"label": state or [label.id for label in labels]}
        case Not(part):
            return {"not": _condition(part)}
        case All(parts):
            return {"and": [_condition(part) for part in parts]}
        case AnyOf(parts):
            return {"or": [_condition(part) for part in parts]}
