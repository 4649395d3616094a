"""A kept pack is the pack that was read, and never one that has changed since."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.pack_cache import kept_pack

SIT = """
id: 11111111-1111-4111-8111-111111111111
name: Staff number
version: 1
parity: own
elements:
  Regex_staff: {regex: 'ST\\d{4}'}
patterns:
  - {confidence: 85, primary: Regex_staff}
examples:
  - {text: "ST1234", confidence: 85}
  - {text: "ST1235", confidence: 85}
  - {text: "ST1236", confidence: 85}
near_misses: ["ST12", "S1234", "T1234"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pack"
    place.mkdir()
    (place / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    (place / "staff.yaml").write_text(SIT)
    return place


def test_the_builtin_pack_comes_back_as_it_was_read(tmp_path: Path) -> None:
    read = kept_pack(BUILTIN, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    kept = kept_pack(BUILTIN, tmp_path)
    assert kept == read == load_pack(BUILTIN)
    assert list(kept.elements) == list(read.elements)


def test_a_changed_file_of_the_same_size_and_time_is_read_again(
    folder: Path, tmp_path: Path
) -> None:
    assert kept_pack(folder, tmp_path / "cache").sit_names
    file = folder / "staff.yaml"
    before = file.stat()
    file.write_text(SIT.replace("Staff number", "Crew  number"))
    import os

    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(kept_pack(folder, tmp_path / "cache").sit_names.values()) == ["Crew  number"]


@pytest.mark.parametrize("place", [0, 20, 60, -1])
def test_a_damaged_file_is_made_anew(place: int, folder: Path, tmp_path: Path) -> None:
    whole = kept_pack(folder, tmp_path / "cache")
    [file] = (tmp_path / "cache").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))
    assert kept_pack(folder, tmp_path / "cache") == whole
    assert file.read_bytes() != bytes(data)


def test_profiles_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    assert kept_pack(folder, tmp_path).sits
    assert not kept_pack(folder, tmp_path, profile="strict").sits
