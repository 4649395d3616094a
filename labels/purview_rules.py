"""Purview's DLP rules and auto-label rules, as PowerShell prints them, made a policy.

Read: one object or a list of Get-DlpComplianceRule, Get-DlpCompliancePolicy,
Get-AutoSensitivityLabelRule and Get-AutoSensitivityLabelPolicy through ConvertTo-Json, or the bare
value of an AdvancedRule; and the policyFiles of Graph, see dlpagent.labels.policy_files.
dlpagent.labels.purview_export is the way back.
Whatever is set in an object and has no counterpart here is noted, never dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from dlpagent.errors import ConfigurationError, Problem
from dlpagent.labels.advanced_rule import (
    CONTENT,
    UNLABELLED,
    ConditionImport,
    Lost,
    lenient_json,
)
from dlpagent.labels.conditions import All, Condition
from dlpagent.labels.locations import Location
from dlpagent.labels.policy import Action, AutoLabel, Policy, Rule
from dlpagent.labels.policy_files import are_policy_files, read_policy_files
from dlpagent.labels.taxonomy import Taxonomy, as_guid
from dlpagent.violations import Mode, OverrideTerms, Severity, stable_id

_MODES: dict[str, Mode] = {
    "enable": "enforce",
    "testwithnotifications": "simulate",
    "testwithoutnotifications": "simulate",
}
_FLAGS: dict[str, Action] = {
    "blockaccess": "block",
    "notifyuser": "notify",
    "notifyallowoverride": "warn",
    "generatealert": "alert",
    "generateincidentreport": "alert",
    "quarantine": "quarantine",
}
_SETTINGS: dict[str, Action] = {"block": "block", "warn": "warn", "audit": "audit"}
# What says nothing of when a rule fires or what it does.
_PLAIN = frozenset(
    """
    name guid id identity immutableid exchangeobjectid objectid objectcategory objectstate
    type displayname distinguishedname organizationid isvalid priority comment description
    createdby lastmodifiedby whencreated whenchanged whencreatedutc whenchangedutc version
    policy policyid parentpolicyname parentpolicy contentsource disabled enabled mode
    severity reportseveritylevel advancedrule isadvancedrule applysensitivitylabel label
    workload distributionstatus readonly runspaceid pscomputername psshowcomputername
    rulemode locations enforcementplanes restrictaccess endpointdlprestrictions
    """.split()  # noqa: SIM905 - a table of ninety strings reads worse
)
# Settings of Purview's own that are there on every rule and change nothing of the above.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "blockaccessscope": ("all", "none"),
    "accessscope": ("none",),
    "ruleerroraction": ("ignore", "none"),
}
COPILOT_ID = "470f2276-e011-4e9d-a6ec-20768be3a4b0"


@dataclass(frozen=True, slots=True)
class Imported:
    """A policy made of Purview's rules and everything in which it differs from them."""

    policy: Policy
    notes: tuple[Problem, ...]


def import_rules(
    data: bytes | str,
    file: str,
    *,
    taxonomy: Taxonomy,
    sit_names: Mapping[str, str],
    recommended: Mapping[str, int] | None = None,
    name: str = "",
    label: str = "",
    locations: Sequence[Location] = (),
) -> Imported:
    """The rules of a JSON file as one policy.

    name: the policy's, default Purview's; label: for auto-label rules whose policy is not in the
    file; locations: for all rules, default as Purview's policy says, else any. Raises
    ConfigurationError when the file is no such JSON or nothing of it can be used.
    """
    entries, left_out = _entries(data, file)
    reader = ConditionImport(file, taxonomy, sit_names, recommended or {})
    for what in left_out:
        reader.note(file, f"left out {what}: it holds no rules that are known")
    policies = {
        str(entry[key]).casefold(): entry
        for entry in entries
        if not _has_conditions(entry)
        for key in ("name", "guid", "id", "identity", "immutableid")
        if entry.get(key)
    }
    rules: list[Rule] = []
    autos: list[AutoLabel] = []
    for number, entry in enumerate(entries, 1):
        if not _has_conditions(entry):
            continue
        parent = _parent(entry, policies)
        where = f"rule {str(entry.get('name') or number)[:80]}"
        found = _condition(entry, reader, where)
        if isinstance(found, Lost):
            for what in found.what:
                reader.note(where, f"left out whole: it asks only for {what}")
        elif _is(entry.get("disabled")) or str(parent.get("mode")).casefold() == "disable":
            reader.note(where, "left out: it is disabled in Purview")
        elif _is_auto(entry, parent) or (label and _is_auto_shaped(entry)):
            autos += _auto_label(entry, parent, found, reader, where, label)
        else:
            rules.append(_rule(entry, parent, found, reader, where, number, locations))
    return _as_policy(entries, policies, _apart(rules), autos, reader, name)


def _entries(data: bytes | str, file: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The objects of the file, keys in lower case, and what was left out of it; a bare AdvancedRule
    becomes a rule."""
    try:
        if isinstance(data, bytes):
            data = data.decode(json.detect_encoding(data))
        value = lenient_json(data.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise ConfigurationError(
            "the rules cannot be read",
            where=file,
            expected="JSON, as Get-DlpComplianceRule | ConvertTo-Json -Depth 100 prints it",
            found="something else",
        ) from None
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        value = value["value"]
    objects = value if isinstance(value, list) else [value]
    left_out: tuple[str, ...] = ()
    if are_policy_files(objects):
        files = read_policy_files(objects, file)
        objects, left_out = list(files.objects), files.left_out
    entries = [
        {str(key).casefold(): each for key, each in item.items()}
        for item in objects
        if isinstance(item, dict)
    ]
    bare = [entry for entry in entries if "condition" in entry and "advancedrule" not in entry]
    for entry in bare:
        entry["advancedrule"] = {"Condition": entry.pop("condition")}
    return entries, left_out


def _has_conditions(entry: Mapping[str, Any]) -> bool:
    keys = (CONTENT, f"ExceptIf{CONTENT}", UNLABELLED, "advancedrule", "parentpolicyname", "policy")
    return any(_is_set(entry.get(key.casefold())) for key in keys)


def _parent(entry: Mapping[str, Any], policies: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("parentpolicyname", "policy", "policyid", "parentpolicy"):
        found = policies.get(str(entry.get(key) or "").casefold())
        if found:
            return cast("Mapping[str, Any]", found)
    return {}


def _condition(entry: Mapping[str, Any], reader: ConditionImport, where: str) -> Condition | Lost:
    """All conditions of a rule: its AdvancedRule, or else its parameters, all of which must hold."""
    parts: list[Condition | Lost] = []
    if _is_set(entry.get("advancedrule")):
        parts.append(reader.advanced(entry["advancedrule"], where))
    else:
        parts += [
            reader.named(name, entry[name.casefold()], where)
            for name in (CONTENT, UNLABELLED, f"ExceptIf{CONTENT}")
            if _is_set(entry.get(name.casefold()))
        ]
    kept = tuple(part for part in parts if not isinstance(part, Lost))
    lost = tuple(what for part in parts if isinstance(part, Lost) for what in part.what)
    if not kept:
        return Lost(lost or ("nothing that can be read",))
    for what in lost:
        reader.note(where, f"left out {what}; the rule fires more often than in Purview")
    _note_rest(entry, reader, where)
    return kept[0] if len(kept) == 1 else All(kept)


def _note_rest(entry: Mapping[str, Any], reader: ConditionImport, where: str) -> None:
    """Note every setting of the rule that is set and was not used."""
    used = {CONTENT.casefold(), f"exceptif{CONTENT.casefold()}", UNLABELLED.casefold()}
    for key, value in entry.items():
        default = str(value).casefold() in _DEFAULTS.get(key, ())
        if key in _PLAIN or key in _FLAGS or key in used or default or not _is_set(value):
            continue
        reader.note(where, f"the setting {key} has no counterpart and is not applied")


def _rule(
    entry: Mapping[str, Any],
    parent: Mapping[str, Any],
    conditions: Condition,
    reader: ConditionImport,
    where: str,
    number: int,
    locations: Sequence[Location],
) -> Rule:
    name = str(entry.get("name") or f"Rule {number}")
    severity = str(entry.get("reportseveritylevel") or entry.get("severity") or "low").casefold()
    return Rule(
        id=_id_of(entry) or stable_id("imported-rule", str(parent.get("name") or ""), name),
        name=name,
        severity=cast("Severity", severity if severity in ("medium", "high") else "low"),
        conditions=conditions,
        actions=tuple(_actions(entry)) or ("audit",),
        override=_override(entry),
        locations=tuple(locations) or _locations(entry, parent, reader, where),
        mode=_mode(entry),
        description=str(entry.get("comment") or entry.get("description") or ""),
    )


def _mode(entry: Mapping[str, Any]) -> Mode | None:
    return _MODES.get(str(entry.get("mode") or "").casefold())


def _override(entry: Mapping[str, Any]) -> OverrideTerms:
    """Purview demands a justification unless the rule says that it goes without."""
    value = entry.get("notifyallowoverride") or ()
    named = {value} if isinstance(value, str) else {str(each) for each in value}
    words = {word.strip().casefold() for each in named for word in each.split(",")}
    free = "withoutjustification" in words and "withjustification" not in words
    return OverrideTerms(justification=not free)


def _actions(entry: Mapping[str, Any]) -> Iterator[Action]:
    """Actions in the order of our vocabulary's table, each once."""
    found = {action for key, action in _FLAGS.items() if _is_set(entry.get(key))}
    for key in ("restrictaccess", "endpointdlprestrictions"):
        for setting in _objects(entry.get(key)):
            value = str(setting.get("value", "")).casefold()
            found |= {_SETTINGS[value]} if value in _SETTINGS else set()
    yield from (action for action in dict.fromkeys((*_FLAGS.values(), "audit")) if action in found)


def _locations(
    entry: Mapping[str, Any], parent: Mapping[str, Any], reader: ConditionImport, where: str
) -> tuple[Location, ...]:
    """Copilot where Purview's policy names it and nothing else; else any place, which is noted."""
    said = entry.get("locations") or parent.get("locations")
    planes = str(entry.get("enforcementplanes") or parent.get("enforcementplanes") or "")
    text = said if isinstance(said, str) else json.dumps(said or "")
    places = _objects(_loaded(text))
    if places and all(str(place.get("location", "")).casefold() == COPILOT_ID for place in places):
        return ("copilot",)
    if not places and planes.casefold() in ("copilotexperiences", "['copilotexperiences']"):
        return ("copilot",)
    if places or planes:
        reader.note(where, "its places have no counterpart; it applies to any",
                    remedy="Name places with --location, or in the file.")  # fmt: skip
    return ("any",)


def _is_auto(entry: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    return any(
        _is_set(each.get(key)) for each in (entry, parent) for key in ("applysensitivitylabel",)
    )


def _is_auto_shaped(entry: Mapping[str, Any]) -> bool:
    return not _is_set(entry.get("advancedrule")) and not any(_actions(entry))


def _auto_label(
    entry: Mapping[str, Any],
    parent: Mapping[str, Any],
    conditions: Condition,
    reader: ConditionImport,
    where: str,
    label: str,
) -> Iterator[AutoLabel]:
    text = str(entry.get("applysensitivitylabel") or parent.get("applysensitivitylabel") or label)
    found = reader.taxonomy.find(text)
    if found is None or not found.is_appliable:
        what = "left out: the taxonomy has no label of this name that can be applied"
        reader.note(where, what, text[:80], "Give the tenant's labels with --labels.")
        return
    reason = str(entry.get("comment") or "")
    yield AutoLabel(reader.taxonomy.ref(found), conditions, reason)


def _apart(rules: Sequence[Rule]) -> list[Rule]:
    """Rules whose names and ids differ: Purview's names are unique in a policy, not over several."""
    names: dict[str, int] = {}
    ids: set[str] = set()
    kept = []
    for rule in rules:
        many = names[rule.name.casefold()] = names.get(rule.name.casefold(), 0) + 1
        name = rule.name if many == 1 else f"{rule.name} ({many})"
        ident = rule.id if rule.id not in ids else stable_id("imported-rule", rule.id, str(many))
        ids.add(ident)
        kept.append(replace(rule, name=name, id=ident))
    return kept


def _as_policy(
    entries: Sequence[Mapping[str, Any]],
    policies: Mapping[str, Mapping[str, Any]],
    rules: Sequence[Rule],
    autos: Sequence[AutoLabel],
    reader: ConditionImport,
    name: str,
) -> Imported:
    if not rules and not autos:
        raise ConfigurationError(
            "nothing of these rules can be used",
            where=reader.file,
            expected="a DLP rule or auto-label rule with sensitive information types or labels",
            found="; ".join(problem.what for problem in reader.notes[:5]) or "no rule at all",
            remedy="Give the pack and labels the rules name with --pack and --labels.",
        )
    first = next(iter(policies.values()), {})
    said = name or str(
        first.get("name")
        or next((e[k] for e in entries for k in ("parentpolicyname", "policy") if e.get(k)), "")
        or "Imported from Purview"
    )
    policy = Policy(
        id=_id_of(first) or stable_id("imported-policy", said),
        name=said,
        version="1",
        taxonomy=reader.taxonomy,
        auto_labels=tuple(autos),
        rules=tuple(rules),
        mode=_mode(first) or "enforce",
        description=str(first.get("comment") or ""),
    )
    return Imported(policy, tuple(sorted(set(reader.notes))))


def _id_of(entry: Mapping[str, Any]) -> str | None:
    keys = ("immutableid", "guid", "exchangeobjectid", "id")
    return next((guid for key in keys if (guid := as_guid(str(entry.get(key) or "")))), None)


def _loaded(text: str) -> Any:
    try:
        return lenient_json(text)
    except (ValueError, RecursionError):
        return None


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list or the one object, keys in lower case."""
    items = value if isinstance(value, list) else [value]
    return [
        {str(key).casefold(): each for key, each in item.items()}
        for item in items
        if isinstance(item, dict)
    ]


def _is(value: Any) -> bool:
    return value is True or str(value).casefold() == "true"


def _is_set(value: Any) -> bool:
    """Whether a property says anything: PowerShell prints all there are, most of them empty."""
    return value not in (None, False, "", [], {}, 0) and str(value).casefold() != "false"
