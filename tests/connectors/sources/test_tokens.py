"""Token files: text with their tokenizer, opaque without; Megatron, llm.c, bare .bin and .npy."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpagent.connectors import testing
from dlpagent.connectors.sources.tokens import TokenFile
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.service.wiring import open_sources

WORDS = [f"word{n}" for n in range(500)] + ["card", "4111", "1111"]
END = len(WORDS)
DOCUMENTS = [f"word{n} card 4111 1111 word{n + 1}" for n in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({**{w: n for n, w in enumerate(WORDS)}, "<|endoftext|>": END})
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<|endoftext|>"])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def ids(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.split()]


def stream() -> list[int]:
    return [one for text in DOCUMENTS for one in [*ids(text), END]]


def bare(folder: Path) -> Path:
    (folder / "train.bin").write_bytes(np.array(stream(), "<u2").tobytes())
    return folder / "train.bin"


def llm_c(folder: Path) -> Path:
    head = np.zeros(256, "<i4")
    head[:3] = 20240520, 1, len(stream())
    (folder / "fineweb.bin").write_bytes(head.tobytes() + np.array(stream(), "<u2").tobytes())
    return folder / "fineweb.bin"


def megatron(folder: Path) -> Path:
    lengths = np.array([len(ids(text)) for text in DOCUMENTS], "<i4")
    begins = (np.cumsum(lengths) - lengths).astype("<i8") * 4
    flat = np.array([one for text in DOCUMENTS for one in ids(text)], "<i4")
    many = len(lengths)
    (folder / "set.bin").write_bytes(flat.tobytes())
    (folder / "set.idx").write_bytes(
        b"MMIDIDX\0\0"
        + struct.pack("<QBQQ", 1, 4, many, many + 1)
        + lengths.tobytes()
        + begins.tobytes()
        + np.arange(many + 1, dtype="<i8").tobytes()
    )
    return folder / "set.bin"


def npy(folder: Path) -> Path:
    np.save(folder / "ids.npy", np.array(stream(), "<u4"))
    return folder / "ids.npy"


FORMS = [bare, llm_c, megatron, npy]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_meets_the_conformance_kit(folder: Path, form: Any) -> None:
    path = form(folder)
    (source,) = open_sources([str(path)])
    assert isinstance(source, TokenFile)

    def opened() -> TokenFile:
        return TokenFile(str(path), batch_rows=10)

    testing.check_reads_exactly(opened, {str(n): [text] for n, text in enumerate(DOCUMENTS)})
    testing.check_resumes_everywhere(opened)
    testing.check_discovers_the_same_again(opened)
    testing.check_closes_what_it_opens(opened)


@pytest.mark.parametrize("form", FORMS)
def test_without_its_tokenizer_a_file_is_opaque_and_never_clean(folder: Path, form: Any) -> None:
    path = form(folder)
    (folder / "tokenizer.json").unlink()
    source = TokenFile(str(path))
    (asset,) = source.discover()
    ((batch, after),) = source.read(asset)
    assert batch.column("status").to_pylist() == ["opaque"]
    assert "tokenizer" in batch.column("problem")[0].as_py()
    assert after.done


def test_a_tokenizer_can_be_named(folder: Path) -> None:
    path = bare(folder)
    (folder / "tokenizer.json").rename(folder / "other.json")
    source = TokenFile(str(path), tokenizer=str(folder / "other.json"))
    (asset,) = source.discover()
    assert sum(batch.num_rows for batch, _ in source.read(asset)) == len(DOCUMENTS)


def test_the_change_key_hangs_on_tokens_index_and_tokenizer(folder: Path) -> None:
    path = megatron(folder)
    keys = set()
    for name in ("set.bin", "set.idx", "tokenizer.json"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data + b" ")
        keys |= {asset.change_key for asset in TokenFile(str(path)).discover()}
    assert len(keys) == 3


def test_an_index_is_read_with_its_tokens_only(folder: Path) -> None:
    megatron(folder)
    found = [
        asset.uri.rsplit("/", 1)[-1]
        for source in open_sources([str(folder / "set.idx"), str(folder / "set.bin")])
        for asset in source.discover()
    ]
    assert found == ["set.bin"]


def test_tokens_of_another_tokenizer_are_told(folder: Path) -> None:
    (folder / "train.bin").write_bytes(np.array([1, 60_000, 2, END], "<u2").tobytes())
    source = TokenFile(str(folder / "train.bin"))
    (asset,) = source.discover()
    rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]
    assert [(row["text"], row["status"]) for row in rows] == [
        ("word1 word2", "read"), (None, "unread"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", [0.3, 0.667])
def test_of_a_file_that_is_cut_off_the_rest_is_read(folder: Path, form: Any, keep: float) -> None:
    path = form(folder)
    head = 1024 if form is llm_c else 0
    size = head + int((path.stat().st_size - head) * keep) | 1
    path.write_bytes(path.read_bytes()[:size])
    source = TokenFile(str(path))
    (asset,) = source.discover()
    rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]
    texts = [row["text"] for row in rows if row["status"] == "read"]
    assert texts[:-1] == DOCUMENTS[: len(texts) - 1]
    assert len(texts) >= 60 * keep / 2
    assert [row["status"] for row in rows][-1] == "unread"


def test_a_damaged_index_is_an_error(folder: Path) -> None:
    path = megatron(folder)
    data = bytearray((folder / "set.idx").read_bytes())
    data[40] ^= 0xFF
    (folder / "set.idx").write_bytes(data)
    source = TokenFile(str(path))
    (asset,) = source.discover()
    with pytest.raises(SourceError, match="no index of tokens"):
        list(source.read(asset))


@pytest.mark.parametrize(
    "array", [np.array([{"a": 1}], object), np.array([0.5]), np.array([1], ">i4")]
)
def test_arrays_that_hold_no_tokens_are_never_unpickled(folder: Path, array: Any) -> None:
    np.save(folder / "a.npy", array, allow_pickle=True)
    source = TokenFile(str(folder / "a.npy"))
    (asset,) = source.discover()
    with pytest.raises(SourceError, match="holds no tokens"):
        list(source.read(asset))


def test_a_tokenizer_that_is_none_is_an_error(folder: Path) -> None:
    path = bare(folder)
    (folder / "tokenizer.json").write_text(json.dumps({"a": 1}))
    source = TokenFile(str(path))
    (asset,) = source.discover()
    with pytest.raises(SourceError, match="no tokenizer that can be read"):
        list(source.read(asset))


def test_an_unknown_type_of_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no type of tokens"):
        TokenFile(str(tmp_path / "a.bin"), dtype="float8")
