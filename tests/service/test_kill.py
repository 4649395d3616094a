"""A sweep killed at any moment and resumed ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlpagent.state import open_state

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-c", "from dlpagent.service.cli import main; main()", "sweep"]

PACK = r"""
id: 33333333-3333-4333-8333-333333333333
name: Ticket number
version: 1
parity: own
elements:
  Ticket: {regex: '\bTCK-\d{6}\b'}
patterns: [{confidence: 85, primary: Ticket}]
examples: [{text: TCK-123456, confidence: 85}]
"""

POLICY = """
id: 44444444-4444-4444-8444-444444444444
name: Tickets
version: "1"
mode: audit
rules:
  - id: 55555555-5555-4555-8555-555555555555
    name: Tickets in logs
    severity: low
    item: record
    locations: [any]
    conditions: {sit: 33333333-3333-4333-8333-333333333333}
    actions: [audit]
  - id: 66666666-6666-4666-8666-666666666666
    name: Tickets in files
    severity: high
    item: asset
    locations: [any]
    conditions: {sit: 33333333-3333-4333-8333-333333333333, min_count: 1}
    actions: [audit]
"""


def lay_out(folder: Path, records: int) -> Path:
    folder.mkdir()
    (folder / "pack").mkdir()
    (folder / "pack" / "pack.yaml").write_text("id: kill\nname: kill\nversion: 1.0.0.0\n")
    (folder / "pack" / "ticket.yaml").write_text(PACK)
    (folder / "policy.yaml").write_text(POLICY)
    for number in range(2):
        with (folder / f"log{number}.jsonl").open("w") as file:
            for index in range(records // 2):
                text = f"ticket TCK-{index % 7919:06d} of {number}" if index % 5 == 0 else "nothing"
                file.write(json.dumps({"id": f"r{index}", "text": text}) + "\n")
    sweep = folder / "sweeps.yaml"
    sweep.write_text(
        "name: kill\nstate: state.db\npacks: [pack]\npolicy: policy.yaml\n"
        "sinks: {o365: o365.jsonl}\nsources:\n"
        + "".join(
            f"  - {{target: log{n}.jsonl, connector: jsonl, settings: {{batch_rows: 250}}}}\n"
            for n in range(2)
        )
    )
    return sweep


def started(sweep: Path, verb: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, verb, str(sweep), "--quiet"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finished(sweep: Path) -> None:
    process = started(sweep, "run")
    _, err = process.communicate()
    assert process.returncode == 1, err.decode()


def outcome(folder: Path) -> tuple[Counter[tuple[object, ...]], Counter[str], set[tuple[str, str]]]:
    """Findings, event ids at the sink, and violations, as stored; paths and runs left out."""
    found: Counter[tuple[object, ...]] = Counter()
    with open_state(folder / "state.db") as state:
        run = next(item for item in state.runs() if item.status != "failed")
        assert run.status == "complete"
        for batch in state.latest_findings():  # a run killed while delivering had read everything
            asset = batch.asset_uri.rsplit("/", 1)[-1]
            for row in batch.rows.to_pylist():
                found[
                    asset, row["record_id"], row["part"], row["start"], row["end"], row["key"]
                ] += 1
        violations = {
            (item.violation.rule_id, item.violation.record_id) for item in state.violations()
        }
        assert all(lag.pending == lag.dead == 0 for lag in state.outbox_lag())
    lines = (folder / "o365.jsonl").read_text().splitlines()
    events = Counter(str(json.loads(line)["Id"]) for line in lines)
    return found, events, violations


def killed_rounds(folder: Path, records: int, kills: int, seed: int) -> Iterator[Path]:
    """Sweeps killed at random moments and gone on with, until so many kills have hit a live one."""
    chance = random.Random(seed)
    plain = lay_out(folder / "plain", records)
    begun = time.monotonic()
    finished(plain)
    whole = time.monotonic() - begun
    hit = number = 0
    while hit < kills:
        sweep = lay_out(folder / f"round{number}", records)
        number += 1
        while True:
            process = started(sweep, "run")
            try:
                process.wait(timeout=chance.uniform(0.05, 0.9) * whole if hit < kills else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                hit += 1
            assert process.stderr is not None
            message = process.stderr.read().decode()
            process.stderr.close()
            if process.returncode == -signal.SIGKILL:
                continue
            assert process.returncode == 1, message
            break
        yield sweep.parent


def same_as_undisturbed(folder: Path, records: int, kills: int, seed: int) -> None:
    rounds = list(killed_rounds(folder, records, kills, seed))
    wanted = outcome(folder / "plain")
    assert wanted[0].total() == 2 * len(range(0, records // 2, 5))
    for place in rounds:
        found, events, violations = outcome(place)
        assert found == wanted[0]
        assert violations == wanted[2]
        # the same file in another folder is another asset, so event ids differ; their number must not
        assert set(events.values()) == {1}, "an event was written twice"
        assert len(events) == len(wanted[1])


def test_a_killed_sweep_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    same_as_undisturbed(tmp_path, records=4_000, kills=3, seed=1)


@pytest.mark.slow
def test_two_hundred_kills_over_fifty_thousand_records_lose_nothing(tmp_path: Path) -> None:
    """About an hour: 200 times kill -9 at random moments of sweeps over 50,000 records."""
    same_as_undisturbed(tmp_path, records=50_000, kills=200, seed=2)


def test_ctrl_c_stops_behind_the_batch_and_the_sweep_can_be_resumed(tmp_path: Path) -> None:
    sweep = lay_out(tmp_path / "stop", 20_000)
    process = started(sweep, "run")
    state = sweep.parent / "state.db"
    while process.poll() is None and not _has_commits(state):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    if process.returncode != 1:  # the sweep may have ended first on a quick machine
        assert process.returncode == 130, err.decode()
        process = started(sweep, "resume")
        _, err = process.communicate()
        assert process.returncode == 1, err.decode()
    found, events, _ = outcome(sweep.parent)
    assert found.total() == 4_000
    assert set(events.values()) == {1}


def _has_commits(state: Path) -> bool:
    if not state.exists():
        return False
    try:
        with open_state(state) as opened:
            runs = opened.runs()
            return bool(runs) and any(item.commits for item in opened.progress(runs[0].id))
    except Exception:  # noqa: BLE001 - the other process is making the tables
        return False


def test_a_second_sweep_of_the_same_asset_is_refused(tmp_path: Path) -> None:
    sweep = lay_out(tmp_path / "twice", 40_000)
    first = started(sweep, "run")
    while first.poll() is None and not _has_commits(sweep.parent / "state.db"):
        time.sleep(0.02)
    second = started(sweep, "run")
    _, err = second.communicate()
    _, first_err = first.communicate()
    assert first.returncode == 1, first_err.decode()
    if second.returncode != 1:  # else the first had ended before the second began
        assert second.returncode == 2
        assert b"one sweep at a time" in err or b"another process" in err
    assert outcome(sweep.parent)[0].total() == 8_000
