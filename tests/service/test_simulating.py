"""Simulation: what it says of stored findings is what a sweep with the policy did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from dlpagent.service.cli import run
from dlpagent.service.packs import whole_packs
from dlpagent.service.session import read_policy
from dlpagent.service.simulating import Outcome, outcomes, simulate
from dlpagent.state import open_state
from dlpagent.state.tables import run_assets
from dlpagent.state.verdicts import set_verdicts
from dlpagent.suppressions import Verdict

CARD, IBAN, SSN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "078-05-1121"
POLICY = """
id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c01
name: Simulated
version: "1"
auto_labels:
  - {label: Confidential/Finance, conditions: {sit: Credit Card Number}}
rules:
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c02, name: cards, severity: high,
     conditions: {sit: Credit Card Number}}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c03, name: by record, severity: low, item: record,
     conditions: {sit: Credit Card Number}}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c04, name: ceiling, severity: low, ceiling: General}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c05, name: no card, severity: low,
     conditions: {not: {sit: Credit Card Number}}}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c06, name: prompts, severity: low, item: record,
     locations: [prompt], conditions: {sit: Credit Card Number}}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c07, name: somebody, severity: low, item: record,
     users: {include: ["a*"]}, conditions: {sit: Credit Card Number}}
  - {id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c08, name: claude, severity: low, item: record,
     locations: [claude], conditions: {sit: Credit Card Number}}
"""


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents, a training corpus and a ChatGPT export."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "note.txt").write_text(f"credit card {CARD}\n", "utf-8")
    (folder / "clean.txt").write_text("nothing\n", "utf-8")
    rows = [
        {"id": "a", "text": f"my credit card is {CARD}"},
        {"id": "b", "text": "nothing here"},
        {"id": "c", "text": f"credit card {CARD} and IBAN {IBAN}"},
        {"id": "d", "text": f"SSN {SSN}"},
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chats")
    texts = [("user", f"credit card {CARD}"), ("assistant", f"your credit card {CARD}"),
             ("user", "hello"), ("assistant", "no")]  # fmt: skip
    mapping = {
        str(number): {
            "id": str(number), "parent": None, "children": [],
            "message": {"id": f"m{number}", "author": {"role": role}, "create_time": 1.0,
                        "content": {"content_type": "text", "parts": [text]}, "metadata": {}},
        }
        for number, (role, text) in enumerate(texts)
    }  # fmt: skip
    export = [{"title": "t", "create_time": 1.0, "conversation_id": "k", "mapping": mapping,
               "current_node": "3"}]  # fmt: skip
    (folder / "conversations.json").write_text(json.dumps(export), "utf-8")
    return folder


def both(source: Path, tmp_path: Path) -> tuple[set[tuple[str, str, str]], list[Outcome], object]:
    """Violations of a scan with the policy, outcomes on a scan without it, and their summary."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY, "utf-8")
    enforced, plain = tmp_path / "enforced.db", tmp_path / "plain.db"
    quiet = ["-q", "--fail-on", "never", "--format", "jsonl", "-o", str(tmp_path / "out.jsonl")]
    assert run(["scan", str(source), "--policy", str(file), "--state", str(enforced), *quiet]) == 0
    assert run(["scan", str(source), "--state", str(plain), *quiet]) == 0
    with open_state(enforced) as state:
        stored = [each.violation for each in state.violations()]
    policy = read_policy(str(file), whole_packs(["builtin"], "extended"))
    with open_state(plain) as state:
        found, total = list(outcomes(state, policy)), simulate(state, policy)
    return {(each.asset_uri, each.record_id, each.rule_name) for each in stored}, found, total


def names(found: list[Outcome], *, certain: bool) -> set[tuple[str, str, str]]:
    return {
        (one.item.asset.uri, one.item.record_id, rule.rule_name)
        for one in found
        for rule in (one.fired if certain else one.may_fire)
    }


def test_on_documents_and_corpora_it_says_exactly_what_a_scan_with_the_policy_did(
    data: Path, tmp_path: Path
) -> None:
    violations, found, total = both(data, tmp_path)
    known = {one for one in violations if one[2] not in ("somebody", "claude")}
    assert names(found, certain=True) == known
    assert {one[2] for one in known} >= {"cards", "by record", "ceiling", "no card"}
    assert violations <= names(found, certain=True) | names(found, certain=False)
    assert total.rules["cards"] == (2, 0)
    assert total.incomplete == []
    labels = {one.item.asset.uri for one in found if one.recommendation and not one.item.record_id}
    assert len(labels) == 2


def test_on_chats_it_says_exactly_what_a_scan_with_the_policy_did(
    chats: Path, tmp_path: Path
) -> None:
    violations, found, total = both(chats, tmp_path)
    assert names(found, certain=True) == violations
    assert names(found, certain=False) == set()
    assert {one[2] for one in violations} >= {"cards", "by record", "ceiling", "prompts"}
    assert total.rules["prompts"] == (1, 0)
    assert total.rules["claude"] == (0, 0), "the export's app is known: ChatGPT"


def test_of_a_reading_that_kept_no_facts_it_says_what_is_certain_and_what_is_possible(
    chats: Path, tmp_path: Path
) -> None:
    violations, _, _ = both(chats, tmp_path)
    policy = read_policy(str(tmp_path / "policy.yaml"), whole_packs(["builtin"], "extended"))
    with open_state(tmp_path / "plain.db") as state:
        with state.database.write() as connection:
            connection.execute(update(run_assets).values(facts_kept=False))
        found, total = list(outcomes(state, policy)), simulate(state, policy)
    certain, possible = names(found, certain=True), names(found, certain=False)
    assert certain <= violations <= certain | possible
    assert {one[2] for one in certain} >= {"cards", "by record", "ceiling"}
    assert {one[2] for one in possible} == {"prompts", "somebody"}
    assert total.rules["prompts"] == (0, 2)


def test_what_a_verdict_suppresses_is_not_decided_on(data: Path, tmp_path: Path) -> None:
    both(data, tmp_path)
    policy = read_policy(str(tmp_path / "policy.yaml"), whole_packs(["builtin"], "extended"))
    with open_state(tmp_path / "plain.db") as state:
        before = simulate(state, policy).rules["by record"]
        keys = {key for batch in state.latest_findings()
                for key in batch.rows.column("key").to_pylist()}  # fmt: skip
        every = [Verdict(key, "*", "false", "test values", "ann") for key in keys]
        set_verdicts(state.database, "ann", every, origin="test")
        after = simulate(state, policy).rules
    assert before[0] > 0
    assert after["by record"] == (0, 0)
    assert after["no card"][0] > 0, "what has no card still has none"


def test_the_same_policy_enforced_or_simulated_fires_alike(data: Path, tmp_path: Path) -> None:
    _, found, _ = both(data, tmp_path)
    file = tmp_path / "simulated.yaml"
    file.write_text(
        POLICY.replace("name: Simulated\n", "name: Simulated\nmode: simulate\n"), "utf-8"
    )
    policy = read_policy(str(file), whole_packs(["builtin"], "extended"))
    with open_state(tmp_path / "plain.db") as state:
        again = list(outcomes(state, policy))
    assert names(again, certain=True) == names(found, certain=True)
    assert {rule.mode for one in again for rule in one.fired} == {"simulate"}
