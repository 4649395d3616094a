"""What goes over the wire under /v1, as types: the service checks by them, the client reads by them.

Offsets are code points, half-open. No value here holds what was found, but in the texts that
/v1/redact gives back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dlpagent.findings import Level
from dlpagent.records import AssetKind
from dlpagent.violations import Mode, Severity

if TYPE_CHECKING:
    from dlpagent.classifiers.sit import Pack as LoadedPack

Text = Annotated[str, Meta(max_length=4_000_000, description="Text to look into")]
Id = Annotated[str, Meta(max_length=256)]
Confidence = Annotated[int, Meta(ge=1, le=100)]
Operator = Literal["mask", "hash", "token", "encrypt", "keep"]


class _In(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What comes in: keys that are not known are refused."""


class _Out(msgspec.Struct, kw_only=True):
    """What goes out: clients take keys they do not know."""


class TextItem(_In, kw_only=True):
    """A text with an id of the caller's and words that stand beside it (a heading, a JSON key)."""

    text: Text
    id: Id | None = None
    context: Annotated[str, Meta(max_length=10_000)] | None = None


Texts = Annotated[list[str | TextItem], Meta(max_length=1000)]


class ClassifyRequest(_In, kw_only=True):
    """text: one; texts: many. Results come in this order."""

    text: Text | None = None
    texts: Texts = []
    min_confidence: Confidence = 1


class Sit(_Out, kw_only=True):
    """A sensitive information type."""

    id: str
    name: str


class Found(_Out, kw_only=True):
    """A SIT at a place. masked and key are the evidence; the value itself is never told."""

    start: int
    end: int
    sit: Sit
    confidence: int
    level: Level
    masked: str
    key: str


class Unchecked(_Out, kw_only=True):
    """A SIT (none: all) that could not be looked for, and why."""

    sit: Sit | None
    reason: str


class TextResult(_Out, kw_only=True):
    """What is in one text. complete: everything was looked for."""

    id: str | None
    findings: list[Found]
    complete: bool
    unchecked: list[Unchecked] = []


class Pack(_Out, kw_only=True):
    """A pack in use. hash is over its meaning."""

    id: str
    version: str
    hash: str
    name: str = ""
    sits: int = 0


def pack_of(pack: LoadedPack) -> Pack:
    """A loaded pack as answers tell it. sits: those that can find something."""
    sits = sum(bool(one.patterns) for one in pack.sits.values())
    ref = pack.ref
    return Pack(id=ref.id, version=ref.version, hash=ref.hash, name=pack.name, sits=sits)


class ClassifyResponse(_Out, kw_only=True):
    """One result per text."""

    results: list[TextResult]
    pack: Pack


class FileResponse(_Out, kw_only=True):
    """Findings of an uploaded file in the documented line format; at most `limit` of them.

    counts: level → all findings. unread: what could not be read or checked, at most 1,000 places.
    """

    file: str
    records: int
    counts: dict[str, int]
    findings: list[dict[str, Any]]
    complete: bool
    unread: list[dict[str, Any]] = []
    pack: Pack


class DecideItem(_In, kw_only=True):
    """What a policy decides on. roles: who said it (user, assistant, tool); labels: it carries."""

    texts: Texts = []
    id: Id | None = None
    kind: AssetKind = "chat_log"
    roles: Annotated[list[Id], Meta(max_length=50)] = []
    labels: Annotated[list[Id], Meta(max_length=50)] = []
    app: Id | None = None
    actor: Id | None = None
    asset: Annotated[str, Meta(max_length=2000)] = "http:"


class DecideRequest(_In, kw_only=True):
    """policy: id or name; the tenant's first when not given."""

    items: Annotated[list[DecideItem], Meta(max_length=100)]
    policy: Id | None = None


class Label(_Out, kw_only=True):
    """A sensitivity label."""

    id: str
    name: str
    priority: int


class Recommended(_Out, kw_only=True):
    """The label an item should carry, and the one it carries."""

    label: Label
    existing: Label | None
    reason: str


class Fired(_Out, kw_only=True):
    """A rule that holds. actions are to be taken when mode is enforce."""

    rule_id: str
    rule: str
    severity: Severity
    mode: Mode
    actions: list[str]
    location: str
    reason: str
    sits: list[Sit]


class SitTotal(_Out, kw_only=True):
    """How often a SIT was found, and how many different values."""

    sit: Sit
    confidence: int
    count: int
    unique: int


class DecideResult(_Out, kw_only=True):
    """The decision on one item."""

    id: str | None
    recommended: Recommended | None
    fired: list[Fired]
    found: list[SitTotal]
    complete: bool


class Policy(_Out, kw_only=True):
    """A policy by name and version."""

    id: str
    name: str
    version: str


class DecideResponse(_Out, kw_only=True):
    """One result per item."""

    results: list[DecideResult]
    policy: Policy
    pack: Pack


class RedactRequest(_In, kw_only=True):
    """operator: what stands in place of values; sits: name or id of a type → another operator."""

    text: Text | None = None
    texts: Texts = []
    operator: Operator = "mask"
    sits: Annotated[dict[Id, Operator], Meta(max_length=500)] = {}
    min_confidence: Confidence = 1


class RedactResult(_Out, kw_only=True):
    """A text redacted. complete False: something could not be looked for, so it is not vouched for."""

    id: str | None
    text: str
    changed: bool
    complete: bool
    problem: str | None = None


class RedactResponse(_Out, kw_only=True):
    """One result per text. counts: SIT name → places."""

    results: list[RedactResult]
    counts: dict[str, int]
    pack: Pack


class PackSit(_Out, kw_only=True):
    """A SIT of a pack. entity: Presidio's name for it; confidences: of its patterns."""

    id: str
    name: str
    description: str
    entity: str | None
    recommended_confidence: int
    confidences: list[int]


class PackDetail(_Out, kw_only=True):
    """A pack and its SITs."""

    pack: Pack
    sits: list[PackSit]


class PolicyRule(_Out, kw_only=True):
    """A rule of a policy."""

    id: str
    name: str
    severity: Severity
    mode: Mode
    locations: list[str]
    actions: list[str]


class PolicyDetail(_Out, kw_only=True):
    """A policy, its rules and the labels it recommends."""

    policy: Policy
    description: str
    mode: Mode
    rules: list[PolicyRule]
    labels: list[Label]


class PolicyText(_In, kw_only=True):
    """A policy as YAML."""

    yaml: Annotated[str, Meta(max_length=300_000)]
    simulate: bool = False


class Trouble(_Out, kw_only=True):
    """Something wrong in a file, with its line."""

    line: int
    what: str
    expected: str
    found: str
    remedy: str
    severity: str


class PolicyChecked(_Out, kw_only=True):
    """problems: what is wrong. rules, labels: what it would do on the newest findings, if asked:
    rule → [items for certain, items perhaps]; label → items."""

    ok: bool
    problems: list[Trouble]
    policy: Policy | None = None
    items: int = 0
    rules: dict[str, list[int]] = {}
    labels: dict[str, int] = {}
    incomplete: list[str] = []


class Page(_Out, kw_only=True):
    """A page of a list. next: what `after` must be to go on; null at the end."""

    items: list[dict[str, Any]]
    next: str | None


class Key(_Out, kw_only=True):
    """An API key, without the key."""

    id: str
    name: str
    role: Literal["reader", "analyst", "architect", "admin"]
    tenant_id: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None


class Keys(_Out, kw_only=True):
    """The tenant's keys, oldest first."""

    items: list[Key]


class KeyRequest(_In, kw_only=True):
    """days: how long it is good for; for ever when not given."""

    name: Annotated[
        str, Meta(min_length=1, max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9 ._@-]*$")
    ]
    role: Literal["reader", "analyst", "architect", "admin"]
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class KeyMade(_Out, kw_only=True):
    """A new key: shown once, kept nowhere."""

    key: str
    stored: Key
