"""dlpagent violations, as people run it: lists, the life of one, deeds and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.findings import PackRef
from dlpagent.records import Asset, Checkpoint
from dlpagent.service.cli import run
from dlpagent.service.violations import Asked, found_by_id, listed
from dlpagent.state import BatchCommit, Finish, open_state
from dlpagent.violations import OverrideTerms, Place, PolicyRef, SitCount, Violation, stable_id

POLICY, PACK = PolicyRef("p", "Policy", "1"), PackRef("pack", "1", "h")
ASSET = Asset("file:///data/a.jsonl", "dataset", "jsonl")


def violation(name: str, severity: str = "high", **more: object) -> Violation:
    ident = stable_id("violation", name)
    given: dict[str, object] = {
        "asset_uri": ASSET.uri, "asset_kind": "dataset", "connector": "jsonl",
        "item_level": "record", "record_id": name, "rule_id": "r", "rule_name": f"Rule {name}",
        "severity": severity, "mode": "enforce", "actions": (), "reason": "2 of SIT.",
        "location": "dataset", "places_total": 1, "evidence": "e",
        "sits": (SitCount("s", "SIT", 85, 1, 1, ((85, 1, 1),)),),
        "places": (Place(name, "text", 3, 9, "s", 85, "****11", "ab" * 16),), **more,
    }  # fmt: skip
    return Violation(
        id=ident,
        event_id=stable_id("event", ident),
        policy=POLICY,
        pack=PACK,
        **given,  # type: ignore[arg-type]
    )


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A state with three violations, one of a rule that nobody may override."""
    path = tmp_path / "state.db"
    sweep(
        path,
        violation("low", "low"),
        violation("high"),
        violation("fixed", "medium", override=OverrideTerms(allowed=False)),
    )
    return str(path)


def sweep(path: Path | str, *found: Violation) -> None:
    with open_state(path) as state:
        run_id = state.begin_run(job="j", command="sweep", pack=PACK, policy=POLICY)
        lease = state.claim(run_id, ASSET)
        batch = BatchCommit(None, Checkpoint({"n": 1}), violations=found, finish=Finish("done"))
        state.commit_batch(run_id, lease, batch)
        state.finish_run(run_id, "complete")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["violations", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def names(found: str) -> list[str]:
    return [json.loads(line)["record"] for line in found.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["high", "fixed", "low"]),
        (["--severity", "low"], ["low"]),
        (["--rule", "rule h*"], ["high"]),
        (["--asset", "*/b.jsonl"], []),
        (["--status", "resolved"], []),
        (["--status", "false-positive"], []),
        (["--status", "any", "--limit", "2"], ["high", "fixed"]),
    ],
)
def test_the_list_holds_what_was_asked_for_most_severe_first(place, capsys, arguments, expected):
    code, out, _ = told(capsys, "list", "--state", place, "--format", "json", *arguments)
    assert (code, names(out)) == (0, expected)


def test_the_table_names_status_rule_and_place(place, capsys):
    _, out, err = told(capsys, "list", "--state", place, "--limit", "1")
    assert "Rule high" in out
    assert "a.jsonl#high" in out
    assert "2 more" in err


def test_a_violation_is_shown_with_its_life_and_what_was_said_of_it(place, capsys):
    ident = violation("high").id
    said = ["--state", place, "--reason", "synthetic", "--by", "ann@soc", "--days", "3"]
    code, out, _ = told(capsys, "override", ident[:8], *said)
    assert code == 0
    assert out.startswith(f"{ident} overridden until ")
    _, out, _ = told(capsys, "show", ident[:8], "--state", place)
    assert "new → overridden  by ann@soc: synthetic" in out
    assert "****11 in high text[3:9]" in out
    _, out, _ = told(capsys, "show", ident, "--state", place, "--format", "json")
    found = json.loads(out)
    assert [step["after"] for step in found["history"]] == ["new", "overridden"]
    assert found["exemptions"][0]["covers"] == "evidence"


def test_false_positives_and_reopening(place, capsys):
    ident = violation("high").id
    assert (
        told(capsys, "false-positive", ident, "--state", place, "--reason", "a test number")[0] == 0
    )
    _, out, _ = told(
        capsys, "list", "--state", place, "--status", "false-positive", "--format", "json"
    )
    assert names(out) == ["high"]
    assert told(capsys, "reopen", ident, "--state", place)[1] == f"{ident} reopened\n"
    with open_state(place) as state:
        statuses = {each.violation.id: each.status for each in listed(state, Asked())}
    assert statuses[ident] == "reopened"


def test_several_are_overridden_at_once_for_whatever_the_item_holds(place, capsys):
    ids = [violation(name).id for name in ("high", "low")]
    code, out, _ = told(
        capsys, "override", *ids, "--state", place, "--reason", "why", "--covers", "item",
        "--until", "2099-01-01T00:00:00Z",
    )  # fmt: skip
    assert code == 2  # no override lasts that long
    code, out, _ = told(
        capsys, "override", *ids, "--state", place, "--reason", "why", "--covers", "item"
    )
    assert (code, len(out.splitlines())) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["override", "{high}", "--reason", " "], "justification is demanded"),
        (["override", "{fixed}", "--reason", "why"], "override: none"),
        (["override", "{high}", "--reason", "y", "--days", "2", "--until", "2030-01-01"], "not both"),
        (["override", "{high}", "--reason", "y", "--until", "soon"], "not a time"),
        (["override", "{high}", "--reason", "y", "--covers", "all"], "not a choice"),
        (["false-positive", "{high}"], "justification is demanded"),
        (["reopen", "{high}"], "cannot be reopened"),
        (["show", "zzzz"], "names no violation"),
        (["show", "ab"], "names no violation"),
        (["list", "--status", "gone"], "not a choice"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_a_remedy(place, capsys, arguments, says):
    given = [
        each.format(high=violation("high").id, fixed=violation("fixed").id) for each in arguments
    ]
    code, _, err = told(capsys, *given, "--state", place)
    assert (code, says in err) == (2, True)


def test_a_state_that_is_not_there_is_not_made(tmp_path, capsys):
    code, _, err = told(capsys, "list", "--state", str(tmp_path / "no.db"))
    assert (code, "no such state" in err) == (2, True)
    assert not (tmp_path / "no.db").exists()


def test_a_beginning_that_several_have_is_refused(tmp_path):
    found = [violation(str(number)) for number in range(400)]
    sweep(tmp_path / "s.db", *found)
    ids = sorted(each.id for each in found)
    twins = next(a for a, b in pairwise(ids) if a[:2] == b[:2])
    with open_state(tmp_path / "s.db") as state:
        assert found_by_id(state, ids[0].upper()) == ids[0]
        with pytest.raises(ConfigurationError, match="no violation"):
            found_by_id(state, twins[:2])
