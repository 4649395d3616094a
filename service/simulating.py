"""What a policy would decide on the findings a state holds, without reading the data again.

A state keeps all findings, and of the records that have findings or labels who and what they are
(dlpagent.state.fact_rows), so every item is decided on exactly as by a sweep. Readings of older
versions kept, per asset, which roles and labels its records have, not which record has which, nor
users. There a record is decided on under every possibility: a rule that fires under all of them fires
for certain, one that fires under some may fire. What verdicts suppress is left out, as in a sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, islice, pairwise, product

import numpy as np
import pyarrow as pa

from dlpagent.findings import FINDING_SCHEMA
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.locations import APPS, EVERYTHING
from dlpagent.labels.policy import Policy, Rule
from dlpagent.state import State
from dlpagent.state.fact_rows import facts_of, reading_with_facts, without_findings
from dlpagent.state.readings import Reading, latest_readings
from dlpagent.suppressions import Suppressions
from dlpagent.tallies import tallies_of
from dlpagent.violations import FiredRule, Item, Recommendation, RecordFacts

# With more labels than this in an asset not all sets of them are tried, only the small and the whole.
_LABELS_TRIED_IN_FULL = 4
_AT_ONCE = 500
_APP_NAMES = (None, "Microsoft 365 Copilot", "ChatGPT", "Claude", "another app")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One item: the rules that fire on it for certain, those that may, and the label it should
    carry (None also when that is not certain)."""

    item: Item
    fired: tuple[FiredRule, ...]
    may_fire: tuple[FiredRule, ...]
    recommendation: Recommendation | None


@dataclass(slots=True)
class Simulated:
    """A simulation summed up. rules: rule name → (items it fires on, items it may fire on).

    incomplete: what could not be decided, in words.
    """

    policy: str
    assets: int = 0
    items: int = 0
    rules: dict[str, tuple[int, int]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one item."""
        self.items += 1
        for rules, place in ((outcome.fired, 0), (outcome.may_fire, 1)):
            for rule in rules:
                counts = [*self.rules[rule.rule_name]]
                counts[place] += 1
                self.rules[rule.rule_name] = (counts[0], counts[1])
        if outcome.recommendation:
            name = outcome.recommendation.label.name
            self.labels[name] = self.labels.get(name, 0) + 1


def simulate(state: State, policy: Policy) -> Simulated:
    """The policy's decisions on the newest findings of every asset, counted."""
    ref = policy.ref()
    found = Simulated(f"{ref.name} {ref.version}")
    found.rules = dict.fromkeys((rule.name for rule in policy.rules), (0, 0))
    readings = latest_readings(state.database)
    found.assets = len(readings)
    for reading in readings:
        found.incomplete += _gaps(state, reading)
    for outcome in outcomes(state, policy, readings):
        found.add(outcome)
    return found


def outcomes(
    state: State, policy: Policy, readings: Sequence[Reading] | None = None
) -> Iterator[Outcome]:
    """Every item with findings, and every asset that is one item, with what the policy says of it.

    Assets whose findings were pruned are left out; see Simulated.incomplete.
    """
    decider, hidden = PolicyDecider(policy), state.suppressions()
    for reading in latest_readings(state.database) if readings is None else readings:
        if reading.pruned:
            continue
        levels = decider.levels(reading.asset)
        if "record" in levels:
            yield from record_outcomes(state, policy, reading, hidden)
        if "asset" in levels:
            yield asset_outcome(state, decider, reading, hidden)


def record_outcomes(
    state: State, policy: Policy, reading: Reading, hidden: Suppressions
) -> Iterator[Outcome]:
    """The records of one asset that have findings or labels, whether or not the policy asks for them."""
    kept = reading_with_facts(state.database, reading.progress.run_id, reading.asset.uri)
    if kept is not None:
        yield from _known_records(state, PolicyDecider(policy), reading, kept, hidden)
    else:
        yield from _of_records(state, policy, reading, hidden)


def asset_outcome(
    state: State, decider: PolicyDecider, reading: Reading, hidden: Suppressions
) -> Outcome:
    """One asset as a whole."""
    item = _asset_item(state, reading, hidden)
    decision = decider.decide(item)
    return Outcome(item, decision.fired, (), decision.recommendation)


def _gaps(state: State, reading: Reading) -> Iterator[str]:
    """What cannot be known of an asset, or was not read."""
    uri, progress = reading.asset.uri, reading.progress
    if reading.pruned:
        yield f"{uri}: its findings are no longer kept"
    if progress.status != "done":
        yield f"{uri}: it was not read whole ({progress.status})"
    kept = reading_with_facts(state.database, progress.run_id, uri)
    if kept is None and progress.counters.carried and reading.asset.item == "record":
        yield f"{uri}: records that carry labels and have no findings are not decided on"


def _asset_item(state: State, reading: Reading, hidden: Suppressions) -> Item:
    counters, asset = reading.progress.counters, reading.asset
    found = state.item_tallies(reading.progress.run_id, asset, hidden)
    return Item(
        asset=asset,
        level="asset",
        record_id="",
        tallies=found.tallies,
        evidence=found.evidence,
        places=found.places,
        places_total=found.places_total,
        roles=tuple(sorted(counters.roles)),
        labels=tuple(sorted(counters.carried)),
        app=asset.app,
        incomplete=reading.progress.status != "done",
    )


# --- records -------------------------------------------------------------------------------------


def _known_records(
    state: State, decider: PolicyDecider, reading: Reading, run_asset: int, hidden: Suppressions
) -> Iterator[Outcome]:
    """Every record that a sweep would decide on, as it would."""
    uri = reading.asset.uri
    records = _records(state, reading)
    while some := list(islice(records, _AT_ONCE)):
        facts = facts_of(state.database, run_asset, [record_id for record_id, _ in some])
        for record_id, rows in some:
            counted = hidden.without(uri, rows)
            told = facts.get(record_id, RecordFacts(record_id))
            if counted.num_rows or told.labels:
                yield _decided(decider, reading, told, counted)
    none = pa.RecordBatch.from_pylist([], schema=FINDING_SCHEMA)
    for told in without_findings(state.database, run_asset):
        if told.labels:
            yield _decided(decider, reading, told, none)


def _decided(
    decider: PolicyDecider, reading: Reading, told: RecordFacts, rows: pa.RecordBatch
) -> Outcome:
    item = Item(
        asset=reading.asset,
        level="record",
        record_id=told.record_id,
        tallies=tallies_of(rows),
        evidence="",
        places_total=rows.num_rows,
        roles=told.roles,
        labels=told.labels,
        actor_id=told.actor_id,
        app=told.app or reading.asset.app,
    )
    decision = decider.decide(item)
    return Outcome(item, decision.fired, (), decision.recommendation)


def _of_records(
    state: State, policy: Policy, reading: Reading, hidden: Suppressions
) -> Iterator[Outcome]:
    unsure_app = reading.asset.app is None
    certain = PolicyDecider(_narrowed(policy, unsure_app=unsure_app))
    possible = PolicyDecider(_widened(policy, unsure_app=unsure_app))
    apps = _APP_NAMES if unsure_app and any(map(_asks_for_app, policy.rules)) else (None,)
    variants = list(product(_roles(reading), _labels(reading), apps))
    for record_id, found in _records(state, reading):
        rows = hidden.without(reading.asset.uri, found)
        if not rows.num_rows:
            continue
        base = Item(
            asset=reading.asset,
            level="record",
            record_id=record_id,
            tallies=tallies_of(rows),
            evidence="",
            places_total=rows.num_rows,
        )
        items = [
            replace(base, roles=roles, labels=labels, app=app or reading.asset.app)
            for roles, labels, app in variants
        ]
        yield _outcome(items, certain, possible)


def _outcome(items: Sequence[Item], certain: PolicyDecider, possible: PolicyDecider) -> Outcome:
    decisions = [certain.decide(item) for item in items]
    always = set.intersection(*({rule.rule_id for rule in each.fired} for each in decisions))
    fired = tuple(rule for rule in decisions[0].fired if rule.rule_id in always)
    may: dict[str, FiredRule] = {}
    for item in items:
        for rule in possible.decide(item).fired:
            if rule.rule_id not in always:
                may.setdefault(rule.rule_id, rule)
    labels = {each.recommendation.label if each.recommendation else None for each in decisions}
    recommendation = decisions[0].recommendation if len(labels) == 1 else None
    return Outcome(items[0], fired, tuple(may.values()), recommendation)


def _asks_for_app(rule: Rule) -> bool:
    return bool(rule.apps) or not set(APPS).isdisjoint(rule.locations)


def _narrowed(policy: Policy, *, unsure_app: bool) -> Policy:
    """Without the rules that ask for what is not known of any record."""
    kept = [rule for rule in policy.rules if not (rule.users or (unsure_app and rule.apps))]
    return replace(policy, rules=tuple(kept))


def _widened(policy: Policy, *, unsure_app: bool) -> Policy:
    """With every such rule admitting whatever may be."""
    rules = [
        replace(rule, users=EVERYTHING, apps=EVERYTHING if unsure_app else rule.apps)
        for rule in policy.rules
    ]
    return replace(policy, rules=tuple(rules))


def _roles(reading: Reading) -> list[tuple[str, ...]]:
    """The sets of roles a record of the asset may have."""
    counters = reading.progress.counters
    names = tuple(sorted(counters.roles))
    found: list[tuple[str, ...]] = [(name,) for name in names]
    if sum(counters.roles.values()) < counters.parts or not names:
        found.append(())
    return [*found, names] if len(names) > 1 else found


def _labels(reading: Reading) -> list[tuple[str, ...]]:
    """The sets of labels a record of the asset may carry."""
    names = tuple(sorted(reading.progress.counters.carried))
    if len(names) <= _LABELS_TRIED_IN_FULL:
        sizes = range(len(names) + 1)
        return list(chain.from_iterable(combinations(names, size) for size in sizes))
    return [(), *((name,) for name in names), names]


def _records(state: State, reading: Reading) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The findings of each record. A record may go on in the next stored batch."""
    kept: pa.RecordBatch | None = None
    for batch in state.findings(reading.progress.run_id, reading.asset):
        rows = batch.rows
        if not rows.num_rows:
            continue
        if kept is not None:
            table = pa.Table.from_batches([kept, rows.cast(kept.schema)]).combine_chunks()
            rows = table.to_batches()[0]
        starts = _starts(rows)
        for start, end in pairwise(starts):
            yield _one(rows.slice(start, end - start))
        kept = rows.slice(starts[-1])
    if kept is not None:
        yield _one(kept)


def _one(rows: pa.RecordBatch) -> tuple[str, pa.RecordBatch]:
    return rows.column("record_id")[0].as_py(), rows


def _starts(rows: pa.RecordBatch) -> list[int]:
    """The rows at which another record begins; the first is 0."""
    codes = rows.column("record_id").dictionary_encode().indices.to_numpy()
    starts: list[int] = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist()]
    return starts
