"""Opening and asking a store: what is there is found, what is damaged or foreign is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers import edm_store
from dlpagent.classifiers.edm_store import Keyed, Store, faults_of, read_manifest
from dlpagent.errors import ConfigurationError, DlpAgentError
from tests.classifiers.edm_stores import ROWS, store_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("edm"))


def test_a_token_is_the_first_64_bits_of_an_hmac() -> None:
    # RFC 4231, test case 2
    data, digest = "what do ya want for nothing?", "5bdcc146bf60754e"
    assert Keyed(b"Jefe")(data) == int.from_bytes(bytes.fromhex(digest), "little")


def test_values_are_found_in_their_rows_and_others_are_not(store: Store) -> None:
    assert store.rows_of("Name", "anna maria berg") == [0, 2]
    assert store.rows_of("Name", "anna maria") == []
    assert store.rows_of("Code", "Zx9") == [0]
    assert store.rows_of("Code", "zx9") == [1]
    assert store.rows_of("Number", "m100379") == [2]
    assert store.rows_of("Number", "") == []


@given(st.text(max_size=10))
def test_nothing_is_found_that_no_row_holds(store: Store, value: str) -> None:
    held = {row[4] for row in ROWS} - {""}
    assert bool(store.rows_of("Code", value)) == (value in held)


def test_the_first_words_of_values_are_known_and_hardly_others(store: Store) -> None:
    assert store.may_begin("Name", "anna")
    assert store.may_begin("Name", "王")
    wrong = sum(store.may_begin("Name", f"word{number}") for number in range(2000))
    assert wrong < 20


def _cut(store: Path) -> None:
    file = next(store.glob("*/rows.u64"))
    file.write_bytes(file.read_bytes()[:-8])


def _gone(store: Path) -> None:
    next(store.glob("*/4.keys.u64")).unlink()


def _changed(store: Path) -> None:
    data = json.loads((store / "manifest.json").read_text())
    data["rows"] += 1
    (store / "manifest.json").write_text(json.dumps(data))


def _torn(store: Path) -> None:
    text = (store / "manifest.json").read_text()
    (store / "manifest.json").write_text(text[: len(text) // 2])


def _foreign(store: Path) -> None:
    (store / "manifest.json").write_text('{"format": "something"}')


def _newer(store: Path) -> None:
    text = (store / "manifest.json").read_text()
    (store / "manifest.json").write_text(text.replace('"version": 1,', '"version": 2,', 1))


def _list(store: Path) -> None:
    (store / "manifest.json").write_text("[]")


def _none(store: Path) -> None:
    (store / "manifest.json").unlink()


def _keyless(store: Path) -> None:
    (store.parent / "store.key").unlink()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (_cut, "damaged"), (_gone, "damaged"), (_changed, "changed after the build"),
        (_torn, "damaged"), (_foreign, "something else"), (_newer, "another format"),
        (_list, "damaged"), (_none, "no EDM store"), (_keyless, "key of the EDM store"),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_used_says_why(
    break_it: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    store_of(tmp_path)
    break_it(tmp_path / "store")
    with pytest.raises(ConfigurationError, match=said) as caught:
        Store(tmp_path / "store")
    assert str(tmp_path / "store") in str(caught.value)
    assert caught.value.remedy


def test_a_bit_that_changed_is_found_by_the_check(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    assert faults_of(store) == []
    file = store.data / "0.keys.u64"
    body = bytearray(file.read_bytes())
    body[3] ^= 1
    file.write_bytes(body)
    assert faults_of(Store(tmp_path / "store")) == ["0.keys.u64 is not what was written (checksum)"]


def test_a_refresh_while_a_store_is_opened_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store_of(tmp_path).manifest
    new = store_of(tmp_path, ROWS[:2]).manifest
    answers = [old, new]
    real = edm_store.read_manifest

    def stale(path: Path) -> object:
        manifest, data = real(path)
        if answers.pop(0) is old:
            return old, json.loads(old.to_json(bytes(range(32))))
        return manifest, data

    monkeypatch.setattr(edm_store, "read_manifest", stale)
    assert Store(tmp_path / "store").manifest == new


def test_a_store_in_use_survives_its_refresh(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store_of(tmp_path, ROWS[:2])
    assert store.rows_of("Code", "Rr1") == [4]


@given(st.binary(max_size=60))
def test_any_bytes_as_a_manifest_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(DlpAgentError):
        read_manifest(folder)
