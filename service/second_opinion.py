"""The tenant's own opinion of a label, beside ours: asked only when a person wants it.

Sent are ids of SITs with counts and confidences, and the label already carried; never text, names
of files or masked values. Equal questions are asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from dlpagent.errors import SourceError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.taxonomy import as_guid
from dlpagent.violations import Item, LabelRef

# An item has few kinds of content; a corpus of a billion records has no more than this many either,
# or is asked about by its assets.
MAX_QUESTIONS: Final = 500


class Asked(Protocol):
    """What gives opinions; dlpagent.connectors.tenant.Tenant."""

    def evaluate_labels(
        self,
        found: Any,
        current: tuple[str, str] | None = None,
    ) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """label: by path (or id, when the taxonomy lacks it), None for no label. how: automatic or
    recommended. agrees: with ours; None when there is no opinion, problem says why."""

    label: str | None = None
    how: str = ""
    policy: str = ""
    agrees: bool | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        named = {"label": self.label, "how": self.how, "policy": self.policy}
        return {**named, "agrees": self.agrees, "problem": self.problem}

    def text(self) -> str:
        """One sentence."""
        if self.agrees is None:
            return f"no second opinion: {self.problem}"
        verb = "agrees" if self.agrees else "differs"
        by = f" by its policy {self.policy}" if self.policy else ""
        said = f"{self.label} ({self.how}{by})" if self.label else "no label"
        return f"the tenant {verb}: {said}"


@dataclass(slots=True)
class SecondOpinion:
    """Asks a tenant. asked: how many questions were sent; failed: how many had no answer."""

    tenant: Asked
    decider: PolicyDecider
    limit: int = MAX_QUESTIONS
    asked: int = 0
    failed: int = 0
    _known: dict[object, Opinion] = field(default_factory=dict)

    def of(self, item: Item, ours: LabelRef | None) -> Opinion:
        """What the tenant says of an item that we gave this label."""
        found = tuple(
            (tally.sit_id, tuple((confidence, many) for confidence, _, many in tally.counts))
            for tally in item.tallies
            if as_guid(tally.sit_id)
        )
        carried = self.decider.stamps(item.labels).highest
        current = (carried.label.id, carried.method) if carried and carried.label else None
        question = (found, current, ours)
        if question not in self._known:
            if self.asked >= self.limit:
                return Opinion(problem=f"{self.limit} questions were asked already")
            self.asked += 1
            self._known[question] = self._answer(found, current, ours)
        return self._known[question]

    def _answer(
        self, found: Any, current: tuple[str, str] | None, ours: LabelRef | None
    ) -> Opinion:
        try:
            result = self.tenant.evaluate_labels(found, current)
        except SourceError as error:
            self.failed += 1
            return Opinion(problem=error.found or error.what)
        for how in ("automatic", "recommended"):
            said = _mapping(result.get(how))
            label = _mapping(said.get("sensitivityLabel"))
            if label.get("id"):
                policy = str(_mapping(said.get("responsiblePolicy")).get("name") or "")
                return self._said(str(label["id"]), how, policy, ours)
        # no call for a label: what is carried stays
        stays = current[0] if current else None
        return Opinion(agrees=(ours.id if ours else None) == stays)

    def _said(self, label_id: str, how: str, policy: str, ours: LabelRef | None) -> Opinion:
        taxonomy = self.decider.taxonomy
        label = taxonomy.get(label_id)
        name = taxonomy.path(label) if label else as_guid(label_id) or "a label without an id"
        agrees = ours is not None and label is not None and ours.id == label.id
        return Opinion(name, how, policy, agrees)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
