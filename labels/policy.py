"""A policy as typed values: auto-labels, and rules by location with severity, actions and ceilings.

dlpagent.labels.policy_yaml reads it from a file, dlpagent.labels.decide applies it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dlpagent.errors import Problem
from dlpagent.labels.conditions import Condition, meaning_of, sits_of
from dlpagent.labels.locations import EVERYTHING, Globs, Location
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.records import ItemLevel
from dlpagent.violations import (
    USUAL_TERMS,
    LabelRef,
    Mode,
    OverrideTerms,
    PolicyRef,
    Severity,
    SitRef,
    Tally,
)

EXAMPLE_POLICY = Path(__file__).with_name("example_policy.yaml")

Action = Literal["audit", "notify", "warn", "redact", "block", "quarantine", "label", "alert"]
ACTIONS: tuple[Action, ...] = (
    "audit",
    "notify",
    "warn",
    "redact",
    "block",
    "quarantine",
    "label",
    "alert",
)
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

# From what acts to what only looks. Of policy and rule the weaker counts.
MODES: tuple[Mode, ...] = ("enforce", "audit", "simulate")


@dataclass(frozen=True, slots=True)
class Example:
    """Findings and labels at a place, and whether the rule must fire on them. line: of the file."""

    fires: bool
    tallies: tuple[Tally, ...]
    at: Location
    labels: tuple[str, ...] = ()
    app: str | None = None
    user: str | None = None
    asset: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class AutoLabel:
    """The label an item should carry when the conditions hold. reason: the author's words or ""."""

    label: LabelRef
    conditions: Condition
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The highest label a place may hold. priority: that of the label and all its sublabels."""

    label: LabelRef
    priority: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where it applies, when it fires, how bad that is and what is to be done.

    It fires when conditions and ceiling hold, each if given. item: the level it decides on, None
    for the asset's own. mode: None for the policy's.
    """

    id: str
    name: str
    severity: Severity
    conditions: Condition | None
    ceiling: Ceiling | None = None
    actions: tuple[Action, ...] = ("audit",)
    locations: tuple[Location, ...] = ("any",)
    apps: Globs = EVERYTHING
    users: Globs = EVERYTHING
    assets: Globs = EVERYTHING
    mode: Mode | None = None
    item: ItemLevel | None = None
    override: OverrideTerms = USUAL_TERMS
    description: str = ""
    examples: tuple[Example, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy and the taxonomy its labels are of. version is the author's own text.

    warnings: what its author should know although it can be applied, such as SITs the pack lacks.
    """

    id: str
    name: str
    version: str
    taxonomy: Taxonomy
    auto_labels: tuple[AutoLabel, ...] = ()
    rules: tuple[Rule, ...] = ()
    mode: Mode = "enforce"
    description: str = ""
    file: str = ""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def mode_of(self, rule: Rule) -> Mode:
        """The weaker of the policy's mode and the rule's: a simulated policy enforces nothing."""
        return max(self.mode, rule.mode or "enforce", key=MODES.index)

    def ref(self) -> PolicyRef:
        """The policy as events name it; version is the author's and a digest of the meaning."""
        return PolicyRef(self.id, self.name, f"{self.version}+{self.digest()}")

    def digest(self) -> str:
        """12 hex characters that change with anything a violation depends on, and with nothing else.

        Names, descriptions, reasons, examples and the order of rules may change without it.
        """
        rules = sorted((_rule_meaning(self, rule) for rule in self.rules), key=json.dumps)
        labels = [[auto.label.id, meaning_of(auto.conditions)] for auto in self.auto_labels]
        meaning = [self.id, rules, sorted(labels, key=json.dumps), self.taxonomy.digest()]
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:12]

    def sits(self) -> Iterator[SitRef]:
        """Every SIT the policy names, once."""
        conditions = [auto.conditions for auto in self.auto_labels]
        conditions += [rule.conditions for rule in self.rules if rule.conditions]
        seen = {sit.id: sit for condition in conditions for sit in sits_of(condition)}
        yield from seen.values()


def item_level(rule: Rule, default: ItemLevel) -> ItemLevel:
    """The level a rule decides on, given the asset's own."""
    return rule.item or default


def _rule_meaning(policy: Policy, rule: Rule) -> list[Any]:
    globs = [[sorted(g.include), sorted(g.exclude)] for g in (rule.apps, rule.users, rule.assets)]
    terms = rule.override
    # Left out when nothing is said: the digest of such a policy is what it was before terms existed.
    said = terms != USUAL_TERMS
    override = [[terms.allowed, sorted(terms.by), terms.justification, terms.days]] if said else []
    return [
        rule.id,
        rule.severity,
        policy.mode_of(rule),
        rule.item,
        sorted(rule.locations),
        globs,
        sorted(rule.actions),
        meaning_of(rule.conditions) if rule.conditions else None,
        rule.ceiling.label.id if rule.ceiling else None,
        *override,
    ]
