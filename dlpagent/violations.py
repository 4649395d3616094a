"""What a decider is given and gives: items, tallies, decisions, violations, events.

An item is what a policy decides on and what a violation names: a record (a message with its
attachments, a vector record) or an asset (a document, a file of a training corpus).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from dlpagent.findings import PackRef
from dlpagent.records import Asset, AssetKind, ItemLevel

Severity = Literal["low", "medium", "high"]
Mode = Literal["enforce", "audit", "simulate"]
EventKind = Literal["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
ViolationStatus = Literal[
    "new", "repeated", "changed", "reopened", "resolved", "overridden", "false_positive"
]

OPEN_STATUSES: tuple[ViolationStatus, ...] = ("new", "repeated", "changed", "reopened")
"""The statuses in which a violation asks for something to be done (docs/violations.md)."""
SET_ASIDE: tuple[ViolationStatus, ...] = ("overridden", "false_positive")
"""Those in which a person, or a verdict, has said that nothing is to be done."""

# Fixed for ever: ids made from it must be the same in every version and installation.
NAMESPACE = uuid.UUID("6c1b6e0e-5f0b-5a53-9a0a-0d1f5a0e7a11")

MAX_PLACES = 100


def stable_id(kind: str, *parts: str) -> str:
    """A uuid5 from parts; each part is length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
    name = kind + "".join(f"\x1f{len(part)}:{part}" for part in parts)
    return str(
        uuid.uuid5(NAMESPACE, name.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """How often one SIT was found in an item.

    counts: (confidence, hits, unique values) in falling confidence; a value counts as unique once,
    at the highest confidence it was found with.
    """

    sit_id: str
    counts: tuple[tuple[int, int, int], ...]

    def count(self, min_confidence: int = 1, max_confidence: int = 100) -> int:
        """Hits with a confidence in the range, ends included."""
        return sum(
            hits for conf, hits, _ in self.counts if min_confidence <= conf <= max_confidence
        )

    def unique(self, min_confidence: int = 1, max_confidence: int = 100) -> int:
        """Distinct values whose best confidence lies in the range, ends included."""
        return sum(
            many for conf, _, many in self.counts if min_confidence <= conf <= max_confidence
        )

    @property
    def confidence(self) -> int:
        """The highest confidence in the item."""
        return self.counts[0][0] if self.counts else 0


@dataclass(frozen=True, slots=True)
class Place:
    """One place of evidence: where, what, how sure; never the value."""

    record_id: str
    part: str
    start: int
    end: int
    sit_id: str
    confidence: int
    masked: str
    key: str
    locator: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """What the decider sees of one item. record_id is "" when the item is the whole asset.

    roles and labels are those of all its parts (distinct, sorted); evidence is an order-free digest
    over all its findings (SIT and value key), equal for equal content.
    """

    asset: Asset
    level: ItemLevel
    record_id: str
    tallies: tuple[Tally, ...]
    evidence: str
    places: tuple[Place, ...] = ()
    places_total: int = 0
    roles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    actor_id: str | None = None
    app: str | None = None
    model: str | None = None
    conversation_id: str | None = None
    created_at: datetime | None = None
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """Who and what a record is, as its parts say: what an Item is told beside its findings.

    found: whether it has findings. content: what it said, as dlpagent.contents has it; kept of
    records of vector stores that have findings.
    """

    record_id: str
    roles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    actor_id: str | None = None
    app: str | None = None
    found: bool = True
    content: str | None = None

    @property
    def says_anything(self) -> bool:
        """Whether it tells more than an unknown record would."""
        told = self.roles or self.labels or self.app or self.content
        return bool(told) or self.actor_id is not None


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Which policy decided. version changes whenever its meaning may."""

    id: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class LabelRef:
    """A sensitivity label: GUID, name and priority (a higher number is more sensitive)."""

    id: str
    name: str
    priority: int


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The label an item should carry and why. existing: the highest label it already carries."""

    label: LabelRef
    existing: LabelRef | None
    reason: str
    sit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SitRef:
    """A SIT by id and name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class OverrideTerms:
    """Who may override a violation of a rule, and how. by: globs over the actor; none: anybody.

    justification: whether one is demanded; days: the longest an override may last, None for no
    bound; allowed: False when nobody may.
    """

    allowed: bool = True
    by: tuple[str, ...] = ()
    justification: bool = True
    days: int | None = None


USUAL_TERMS = OverrideTerms()
"""What holds where a policy says nothing of overrides."""


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A policy rule that holds on an item. sit_ids: the SITs its condition named and found.

    reason says in one sentence what made it fire; it holds counts and names, never values.
    """

    rule_id: str
    rule_name: str
    severity: Severity
    mode: Mode
    actions: tuple[str, ...]
    sit_ids: tuple[str, ...]
    reason: str
    location: str
    ceiling: LabelRef | None = None
    override: OverrideTerms = USUAL_TERMS


@dataclass(frozen=True, slots=True)
class Decision:
    """What the decider says of one item."""

    recommendation: Recommendation | None = None
    fired: tuple[FiredRule, ...] = ()


@dataclass(frozen=True, slots=True)
class SitCount:
    """A SIT as a violation reports it: counts by confidence, highest first."""

    id: str
    name: str
    confidence: int
    count: int
    unique: int
    by_confidence: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy rule that fired on an item.

    id stays the same while asset, item, policy and rule do; event_id also changes with the
    evidence and with the versions of pack and policy, so a repeat is recognised and harmless.
    """

    id: str
    event_id: str
    asset_uri: str
    asset_kind: AssetKind
    connector: str
    item_level: ItemLevel
    record_id: str
    policy: PolicyRef
    rule_id: str
    rule_name: str
    severity: Severity
    mode: Mode
    actions: tuple[str, ...]
    reason: str
    location: str
    pack: PackRef
    sits: tuple[SitCount, ...]
    places: tuple[Place, ...]
    places_total: int
    evidence: str
    incomplete: bool = False
    recommended_label: LabelRef | None = None
    existing_label: LabelRef | None = None
    ceiling: LabelRef | None = None
    actor_id: str | None = None
    app: str | None = None
    model: str | None = None
    conversation_id: str | None = None
    item_created_at: str | None = None
    override: OverrideTerms = USUAL_TERMS

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON (tuples, which JSON writes as lists)."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed the state of a violation and why; until: when an override ends (UTC), if it does.

    by: a person or principal as the audit log names it, or `sweep`.
    """

    by: str
    reason: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A violation as handed to a sink. at: UTC, ISO 8601 with Z, when this state was first seen.

    tenant_id: the Entra tenant (GUID) or the zero GUID when none is configured. change: of kinds
    other than new and changed.
    """

    id: str
    kind: EventKind
    at: str
    tenant_id: str
    violation: Violation
    change: Change | None = None


ZERO_TENANT = "00000000-0000-0000-0000-000000000000"


def violations_of(
    item: Item, decision: Decision, *, policy: PolicyRef, pack: PackRef, names: Mapping[str, str]
) -> list[Violation]:
    """The violations of a decision, one per fired rule, with their deterministic ids.

    names: SIT id → name.
    """
    recommended = decision.recommendation
    return [
        Violation(
            id=(
                ident := stable_id(
                    "violation", item.asset.uri, item.record_id, policy.id, rule.rule_id
                )
            ),
            event_id=stable_id("event", ident, policy.version, pack.id, pack.hash, item.evidence),
            asset_uri=item.asset.uri,
            asset_kind=item.asset.kind,
            connector=item.asset.connector,
            item_level=item.level,
            record_id=item.record_id,
            policy=policy,
            rule_id=rule.rule_id,
            rule_name=rule.rule_name,
            severity=rule.severity,
            mode=rule.mode,
            actions=rule.actions,
            reason=rule.reason,
            location=rule.location,
            pack=pack,
            sits=_sit_counts(item.tallies, rule.sit_ids, names),
            places=_places_of(item.places, rule.sit_ids),
            places_total=item.places_total,
            evidence=item.evidence,
            incomplete=item.incomplete,
            recommended_label=recommended.label if recommended else None,
            existing_label=recommended.existing if recommended else None,
            ceiling=rule.ceiling,
            actor_id=item.actor_id,
            app=item.app,
            model=item.model,
            conversation_id=item.conversation_id,
            item_created_at=item.created_at.isoformat() if item.created_at else None,
            override=rule.override,
        )
        for rule in decision.fired
    ]


def _sit_counts(
    tallies: Sequence[Tally], sit_ids: Sequence[str], names: Mapping[str, str]
) -> tuple[SitCount, ...]:
    return tuple(
        SitCount(
            id=tally.sit_id,
            name=names.get(tally.sit_id, tally.sit_id),
            confidence=tally.confidence,
            count=tally.count(),
            unique=tally.unique(),
            by_confidence=tally.counts,
        )
        for tally in tallies
        if not sit_ids or tally.sit_id in sit_ids
    )


def _places_of(places: Sequence[Place], sit_ids: Sequence[str]) -> tuple[Place, ...]:
    """The evidence of the SITs a rule named; a rule that names none shows all."""
    named = [place for place in places if not sit_ids or place.sit_id in sit_ids]
    return tuple(named[:MAX_PLACES])


def violation_from_json(data: Mapping[str, Any]) -> Violation:
    """The inverse of Violation.to_json()."""
    fields = dict(data)
    fields["policy"] = PolicyRef(**fields["policy"])
    fields["pack"] = PackRef(**fields["pack"])
    fields["actions"] = tuple(fields["actions"])
    fields["sits"] = tuple(
        SitCount(**{**sit, "by_confidence": tuple(tuple(row) for row in sit["by_confidence"])})
        for sit in fields["sits"]
    )
    fields["places"] = tuple(Place(**place) for place in fields["places"])
    for name in ("recommended_label", "existing_label", "ceiling"):
        fields[name] = LabelRef(**fields[name]) if fields[name] else None
    terms = fields.get("override") or {}  # violations of older states have none
    fields["override"] = OverrideTerms(**{**terms, "by": tuple(terms.get("by", ()))})
    return Violation(**fields)
