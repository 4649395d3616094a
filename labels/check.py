"""A policy checked against its own examples and against the pack it is used with."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from dlpagent.errors import Problem
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.locations import Location
from dlpagent.labels.policy import Example, Policy, Rule, item_level
from dlpagent.records import Asset, AssetKind, ItemLevel
from dlpagent.violations import Item

_KINDS: dict[Location, AssetKind] = {
    "vector-collection": "vector_collection",
    "dataset": "dataset",
    "file": "document",
}
_LEVELS: dict[AssetKind, ItemLevel] = {"dataset": "asset", "document": "asset"}
_ROLES: dict[Location, str] = {"response": "assistant", "upload": "upload"}
_APPS: dict[Location, str] = {
    "copilot": "Microsoft 365 Copilot",
    "chatgpt": "ChatGPT",
    "claude": "Claude",
    "other-ai-app": "another app",
}


def check_policy(policy: Policy, sits: Container[str]) -> list[Problem]:
    """What is wrong with a policy that can be read: examples that fail, SITs the pack lacks,
    rules that can never fire. sits: the ids of the pack. Sorted by line; empty when all is well.
    """
    problems = list(policy.warnings)
    problems += _missing_sits(policy, sits)
    for rule in policy.rules:
        problems += _rule_problems(policy, rule)
    return sorted(set(problems))


def _missing_sits(policy: Policy, sits: Container[str]) -> Iterator[Problem]:
    warned = " ".join(problem.found for problem in policy.warnings)
    for sit in policy.sits():
        if sit.id not in sits and sit.id not in warned:
            yield Problem(
                policy.file,
                1,
                "the pack lacks a SIT the policy names",
                "every SIT in the pack",
                f"{sit.name} ({sit.id})",
            )


def _rule_problems(policy: Policy, rule: Rule) -> Iterator[Problem]:
    highest = policy.taxonomy.labels[-1].priority
    if rule.ceiling and rule.ceiling.priority >= highest:
        yield Problem(
            policy.file,
            rule.line,
            f"rule {rule.name}: no label is above its ceiling, so it never fires",
            "a ceiling below the highest label",
            rule.ceiling.label.name,
            severity="warning",
        )
    decider = PolicyDecider(replace(policy, rules=(rule,)))
    for number, example in enumerate(rule.examples, 1):
        fired = bool(decider.decide(example_item(rule, example)).fired)
        if fired != example.fires:
            yield Problem(
                policy.file,
                example.line,
                f"rule {rule.name}: example {number} {'fires' if fired else 'does not fire'}",
                "it to fire" if example.fires else "it not to fire",
                remedy="Change the rule's conditions, or the example if the rule is right.",
            )


def example_item(rule: Rule, example: Example) -> Item:
    """An item as an example describes it: where it says, with its findings and labels."""
    kind = _KINDS.get(example.at, "chat_log")
    level = _LEVELS.get(kind, "record")
    asset = Asset(
        uri=example.asset or f"example:///{kind}", kind=kind, connector="example", item=level
    )
    decided = item_level(rule, level)
    return Item(
        asset=asset,
        level=decided,
        record_id="example" if decided == "record" else "",
        tallies=example.tallies,
        evidence="",
        roles=(_ROLES.get(example.at, "user"),) if kind == "chat_log" else (),
        labels=example.labels,
        actor_id=example.user,
        app=example.app or _APPS.get(example.at),
    )
