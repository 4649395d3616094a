"""Files of token ids as one long row of numbers, cut into documents.

Known: Megatron's `.bin` with its `.idx` (documents by the index), llm.c's `.bin` with a header, a bare
`.bin` as nanoGPT writes it (little-endian numbers, nothing else), and `.npy` of whole numbers.
Numbers are read from the file in ranges, never all at once. Nothing is ever unpickled.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from dlpagent.connectors.sources._files import head_of
from dlpagent.errors import SourceError

# Source: megatron/core/datasets/indexed_dataset.py (the codes of its DType).
_MEGATRON = b"MMIDIDX\x00\x00"
_MEGATRON_TYPES = {
    1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2",
}  # fmt: skip
_MEGATRON_HEAD = 34
# Source: llm.c, dev/data/data_common.py: 256 int32 (magic, version, tokens), then the tokens.
_LLM_C = {20240520: "<u2", 20240801: "<u4"}
_LLM_C_HEAD = 1024
_NPY = b"\x93NUMPY"
# A document without an end in sight is cut, so that memory stays bounded.
MAX_TOKENS = 1 << 20
_STEP_TOKENS = 1 << 18


class Tokens(NamedTuple):
    """Where the numbers lie. cuts: token numbers where documents begin, the end too; None: unknown."""

    dtype: str
    offset: int
    many: int
    cuts: npt.NDArray[np.int64] | None
    problem: str | None = None


def index_of(path: Path) -> Path:
    """The index that would belong to a .bin file."""
    return path.with_name(path.name[: -len(path.suffix)] + ".idx")


def is_index(path: Path) -> bool:
    """True for a Megatron index with its tokens beside it."""
    if path.suffix.lower() != ".idx" or head_of(path, 9) != _MEGATRON:
        return False
    return path.with_name(path.name[: -len(path.suffix)] + ".bin").is_file()


def is_llm_c(head: bytes) -> bool:
    """True for the header of llm.c's token files."""
    return len(head) >= 8 and struct.unpack("<2i", head[:8]) in {(20240520, 1), (20240801, 7)}


def tokens_in(path: Path, file: BinaryIO, size: int, dtype: str) -> Tokens:
    """What a file holds. dtype: of a bare .bin. Raises SourceError for arrays that hold no tokens."""
    head = file.read(_LLM_C_HEAD)
    if head.startswith(_NPY):
        return _npy(path, file, size)
    if is_llm_c(head) and len(head) == _LLM_C_HEAD:
        magic, _, many = struct.unpack("<3i", head[:12])
        return _checked(_counted(_LLM_C[magic], _LLM_C_HEAD, size), many, "header")
    index = index_of(path)
    if path.suffix.lower() == ".bin" and index.is_file() and head_of(index, 9) == _MEGATRON:
        return _megatron(index, size)
    return _counted(dtype, 0, size)


def _counted(dtype: str, offset: int, size: int) -> Tokens:
    width = np.dtype(dtype).itemsize
    many, rest = divmod(max(0, size - offset), width)
    problem = f"expected whole tokens of {width} bytes, found {rest} bytes more" if rest else None
    return Tokens(dtype, offset, many, None, problem)


def _checked(found: Tokens, many: int, by: str) -> Tokens:
    if found.many == many:
        return found
    return found._replace(problem=f"expected {many} tokens by the {by}, found {found.many}")


def _megatron(index: Path, size: int) -> Tokens:
    with index.open("rb") as file:
        head = file.read(_MEGATRON_HEAD)
        raw = file.read()
    if len(head) == _MEGATRON_HEAD:
        version, code, many, _ = struct.unpack("<QBQQ", head[9:])
        if version == 1 and code in _MEGATRON_TYPES and len(raw) >= 12 * many:
            dtype = _MEGATRON_TYPES[code]
            width = np.dtype(dtype).itemsize
            lengths = np.frombuffer(raw, "<i4", many).astype(np.int64)
            begins = np.frombuffer(raw, "<i8", many, 4 * many) // width
            cuts = np.concatenate([begins, begins[-1:] + lengths[-1:]])
            regular = bool(np.all(lengths >= 0)) and np.array_equal(np.diff(cuts), lengths)
            if regular and (not many or int(cuts[0]) == 0):
                tokens = _counted(dtype, 0, size)
                end = int(cuts[-1]) if many else 0
                whole = np.append(cuts[cuts < tokens.many], tokens.many)
                return _checked(tokens, end, "index")._replace(cuts=whole)
    raise SourceError(
        "is no index of tokens that can be read",
        where=str(index),
        expected="a Megatron index of version 1 whose documents follow one another",
        found="another version or type of numbers, or a file that is cut off or damaged",
        remedy="Copy or write the index again.",
    )


def _npy(path: Path, file: BinaryIO, size: int) -> Tokens:
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file, max_header_size=10_000)
    except (ValueError, EOFError, SyntaxError, RecursionError, MemoryError):
        dtype, shape, fortran = None, (), False
    if (
        dtype is None
        or dtype.kind not in "iu"
        or dtype.byteorder == ">"
        or (fortran and len(shape) > 1)
    ):
        kind = "a header that cannot be read" if dtype is None else f"an array of {dtype.kind!r}"
        raise SourceError(
            "holds no tokens",
            where=str(path),
            expected="an array of whole numbers, little-endian, row by row",
            found=kind,
            remedy="Name it to another tool; arrays of objects are never opened.",
        )
    found = _counted(dtype.str, file.tell(), size)
    wanted = int(np.prod(shape, dtype=np.int64)) if shape else 1
    many = min(wanted, found.many)
    cuts = None
    if len(shape) == 2 and shape[1]:
        cuts = np.append(np.arange(0, many, shape[1], dtype=np.int64), many)
    return _checked(found, wanted, "header")._replace(many=many, cuts=cuts)


def documents(
    file: BinaryIO, tokens: Tokens, start: int, end_id: int | None
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(the token it begins at, its tokens) of each document from the token `start` on.

    Documents end where the index says, else behind the token end_id, and at MAX_TOKENS at the latest.
    """
    while start < tokens.many:
        ids = _ids(file, tokens, start, _end_of(file, tokens, start, end_id))
        yield start, ids
        start += len(ids)


def _end_of(file: BinaryIO, tokens: Tokens, start: int, end_id: int | None) -> int:
    limit = min(tokens.many, start + MAX_TOKENS)
    if tokens.cuts is not None:
        place = int(np.searchsorted(tokens.cuts, start, side="right"))
        return min(limit, int(tokens.cuts[place])) if place < len(tokens.cuts) else limit
    if end_id is None:
        return min(tokens.many, start + _STEP_TOKENS)
    at = start
    while at < limit:
        ids = _ids(file, tokens, at, min(limit, at + 4096))
        hits = np.flatnonzero(ids == end_id)
        if len(hits):
            return at + int(hits[0]) + 1
        at += len(ids)
    return limit


def _ids(file: BinaryIO, tokens: Tokens, start: int, stop: int) -> npt.NDArray[np.int64]:
    width = np.dtype(tokens.dtype).itemsize
    file.seek(tokens.offset + start * width)
    raw = file.read((stop - start) * width)
    if len(raw) < (stop - start) * width:
        raise SourceError(
            "is shorter than before",
            expected=f"{stop - start} tokens at token {start}",
            found=f"{len(raw) // width}",
            remedy="Scan it again from the beginning, without --resume.",
        )
    return np.frombuffer(raw, tokens.dtype).astype(np.int64)
