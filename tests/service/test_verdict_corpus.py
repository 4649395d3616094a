"""Verdicts are labels: judged places in texts read again, and only those count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.classifiers.evaluation_matching import Names, TypeMap
from dlpagent.classifiers.pack import load_pack
from dlpagent.evidence import load_evidence
from dlpagent.service.cli import run
from dlpagent.service.documents import is_labelled, is_state, read_texts
from dlpagent.service.triage import Decision, decide, value_groups
from dlpagent.service.verdict_corpus import VerdictCorpus, verdict_corpus
from dlpagent.state import open_state

BADGE = "11111111-1111-4111-8111-111111111111"
SIT = f"""
id: {BADGE}
name: Badge
version: 1
parity: own
elements:
  badge_value: {{regex: '(?<![0-9])[0-9]{{8}}(?![0-9])'}}
patterns:
  - {{confidence: 85, primary: badge_value}}
"""
TEXTS = ("badge 11223344", "order 55667788", "maybe 99887766")


def write(path: Path, *texts: str) -> None:
    path.write_text("".join(json.dumps({"id": n, "text": t}) + "\n" for n, t in enumerate(texts)))


@pytest.fixture
def judged(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A state in which the first value was judged true and the second false."""
    (tmp_path / "badge.yaml").write_text(SIT)
    write(tmp_path / "a.jsonl", *TEXTS)
    state = tmp_path / "s.db"
    run(["scan", str(tmp_path / "a.jsonl"), "--pack", str(tmp_path / "badge.yaml"),
         "--state", str(state), "-q"])  # fmt: skip
    capsys.readouterr()
    key_id = load_evidence(home / "evidence.key").key_id()
    with open_state(state) as opened:
        groups = {group.masked: group for group in value_groups(opened)}
        for masked, ruling in (("******44", "true"), ("******88", "false")):
            decide(opened, "ann", [groups[masked]], Decision(ruling, "seen", "ann"),  # type: ignore[arg-type]
                   key_id=key_id, names={BADGE: "Badge"})  # fmt: skip
    return state


def corpus(state: Path, home: Path) -> VerdictCorpus:
    pack = load_pack(state.parent / "badge.yaml")
    types = TypeMap(Names({}), Names({"Badge": "BADGE"}))
    with open_state(state) as opened:
        return verdict_corpus(opened, pack, types, home / "evidence.key")


def test_true_is_a_label_false_a_look_alike_and_the_rest_is_not_there(
    judged: Path, home: Path
) -> None:
    made = corpus(judged, home)
    told = [
        (item.text, [(s.start, s.end, s.type) for s in item.spans],
         [(s.start, s.end) for s in item.decoys])
        for item in made.documents
    ]  # fmt: skip
    assert told == [(TEXTS[0], [(6, 14, "BADGE")], []), (TEXTS[1], [], [(6, 14)])]
    assert all(item.is_judged for item in made.documents)
    assert (made.stale, made.lost) == (0, [])


def test_a_value_that_is_not_there_any_more_is_told_and_left_out(judged: Path, home: Path) -> None:
    write(judged.parent / "a.jsonl", "badge 10101010", *TEXTS[1:])
    made = corpus(judged, home)
    assert [item.text for item in made.documents] == [TEXTS[1]]
    assert made.stale == 1


def test_eval_counts_judged_findings_only(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["eval", str(judged), "--pack", str(judged.parent / "badge.yaml"),
                "--format", "json", "-q"])  # fmt: skip
    total = json.loads(capsys.readouterr().out)["levels"]["high"]["total"]
    assert code == 0
    assert [total[name] for name in ("gold", "found", "overlapping", "decoys", "decoys_hit")] == [
        1, 2, 1, 1, 1,
    ]  # fmt: skip


def test_texts_are_recognised_for_what_they_are(judged: Path, home: Path) -> None:
    folder = judged.parent
    assert is_state(str(judged))
    assert is_state("postgresql://u@h/d")
    assert not is_state(str(folder / "a.jsonl"))
    assert not is_labelled(folder / "a.jsonl")
    (folder / "gold.jsonl").write_text('{"text": "x", "spans": []}\n')
    (folder / "gold.csv").write_text("id,text,label\n1,x,A\n")
    (folder / "gold.json").write_text('[{"full_text": "x", "spans": []}]')
    assert all(is_labelled(folder / name) for name in ("gold.jsonl", "gold.csv", "gold.json"))
    pack = load_pack(folder / "badge.yaml")
    types = TypeMap(Names({}), Names({}))
    found = read_texts([str(folder / "a.jsonl")], pack, types, home / "evidence.key")
    assert set(TEXTS) <= {item.text for item in found.documents}
    assert not any(item.is_labelled for item in found.documents)
