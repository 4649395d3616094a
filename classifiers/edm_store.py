"""An EDM store on disk: which rows hold a value, and which values stand in a row, all as keyed digests.

A folder with manifest.json and the data folder it names. A token is the first 64 bits of HMAC-SHA256
of a value as compared, under a key of the store's salt, the installation's key and the field. Files
(numbers little-endian; n rows, f fields; k: place of a searchable field in the schema):

    rows.u64        n × f tokens (0: empty), each masked by a keystream of its row and field
    k.keys.u64      the tokens of the field, sorted
    k.rows.u32      the row of each
    k.starts.u32    where in k.keys the tokens with the same leading bits begin
    k.begins.bits   a Bloom filter of the first words of the field's values

Chance that a value that is in no row is taken for one: n / 2^64 each (10 million rows: 5 in 10^13).
Lookups read a few cache lines of memory-mapped files; the whole is never loaded.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import mmap
import os
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dlpagent.classifiers.edm_key import derived, find_key
from dlpagent.classifiers.edm_schema import Schema
from dlpagent.classifiers.edm_words import Column, Extent
from dlpagent.errors import ConfigurationError

FORMAT: Final = "dlpagent-edm"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
PAD_ROWS: Final = 16
"""Rows masked by one piece of keystream."""

BLOOM_HASHES: Final = 4


class Keyed:
    """HMAC-SHA256 under one key, its two keyed blocks prepared once; the first 64 bits as a number."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, text: str) -> int:
        inner = self._inner.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return int.from_bytes(outer.digest()[:8], "little") or 1


class Pads:
    """The keystream that masks rows.u64: without the key even equal values of two rows look unlike."""

    __slots__ = ("_key", "size_bytes")

    def __init__(self, key: bytes, salt: bytes, nonce: bytes, fields: int) -> None:
        self._key = derived(key, salt, "rows:" + nonce.hex())
        self.size_bytes = PAD_ROWS * fields * 8

    def pad(self, block: int) -> bytes:
        """The keystream of PAD_ROWS rows."""
        return hashlib.shake_256(self._key + block.to_bytes(8, "little")).digest(self.size_bytes)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a store. build: changes with data, schema and key; files: name → (bytes, sha256)."""

    build: str
    key_id: str
    salt: bytes
    nonce: bytes
    schema: Schema
    rows: int
    bad_lines: int
    extents: tuple[Extent, ...]
    repeats: dict[str, int]
    files: dict[str, tuple[int, str]]

    @property
    def columns(self) -> dict[str, Column]:
        """Every field with the extent of its values."""
        pairs = zip(self.schema.fields, self.extents, strict=True)
        return {item.name: Column(item, extent) for item, extent in pairs}

    def to_json(self, key: bytes) -> str:
        """The text of manifest.json, with a keyed seal over it."""
        body = {
            "format": FORMAT,
            "version": VERSION,
            "build": self.build,
            "key_id": self.key_id,
            "salt": self.salt.hex(),
            "nonce": self.nonce.hex(),
            "schema": self.schema.to_json(),
            "rows": self.rows,
            "bad_lines": self.bad_lines,
            "extents": [item.to_json() for item in self.extents],
            "repeats": self.repeats,
            "files": {name: list(pair) for name, pair in sorted(self.files.items())},
        }
        return json.dumps({**body, "seal": _seal(body, key)}, indent=1) + "\n"


def _seal(body: dict[str, Any], key: bytes) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, b"dlpagent edm manifest\0" + text.encode(), "sha256").hexdigest()


def read_manifest(store: Path) -> tuple[Manifest, dict[str, Any]]:
    """A store's manifest, and it as JSON. Its seal is not looked at. Raises ConfigurationError."""
    try:
        text = (store / MANIFEST).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            "there is no EDM store here",
            where=str(store),
            expected=f"a folder with {MANIFEST}",
            found="none",
            remedy="Build it with: dlpagent edm build SCHEMA DATA -o STORE",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise _damaged(store, f"{MANIFEST} cannot be read") from None
    try:
        data = json.loads(text)
        if data.get("format") != FORMAT:
            raise _damaged(store, f"{MANIFEST} of something else")
        if data["version"] != VERSION:
            raise ConfigurationError(
                "the EDM store has another format than this version of dlpagent reads",
                where=str(store),
                expected=f"format {VERSION}",
                found=f"format {data['version']}"[:40],
                remedy="Build it again, or bring dlpagent up to date.",
            )
        return _manifest(data), data
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(store, f"{MANIFEST} that cannot be understood") from None


def _opened(store: Path, key_file: Path | None) -> tuple[Manifest, bytes]:
    """A store's manifest, its seal checked, and its key."""
    manifest, data = read_manifest(store)
    key = find_key(store, manifest.key_id, key_file)
    seal = str(data.pop("seal", ""))
    if not hmac.compare_digest(seal.encode(), _seal(data, key).encode()):
        raise _damaged(store, f"a {MANIFEST} that was changed after the build")
    return manifest, key


def _manifest(data: dict[str, Any]) -> Manifest:
    return Manifest(
        build=str(data["build"]),
        key_id=str(data["key_id"]),
        salt=bytes.fromhex(data["salt"]),
        nonce=bytes.fromhex(data["nonce"]),
        schema=Schema.of_json(data["schema"]),
        rows=int(data["rows"]),
        bad_lines=int(data["bad_lines"]),
        extents=tuple(Extent(**item) for item in data["extents"]),
        repeats={str(name): int(many) for name, many in data["repeats"].items()},
        files={str(name): (int(size), str(sha)) for name, (size, sha) in data["files"].items()},
    )


def _damaged(store: Path, found: str) -> ConfigurationError:
    return ConfigurationError(
        "the EDM store cannot be used: it is damaged or not a store of dlpagent",
        where=str(store),
        expected="a store as dlpagent edm build writes it",
        found=found,
        remedy="Build it again with: dlpagent edm build SCHEMA DATA -o STORE",
    )


def index_files(place: int) -> tuple[str, str, str, str]:
    """The file names of a searchable field's index, by its place in the schema."""
    return f"{place}.keys.u64", f"{place}.rows.u32", f"{place}.starts.u32", f"{place}.begins.bits"


@dataclass(slots=True)
class _Index:
    """One searchable field's tokens, sorted, as memory-mapped numbers."""

    keys: memoryview
    rows: memoryview
    starts: memoryview
    bloom: memoryview
    shift: int = field(init=False)

    def __post_init__(self) -> None:
        self.shift = 64 - (len(self.starts) - 1).bit_length() + 1

    def rows_of(self, token: int) -> list[int]:
        lead = token >> self.shift
        low, high = self.starts[lead], self.starts[lead + 1]
        first = bisect_left(self.keys, token, low, high)
        if first == high or self.keys[first] != token:
            return []
        last = bisect_right(self.keys, token, first, high)
        return self.rows[first:last].tolist()

    def may_begin(self, token: int) -> bool:
        size = len(self.bloom) * 8
        for _ in range(BLOOM_HASHES):
            bit = token % size
            if not self.bloom[bit >> 3] & (1 << (bit & 7)):
                return False
            token = (token * 0x9E3779B97F4A7C15 + 0x7F4A7C15) & 0xFFFFFFFFFFFFFFFF
            token ^= token >> 29
        return True


class Store:
    """A store opened for looking up. Safe to share between threads; each process opens its own."""

    def __init__(self, path: Path, key_file: Path | None = None) -> None:
        """Raises ConfigurationError or StateError: no store, damaged, another's, or no key."""
        self.path = path
        manifest, key = _opened(path, key_file)
        self._adopt(manifest, key)
        try:
            self._map()
        except ConfigurationError:
            # a refresh may have put another build in place since the manifest was read
            manifest, key = _opened(path, key_file)
            if manifest.build == self.manifest.build:
                raise
            self._adopt(manifest, key)
            self._map()

    def _adopt(self, manifest: Manifest, key: bytes) -> None:
        self.manifest = manifest
        self.schema = manifest.schema
        self.columns = manifest.columns
        names, salt = manifest.schema.names, manifest.salt
        self._places = {name: place for place, name in enumerate(names)}
        self._tokens = {name: token_key(key, salt, name) for name in names}
        self._begin = {name: begin_key(key, salt, name) for name in self.schema.searchable}
        self._pads = Pads(key, salt, manifest.nonce, len(names))
        self._pad: tuple[int, memoryview] = (-1, memoryview(b""))

    def _map(self) -> None:
        self._cells = self._mapped("rows.u64", "Q")
        self._indexes = {name: self._index(name) for name in self.schema.searchable}

    @property
    def data(self) -> Path:
        """The folder with the files of the current build."""
        return self.path / self.manifest.build

    def _mapped(self, name: str, form: str) -> memoryview:
        size, _ = self.manifest.files.get(name, (-1, ""))
        try:
            with (self.data / name).open("rb") as file:
                there = os.fstat(file.fileno()).st_size
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if there else b""
        except (OSError, ValueError):
            raise _damaged(self.path, f"no usable {name}") from None
        if there != size:
            raise _damaged(self.path, f"{name} with {there} bytes instead of {size}")
        return memoryview(mapped).cast(form)  # type: ignore[call-overload, no-any-return]

    def _index(self, name: str) -> _Index:
        keys, rows, starts, begins = index_files(self._places[name])
        return _Index(
            self._mapped(keys, "Q"),
            self._mapped(rows, "I"),
            self._mapped(starts, "I"),
            self._mapped(begins, "B"),
        )

    def token(self, name: str, value: str) -> int:
        """The token of a value of a field; value as edm_words.normal() gives it."""
        return self._tokens[name](value)

    def rows_of(self, name: str, value: str) -> list[int]:
        """The rows that hold a value in a searchable field, in order."""
        return self._indexes[name].rows_of(self._tokens[name](value)) if value else []

    def may_begin(self, name: str, word: str) -> bool:
        """Whether a value of a searchable field can begin with a word: sure when it says no."""
        return self._indexes[name].may_begin(self._begin[name](word))

    def cell(self, row: int, name: str) -> int:
        """The token a row holds in a field; 0 when it is empty."""
        block, inside = divmod(row, PAD_ROWS)
        pad = self._pad
        if pad[0] != block:
            pad = self._pad = (block, memoryview(self._pads.pad(block)).cast("Q"))
        place = inside * len(self._places) + self._places[name]
        return int(self._cells[row * len(self._places) + self._places[name]] ^ pad[1][place])


def token_key(key: bytes, salt: bytes, name: str) -> Keyed:
    """What makes the tokens of a field."""
    return Keyed(derived(key, salt, "token:" + name))


def begin_key(key: bytes, salt: bytes, name: str) -> Keyed:
    """What makes the tokens of first words of a field."""
    return Keyed(derived(key, salt, "begin:" + name))


def known_manifest(store: Path) -> Manifest | None:
    """The manifest of a store that is to be built anew; None when there is none that can be read."""
    try:
        return read_manifest(store)[0]
    except ConfigurationError:
        return None


def faults_of(store: Store) -> list[str]:
    """What is wrong with a store's files: every checksum, the order of every index. Empty: nothing.

    Reads the whole store.
    """
    found = []
    for name, (_, wanted) in sorted(store.manifest.files.items()):
        digest = hashlib.sha256()
        try:
            with (store.data / name).open("rb") as file:
                while piece := file.read(1 << 22):
                    digest.update(piece)
        except OSError as error:
            found.append(f"{name} cannot be read ({error.strerror})")
            continue
        if digest.hexdigest() != wanted:
            found.append(f"{name} is not what was written (checksum)")
    return found
