"""After a rotation the values verdicts stand on keep their key; all others get the new one."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path

import pytest

from dlpagent.errors import StateError
from dlpagent.evidence import load_evidence
from dlpagent.former_keys import drop_former, former_files, holding, load_former, rotate


def test_held_values_keep_the_key_they_had_and_others_get_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "e.key"
    first = load_evidence(path)
    old = first.key("4111-1111")
    rotate(path)
    evidence = holding(path, [(first.key_id(), old)])
    assert evidence.key("4111 1111") == old
    assert evidence.key("4222") == load_evidence(path).key("4222") != first.key("4222")
    assert evidence.key_id() == load_evidence(path).key_id() != first.key_id()
    copy = pickle.loads(pickle.dumps(evidence))  # noqa: S301 - made above
    assert copy.key("41111111") == old


def test_a_value_is_held_over_several_rotations(tmp_path: Path) -> None:
    path = tmp_path / "e.key"
    first = load_evidence(path)
    rotate(path)
    second = load_evidence(path)
    rotate(path)
    keys = [(first.key_id(), first.key("1")), (second.key_id(), second.key("2"))]
    evidence = holding(path, keys)
    assert [evidence.key("1"), evidence.key("2")] == [key for _, key in keys]
    assert [item.key_id() for item in load_former(path)] == [second.key_id(), first.key_id()]


def test_verdicts_under_the_present_or_an_unknown_key_hold_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.key"
    present = load_evidence(path)
    evidence = holding(path, [(present.key_id(), present.key("1")), ("elsewhere", "0" * 32)])
    assert type(evidence) is type(present)


def test_rotation_names_both_keys_and_leaves_files_only_their_owner_can_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "e.key"
    before = load_evidence(path).key_id()
    rotation = rotate(path)
    assert (rotation.before, rotation.after) == (before, load_evidence(path).key_id())
    assert [file.name for file in former_files(path)] == [f"e.key.former-{before}"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


def test_former_keys_are_dropped_but_those_still_needed(tmp_path: Path) -> None:
    path = tmp_path / "e.key"
    names = [load_evidence(path).key_id()]
    names += [rotate(path).after, rotate(path).after]
    assert drop_former(path, {names[1]}) == [names[0]]
    assert [item.key_id() for item in load_former(path)] == [names[1]]
    assert drop_former(path, ()) == [names[1]]
    assert load_former(path) == ()


def test_a_former_key_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.key"
    load_evidence(path)
    rotate(path)
    former_files(path)[0].chmod(0o644)
    with pytest.raises(StateError, match="can be read by others"):
        load_former(path)
