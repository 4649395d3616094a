"""Remedies in folders of Chroma, with Chroma's own client; the purge is done in its SQLite file.

After Chroma's delete the text stays in the journal of writes, in freed pages of the file and in
the full-text index; vectors stay in the index of vectors, where they are only marked. The purge
empties the journal of these records, merges the full-text index and writes the file anew. Chroma
writes vectors to their index a thousand at a time (sync_threshold), some normalised: once it has
written any of a collection, deleted ones may be among them, and a record is called hidden.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from dlpagent.connectors.remedies._names import failed, gone, quarantine_of
from dlpagent.connectors.remedies._sqlite import vacuum, writing
from dlpagent.connectors.sources._chroma_files import FILE
from dlpagent.contents import MARK
from dlpagent.errors import missing_extra
from dlpagent.ports import Erasure, RemedyAction
from dlpagent.records import Asset

_AT_ONCE = 200
_DELETE = 3  # the operation of the journal that holds no text
_REMOTE = "a server's own files cannot be reached; act in the folder it serves, while it is stopped"


class ChromaRemedy:
    """Acts on one collection of a folder. No other process may have the folder open."""

    def __init__(self, target: str) -> None:
        """target: the address of the asset or of its folder; what counts is the asset's."""

    def refusal(self, asset: Asset, action: RemedyAction) -> str:
        """Servers are not changed."""
        return _REMOTE if urlsplit(asset.uri).netloc else ""

    @contextmanager
    def holding(self, asset: Asset) -> Iterator[ChromaHands]:
        """The collection; the client is closed behind it."""
        hands = ChromaHands(asset)
        try:
            yield hands
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "chromadb":
                raise
            raise failed(asset.uri, error, "Stop what has it open, and try again.") from None
        finally:
            hands.close()


class ChromaHands:
    """See dlpagent.ports.Hands. The client is opened when it is needed."""

    def __init__(self, asset: Asset) -> None:
        parts = urlsplit(asset.uri)
        query = parse_qs(parts.query)
        self._asset, self._folder = asset, Path(unquote(parts.path))
        self._name = unquote(parts.fragment)
        self._tenant = query.get("tenant", ["default_tenant"])[-1]
        self._database = query.get("database", ["default_database"])[-1]
        self._client: Any = None
        self._vectors: dict[str, bytes] = {}

    def finished(self, record_ids: Sequence[str]) -> bool:
        """Not known."""
        return False

    def tag(self, record_ids: Sequence[str]) -> None:
        """As a field of the metadata."""
        collection = self._collection()
        for ids in _slices(record_ids):
            there = collection.get(ids=ids, include=[])["ids"]
            if there:
                collection.update(ids=there, metadatas=[{MARK: True}] * len(there))

    def move(self, record_ids: Sequence[str], to: str) -> str:
        """To a collection of the same database."""
        name = quarantine_of(self._name, to)
        target = self._opened().get_or_create_collection(name, embedding_function=None)
        collection = self._collection()
        for ids in _slices(record_ids):
            found = collection.get(ids=ids, include=["embeddings", "documents", "metadatas"])
            if found["ids"]:
                target.upsert(
                    ids=found["ids"],
                    embeddings=found["embeddings"],
                    documents=found["documents"],
                    metadatas=found["metadatas"],
                )
        self.delete(record_ids)
        return name

    def delete(self, record_ids: Sequence[str]) -> None:
        """By id; their vectors are remembered for the purge."""
        collection = self._collection()
        for ids in _slices(record_ids):
            found = collection.get(ids=ids, include=["embeddings"])
            for one, vector in zip(found["ids"], found["embeddings"], strict=True):
                self._vectors[one] = np.asarray(vector, dtype="<f4").tobytes()
            if found["ids"]:
                collection.delete(ids=found["ids"])

    def settle(self) -> None:
        """Chroma does so with each call."""

    def purge(self, record_ids: Sequence[str]) -> Erasure:
        """See above. The text is gone behind it; vectors may be left."""
        self.close()
        with writing(self._folder / FILE) as connection:
            _purge(connection, self._tenant, self._database, self._name, record_ids)
            is_indexed = _has_index(connection, self._tenant, self._database, self._name)
            vacuum(connection)
        if is_indexed:
            return Erasure(False, "the texts are gone; the index of vectors may still hold theirs")
        if not set(record_ids) <= self._vectors.keys():
            return Erasure(False, "the texts are gone; whether vectors are left is not known")
        left = self._vectors_left()
        if left:
            return Erasure(
                False, f"the texts are gone; {left} vectors stay in the index of vectors"
            )
        return Erasure(True, "the file was written anew; texts, journal and vectors are gone")

    def close(self) -> None:
        """Let go of the folder."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _vectors_left(self) -> int:
        files = [one.read_bytes() for one in self._folder.glob("*/data_level0.bin")]
        return sum(any(vector in raw for raw in files) for vector in self._vectors.values())

    def _collection(self) -> Any:
        try:
            return self._opened().get_collection(self._name, embedding_function=None)
        except Exception as error:
            if type(error).__name__ == "NotFoundError":
                raise gone(self._asset) from None
            raise

    def _opened(self) -> Any:
        if self._client is None:
            try:
                import chromadb  # noqa: PLC0415
            except ImportError:
                raise missing_extra("chromadb", "chroma-client", "changing Chroma") from None
            self._client = chromadb.PersistentClient(
                str(self._folder),
                settings=chromadb.config.Settings(anonymized_telemetry=False),
                tenant=self._tenant,
                database=self._database,
            )
        return self._client


def _slices(record_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(record_ids), _AT_ONCE):
        yield list(record_ids[start : start + _AT_ONCE])


def _has_index(connection: sqlite3.Connection, tenant: str, database: str, name: str) -> bool:
    """Whether any vector of the collection was written to its index."""
    query = """
        SELECT count(*) FROM max_seq_id m JOIN segments s ON s.id = m.segment_id
        JOIN collections c ON c.id = s.collection JOIN databases d ON d.id = c.database_id
        WHERE s.scope = 'VECTOR' AND d.tenant_id = ? AND d.name = ? AND c.name = ?"""
    return bool(connection.execute(query, [tenant, database, name]).fetchone()[0])


def _purge(
    connection: sqlite3.Connection,
    tenant: str,
    database: str,
    name: str,
    record_ids: Sequence[str],
) -> None:
    query = """
        SELECT c.id FROM collections c JOIN databases d ON d.id = c.database_id
        WHERE d.tenant_id = ? AND d.name = ? AND c.name = ?"""
    found = connection.execute(query, [tenant, database, name]).fetchone()
    tables = {one for (one,) in connection.execute("SELECT name FROM sqlite_master")}
    if found and "embeddings_queue" in tables:
        connection.executemany(
            "DELETE FROM embeddings_queue WHERE topic LIKE ? AND id = ? AND operation <> ?",
            [(f"%/{found[0]}", one, _DELETE) for one in record_ids],
        )
    if "embedding_fulltext_search" in tables:
        connection.execute(
            "INSERT INTO embedding_fulltext_search(embedding_fulltext_search) VALUES ('optimize')"
        )
