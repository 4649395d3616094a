"""A tenant's policy files (Graph beta, policyFiles) as the objects PowerShell prints of the same rules.

The content of the DLP file is base64 of UTF-16 XML: policies, their rules, conditions and bindings.
Microsoft does not describe it; the shapes here are those seen on the wire and in RuleXml. Values of
conditions (addresses, words, names of groups) are never taken over, nor shown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from dlpagent.errors import ConfigurationError
from dlpagent.labels.advanced_rule import CONTENT, MAX_DEPTH, UNLABELLED

_MAX_BYTES = 64 << 20
# As the file says it → as Get-DlpCompliancePolicy does, from what acts to what only looks.
_MODES = {
    "enforce": "Enable",
    "enable": "Enable",
    "auditandnotify": "TestWithNotifications",
    "testwithnotifications": "TestWithNotifications",
    "audit": "TestWithoutNotifications",
    "testwithoutnotifications": "TestWithoutNotifications",
}
_STRONGEST = ("Enable", "TestWithNotifications", "TestWithoutNotifications")
_OPERATORS = {"and": "And", "or": "Or", "not": "Not"}
_RESTRICTIONS = ("Block", "Warn", "Audit")
_ENDPOINT_ACTIONS = {"notifyendpointuser": "NotifyUser"}


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Objects for the import of rules, and files that were left out, in words."""

    objects: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


def are_policy_files(rows: Sequence[Any]) -> bool:
    """Whether these are rows of policyFiles rather than rules."""
    return bool(rows) and all(
        isinstance(row, Mapping) and {"fileType", "status"} <= set(row) for row in rows
    )


def read_policy_files(rows: Sequence[Mapping[str, Any]], file: str) -> PolicyFiles:
    """The rules of all DLP policies. Raises ConfigurationError when they cannot be read."""
    objects: list[dict[str, Any]] = []
    left_out: list[str] = []
    for row in rows:
        kind = str(row.get("fileType") or row.get("id") or "")
        if kind.casefold() == "dlppolicy" and row.get("content"):
            objects += _objects(_xml(str(row["content"]), file), file)
        elif row.get("content"):
            left_out.append(f"the policy file {kind[:40]}")
    if not objects:
        raise ConfigurationError(
            "the policy files hold no DLP policy",
            where=file,
            expected="a row dlpPolicy with content",
            found=", ".join(f"{row.get('id')}: {row.get('status')}" for row in rows[:5]) or "none",
            remedy="Ask again without a version, so that unchanged files come with their content.",
        )
    return PolicyFiles(tuple(objects), tuple(left_out))


def _xml(content: str, file: str) -> Element:
    try:
        data = base64.b64decode(content, validate=True)
        is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1:2] == b"\0"
        text = data[:_MAX_BYTES].decode("utf-16" if data[:1] in b"\xff\xfe" else "utf-16-le")
        text = text if is_utf16 else data.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities could grow without end
            raise ValueError
        root = fromstring(text.removeprefix("\ufeff"))  # noqa: S314 - no DTD, so no entities
    except (binascii.Error, ValueError, ParseError, RecursionError) as error:
        raise ConfigurationError(
            "the content of the DLP policy file cannot be read",
            where=file,
            expected="base64 of UTF-16 XML without a DTD",
            found=type(error).__name__,
        ) from None
    return root


def _objects(root: Element, file: str) -> Iterator[dict[str, Any]]:
    """One object that stands for all policies, then every rule with the mode that holds for it."""
    policies = [element for element in root.iter() if _name(element) == "policy"]
    modes = [_mode_of(policy) for policy in policies]
    acting = [mode for mode in modes if mode in _STRONGEST]
    name = policies[0].get("name") or file if len(policies) == 1 else "DLP policies of the tenant"
    first = {"Name": name, "Mode": min(acting, key=_STRONGEST.index, default="Enable")}
    if len(policies) == 1:
        first["Guid"] = policies[0].get("id") or ""
    if policies:
        yield first
    for policy, mode in zip(policies, modes, strict=True):
        places = [_place(each) for each in policy.iter() if _name(each) == "binding"]
        for rule in (each for each in policy.iter() if _name(each) == "rule"):
            yield _rule(rule, policy, mode, places, name)


def _mode_of(element: Element) -> str:
    said = (element.get("mode") or "").casefold()
    return _MODES.get(said, "" if not said else "Disable")


def _place(binding: Element) -> dict[str, str]:
    where = binding.get("immutableIdentity") or binding.get("name") or ""
    return {"Workload": binding.get("workload") or "", "Location": where}


def _rule(
    rule: Element, policy: Element, mode: str, places: Sequence[Mapping[str, str]], parent: str
) -> dict[str, Any]:
    own = _mode_of(rule) or mode or "Enable"
    is_off = "Disable" in (mode, own) or (rule.get("enabled") or "").casefold() == "false"
    value: dict[str, Any] = {
        "Name": rule.get("name") or rule.get("id") or "",
        "Guid": rule.get("id") or "",
        "Policy": parent,
        "Comment": f"Of the policy {policy.get('name') or policy.get('id')}",
        "Mode": own,
        "Disabled": is_off,
        "ReportSeverityLevel": rule.get("severity") or "",
        "Locations": list(places),
    }
    condition = next((each for each in rule.iter() if _name(each) == "condition"), None)
    parts = [] if condition is None else [_node(each, 0) for each in condition]
    value["AdvancedRule"] = {"Condition": {"Operator": "And", "SubConditions": parts}}
    return value | _actions(rule)


def _actions(rule: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in (each for each in rule.iter() if _name(each) == "action"):
        name = action.get("name") or "an action without a name"
        if name.casefold().endswith("restrictaccess"):
            said = {each.get("value") for each in action.iter() if each.get("value")}
            known = [{"value": word} for word in _RESTRICTIONS if word in said]
            found["RestrictAccess" if known else name] = (
                found.get("RestrictAccess", []) + known or True
            )
        else:
            found[_ENDPOINT_ACTIONS.get(name.casefold(), name)] = True
    return found


def _node(element: Element, depth: int) -> dict[str, Any]:
    """A condition as a node of an AdvancedRule; what is not known is named, without its values."""
    name = _name(element)
    operator = _OPERATORS.get(name.casefold())
    if operator and depth <= MAX_DEPTH:
        return {
            "Operator": operator,
            "SubConditions": [_node(child, depth + 1) for child in element],
        }
    if name.casefold() == "containsdataclassification":
        return {"ConditionName": CONTENT, "Value": _content(element)}
    about = element.get("property") or element.get("target") or element.get("rhsTarget") or ""
    if name == "is" and about.rpartition(".")[2] in (UNLABELLED, "IsNotLabeled"):
        return {"ConditionName": UNLABELLED, "Value": True}
    return {"ConditionName": f"{name} {about}".strip()[:120], "Value": None}


def _content(element: Element) -> list[dict[str, Any]]:
    """The entries of a classification condition: types and labels, in groups when there are any.

    The first entry with an operator and nothing else joins the groups; one with operator and name
    begins a group, whose members name it or follow it.
    """
    outer, groups = "And", list[dict[str, Any]]()
    by_name: dict[str, dict[str, Any]] = {}
    alone: dict[str, Any] = {"operator": "Or", "sensitivetypes": [], "labels": []}
    for entry in (_entry(each) for each in element if _name(each) == "keyValues"):
        if "operator" in entry and not ({"id", "tagid"} & set(entry)):
            if "name" not in entry:
                outer = entry["operator"]
                continue
            group = {
                "operator": entry["operator"],
                "name": entry["name"],
                "sensitivetypes": [],
                "labels": [],
            }
            groups.append(group)
            by_name[entry["name"]] = group
            continue
        last = groups[-1] if groups else alone
        _into(by_name.get(entry.get("groupname", ""), last), entry)
    groups += [alone] if alone["sensitivetypes"] or alone["labels"] else []
    return [{"operator": outer, "groups": groups}]


def _entry(element: Element) -> dict[str, str]:
    return {
        (each.get("key") or "").casefold(): each.get("value") or ""
        for each in element
        if _name(each) == "keyValue"
    }


def _into(group: dict[str, Any], entry: dict[str, str]) -> None:
    if "tagid" in entry:
        group["labels"].append(
            {"name": entry["tagid"], "type": entry.get("tagtype", "Sensitivity")}
        )
    else:
        group["sensitivetypes"].append(entry)


def _name(element: Element) -> str:
    """The name of an element without its namespace; "" for comments."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
