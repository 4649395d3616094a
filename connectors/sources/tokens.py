"""Tokenised training data (.bin with or without .idx, .npy): read with its tokenizer, else opaque."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import (
    change_key_of_file,
    file_asset,
    head_of,
    opened,
    path_of,
)
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._token_file import (
    documents,
    index_of,
    is_index,
    is_llm_c,
    tokens_in,
)
from dlpagent.errors import ConfigurationError, SourceError, missing_extra
from dlpagent.records import Asset, Checkpoint, PartRows

_TOKENIZER = "tokenizer.json"
_MAX_TOKENIZER_BYTES = 256 << 20
_DTYPES = {"uint16": "<u2", "uint32": "<u4", "int32": "<i4", "int64": "<i8"}
# What tokenizers call the token behind a document, the commonest first.
_ENDS = (
    "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot_id|>", "<|im_end|>", "[SEP]", "[EOS]",
)  # fmt: skip


class TokenFile:
    """One file of token ids; every document of it is a record with its text.

    tokenizer: a tokenizer.json; without it one beside the file is taken. dtype: the numbers of a bare
    .bin (uint16, uint32, int32, int64). Cursor: token, the first one not yet read, and row.
    """

    name = "tokens"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, tokenizer: str = "", dtype: str = "uint16"
    ) -> None:
        self._path = path_of(target)
        self._batch_rows = batch_rows
        self._tokenizer = path_of(tokenizer) if tokenizer else None
        if dtype not in _DTYPES:
            raise ConfigurationError(
                "is no type of tokens",
                where=f"tokens: dtype {dtype[:20]!r}",
                expected="one of " + ", ".join(_DTYPES),
                remedy="Leave it out for uint16.",
            )
        self._dtype = _DTYPES[dtype]
        if tokenizer and not _is_installed():
            raise missing_extra("tokenizers", "tokens", "reading tokens")

    @staticmethod
    def recognises(path: Path) -> bool:
        """A .bin with a Megatron index, llm.c's header or a tokenizer.json beside it; .npy files."""
        if path.is_dir():
            return False
        suffix = path.suffix.lower()
        if suffix == ".npy":
            return head_of(path, 6) == b"\x93NUMPY"
        if suffix == ".idx":
            return is_index(path)
        if suffix != ".bin":
            return False
        if is_llm_c(head_of(path, 8)) or is_index(index_of(path)):
            return True
        return path.with_name(_TOKENIZER).is_file()

    def discover(self) -> Iterator[Asset]:
        """The one file; none for an index, which is read with its tokens. Raises SourceError."""
        if is_index(self._path):
            return
        asset = file_asset(self._path, "dataset", self.name)
        keys = [asset.change_key]
        if (beside := self._tokenizer_path()) is not None:
            keys.append(change_key_of_file(beside))
        if self._path.suffix.lower() == ".bin" and index_of(self._path).is_file():
            keys.append(change_key_of_file(index_of(self._path)))
        key = None if None in keys else ";".join(map(str, keys))
        yield Asset(
            asset.uri, asset.kind, asset.connector, asset.item, key, asset.size_bytes, app=asset.app
        )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """The documents as text. Raises SourceError when the file or its tokenizer cannot be read."""
        if after is not None and after.done:
            return
        tokenizer = self._loaded()
        if isinstance(tokenizer, str):
            yield self._opaque(asset, tokenizer), Checkpoint({"v": 1, "token": 0, "row": 0}, True)
            return
        cursor = {"token": 0, "row": 0} if after is None else dict(after.cursor)
        with opened(self._path) as file:
            for batch, place, last in mark_last(self._batches(asset, file, tokenizer, cursor)):
                spent = place.pop("bytes")
                yield batch, Checkpoint(place, done=last, bytes_read=spent)

    def _batches(
        self, asset: Asset, file: Any, tokenizer: Any, cursor: dict[str, Any]
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        size = file.seek(0, 2)
        file.seek(0)
        tokens = tokens_in(self._path, file, size, self._dtype)
        known = tokenizer.get_vocab_size(with_added_tokens=True)
        ends = (tokenizer.token_to_id(end) for end in _ENDS)
        end_id = next((end for end in ends if end is not None), None)
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        at, row = int(cursor["token"]), int(cursor["row"])
        width = (size - tokens.offset) // max(1, tokens.many)

        def place() -> dict[str, Any]:
            return {"v": 1, "token": at, "row": row, "bytes": tokens.offset + at * width}

        for begin, ids in documents(file, tokens, at, end_id):
            locator = {
                "file": str(self._path.resolve()),
                "offset": tokens.offset + begin * width,
                "row": row,
            }
            good = ids[(ids >= 0) & (ids < known)]
            text = tokenizer.decode(good.tolist(), skip_special_tokens=True)
            rows.add(record_id=str(row), part="text", seq=0, text=text, locator=locator)
            if len(good) < len(ids):
                found = f"{len(ids) - len(good)} that are not: is it the right one?"
                rows.add(
                    record_id=str(row), part="#tokens", seq=1, text=None, status="unread",
                    problem=f"expected tokens of the tokenizer, found {found}", locator=locator,
                )  # fmt: skip
            at, row = begin + len(ids), row + 1
            if rows.is_full():
                yield rows.take(), place()
        if tokens.problem is not None:
            rows.add(
                record_id="#file", part="#end", seq=0, text=None, status="unread",
                problem=tokens.problem, locator={"file": str(self._path.resolve())},
            )  # fmt: skip
        yield rows.take(), place()

    def _opaque(self, asset: Asset, why: str) -> pa.RecordBatch:
        rows = PartRows(asset.uri)
        rows.add(
            record_id="#file", part="#tokens", seq=0, text=None, status="opaque",
            problem=f"expected tokens and their tokenizer, found {why}; nothing of it was read",
            locator={"file": str(self._path.resolve())},
        )  # fmt: skip
        return rows.take()

    def _tokenizer_path(self) -> Path | None:
        if self._tokenizer is not None:
            return self._tokenizer
        beside = self._path.with_name(_TOKENIZER)
        return beside if beside.is_file() else None

    def _loaded(self) -> Any:
        """The tokenizer, or the words why there is none."""
        path = self._tokenizer_path()
        if path is None:
            return f"no {_TOKENIZER} beside the file (sweep files name one by settings: tokenizer)"
        if not _is_installed():
            return (
                "a tokenizer, and not the package to read it with (pip install 'dlpagent[tokens]')"
            )
        with opened(path) as file:
            raw = file.read(_MAX_TOKENIZER_BYTES)
        try:
            return importlib.import_module("tokenizers").Tokenizer.from_str(raw.decode())
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise SourceError(
                "is no tokenizer that can be read",
                where=str(path),
                expected="a tokenizer.json of the tokenizers library",
                found=f"something else ({type(error).__name__})",
                remedy="Take the tokenizer the data was made with.",
            ) from None


def _is_installed() -> bool:
    try:
        importlib.import_module("tokenizers")
    except ImportError:
        return False
    return True
