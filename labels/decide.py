"""The decision on an item: the label it should carry, and the rules it violates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from dlpagent.labels.conditions import (
    Condition,
    Finder,
    Found,
    distinct,
    finder,
    in_words,
    needed_sits,
)
from dlpagent.labels.locations import Location, glob_test, locations_of, possible_locations
from dlpagent.labels.policy import Policy, Rule, item_level
from dlpagent.labels.stamps import NO_STAMPS, Stamp, Stamps, read_stamps
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.records import Asset, ItemLevel
from dlpagent.violations import (
    Decision,
    FiredRule,
    Item,
    LabelRef,
    Mode,
    PolicyRef,
    Recommendation,
    Tally,
)

Value = TypeVar("Value")

# Places, sets of labels and whole decisions repeat from item to item; this many of each are kept.
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class _Test:
    """A condition made ready: without one of the needed SITs it need not be tried."""

    find: Finder
    needs: frozenset[str] | None

    @classmethod
    def of(cls, condition: Condition) -> _Test:
        return cls(finder(condition), needed_sits(condition))

    def __call__(self, tallies: Mapping[str, Tally], stamps: Stamps) -> tuple[Found, ...] | None:
        if self.needs is not None and self.needs.isdisjoint(tallies):
            return None
        return self.find(tallies, stamps)


@dataclass(frozen=True, slots=True)
class _RuleTest:
    rule: Rule
    mode: Mode
    test: _Test | None
    admits_app: Callable[[str | None], bool]
    admits_user: Callable[[str | None], bool]
    admits_asset: Callable[[str | None], bool]


class _Kept(dict[object, Value]):
    """Worked-out values, forgotten all at once when there are too many."""

    def keep(self, key: object, value: Value) -> Value:
        if len(self) >= _KEPT:
            self.clear()
        self[key] = value
        return value


class PolicyDecider:
    """Applies one policy; implements dlpagent.ports.Decider.

    Pure: equal items give equal decisions; what it keeps between calls only saves time. May be sent
    to another process.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._ref = policy.ref()
        highest_first = sorted(policy.auto_labels, key=lambda auto: -auto.label.priority)
        self._autos = [(auto, _Test.of(auto.conditions)) for auto in highest_first]
        self._rules = [_rule_test(policy, rule) for rule in policy.rules]
        self._by_user = any(rule.users for rule in policy.rules)
        self._at: _Kept[tuple[tuple[_RuleTest, Location], ...]] = _Kept()
        self._labels: _Kept[Stamps] = _Kept()
        self._decided: _Kept[Decision] = _Kept()

    def __reduce__(self) -> tuple[object, ...]:
        return (PolicyDecider, (self._policy,))

    @property
    def policy(self) -> PolicyRef:
        """Which policy it applies."""
        return self._ref

    @property
    def taxonomy(self) -> Taxonomy:
        """The labels it recommends from."""
        return self._policy.taxonomy

    def levels(self, asset: Asset) -> set[ItemLevel]:
        """The levels of items the asset must be cut into: one decision is asked for each.

        Always the asset's own, on which labels are recommended; the other when a rule that may
        apply here asks for it.
        """
        possible = possible_locations(asset)
        found = {asset.item}
        for test in self._rules:
            if not possible.isdisjoint(test.rule.locations) and test.admits_asset(asset.uri):
                found.add(item_level(test.rule, asset.item))
        return found

    def stamps(self, labels: tuple[str, ...]) -> Stamps:
        """The labels that the `labels` column says an item carries, known and unknown."""
        if not labels:
            return NO_STAMPS
        known = self._labels.get(labels)
        return known or self._labels.keep(labels, read_stamps(labels, self._policy.taxonomy))

    def decide(self, item: Item) -> Decision:
        """The label an item should carry and the rules of its level that it violates."""
        asset, app = item.asset, item.app or item.asset.app
        place = (asset.uri, asset.kind, asset.item, item.level, item.roles, app)
        user = item.actor_id if self._by_user else None
        all_that_counts = (place, item.tallies, item.labels, user)
        decision = self._decided.get(all_that_counts)
        if decision is None:
            rules = self._at.get(place)
            if rules is None:
                rules = self._at.keep(place, tuple(self._rules_at(item, app)))
            decision = self._decided.keep(all_that_counts, self._decide(item, rules))
        return decision

    def _rules_at(self, item: Item, app: str | None) -> Iterator[tuple[_RuleTest, Location]]:
        """The rules that apply where the item is, each with the location it applies by."""
        here = locations_of(item.asset.kind, item.roles, app)
        for test in self._rules:
            location = _first_common(test.rule, here)
            if (
                location
                and item_level(test.rule, item.asset.item) == item.level
                and test.admits_app(app)
                and test.admits_asset(item.asset.uri)
            ):
                yield test, location

    def _decide(self, item: Item, rules: Iterable[tuple[_RuleTest, Location]]) -> Decision:
        tallies = {tally.sit_id: tally for tally in item.tallies}
        stamps = self.stamps(item.labels)
        recommended = self._recommended(tallies, stamps)
        fired = (
            _fired(test, location, tallies, stamps, recommended)
            for test, location in rules
            if test.admits_user(item.actor_id)
        )
        return Decision(recommended, tuple(one for one in fired if one))

    def _recommended(self, tallies: Mapping[str, Tally], stamps: Stamps) -> Recommendation | None:
        """The highest label called for, or the one carried when that is at least as high."""
        carried = stamps.highest
        label: LabelRef | None = None
        found: list[Found] = []
        reasons: set[str] = set()
        for auto, test in self._autos:
            if label and label.id != auto.label.id:
                break
            more = test(tallies, stamps)
            if more is not None:
                label = auto.label
                found += more
                reasons.add(auto.reason.rstrip(". "))
        if label is None:
            return _kept(carried, None, (), stamps) if carried else None
        once = distinct(found)
        if carried and carried.label and carried.label.priority >= label.priority:
            return _kept(carried, label, once, stamps)
        return _raised(label, carried, once, sorted(filter(None, reasons)), stamps)


def _rule_test(policy: Policy, rule: Rule) -> _RuleTest:
    return _RuleTest(
        rule=rule,
        mode=policy.mode_of(rule),
        test=_Test.of(rule.conditions) if rule.conditions else None,
        admits_app=glob_test(rule.apps),
        admits_user=glob_test(rule.users),
        admits_asset=glob_test(rule.assets),
    )


def _first_common(rule: Rule, here: tuple[Location, ...]) -> Location | None:
    """The location a rule applies by: "any" applies at whatever tells most of the item."""
    if "any" in rule.locations:
        return here[0]
    return next((location for location in here if location in rule.locations), None)


def _fired(
    test: _RuleTest,
    location: Location,
    tallies: Mapping[str, Tally],
    stamps: Stamps,
    recommended: Recommendation | None,
) -> FiredRule | None:
    """The rule as fired, or None when its conditions or its ceiling do not hold."""
    rule = test.rule
    found = test.test(tallies, stamps) if test.test else ()
    if found is None:
        return None
    if rule.ceiling and not (recommended and recommended.label.priority > rule.ceiling.priority):
        return None
    found = distinct(found)
    sit_ids = _sit_ids(found)
    if recommended and not rule.conditions:
        sit_ids = recommended.sit_ids
    return FiredRule(
        rule_id=rule.id,
        rule_name=rule.name,
        severity=rule.severity,
        mode=test.mode,
        actions=rule.actions,
        sit_ids=sit_ids,
        reason=_reason(rule, found, recommended),
        location=location,
        ceiling=rule.ceiling.label if rule.ceiling else None,
        override=rule.override,
    )


def _reason(rule: Rule, found: tuple[Found, ...], recommended: Recommendation | None) -> str:
    """One sentence that says what made the rule fire."""
    parts = []
    if rule.conditions:
        parts.append(f"found {in_words(found)}" if found else "nothing it excludes is present")
    if rule.ceiling and recommended:
        label, existing = recommended.label, recommended.existing
        verb = "it carries" if existing and existing.id == label.id else "its content calls for"
        parts.append(f"{verb} {label.name}, above the ceiling {rule.ceiling.label.name}")
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _raised(
    label: LabelRef,
    carried: Stamp | None,
    found: tuple[Found, ...],
    reasons: list[str],
    stamps: Stamps,
) -> Recommendation:
    """A label recommended because the content calls for it."""
    cause = f"found {in_words(found)}" if found else "its conditions hold"
    text = f"{'; '.join([*reasons, cause])}, which calls for {label.name}"
    if carried and carried.label:
        text += f"; it carries {carried.label.name}, which is lower"
        if carried.method == "manual":
            text += " and was set by hand, so a person must raise it"
    return Recommendation(
        label, carried.label if carried else None, _sentence(text, stamps), _sit_ids(found)
    )


def _kept(
    carried: Stamp, called_for: LabelRef | None, found: tuple[Found, ...], stamps: Stamps
) -> Recommendation | None:
    """The label already carried, which is never lowered."""
    label = carried.label
    if label is None:
        return None
    if called_for is None:
        text = f"it carries {label.name} and nothing found calls for a label"
    elif called_for.id == label.id:
        text = f"it carries {label.name} already, as {in_words(found) or 'its content'} calls for"
    else:
        text = (
            f"it carries {label.name}, which is never lowered; "
            f"{in_words(found) or 'its content'} calls for {called_for.name} only"
        )
    return Recommendation(label, label, _sentence(text, stamps), _sit_ids(found))


def _sentence(text: str, stamps: Stamps) -> str:
    unknown = stamps.unknown_text()
    more = f"; it also carries labels this taxonomy does not know: {unknown}" if unknown else ""
    return f"{text[:1].upper()}{text[1:]}{more}."


def _sit_ids(found: tuple[Found, ...]) -> tuple[str, ...]:
    return tuple(sorted({one.sit_id for one in found if one.sit_id}))
