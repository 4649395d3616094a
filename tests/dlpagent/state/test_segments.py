"""Files of findings: private, whole or absent, and never left behind."""

from __future__ import annotations

import os
import stat

import pytest

from dlpagent.errors import StateError
from dlpagent.state import commit as commit_module
from dlpagent.state.segments import SegmentFolder


@pytest.fixture
def folder(tmp_path):
    return SegmentFolder(tmp_path / "state.findings", "abcd1234")


def test_a_segment_is_read_back_as_it_was_written(folder, some):
    segment = folder.write(3, 0, [some.findings(4), some.findings(5, first=4)])
    assert (segment.rows, segment.bytes > 0) == (9, True)
    (batch,) = folder.read(segment.name)
    assert batch.equals(some.findings(9))
    (column,) = folder.read(segment.name, ["sit_id"])
    assert column.schema.names == ["sit_id"]


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_folder_and_files_are_private(folder, some):
    segment = folder.write(3, 0, [some.findings(4)])
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / segment.name).stat().st_mode) == 0o600


def test_the_folder_is_made_only_when_it_is_needed(folder):
    assert folder.names() == set()
    assert not folder.path.exists()


def test_names_tell_states_apart_in_one_folder(folder, some):
    mine = folder.write(3, 0, [some.findings(1)]).name
    other = SegmentFolder(folder.path, "abcd")
    theirs = other.write(3, 0, [some.findings(1)]).name
    assert (folder.names(), other.names()) == ({mine}, {theirs})


def test_a_missing_or_broken_segment_is_an_error_that_names_it(folder, some):
    segment = folder.write(3, 0, [some.findings(4)])
    path = folder.path / segment.name
    path.write_bytes(path.read_bytes()[:-8])
    for _ in range(2):
        with pytest.raises(StateError, match=segment.name):
            list(folder.read(segment.name))
        path.unlink(missing_ok=True)


def test_a_folder_that_cannot_be_written_is_a_state_error(tmp_path, some):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match="cannot be written"):
        SegmentFolder(tmp_path / "file", "p").write(1, 0, [some.findings(1)])


def test_a_disk_that_fills_up_while_writing_leaves_no_draft(folder, some, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        folder.write(1, 0, [some.findings(1)])
    assert list(folder.path.iterdir()) == []


def test_what_a_crash_left_is_removed_on_opening_and_what_is_named_stays(opened, some, place):
    state = opened(segment_rows=5)
    lease = state.claim(some.begin(state), some.asset())
    some.commit(state, lease, None, 1, findings=some.findings(7))
    (named,) = place.folder.iterdir()
    prefix = named.name.split(".")[0]
    (place.folder / f"{prefix}.1.7.orphan.parquet").write_bytes(b"x")
    (place.folder / f"{prefix}.1.7.half.parquet.draft").write_bytes(b"x")
    (place.folder / "someone-elses.parquet").write_bytes(b"x")
    opened()
    assert sorted(path.name for path in place.folder.iterdir()) == sorted(
        [named.name, "someone-elses.parquet"]
    )
    assert some.starts(state.findings(lease.run_id)) == list(range(7))


def test_a_commit_that_fails_after_its_segment_was_written_leaves_an_orphan_that_is_removed(
    opened, some, place, monkeypatch
):
    state = opened(segment_rows=5)
    run_id = some.begin(state)
    lease = state.claim(run_id, some.asset())
    some.commit(state, lease, None, 1, findings=some.findings(3))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commit_module, "_advance", fail)
    with pytest.raises(KeyboardInterrupt):
        some.commit(state, lease, 1, 2, findings=some.findings(7, first=3))
    monkeypatch.undo()
    assert len(list(place.folder.iterdir())) == 1
    assert some.starts(state.findings(run_id)) == [0, 1, 2]
    state.finish_run(run_id, "interrupted")
    assert list(place.folder.iterdir()) == []
