"""Verdicts in use: what is decided on stays decided through everything a data set goes through."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.evidence import load_evidence
from dlpagent.former_keys import rotate
from dlpagent.service.baselines import baseline_json, read_baseline, scope_of
from dlpagent.service.cli import run
from dlpagent.service.triage import (
    Decision,
    decide,
    expiry,
    find_groups,
    value_groups,
    withdraw,
)
from dlpagent.state import State, open_state
from dlpagent.state.verdicts import stored_verdicts
from dlpagent.suppressions import Verdict

BADGE = "11111111-1111-4111-8111-111111111111"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

PACK = f"""
id: {BADGE}
name: Badge
version: 1
parity: own
elements:
  badge_value: {{regex: '(?<![0-9])[0-9]{{8}}(?![0-9])'}}
patterns:
  - {{confidence: 85, primary: badge_value}}
"""
POLICY = f"""
id: 44444444-4444-4444-8444-444444444444
name: Badges
version: "1"
rules:
  - id: 55555555-5555-4555-8555-555555555555
    name: No badges in records
    severity: high
    item: record
    locations: [any]
    conditions: {{sit: {BADGE}}}
  - id: 66666666-6666-4666-8666-666666666666
    name: No badges in files
    severity: low
    item: asset
    locations: [any]
    conditions: {{sit: {BADGE}}}
"""


class Bench:
    """A folder with a pack and data, and the command line over them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.pack = folder / "badge.yaml"
        self.pack.write_text(PACK)
        self.state = folder / "s.db"

    def write(self, name: str, *texts: str) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n"
                                for i, t in enumerate(texts)))  # fmt: skip
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        code = run([str(item) for item in arguments])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def scan(self, path: Path, *more: object) -> tuple[int, list[tuple[str, str | None]]]:
        """Exit code, and (masked value, verdict that suppresses it) of every finding."""
        code, out, _ = self.run(
            "scan", path, "--pack", self.pack, "--state", self.state, "--format", "jsonl",
            "--full", "-q", *more,
        )  # fmt: skip
        rows = [json.loads(line) for line in out.splitlines()]
        return code, [(row["masked"], row.get("suppressed", {}).get("verdict")) for row in rows]

    def triage(self, verb: str, *arguments: object, pack: bool = True) -> str:
        more = ("--pack", self.pack) if pack else ()
        code, out, err = self.run("triage", verb, *arguments, "--state", self.state, *more)
        assert code == 0, err
        return out

    def keys(self) -> dict[str, str]:
        rows = map(json.loads, self.triage("list", "--standing", "any", "--format", "json")
                   .splitlines())  # fmt: skip
        return {row["masked"]: row["key"] for row in rows}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


@pytest.mark.slow
def test_a_verdict_survives_rescan_moved_lines_clean_copies_baselines_and_new_keys(
    bench: Bench, home: Path
) -> None:
    data = bench.write("a.jsonl", "badge 11223344", "badge 55667788")
    assert bench.scan(data) == (1, [("******44", None), ("******88", None)])
    bench.triage("set", bench.keys()["******44"][:8], "--verdict", "false",
                 "--reason", "printed on the form", "--owner", "forms@x")  # fmt: skip
    # scanned again
    assert bench.scan(data) == (1, [("******44", "false"), ("******88", None)])
    # moved to other lines, and a new value in the old place
    moved = bench.write("a.jsonl", "badge 99887766", "x", "the 11223344 badge")
    assert bench.scan(moved) == (1, [("******66", None), ("******44", "false")])
    assert bench.scan(moved, "--workers", 2)[1][1] == ("******44", "false")
    # in a clean copy that keeps it
    copy = bench.folder / "clean.jsonl"
    bench.run("redact", moved, "-o", copy, "--pack", bench.pack, "--operator", "keep", "-q")
    assert ("******44", "false") in bench.scan(copy)[1]
    # in a file of verdicts, without the state, and in another state
    baseline = bench.folder / "baseline.json"
    bench.triage("export", "-o", baseline, pack=False)
    assert "11223344" not in baseline.read_text()
    bench.state = bench.folder / "other.db"
    assert bench.scan(moved)[1] == [("******66", None), ("******44", None)]
    assert bench.scan(moved, "--baseline", baseline)[1][1] == ("******44", "false")
    bench.triage("import", baseline, pack=False)
    assert bench.scan(moved)[1][1] == ("******44", "false")
    # under a new key, at once; and when the value was seen again, without the old one
    old = bench.keys()
    bench.triage("rotate-key", pack=False)
    assert bench.scan(moved)[1] == [("******66", None), ("******44", "false")]
    new = bench.keys()
    assert new["******44"] == old["******44"]
    assert new["******66"] != old["******66"]
    assert "0 former key(s) dropped; 1 verdict(s) wait" in bench.triage(
        "rotate-key", "--forget", pack=False
    )
    assert "1 verdict(s) carried over, 0 still wait" in bench.triage("rekey", moved)
    assert "1 former key(s) dropped" in bench.triage("rotate-key", "--forget", pack=False)
    assert not list(home.glob("*.former-*"))
    # all is read again, though nothing changed: findings under the dropped key say nothing any more
    bench.run("scan", moved, "--pack", bench.pack, "--state", bench.state, "-q")
    assert bench.keys()["******44"] != old["******44"]
    assert bench.scan(moved)[1] == [("******66", None), ("******44", "false")]
    assert bench.keys()["******44"] != old["******44"]


def test_suppressed_findings_are_counted_and_neither_fail_nor_fire(bench: Bench) -> None:
    data = bench.write("a.jsonl", "badge 11223344")
    policy = bench.folder / "p.yaml"
    policy.write_text(POLICY)
    assert "Violations: 1 high, 0 medium, 1 low" in violations(bench, data, policy)
    bench.triage("set", bench.keys()["******44"], "--verdict", "accepted", "--reason", "a demo")
    told = violations(bench, data, policy)
    assert "Violations: 0 high, 0 medium, 0 low" in told
    assert "1 findings suppressed by verdicts (1 accepted)" in told
    code, found = bench.scan(data)
    assert (code, found) == (0, [("******44", "accepted")])
    _, out, _ = bench.run("scan", data, "--pack", bench.pack, "--state", bench.state,
                          "--format", "json", "-q")  # fmt: skip
    assert json.loads(out)["summary"]["suppressed"] == {"total": 1, "accepted": 1}
    _, out, _ = bench.run("scan", data, "--pack", bench.pack, "--state", bench.state,
                          "--format", "sarif", "-q")  # fmt: skip
    (result,) = json.loads(out)["runs"][0]["results"]
    assert result["suppressions"][0]["justification"].startswith("accepted: a demo (")
    bench.triage("set", bench.keys()["******44"], "--verdict", "open")
    assert bench.scan(data) == (1, [("******44", None)])


def violations(bench: Bench, data: Path, policy: Path) -> str:
    _, _, err = bench.run("scan", data, "--pack", bench.pack, "--state", bench.state,
                          "--policy", policy, "--full", "--format", "jsonl",
                          "-o", bench.folder / "out.jsonl")  # fmt: skip
    return err


# --- groups and verdicts as functions ----------------------------------------------------------

NAMES = {"sit-0": "Zero", "sit-1": "One", "sit-2": "Two"}


def fill(state: State, *rows: tuple[str, str, str, int]) -> None:
    """Findings (asset, SIT, key, confidence), each asset read whole in one run."""
    import pyarrow as pa

    from dlpagent.findings import FINDING_SCHEMA, PackRef
    from dlpagent.records import Asset, Checkpoint
    from dlpagent.state import BatchCommit, Finish

    run_id = state.begin_run(job="j", command="scan", pack=PackRef("p", "1", "h"))
    for name in dict.fromkeys(row[0] for row in rows):
        asset = Asset(f"file:///d/{name}", "dataset", "files")
        lease = state.claim(run_id, asset)
        found = [
            {"record_id": f"r{n}", "part": "text", "start": n, "end": n + 8, "sit_id": sit,
             "confidence": confidence, "pattern": 0, "masked": f"**{key[:2]}", "key": key * 8}
            for n, (where, sit, key, confidence) in enumerate(rows) if where == name
        ]  # fmt: skip
        batch = pa.RecordBatch.from_pylist(found, schema=FINDING_SCHEMA)
        after = Checkpoint({}, done=True)
        state.commit_batch(run_id, lease, BatchCommit(None, after, batch, finish=Finish("done")))
    state.finish_run(run_id, "complete")


@pytest.fixture
def state(tmp_path: Path) -> Any:
    with open_state(tmp_path / "t.db") as opened:
        fill(
            opened,
            ("a", "sit-1", "aaaa", 65), ("a", "sit-1", "aaaa", 85), ("b", "sit-1", "aaaa", 75),
            ("a", "sit-2", "aaaa", 65), ("b", "sit-1", "bbbb", 85),
        )  # fmt: skip
        yield opened


def told(groups: list[Any]) -> list[tuple[str, str, int, int, int]]:
    return [(g.sit_id, g.key[:4], g.findings, g.open_findings, g.confidence) for g in groups]


def test_findings_are_grouped_by_value_and_sit_the_most_frequent_first(state: State) -> None:
    groups = value_groups(state)
    assert told(groups) == [
        ("sit-1", "aaaa", 3, 3, 85), ("sit-1", "bbbb", 1, 1, 85), ("sit-2", "aaaa", 1, 1, 65),
    ]  # fmt: skip
    assert groups[0].asset_findings == {"file:///d/a": 2, "file:///d/b": 1}
    assert groups[0].first == ("file:///d/a", "r0", "text", 0, 8)
    assert told(value_groups(state, sit_ids=["sit-2"])) == told(groups)[2:]
    assert told(value_groups(state, asset="*/b")) == [
        ("sit-1", "aaaa", 1, 1, 75), ("sit-1", "bbbb", 1, 1, 85),
    ]  # fmt: skip
    assert [g.findings for g in value_groups(state, min_confidence=76)] == [1, 1]


def test_a_verdict_in_one_scope_leaves_the_rest_open(state: State) -> None:
    (group,) = find_groups(value_groups(state, sit_ids=["sit-1"]), ["AAAAAAAA"], NAMES)
    decision = Decision("false", "r", "ann", scope="file:///d/a")
    (stored,) = decide(state, "ann@x", [group], decision, key_id="k", names=NAMES)
    assert (stored.sit_name, stored.masked, stored.owner) == ("One", "**aa", "ann")
    (group,) = value_groups(state, sit_ids=["sit-1"], standing="decided")
    assert (group.findings, group.open_findings, group.verdict) == (3, 1, stored)
    assert told(value_groups(state))[0] == ("sit-1", "aaaa", 3, 1, 85)
    assert group.json(NAMES)["verdict"]["scope"] == "file:///d/a"
    assert withdraw(state, "bob", [group]) == 1
    assert value_groups(state, standing="decided") == []


@pytest.mark.parametrize(
    ("standing", "expected"),
    [("open", 2), ("decided", 1), ("any", 3), ("true", 1), ("false", 0), ("accepted", 0)],
)
def test_groups_are_chosen_by_how_they_stand(state: State, standing: Any, expected: int) -> None:
    chosen = find_groups(value_groups(state), ["bbbbbb"], NAMES)
    decide(state, "ann", chosen, Decision("true", "", ""), key_id="k", names=NAMES)
    assert len(value_groups(state, standing=standing)) == expected


@pytest.mark.parametrize("key", ["aaaaa", "cccccccc", ""])
def test_a_key_that_names_no_one_value_is_refused(state: State, key: str) -> None:
    with pytest.raises(ConfigurationError, match="value"):
        find_groups(value_groups(state), [key], NAMES)


@pytest.mark.parametrize("ruling", ["false", "accepted"])
def test_hiding_needs_a_reason_and_confirming_does_not(ruling: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a reason"):
        Decision(ruling, "  ", "ann")
    assert Decision("true", "", "").ruling == "true"
    with pytest.raises(ConfigurationError, match="not a verdict"):
        Decision("maybe", "r", "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01", "2026-05-02T00:00:00.000000Z"),
        ("2027-12-31", "2028-01-01T00:00:00.000000Z"),
        ("30d", "2026-05-31T12:00:00.000000Z"),
        ("2026-04-30", None), ("0d", None), ("soon", None), ("", None), ("99999999999d", None),
        ("9999-12-31", None),
    ],
)  # fmt: skip
def test_an_expiry_is_a_day_to_come(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ConfigurationError, match="not a day to come"):
            expiry(text, NOW)
    else:
        assert expiry(text, NOW) == expected


# --- baselines ----------------------------------------------------------------------------------


def test_a_baseline_comes_back_as_it_was_written(state: State, tmp_path: Path) -> None:
    key = tmp_path / "e.key"
    evidence = load_evidence(key)
    groups = value_groups(state)
    decide(state, "ann", groups, Decision("accepted", "r", "o", "*/x", expiry("90d")),
           key_id=evidence.key_id(), names=NAMES)  # fmt: skip
    path = tmp_path / "b.json"
    written = baseline_json(stored_verdicts(state.database))
    path.write_text(json.dumps(written))
    assert baseline_json(read_baseline(path, key)) == written
    assert len(written["verdicts"]) == 3
    rotate(key)
    assert len(read_baseline(path, key)) == 3
    with pytest.raises(ConfigurationError, match="under another evidence key"):
        read_baseline(path, tmp_path / "other.key")


def test_findings_of_a_scan_are_accepted_in_the_file_they_were_found_in(tmp_path: Path) -> None:
    line = {"key": "a" * 32, "sit": {"id": "s", "name": "S"}, "asset": "file:///ci/1/a[1].jsonl"}
    path = tmp_path / "base.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps(line) + "\n")
    (verdict,) = read_baseline(path, tmp_path / "e.key")
    assert verdict.covers("s", "file:///home/me/a[1].jsonl")
    assert not verdict.covers("s", "file:///home/me/b.jsonl")
    assert not verdict.covers("t", "file:///home/me/a[1].jsonl")


@pytest.mark.parametrize(
    ("uri", "scope"),
    [("file:///a/b.csv", "*/b.csv"), ("chroma:///x#c", "chroma:///x#c"), ("-", "-"),
     ("s3://b/a*", "s3://b/a[*]")],
)  # fmt: skip
def test_a_scope_of_one_asset_is_its_name_or_its_uri(uri: str, scope: str) -> None:
    assert scope_of(uri) == scope


GOOD = baseline_json([Verdict("a" * 32, "s", "false", "r", "o")])["verdicts"][0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", None),
        ("{}", "not a baseline that can be read"),
        ('{"kind": "dlpagent verdicts", "v": 2, "verdicts": []}', "not a baseline"),
        ('{"kind": "dlpagent verdicts", "v": 1}', "holds no verdicts"),
        (json.dumps({"kind": "dlpagent verdicts", "v": 1,
                     "verdicts": [GOOD, {**GOOD, "key": "4111"}]}), "verdict 2 is not usable"),
        (json.dumps({"kind": "dlpagent verdicts", "v": 1,
                     "verdicts": [{**GOOD, "verdict": "maybe"}]}), "verdict 1 is not usable"),
        ('{"key": 1}\nsecret 4111', "2: this is not a finding"),
        (b"\xff", "cannot be read"),
    ],
)  # fmt: skip
def test_a_baseline_that_cannot_be_used_is_told_without_its_content(
    tmp_path: Path, content: str | bytes, message: str | None
) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if message is None:
        assert read_baseline(path, tmp_path / "e.key") == ()
        return
    with pytest.raises((ConfigurationError, ProblemsError)) as caught:
        read_baseline(path, tmp_path / "e.key")
    assert message in caught.value.render()
    assert "4111" not in caught.value.render()
