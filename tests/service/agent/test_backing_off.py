"""Failing sources are left alone, each on its own, longer every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dlpagent.service.agent.backing_off import (
    FIRST_WAIT,
    LONGEST_WAIT,
    after_run,
    open_specs,
    wait_after,
)
from dlpagent.service.sweep_file import SourceSpec
from dlpagent.service.wiring import Unreachable
from dlpagent.state.agenda import Agenda, Waiting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_waits_double_up_to_the_longest() -> None:
    waiting, waits = None, []
    for _ in range(20):
        waiting = wait_after(waiting, NOW)
        waits.append(datetime.fromisoformat(waiting.until) - NOW)
    assert waits[:4] == [FIRST_WAIT * 2**n for n in range(4)]
    assert waits[-1] == LONGEST_WAIT


def test_one_source_that_fails_is_left_alone_and_the_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("x")
    good, bad = SourceSpec(str(tmp_path / "good.txt")), SourceSpec(str(tmp_path / "absent" / "*"))
    opened = open_specs([good, bad], Agenda(), NOW)
    for each in opened[0].sources:
        assert [asset.uri for asset in each.discover()]  # type: ignore[union-attr]
    agenda = after_run(Agenda(), opened, [], NOW)
    assert set(agenda.waiting) == {bad.target}

    soon = open_specs([good, bad], agenda, NOW + timedelta(seconds=30))
    assert [each.left_alone for each in soon] == [False, True]
    assert isinstance(soon[1].sources[0], Unreachable)  # so that nothing of it counts as gone
    assert after_run(agenda, soon, [], NOW).waiting == agenda.waiting

    later = open_specs([good, bad], agenda, NOW + timedelta(minutes=2))
    assert after_run(agenda, later, [], NOW).waiting[bad.target].failures == 2
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "f.txt").write_text("x")
    mended = open_specs([good, bad], agenda, NOW + timedelta(minutes=2))
    assert not after_run(agenda, mended, [], NOW).waiting


def test_an_asset_that_failed_blames_its_own_source(tmp_path: Path) -> None:
    specs = []
    for name in ("a.txt", "b.jsonl"):
        (tmp_path / name).write_text("x")
        specs.append(SourceSpec(str(tmp_path / name)))
    opened = open_specs(specs, Agenda(waiting={"": Waiting(1, NOW.isoformat())}), NOW)
    uris = [next(iter(each.sources[0].discover())).uri for each in opened]  # type: ignore[union-attr]
    agenda = after_run(Agenda(), opened, [uris[1]], NOW)
    assert set(agenda.waiting) == {specs[1].target}
