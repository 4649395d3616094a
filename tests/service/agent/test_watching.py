"""A watched folder, turn by turn: every record once, through all that happens to files."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dlpagent.service.agent import watching as module
from dlpagent.state import open_state

Matches = Callable[[], Counter[str]]


def record(ident: str) -> bytes:
    return json.dumps({"id": ident, "text": f"about TCK-{int(ident):06d}"}).encode() + b"\n"


def add(path: Path, *idents: str) -> None:
    with path.open("ab") as file:
        file.write(b"".join(map(record, idents)))


def once(*idents: str) -> Counter[str]:
    return Counter(dict.fromkeys(idents, 1))


def test_a_log_is_followed_and_a_half_line_waits_for_its_end(place, watching, matches) -> None:
    log = place / "data" / "a.jsonl"
    add(log, "1")
    with watching() as watch:
        watch.turn()
        assert matches() == once("1")
        line = record("2")
        with log.open("ab", buffering=0) as file:
            file.write(line[:-9])
            watch.turn()
            assert matches() == once("1")
            file.write(line[-9:] + record("3")[:5])
            watch.turn()
    assert matches() == once("1", "2")
    with open_state(place / "state.db") as state:
        run = state.runs(limit=1, job="job watch (followed)")[0]
        assert run.status == "interrupted"
        assert state.progress(run.id)[0].counters.problems == 0


def test_a_restart_goes_on_where_it_was(place, watching, matches) -> None:
    log = place / "data" / "a.jsonl"
    add(log, "1")
    with watching() as watch:
        watch.turn()
    add(log, "2")
    with watching() as watch:
        watch.turn()
    assert matches() == once("1", "2")
    with open_state(place / "state.db") as state:
        assert len(state.runs(job="job watch (followed)")) == 1


@pytest.mark.parametrize("restart", [False, True])
def test_a_log_renamed_is_read_to_its_end_and_the_new_one_is_another(
    place, watching, matches, restart
) -> None:
    log, old = place / "data" / "a.jsonl", place / "data" / "a.jsonl.1"
    add(log, "1")
    with watching() as watch:
        watch.turn()
        if not restart:
            log.rename(old)
            add(old, "2")
            add(log, "3")
            watch.turn()
    if restart:
        log.rename(old)
        add(old, "2")
        add(log, "3")
    with watching() as watch:
        watch.turn()
        assert matches() == once("1", "2", "3")
        uris = sorted(log.uri for log in watch._register.logs.values())
    assert [uri.rpartition("/")[2] for uri in uris] == ["a.jsonl", "a.jsonl#2"]


def test_copy_and_truncate_reads_what_the_copy_has_more(
    place, watching, matches, monkeypatch
) -> None:
    log, copy = place / "data" / "a.jsonl", place / "data" / "a.jsonl.1"
    add(log, "1")
    with watching() as watch:
        watch.turn()
        add(log, "2")
        shutil.copyfile(log, copy)
        watch.turn()  # the copy is a twin of a log that is still there
        os.truncate(log, 0)
        add(log, "3")
        monkeypatch.setattr(module, "ROTATION_S", 0.0)
        watch._twins = dict.fromkeys(watch._twins, 0.0)
        watch.turn()
        watch.turn()
    assert matches() == once("1", "2", "3")


def test_a_log_truncated_without_a_copy_begins_anew(place, watching, matches) -> None:
    log = place / "data" / "a.jsonl"
    add(log, "1", "2")
    with watching() as watch:
        watch.turn()
        os.truncate(log, 0)
        add(log, "3")
        watch.turn()
    assert matches() == once("1", "2", "3")


@pytest.mark.parametrize("restart", [False, True])
def test_a_packed_rotation_is_not_read_again(place, watching, matches, restart) -> None:
    log, packed = place / "data" / "a.jsonl", place / "data" / "a.jsonl.1.gz"
    add(log, "1", "2")
    with watching() as watch:
        watch.turn()
        packed.write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
        add(log, "3")
        if not restart:
            watch.turn()
    with watching() as watch:
        watch.turn()
    assert matches() == once("1", "2", "3")


def test_other_packed_logs_are_read_whole(place, watching, matches) -> None:
    (place / "data" / "b.jsonl.gz").write_bytes(gzip.compress(record("7")))
    with watching() as watch:
        watch.turn()
    assert matches() == once("7")


def test_files_read_whole_are_read_when_they_change_and_resolved_when_gone(
    place, watching, matches, monkeypatch
) -> None:
    monkeypatch.setattr(module, "REST", 0.0)
    text, stays = place / "data" / "a.txt", place / "data" / "b.txt"
    text.write_text("TCK-000001")
    stays.write_text("TCK-000002")

    def statuses() -> Counter[str]:
        with open_state(place / "state.db") as state:
            return Counter(item.status for item in state.violations())

    with watching() as watch:
        watch.turn()
        watch.turn()
        assert sum(matches().values()) == 2
        runs = len(watch.session.state.runs(job="job watch"))
        watch.turn()
        assert (
            len(watch.session.state.runs(job="job watch")) == runs
        )  # nothing changed, nothing read
        text.unlink()
        watch.turn()
        assert statuses() == {"new": 1, "resolved": 1}


def test_own_files_in_a_watched_folder_are_left_alone(place, watching) -> None:
    sweep = (place / "sweep.yaml").read_text()
    sweep = sweep.replace("state: ", "state: data/").replace("o365: ", "o365: data/")
    (place / "sweep.yaml").write_text(sweep)
    add(place / "data" / "a.jsonl", "1")
    with watching() as watch:
        watch.turn()
        assert {unit.name for unit, _ in watch.units.walk()} == {"a.jsonl"}


def test_what_cannot_be_read_is_tried_again_later(place, watching, matches) -> None:
    bad = place / "data" / "bad.jsonl"
    bad.write_bytes("ÿþ".encode("latin-1") + record("1").decode().encode("utf-16-le"))
    add(place / "data" / "good.jsonl", "2")
    with watching() as watch:
        watch.turn()
        assert watch._read[bad.resolve()].failures == 1
        watch.turn()
        assert watch._read[bad.resolve()].failures == 1  # it waits
    assert matches() == once("2")


def test_hints_reach_the_unit_and_a_stop_leaves_the_rest_for_later(
    place, watching, matches
) -> None:
    with watching() as watch:
        watch.turn()
        watch.pace = module.Pace(settle=0.0, rescan=3600.0, push=0.0)
        watch.turn()
        add(place / "data" / "a.jsonl", "1")
        watch.turn()
        assert matches() == Counter()  # no rescan, no hint
        watch.hints.add(str(place / "data" / "a.jsonl"))
        watch.asked.stop.append(15)
        watch.turn()
        assert matches() == Counter()
        watch.asked.stop.clear()
        watch.turn()
    assert matches() == once("1")
