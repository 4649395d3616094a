"""Members of zips, folders and single files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from dlpagent.connectors.sources._archive import Archive, MemberStream, change_key_of
from dlpagent.errors import SourceError


def test_a_zip_and_its_folder_hold_the_same_members(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "sub" / "b.txt").write_text("two")
    zipped = tmp_path / "export.zip"
    with zipfile.ZipFile(zipped, "w") as writer:
        for path in (folder / "a.txt", folder / "sub" / "b.txt"):
            writer.write(path, path.relative_to(folder).as_posix())
    for place, before in ((folder, f"{folder}/"), (zipped, f"{zipped}!")):
        with Archive(place) as archive:
            assert [one.name for one in archive.members] == ["a.txt", "sub/b.txt"]
            streams = [MemberStream(archive, member) for member in archive.members]
            assert [b"".join(stream.blocks(1)) for stream in streams] == [b"ne", b"wo"]
            assert archive.place_of(archive.members[1]) == f"{before}sub/b.txt"


def test_the_change_key_of_a_folder_tells_any_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    keys = []
    for change in (
        lambda: None,
        lambda: (tmp_path / "a").write_text("other"),
        (tmp_path / "b").touch,
    ):
        change()
        with Archive(tmp_path) as archive:
            keys.append(change_key_of(archive, tmp_path))
    assert len(set(keys)) == 3


def test_a_zip_bomb_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("zeros", bytes(80 << 20))
    with Archive(path) as archive:
        stream = MemberStream(archive, archive.members[0])
        assert sum(map(len, stream.blocks())) <= 64 << 20
        assert stream.problem is not None
        assert "bomb" in stream.problem


def test_a_member_above_the_size_asked_for_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    with Archive(tmp_path / "a") as archive:
        stream = MemberStream(archive, archive.members[0])
        assert stream.read(99) is None
        assert stream.problem == "expected at most 99 bytes, found more"
        assert MemberStream(archive, archive.members[0]).read(100) == b"x" * 100


def test_a_member_with_a_wrong_checksum_is_read_and_told_wherever_reading_begins(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("one", "first text")
    path.write_bytes(path.read_bytes().replace(b"first text", b"FIRST TEXT", 1))
    with Archive(path) as archive:
        for start in (0, 6, 10):
            stream = MemberStream(archive, archive.members[0])
            assert b"".join(stream.blocks(start)) == b"FIRST TEXT"[start:]
            assert "checksum" in str(stream.problem)


def test_a_damaged_member_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("one", "first text")
        writer.writestr("two", "second text")
    path.write_bytes(path.read_bytes().replace(b"first text", b"FIRST TEXT", 1))
    with Archive(path) as archive:
        first, second = (MemberStream(archive, member) for member in archive.members)
        assert first.read(100) is None
        assert "checksum" in str(first.problem)
        assert second.read(100) == b"second text"


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    with Archive(folder) as archive:
        stream = MemberStream(archive, archive.members[0])
        assert b"".join(stream.blocks()) == b""
        assert "symbolic link" in str(stream.problem)


def test_a_zip_of_which_nothing_is_left_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("one", "text" * 50)
    path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(SourceError, match="not a whole zip"):
        Archive(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_a_cut_zip_what_is_there_is_read_and_the_cut_is_told(
    tmp_path: Path, method: int
) -> None:
    path = tmp_path / "a.zip"
    texts = {f"{n}.txt": f"{n} first line\n{'x y ' * n}" for n in range(30)}
    with zipfile.ZipFile(path, "w", method) as writer:
        for name, text in texts.items():
            writer.writestr(name, text)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with Archive(path) as archive:
        *cut, directory = archive.members
        assert "directory" in str(directory.problem)
        streams = [MemberStream(archive, member) for member in cut]
        read = [b"".join(stream.blocks()).decode() for stream in streams]
        *whole, last = [texts[member.name] for member in cut]
        assert read[:-1] == whole
        assert last.startswith(read[-1])
        assert [stream.problem is None for stream in streams] == [True] * len(whole) + [False]
        assert archive.place_of(cut[0]) == f"{path}!0.txt"
    assert len(whole) > 5
