"""An EDM store built from a file of rows, in bounded memory, in place of the one before or not at all.

Rows are read in chunks and turned into tokens (in several processes if told); only tokens ever reach
the disk. The index of a field is sorted by parts: tokens are spread evenly, so their leading bits
divide them into parts of a size known beforehand, each sorted in memory by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import os
import re
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.edm_key import derived, key_id
from dlpagent.classifiers.edm_rows import BadLines, Row, RowFile
from dlpagent.classifiers.edm_schema import Field, Schema
from dlpagent.classifiers.edm_store import (
    BLOOM_HASHES,
    MANIFEST,
    PAD_ROWS,
    Keyed,
    Manifest,
    Pads,
    begin_key,
    index_files,
    known_manifest,
    token_key,
)
from dlpagent.classifiers.edm_words import Extent, folded, normal, word_list, written
from dlpagent.errors import ConfigurationError, StateError

SALT_BYTES = 16
PART_BITS = 6
BUCKET_KEYS = 8
BLOOM_BITS_PER_ROW = 12
MAX_ROWS = 2**32 - 1
MAX_KNOWN_VALUES = 50_000
STALE_S = 24 * 3600

Numbers = npt.NDArray[np.uint64]
_Pair = tuple[int, int]
# What a store's folder holds: the manifest, the current build, drafts, and what a crash left.
_OURS = re.compile(r"\.?manifest\.json(\.[0-9]+)?|[0-9a-f]{16}|draft-[0-9]+-[0-9a-f]+")
_ENTRY = np.dtype([("key", "<u8"), ("row", "<u4")])


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to. unchanged: the store was of this very data already."""

    manifest: Manifest
    bad: BadLines
    unchanged: bool
    seconds: float


def build_store(
    schema: Schema,
    data: Path,
    store: Path,
    key: bytes,
    *,
    separator: str = "",
    max_bad_percent: float = 1.0,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Built:
    """Build or refresh a store; it replaces the one at that path in one step, when all is well.

    separator: "," tab or pipe; "" tells it by the file. max_bad_percent: of lines that may be no rows.
    progress: called with the number of rows read. Raises ConfigurationError and StateError.
    """
    began = time.monotonic()
    _check_place(store)
    before = known_manifest(store)
    is_mine = before is not None and before.key_id == key_id(key)
    salt = before.salt if before and is_mine else secrets.token_bytes(SALT_BYTES)
    nonce = _nonce(data, schema, separator, derived(key, salt, "data"))
    build = derived(key, salt, "build:" + nonce.hex()).hex()[:16]
    if before and before.build == build and _is_whole(store, before):
        return Built(before, BadLines(before.bad_lines), True, time.monotonic() - began)
    rows = RowFile(data, schema, separator)
    draft = store / f"draft-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        spec = _Spec(schema, key, salt)
        with ExitStack() as closing:
            manifest = _write(
                draft, spec, rows, nonce, build, max_bad_percent, workers, progress, closing
            )
        _replace(store, draft, manifest, key)
    except BrokenProcessPool:
        raise StateError(
            "a process that reads the data ended; the store is left as it was",
            where=str(data),
            remedy="Look at the memory that is free, or build with --workers 1.",
        ) from None
    except OSError as error:
        raise StateError(
            f"the EDM store cannot be written ({error.strerror})",
            where=str(store),
            remedy="Look at the space and the permissions there.",
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Built(manifest, rows.bad, False, time.monotonic() - began)


def _check_place(store: Path) -> None:
    """Raises ConfigurationError for a folder that is no store: what is in it must not be lost."""
    names = [item.name for item in store.iterdir()] if store.is_dir() else []
    others = [name for name in names if not _OURS.fullmatch(name)]
    if others:
        raise ConfigurationError(
            "the folder of the EDM store holds something else",
            where=str(store),
            expected="a new or empty folder, or an EDM store",
            found=f"{len(others)} other file(s) or folder(s)",
            remedy="Name another folder.",
        )


def _nonce(data: Path, schema: Schema, separator: str, key: bytes) -> bytes:
    """Names the data without revealing it."""
    digest = hmac.new(key, repr((schema, separator)).encode(), "sha256")
    try:
        with data.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise ConfigurationError(
            f"the data cannot be read ({error.strerror})", where=str(data)
        ) from None
    return digest.digest()[:16]


def _is_whole(store: Path, manifest: Manifest) -> bool:
    """Whether every file of a store is there, in its size."""
    for name, (size, _) in manifest.files.items():
        file = store / manifest.build / name
        if not file.is_file() or file.stat().st_size != size:
            return False
    return True


def _replace(store: Path, draft: Path, manifest: Manifest, key: bytes) -> None:
    """Make a finished draft the store: the manifest is renamed last, old data goes after it."""
    final = store / manifest.build
    if final.exists():
        shutil.rmtree(final)
    draft.rename(final)
    fresh = store / f".{MANIFEST}.{os.getpid()}"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(manifest.to_json(key))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(store / MANIFEST)
    for old in store.iterdir():
        is_stale = time.time() - old.stat().st_mtime > STALE_S
        is_ours = old.is_dir() and old != final and _OURS.fullmatch(old.name)
        if is_ours and (not old.name.startswith("draft-") or is_stale):
            shutil.rmtree(old, ignore_errors=True)


# --- tokens -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Spec:
    """What a process needs to make tokens. Goes through pipes between processes, never to disk."""

    schema: Schema
    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(slots=True)
class _Chunk:
    """Tokens of some rows, one array per field, and what is known of their values."""

    tokens: list[Numbers]
    begins: dict[str, Numbers]
    extents: list[Extent]


class _Tokeniser:
    """Turns rows into tokens. Values seen lately keep their tokens: names and towns come again."""

    def __init__(self, spec: _Spec) -> None:
        self._schema = spec.schema
        self._token = [token_key(spec.key, spec.salt, name) for name in spec.schema.names]
        self._begin = {
            name: begin_key(spec.key, spec.salt, name) for name in spec.schema.searchable
        }
        self._known: list[dict[str, _Pair]] = [{} for _ in spec.schema.fields]

    def chunk(self, rows: list[Row]) -> _Chunk:
        tokens, begins, extents = [], {}, []
        for place, column in enumerate(self._schema.fields):
            cells = [row[place] for row in rows]
            pairs, extent = self._values(cells, place, column)
            tokens.append(np.array([pairs[cell][0] for cell in cells], dtype=np.uint64))
            extent.filled = int(np.count_nonzero(tokens[-1]))
            extents.append(extent)
            if column.searchable:
                words = {pair[1] for pair in pairs.values()}
                begins[column.name] = np.array(list(words - {0}), dtype=np.uint64)
        return _Chunk(tokens, begins, extents)

    def _values(
        self, cells: list[str], place: int, column: Field
    ) -> tuple[dict[str, _Pair], Extent]:
        """The tokens of every different cell and of its first word; the extent of those not yet known."""
        known = self._known[place]
        different = dict.fromkeys(cells)
        new = [cell for cell in different if cell not in known]
        values = [written(cell) for cell in new]
        compared = [normal(value, column) for value in values]
        words = [word_list(value) for value in values]
        token, begin = self._token[place], self._begin.get(column.name)
        pairs = {
            cell: (token(text) if text else 0, _first(found, column, begin) if text else 0)
            for cell, text, found in zip(new, compared, words, strict=True)
        }
        filled = [index for index, text in enumerate(compared) if text]
        extent = Extent.of(
            [compared[index] for index in filled], [words[index] for index in filled], column
        )
        if len(new) < len(different) or len(different) * 4 < len(cells):
            # what comes again is kept; of a column of ids nothing does
            pairs.update((cell, known[cell]) for cell in different if cell in known)
            if len(pairs) <= MAX_KNOWN_VALUES:
                self._known[place] = {**known, **pairs} if len(known) < MAX_KNOWN_VALUES else pairs
        return pairs, extent


def _first(words: list[str], column: Field, begin: Keyed | None) -> int:
    """The token of a value's first word; 0 where delimiters leave it open what that is."""
    if begin is None or not words or column.ignored_delimiters:
        return 0
    return begin(folded(words[0], column))


_MINE: list[_Tokeniser] = []


def _start(spec: _Spec) -> None:
    _MINE[:] = [_Tokeniser(spec)]


def _work(rows: list[Row]) -> _Chunk:
    return _MINE[0].chunk(rows)


def _chunks(spec: _Spec, rows: Iterable[list[Row]], workers: int) -> Iterator[_Chunk]:
    """Tokens of chunks of rows, in their order; hardly more chunks are on their way than processes."""
    chunks = iter(rows)
    first, second = next(chunks, None), next(chunks, None)
    head = [chunk for chunk in (first, second) if chunk is not None]
    if workers <= 1 or second is None:
        mine = _Tokeniser(spec)
        yield from (mine.chunk(chunk) for chunk in head)
        yield from (mine.chunk(chunk) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[_Chunk]] = deque()
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(spec,)) as pool:
        try:
            for chunk in head:
                waiting.append(pool.submit(_work, chunk))
            for chunk in chunks:
                waiting.append(pool.submit(_work, chunk))
                if len(waiting) >= workers + 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


# --- files ------------------------------------------------------------------------------------


def _write(
    draft: Path,
    spec: _Spec,
    rows: RowFile,
    nonce: bytes,
    build: str,
    max_bad_percent: float,
    workers: int,
    progress: Callable[[int], None] | None,
    closing: ExitStack,
) -> Manifest:
    schema = spec.schema
    extents = [Extent() for _ in schema.fields]
    places = {name: place for place, name in enumerate(schema.names)}
    spools = {name: _Spool(draft, places[name]) for name in schema.searchable}
    cells = _Cells(draft, Pads(spec.key, spec.salt, nonce, len(schema.fields)), closing)
    many = 0
    for chunk in _chunks(spec, rows.chunks(), workers):
        for extent, more in zip(extents, chunk.extents, strict=True):
            extent.join(more)
        cells.add(chunk.tokens)
        for name, spool in spools.items():
            spool.add(chunk.tokens[places[name]], chunk.begins[name], many)
        many += len(chunk.tokens[0])
        if many > MAX_ROWS:
            raise _too_many(rows)
        if progress:
            progress(many)
    _check(rows, many, max_bad_percent)
    files = {"rows.u64": cells.close()}
    repeats = {}
    for name, spool in spools.items():
        written_files, repeats[name] = spool.close(closing)
        files.update(written_files)
    return Manifest(
        build=build,
        key_id=key_id(spec.key),
        salt=spec.salt,
        nonce=nonce,
        schema=schema,
        rows=many,
        bad_lines=rows.bad.many,
        extents=tuple(extents),
        repeats=repeats,
        files=files,
    )


def _check(rows: RowFile, many: int, max_bad_percent: float) -> None:
    """Raises ConfigurationError when there is nothing in the data, or too much that is no row."""
    bad = rows.bad.many
    if bad and bad * 100 > max_bad_percent * (many + bad):
        raise ConfigurationError(
            "too many lines of the data are no rows; the store is left as it was",
            where=f"{rows.path}:{rows.bad.first[0]}",
            expected=f"{len(rows.schema.fields)} cells a line, in at least "
            f"{100 - max_bad_percent:g} % of the lines",
            found=f"{bad} of {many + bad} lines that are not: {rows.bad}",
            remedy="Look at the quotation marks and separators there, or allow more: "
            "--max-bad-percent.",
        )
    if not many:
        raise ConfigurationError(
            "the data has no rows; the store is left as it was",
            where=str(rows.path),
            expected="a header and at least one row",
            found="none",
        )


def _too_many(rows: RowFile) -> ConfigurationError:
    return ConfigurationError(
        "the data has too many rows", where=str(rows.path), expected=f"at most {MAX_ROWS:,}"
    )


class _Out:
    """A file being written, and its checksum. closing: closes it when something goes wrong."""

    def __init__(self, path: Path, closing: ExitStack) -> None:
        self._file: BinaryIO = closing.enter_context(path.open("wb"))
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def close(self) -> tuple[int, str]:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._size, self._digest.hexdigest()


class _Cells:
    """rows.u64 while it is written. Chunks must hold whole blocks of PAD_ROWS, but for the last."""

    def __init__(self, draft: Path, pads: Pads, closing: ExitStack) -> None:
        self._out = _Out(draft / "rows.u64", closing)
        self._pads = pads
        self._block = 0

    def add(self, tokens: list[Numbers]) -> None:
        table = np.stack(tokens, axis=1).ravel()
        blocks = -(-len(tokens[0]) // PAD_ROWS)
        pad = b"".join(map(self._pads.pad, range(self._block, self._block + blocks)))
        self._block += blocks
        masked = table ^ np.frombuffer(pad, dtype="<u8")[: len(table)]
        self._out.write(masked.astype("<u8").tobytes())

    def close(self) -> tuple[int, str]:
        return self._out.close()


class _Spool:
    """The index of one field while it is written: parts by leading bits first, then each sorted."""

    def __init__(self, draft: Path, place: int) -> None:
        self._draft, self._place = draft, place
        self._many = self._rows = 0

    def _part(self, part: int) -> Path:
        return self._draft / f"{self._place}.{part}.part"

    @property
    def _first_words(self) -> Path:
        return self._draft / f"{self._place}.words.part"

    def add(self, tokens: Numbers, begins: Numbers, first_row: int) -> None:
        filled = np.flatnonzero(tokens)
        entries = np.empty(len(filled), dtype=_ENTRY)
        entries["key"] = tokens[filled]
        entries["row"] = filled + first_row
        parts = (tokens[filled] >> np.uint64(64 - PART_BITS)).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        entries, parts = entries[order], parts[order]
        edges = np.searchsorted(parts, np.arange((1 << PART_BITS) + 1))
        for part in np.unique(parts):
            with self._part(int(part)).open("ab") as file:
                file.write(entries[edges[part] : edges[part + 1]].tobytes())
        with self._first_words.open("ab") as file:
            file.write(begins.tobytes())
        self._many += len(filled)
        self._rows += len(tokens)

    def close(self, closing: ExitStack) -> tuple[dict[str, tuple[int, str]], int]:
        """The files written and how often the most frequent value comes."""
        bits = max(PART_BITS, (self._many // BUCKET_KEYS).bit_length())
        names = index_files(self._place)
        outs = {name: _Out(self._draft / name, closing) for name in names}
        starts, most = [np.zeros(1, dtype=np.uint32)], 0
        before = 0
        for part in range(1 << PART_BITS):
            entries = self._sorted(part)
            keys = entries["key"]
            outs[names[0]].write(keys.tobytes())
            outs[names[1]].write(entries["row"].tobytes())
            inside = (keys >> np.uint64(64 - bits)).astype(np.int64) - (part << (bits - PART_BITS))
            counts = np.bincount(inside, minlength=1 << (bits - PART_BITS))
            starts.append((np.cumsum(counts) + before).astype(np.uint32))
            before += len(keys)
            if len(keys):
                edges = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1], [True])))
                most = max(most, int(np.diff(edges).max()))
        outs[names[2]].write(np.concatenate(starts).astype("<u4").tobytes())
        outs[names[3]].write(self._bloom())
        return {name: out.close() for name, out in outs.items()}, most

    def _sorted(self, part: int) -> npt.NDArray[np.void]:
        path = self._part(part)
        if not path.exists():
            return np.empty(0, dtype=_ENTRY)
        entries = np.fromfile(path, dtype=_ENTRY)
        path.unlink()
        return entries[np.argsort(entries["key"], kind="stable")]

    def _bloom(self) -> bytes:
        """A bit for every first word, by BLOOM_HASHES hashes, as _Index.may_begin() asks for it."""
        size = 1 << max(10, (self._rows * BLOOM_BITS_PER_ROW).bit_length())
        table = np.zeros(size // 8, dtype=np.uint8)
        with self._first_words.open("rb") as file:
            while piece := file.read(1 << 23):
                words = np.frombuffer(piece, dtype="<u8").copy()
                for _ in range(BLOOM_HASHES):
                    bits = words % np.uint64(size)
                    np.bitwise_or.at(
                        table,
                        bits >> np.uint64(3),
                        np.uint8(1) << (bits & np.uint64(7)).astype("u1"),
                    )
                    words = words * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x7F4A7C15)
                    words ^= words >> np.uint64(29)
        self._first_words.unlink()
        return table.tobytes()
