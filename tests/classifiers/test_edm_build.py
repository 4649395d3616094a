"""Building a store: all rows or a clear refusal, in place of the old one or not at all, no value on disk."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from dlpagent.classifiers import edm_build
from dlpagent.classifiers.edm_build import build_store
from dlpagent.classifiers.edm_schema import Field, Schema
from dlpagent.classifiers.edm_store import Store, faults_of
from dlpagent.classifiers.edm_words import normal, written
from dlpagent.errors import ConfigurationError, StateError
from tests.classifiers.edm_stores import KEY, MEMBERS, ROWS, store_of, write_rows


def many_rows(many: int) -> list[list[str]]:
    chance = random.Random(3)
    return [
        [f"M-{number:06d}", f"Name {chance.randrange(50)}", chance.choice(["Kiel", ""]),
         f"19{chance.randrange(10, 99)}", f"c{chance.randrange(10**6)}"]
        for number in range(many)
    ]  # fmt: skip


def assert_holds(store: Store, rows: list[list[str]]) -> None:
    """Every cell of every row is where it belongs."""
    for place, row in enumerate(rows):
        for field, cell in zip(store.schema.fields, row, strict=True):
            value = normal(written(cell), field)
            assert store.cell(place, field.name) == (store.token(field.name, value) if value else 0)
            if field.searchable and value:
                assert place in store.rows_of(field.name, value)


@pytest.mark.parametrize("chunk", [16, 48, 100_000])
def test_every_cell_of_every_row_is_in_the_store(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edm_build.RowFile.chunks, "__defaults__", (chunk,))
    rows = many_rows(300)
    store = store_of(tmp_path, rows)
    assert store.manifest.rows == 300
    assert_holds(store, rows)
    assert faults_of(store) == []
    assert store.manifest.repeats["Name"] == max(
        sum(row[1] == name for row in rows) for name in {row[1] for row in rows}
    )


def test_several_processes_build_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = many_rows(100)
    one = store_of(tmp_path, rows)
    files = {item.name: item.read_bytes() for item in one.data.iterdir()}
    shutil.rmtree(one.data)
    monkeypatch.setattr(edm_build.RowFile.chunks, "__defaults__", (16,))
    built = build_store(MEMBERS, tmp_path / "rows.csv", tmp_path / "store", KEY, workers=2)
    assert {item.name: item.read_bytes() for item in one.data.iterdir()} == files
    assert built.manifest == one.manifest


def test_the_same_data_is_not_built_again_and_other_data_is(tmp_path: Path) -> None:
    first = store_of(tmp_path).manifest
    again = build_store(MEMBERS, tmp_path / "rows.csv", tmp_path / "store", KEY)
    assert (again.unchanged, again.manifest) == (True, first)
    second = store_of(tmp_path, ROWS[:3])
    assert second.manifest.build != first.build
    assert (second.manifest.salt, second.manifest.rows) == (first.salt, 3)
    assert {item.name for item in (tmp_path / "store").iterdir()} == {
        "manifest.json", second.manifest.build,
    }  # fmt: skip
    assert not second.rows_of("Code", "Rr1")


def test_another_key_means_another_salt_and_other_tokens(tmp_path: Path) -> None:
    first = store_of(tmp_path)
    token = first.token("Code", "Zx9")
    (tmp_path / "store.key").write_text("ab" * 32)
    build_store(MEMBERS, tmp_path / "rows.csv", tmp_path / "store", b"\xab" * 32)
    second = Store(tmp_path / "store")
    assert second.manifest.salt != first.manifest.salt
    assert second.token("Code", "Zx9") != token
    assert second.rows_of("Code", "Zx9") == [0]


def test_a_store_that_lost_a_file_is_built_again_from_the_same_data(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    (store.data / "rows.u64").unlink()
    assert not build_store(MEMBERS, tmp_path / "rows.csv", tmp_path / "store", KEY).unchanged
    assert faults_of(Store(tmp_path / "store")) == []


def test_a_damaged_store_is_built_again_over(tmp_path: Path) -> None:
    store_of(tmp_path)
    (tmp_path / "store" / "manifest.json").write_text("{")
    (tmp_path / "store" / "draft-1-ab").mkdir()
    assert_holds(store_of(tmp_path), ROWS)
    assert (tmp_path / "store" / "draft-1-ab").is_dir()  # another build may be at it


def test_too_many_bad_lines_leave_the_store_as_it_was(tmp_path: Path) -> None:
    before = store_of(tmp_path).manifest
    data = tmp_path / "bad.csv"
    data.write_text((tmp_path / "rows.csv").read_text("utf-8") + "CANARY-1,2\n", "utf-8")
    with pytest.raises(ConfigurationError, match="1 of 6 lines") as caught:
        build_store(MEMBERS, data, tmp_path / "store", KEY)
    assert "bad.csv:7" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert Store(tmp_path / "store").manifest == before
    assert len(list((tmp_path / "store").iterdir())) == 2
    built = build_store(MEMBERS, data, tmp_path / "store", KEY, max_bad_percent=20)
    assert (built.bad.many, built.bad.first, built.manifest.bad_lines) == (1, [7], 1)


def test_data_without_rows_and_folders_of_other_things_are_refused(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.csv", [])
    with pytest.raises(ConfigurationError, match="no rows"):
        build_store(MEMBERS, data, tmp_path / "store", KEY)
    (tmp_path / "other" / "letters").mkdir(parents=True)
    (tmp_path / "other" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="something else"):
        build_store(MEMBERS, write_rows(data, ROWS), tmp_path / "other", KEY)
    assert (tmp_path / "other" / "letters").is_dir()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.csv", ROWS)
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        build_store(MEMBERS, data, tmp_path / "file" / "store", KEY)


def test_a_searchable_field_may_be_empty_in_every_row(tmp_path: Path) -> None:
    schema = Schema("S", (Field("A", searchable=True), Field("B", searchable=True)))
    store = store_of(tmp_path, [["1", ""], ["2", "***"]], schema)
    assert store.rows_of("A", "2") == [1]
    assert store.rows_of("B", "2") == []
    assert store.cell(1, "B") == 0


def test_no_value_and_no_plain_hash_of_one_is_on_the_disk(tmp_path: Path) -> None:
    rows = [[f"Q-{7_000_000 + place * 3301}", "Quirina Canaryson", "Canarytown", "1999-12-31",
             f"can{place:05d}ary"] for place in range(200)]  # fmt: skip
    store_of(tmp_path, rows)
    (tmp_path / "rows.csv").unlink()
    body = b"".join(item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()).lower()
    for word in (b"canary", b"7003301", b"1999", "can".encode("utf-16-le")):
        assert word not in body


def test_without_the_key_even_equal_cells_look_unlike(tmp_path: Path) -> None:
    schema = Schema("S", (Field("Id", searchable=True), Field("Gender")))
    store = store_of(tmp_path, [[str(place), "MF"[place % 2]] for place in range(2000)], schema)
    cells = np.fromfile(store.data / "rows.u64", dtype="<u8").reshape(2000, 2)
    assert len(np.unique(cells[:, 1])) == 2000
    assert len({store.cell(place, "Gender") for place in range(2000)}) == 2
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert KEY.hex() not in json.dumps(manifest)
