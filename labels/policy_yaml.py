"""A policy read from YAML, every problem of the file gathered before any is raised.

docs/policies.md describes the form. SITs and labels are resolved here, so a policy in hand names
only what exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from dlpagent.errors import ConfigurationError, Problem, ProblemsError
from dlpagent.labels.conditions_yaml import ConditionReader
from dlpagent.labels.locations import EVERYTHING, LOCATIONS, Globs, Location
from dlpagent.labels.names import Names
from dlpagent.labels.policy import (
    ACTIONS,
    MODES,
    SEVERITIES,
    AutoLabel,
    Example,
    Policy,
    Rule,
)
from dlpagent.labels.taxonomy import Taxonomy, as_guid
from dlpagent.records import ItemLevel
from dlpagent.violations import USUAL_TERMS, Mode, OverrideTerms, Severity, Tally
from dlpagent.yaml_reader import Reader, parse_yaml

_POLICY_KEYS = (
    "id",
    "name",
    "version",
    "mode",
    "description",
    "sit_groups",
    "user_groups",
    "auto_labels",
    "rules",
)
_AUTO_KEYS = ("label", "conditions", "reason")
_RULE_KEYS = (
    "id",
    "name",
    "description",
    "severity",
    "mode",
    "item",
    "locations",
    "apps",
    "users",
    "assets",
    "conditions",
    "ceiling",
    "actions",
    "override",
    "examples",
)
_OVERRIDE_KEYS = ("by", "justification", "days")
_EXAMPLE_KEYS = ("fires", "at", "findings", "labels", "app", "user", "asset")
_FINDING_KEYS = ("sit", "confidence", "unique", "count")


def load_policy(
    path: Path,
    *,
    taxonomy: Taxonomy,
    sit_names: Mapping[str, str],
    recommended: Mapping[str, int] | None = None,
    unknown_sits: Literal["error", "warning"] = "error",
) -> Policy:
    """The policy in a YAML file.

    sit_names: SIT id → name of the pack in use; recommended: SIT id → the confidence that counts
    where a condition gives none. unknown_sits "warning": ids the pack lacks are kept, never found,
    and listed in Policy.warnings (for policies made for a larger pack); unknown names stay errors.
    Raises ProblemsError with every problem, ConfigurationError when the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the policy cannot be read ({error.strerror})", where=str(path), expected="a YAML file"
        ) from None
    return parse_policy(
        data,
        str(path),
        taxonomy=taxonomy,
        sit_names=sit_names,
        recommended=recommended,
        unknown_sits=unknown_sits,
    )


def parse_policy(
    data: bytes | str,
    name: str,
    *,
    taxonomy: Taxonomy,
    sit_names: Mapping[str, str],
    recommended: Mapping[str, int] | None = None,
    unknown_sits: Literal["error", "warning"] = "error",
) -> Policy:
    """The policy in YAML text; name is how problems call the file. See load_policy."""
    problems: list[Problem] = []
    names = Names(taxonomy, sit_names, recommended or {}, unknown_sits)
    root = parse_yaml(data, name, problems)
    policy = _policy(root, names, name) if root else None
    errors = sum(problem.severity == "error" for problem in problems)
    if errors or policy is None:
        raise ProblemsError(problems, f"{errors} problem(s) in the policy {name}")
    return policy


def _policy(root: Reader, names: Names, file: str) -> Policy:
    keys = root.mapping(
        _POLICY_KEYS, required=("id", "name", "version") if root.is_mapping() else ()
    )
    if "sit_groups" in keys:
        for group, node in keys["sit_groups"].mapping().items():
            names.groups[group] = names.sits(node)
    if "user_groups" in keys:
        for group, node in keys["user_groups"].mapping().items():
            names.user_groups[group] = _members(node)
    conditions = ConditionReader(names)
    auto_labels = [_auto_label(node, conditions) for node in _entries(keys, "auto_labels")]
    rules = [_rule(node, conditions) for node in _entries(keys, "rules")]
    if not auto_labels and not rules and not root.problems:
        root.problem("the policy decides nothing", "auto_labels or rules")
    whole = [rule for rule in rules if rule]
    _note_twins(whole, root)
    return Policy(
        id=_guid(keys.get("id")),
        name=_text(keys, "name"),
        version=_text(keys, "version"),
        taxonomy=names.taxonomy,
        auto_labels=tuple(auto for auto in auto_labels if auto),
        rules=tuple(whole),
        mode=_mode(keys) or "enforce",
        description=_text(keys, "description"),
        file=file,
        warnings=tuple(problem for problem in root.problems if problem.severity != "error"),
    )


def _note_twins(rules: Sequence[Rule], root: Reader) -> None:
    """Note rules that have an id or a name in common."""
    for what in ("id", "name"):
        seen: dict[str, int] = {}
        for rule in rules:
            value = getattr(rule, what).casefold()
            if value and value in seen:
                text = f"the rule of line {seen[value]} has the same {what}"
                root.problems.append(Problem(root.file, rule.line, text, f"{what}s that differ"))
            seen.setdefault(value, rule.line)


def _auto_label(node: Reader, conditions: ConditionReader) -> AutoLabel | None:
    keys = node.mapping(_AUTO_KEYS, required=("label", "conditions") if node.is_mapping() else ())
    label = conditions.names.appliable(keys["label"]) if "label" in keys else None
    condition = conditions.read(keys["conditions"]) if "conditions" in keys else None
    return AutoLabel(label, condition, _text(keys, "reason")) if label and condition else None


def _rule(node: Reader, conditions: ConditionReader) -> Rule | None:
    keys = node.mapping(
        _RULE_KEYS, required=("id", "name", "severity") if node.is_mapping() else ()
    )
    if not keys:
        return None
    if "conditions" not in keys and "ceiling" not in keys:
        node.problem("the rule can never fire", "conditions, a ceiling, or both")
    locations = _words(keys, "locations", LOCATIONS, "any")
    item = keys["item"].choice(("record", "asset"), "record") if "item" in keys else None
    severity = keys["severity"].choice(SEVERITIES, "low") if "severity" in keys else "low"
    names = conditions.names
    return Rule(
        id=_guid(keys.get("id")),
        name=_text(keys, "name"),
        severity=cast("Severity", severity),
        conditions=conditions.read(keys["conditions"]) if "conditions" in keys else None,
        ceiling=names.ceiling(keys["ceiling"]) if "ceiling" in keys else None,
        actions=_words(keys, "actions", ACTIONS, "audit"),
        locations=locations,
        apps=_globs(keys.get("apps")),
        users=_globs(keys.get("users"), names),
        assets=_globs(keys.get("assets")),
        mode=_mode(keys),
        item=cast("ItemLevel | None", item),
        override=_override(keys["override"]) if "override" in keys else USUAL_TERMS,
        description=_text(keys, "description"),
        examples=tuple(_example(each, names, locations) for each in _entries(keys, "examples")),
        line=node.line,
    )


def _override(node: Reader) -> OverrideTerms:
    """`none`, or who may, whether a justification is demanded, and for how many days at most."""
    if node.is_scalar():
        node.choice(("none",), "none")
        return OverrideTerms(allowed=False)
    keys = node.mapping(_OVERRIDE_KEYS)
    asked = "required"
    if "justification" in keys:
        asked = keys["justification"].choice(("required", "optional"), "required")
    return OverrideTerms(
        by=keys["by"].texts() if "by" in keys else (),
        justification=asked == "required",
        days=keys["days"].integer(30, low=1, high=3650) if "days" in keys else None,
    )


def _example(node: Reader, names: Names, locations: tuple[Location, ...]) -> Example:
    keys = node.mapping(_EXAMPLE_KEYS, required=("fires",) if node.is_mapping() else ())
    first: str = next(iter(locations), "any")
    return Example(
        fires=keys["fires"].boolean() if "fires" in keys else False,
        tallies=_tallies(keys["findings"], names) if "findings" in keys else (),
        at=cast("Location", keys["at"].choice(LOCATIONS, first) if "at" in keys else first),
        labels=keys["labels"].texts() if "labels" in keys else (),
        app=_text(keys, "app") or None,
        user=_text(keys, "user") or None,
        asset=_text(keys, "asset"),
        line=node.line,
    )


def _tallies(node: Reader, names: Names) -> tuple[Tally, ...]:
    """Findings as written: confidence (default 85), unique instances (1), hits (as many)."""
    counts: dict[str, list[tuple[int, int, int]]] = {}
    for entry in node.items():
        keys = entry.mapping(_FINDING_KEYS, required=("sit",) if entry.is_mapping() else ())
        sit = names.sit(keys["sit"]) if "sit" in keys else None
        confidence = keys["confidence"].integer(85, low=1, high=100) if "confidence" in keys else 85
        unique = keys["unique"].integer(1, low=1) if "unique" in keys else 1
        hits = keys["count"].integer(unique, low=unique) if "count" in keys else unique
        if sit:
            counts.setdefault(sit.id, []).append((confidence, hits, unique))
    return tuple(
        Tally(sit_id, tuple(sorted(rows, reverse=True))) for sit_id, rows in counts.items()
    )


def _entries(keys: Mapping[str, Reader], key: str) -> Sequence[Reader]:
    return list(keys[key].items()) if key in keys else ()


def _text(keys: Mapping[str, Reader], key: str) -> str:
    return keys[key].text(allow_empty=key == "description") if key in keys else ""


def _guid(node: Reader | None) -> str:
    text = node.text() if node else ""
    guid = as_guid(text) if text else ""
    if node and guid is None:
        node.problem("not a GUID", "32 hexadecimal digits in groups of 8-4-4-4-12", text)
    return guid or ""


def _mode(keys: Mapping[str, Reader]) -> Mode | None:
    return cast("Mode", keys["mode"].choice(MODES, "enforce")) if "mode" in keys else None


def _words(
    keys: Mapping[str, Reader], key: str, options: Sequence[str], default: str
) -> tuple[Any, ...]:
    """A list of words of a vocabulary, repeats dropped; the default when the key is absent."""
    if key not in keys:
        return (default,)
    chosen = dict.fromkeys(entry.choice(options, "") for entry in keys[key].items())
    if keys[key].is_list() and not chosen:
        keys[key].problem("the list is empty", "at least one of " + ", ".join(options))
    return tuple(word for word in chosen if word)


def _members(node: Reader) -> tuple[str, ...]:
    """Who is in a group of users: patterns of their ids, no groups."""
    members = node.texts()
    if node.is_list() and not members:
        node.problem("the group is empty", "at least one pattern of users")
    for member in members:
        if member.startswith("@"):
            node.problem("a group of users holds no groups", "patterns of users", member)
    return members


def _globs(node: Reader | None, names: Names | None = None) -> Globs:
    """names: whose groups of users stand for their members, as @group; None: no groups here."""
    if node is None:
        return EVERYTHING
    keys = node.mapping(("include", "exclude"))
    include = _patterns(keys["include"], names) if "include" in keys else ()
    exclude = _patterns(keys["exclude"], names) if "exclude" in keys else ()
    if node.is_mapping() and not node.node.value:
        node.problem("nothing is included or excluded", "patterns under include or exclude")
    return Globs(include, exclude)


def _patterns(node: Reader, names: Names | None) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for entry in node.items():
        text = entry.text()
        is_group = names is not None and text.startswith("@")
        members = names.users(entry) if names and is_group else (text,)
        found |= dict.fromkeys(members)
    return tuple(found)
