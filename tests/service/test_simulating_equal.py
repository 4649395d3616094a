"""A policy tried on stored findings decides what a sweep with it decides, whatever data and policy."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dlpagent.findings import MATCH_SCHEMA, Classified, PackRef
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset, Checkpoint, PartRows
from dlpagent.service.simulating import outcomes
from dlpagent.state import open_state
from dlpagent.state.verdicts import set_verdicts
from dlpagent.suppressions import Verdict
from dlpagent.sweep import Plan, Sweep

A, B = "50842eb7-edc8-4019-85dd-5a5c1f2bb085", "a44669fe-0d48-453d-a9b1-2cc83f2cba77"
TAXONOMY = load_taxonomy()
LABELS = [TAXONOMY.labels[number].id for number in (0, 1, 2)]
FOREIGN = "99999999-0000-4000-8000-000000000009"


class Tokens:
    """Finds what texts are made of: A85k1 is SIT A with confidence 85 and value k1."""

    pack = PackRef("tokens", "1", "h")
    sit_names: Mapping[str, str] = {A: "A", B: "B"}

    def classify(self, batch: pa.RecordBatch) -> Classified:
        rows = [
            {"row": row, "start": m.start(), "end": m.end(), "sit_id": A if m[1] == "A" else B,
             "confidence": int(m[2]), "pattern": 0, "masked": "*", "key": m[3]}
            for row, text in enumerate(batch.column("text").to_pylist())
            for m in re.finditer(r"([AB])(\d\d)(k\d)", text or "")
        ]  # fmt: skip
        return Classified(pa.RecordBatch.from_pylist(rows, schema=MATCH_SCHEMA), ())


@dataclass
class Memory:
    """Assets of records of parts, two records a batch."""

    assets: list[tuple[Asset, list[list[dict[str, Any]]]]]

    def discover(self) -> Iterator[Asset]:
        yield from (asset for asset, _ in self.assets)

    def read(self, asset: Asset, after: Checkpoint | None = None) -> Any:
        records = {each.uri: rows for each, rows in self.assets}[asset.uri]
        start = int(after.cursor["n"]) if after else 0
        while True:
            parts = PartRows(asset.uri)
            for number, record in enumerate(records[start : start + 2], start):
                for seq, part in enumerate(record):
                    parts.add(
                        record_id=f"r{number}", part=f"p{seq}", seq=seq, status="read", **part
                    )
            start = min(start + 2, len(records))
            yield parts.take(), Checkpoint({"n": start}, done=start >= len(records))
            if start >= len(records):
                return


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


PARTS = st.fixed_dictionaries(
    {
        "text": st.lists(
            st.sampled_from(["A85k1", "A65k1", "A85k2", "B75k3", "B85k4", "no"]), max_size=3
        ).map(" ".join),
        "role": st.sampled_from([None, "user", "assistant", "tool", "upload"]),
        "actor_id": st.sampled_from([None, None, "ann", "svc-test-1"]),
        "app": st.sampled_from([None, None, "ChatGPT", "Claude", "Microsoft 365 Copilot", "Own"]),
        "labels": st.sampled_from([None, None, [LABELS[0]], [LABELS[1]], LABELS[:2], [FOREIGN]]),
    }
)
ASSETS = st.lists(
    st.tuples(
        st.sampled_from(["chat_log", "vector_collection", "dataset", "document", "stream"]),
        st.sampled_from(["record", "record", "asset"]),
        st.sampled_from([None, "ChatGPT", "Own"]),
        st.lists(st.lists(PARTS, min_size=1, max_size=3), max_size=6),
    ),
    min_size=1,
    max_size=3,
)
LEAVES = st.one_of(
    st.builds(
        lambda sit, low, most, confidence: {"sit": sit, "min_count": low, "max_count": most,
                                            "min_confidence": confidence},
        st.sampled_from([A, B]), st.sampled_from([1, 1, 2]), st.sampled_from(["any", 3]),
        st.sampled_from([1, 66, 76]),
    ),
    st.sampled_from([{"label": LABELS[0]}, {"label": "none"}, {"label": "any"},
                     {"label": "unknown"}, {"label": LABELS[1]}]),
)  # fmt: skip
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)
GLOBS = st.sampled_from(
    [{"include": ["a*"]}, {"exclude": ["svc-*"]}, {"include": ["*gpt*", "own"]}]
)
RULES = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(["low", "high"]),
        "locations": st.lists(
            st.sampled_from(["prompt", "response", "upload", "vector-collection", "dataset",
                             "copilot", "chatgpt", "claude", "other-ai-app", "any"]),
            min_size=1, max_size=3),
        "conditions": CONDITIONS,
    },
    optional={
        "item": st.sampled_from(["record", "asset"]),
        "users": GLOBS,
        "apps": GLOBS,
        "ceiling": st.sampled_from(LABELS[:2]),
        "mode": st.sampled_from(["audit", "simulate"]),
    },
)  # fmt: skip
POLICIES = st.tuples(
    st.lists(RULES, min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(LABELS), CONDITIONS), max_size=2),
)


def policy_of(rules: list[dict[str, Any]], autos: list[tuple[str, Any]]) -> Policy:
    ident = "5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c{:02d}"
    value = {
        "id": ident.format(99), "name": "P", "version": "1",
        "auto_labels": [{"label": label, "conditions": when} for label, when in autos],
        "rules": [{"id": ident.format(n), "name": f"rule {n}", **rule}
                  for n, rule in enumerate(rules)],
    }  # fmt: skip
    if not autos:
        del value["auto_labels"]
    return parse_policy(yaml.safe_dump(value), "p", taxonomy=TAXONOMY, sit_names=Tokens.sit_names)


def swept(place: Path, source: Memory, policy: Policy | None, verdicts: list[Verdict]) -> Any:
    """A sweep of the source; returns its state, open."""
    state = open_state(place)
    if verdicts:
        set_verdicts(state.database, "ann", verdicts, origin="test")
    decider = PolicyDecider(policy) if policy else None
    sweep = Sweep(Plan("j", "sweep"), state, Tokens(), decider, Silent(),  # type: ignore[arg-type]
                  suppressions=state.suppressions())  # fmt: skip
    sweep.run([source])
    return state


def _part(text: str, **said: Any) -> dict[str, Any]:
    return {"text": text, "role": None, "actor_id": None, "app": None, "labels": None, **said}


def _rule(**said: Any) -> dict[str, Any]:
    found = {"sit": A, "min_confidence": 1}
    return {"severity": "low", "locations": ["any"], "conditions": found, **said}


# Records that differ in one thing only, and a rule that asks for each of these things.
DIFFERING = [
    [_part("A85k1")],
    [_part("A85k1", actor_id="ann")],
    [_part("A85k1", actor_id="svc-test-1")],
    [_part("A85k1", role="user")],
    [_part("A85k1", role="assistant")],
    [_part("A85k1", role="user"), _part("B75k3", role="upload")],
    [_part("A85k1", app="ChatGPT")],
    [_part("A85k1", app="Own")],
    [_part("A85k1", labels=[LABELS[0]])],
    [_part("A85k1", labels=[LABELS[0]]), _part("no", labels=[LABELS[1]])],
    [_part("no", labels=[LABELS[1]])],
    [_part("no", labels=[FOREIGN], actor_id="ann", role="user")],
    [_part("no")],
]
ASKING = [
    _rule(users={"include": ["a*"]}),
    _rule(users={"exclude": ["svc-*"]}),
    _rule(locations=["prompt"]),
    _rule(locations=["response"]),
    _rule(locations=["upload"]),
    _rule(apps={"include": ["*gpt*"]}),
    _rule(locations=["chatgpt"]),
    _rule(locations=["other-ai-app"]),
    _rule(conditions={"label": LABELS[0]}),
    _rule(conditions={"label": "none"}),
    _rule(conditions={"label": "unknown"}, users={"include": ["ann"]}),
    _rule(conditions={"and": [{"label": LABELS[0]}, {"label": LABELS[1]}]}),
    _rule(conditions={"not": {"sit": A}}),
]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    assets=ASSETS, policy=POLICIES, hidden=st.sets(st.sampled_from(["k1", "k2", "k3"]), max_size=2)
)
@example(assets=[("chat_log", "record", None, DIFFERING)], policy=(ASKING, []), hidden=set())
@example(assets=[("stream", "record", "Own", DIFFERING)], policy=(ASKING, []), hidden={"k1"})
@example(  # a record whose only finding is suppressed and that carries a label is still decided on
    assets=[("chat_log", "record", None, [[{"text": "A85k1", "role": None, "actor_id": None,
                                            "app": None, "labels": [LABELS[0]]}]])],
    policy=([{"severity": "low", "locations": ["any"], "conditions": {"label": "any"}}], []),
    hidden={"k1"},
)  # fmt: skip
def test_simulate_equals_enforce_on_the_same_data(assets: Any, policy: Any, hidden: Any) -> None:
    source = Memory(
        [
            (Asset(f"mem://{n}", kind, "memory", item, app=app), records)
            for n, (kind, item, app, records) in enumerate(assets)
        ]
    )
    made = policy_of(*policy)
    verdicts = [Verdict(key, "*", "false", "a test", "ann") for key in sorted(hidden)]
    with tempfile.TemporaryDirectory() as folder:
        with swept(Path(folder) / "enforced.db", source, made, verdicts) as state:
            enforced = {
                (each.violation.asset_uri, each.violation.item_level, each.violation.record_id,
                 each.violation.rule_id, each.violation.mode, each.violation.location,
                 each.violation.reason)
                for each in state.violations()
            }  # fmt: skip
            labelled = {p.asset_uri: dict(p.counters.labels) for p in state.progress(
                state.runs()[0].id)}  # fmt: skip
        with swept(Path(folder) / "plain.db", source, None, verdicts) as state:
            found = list(outcomes(state, made))
    assert not any(one.may_fire for one in found)
    assert {
        (one.item.asset.uri, one.item.level, one.item.record_id, rule.rule_id, rule.mode,
         rule.location, rule.reason)
        for one in found for rule in one.fired
    } == enforced  # fmt: skip
    counted: dict[str, dict[str, int]] = {uri: {} for uri in labelled}
    for one in found:
        if one.recommendation:
            label, counts = one.recommendation.label.id, counted[one.item.asset.uri]
            counts[label] = counts.get(label, 0) + 1
    assert counted == labelled
