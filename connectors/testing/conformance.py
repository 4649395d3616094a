"""What every source is held to: each check takes a source and raises AssertionError with the place.

A check is a plain function, so a test of a source is one line per check. Sources are given as
functions without arguments that open them anew: no check may profit from what another one left.
"""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.errors import SourceError
from dlpagent.ports import Source
from dlpagent.records import RECORD_SCHEMA, Asset, Checkpoint

Opened = Callable[[], Source]
Batches = list[tuple[pa.RecordBatch, Checkpoint]]
Rows = list[dict[str, Any]]
_STATUSES = frozenset({"read", "unread", "no_content", "protected", "opaque"})


def check_reads_exactly(
    opened: Opened,
    expected: Mapping[str, Sequence[str]],
    *,
    coverage: Mapping[str, int] | None = None,
) -> None:
    """Nothing skipped, nothing twice: every record with its texts, once, in a well-formed batch.

    expected: record id → texts, in reading order of the parts, over all assets. coverage: how many
    parts there are of each status; by default all of them are read.
    """
    source = opened()
    found: dict[str, list[str]] = {}
    statuses: Counter[str] = Counter()
    for asset in source.discover():
        batches = list(source.read(asset))
        check_form(asset, batches)
        ids = set()
        for row in rows_of(batches):
            statuses[row["status"]] += 1
            ids.add(row["record_id"])
            if row["text"] is not None:
                found.setdefault(row["record_id"], []).append(row["text"])
    _same_records(found, expected)
    if coverage is None:
        coverage = {"read": sum(len(texts) for texts in expected.values())}
    wanted = {status: many for status, many in coverage.items() if many}
    assert dict(statuses) == wanted, f"expected the statuses {wanted}, found {dict(statuses)}"


def check_form(asset: Asset, batches: Batches) -> None:
    """Batches as dlpagent.records defines them, and checkpoints as dlpagent.ports does."""
    assert batches, f"{asset.uri}: expected a batch even of an empty asset, found none"
    last = len(batches) - 1
    seen: set[str] = set()
    for place, (batch, checkpoint) in enumerate(batches):
        where = f"{asset.uri}, batch {place}"
        assert batch.schema.equals(RECORD_SCHEMA), f"{where}: expected RECORD_SCHEMA"
        assert checkpoint.done == (place == last), f"{where}: done={checkpoint.done}, last={last}"
        assert len(json.dumps(dict(checkpoint.cursor))) < 10_000, f"{where}: a large cursor"
        assert batch.num_rows or last == 0, f"{where}: an empty batch among others"
        _check_rows(asset, where, batch.to_pylist(), seen)


def _check_rows(asset: Asset, where: str, rows: Rows, seen: set[str]) -> None:
    record, seq = None, -1
    for row in rows:
        if row["record_id"] != record:
            record, seq = row["record_id"], -1
            assert record not in seen, f"{where}: a record comes twice"
            seen.add(record)
        assert row["seq"] == seq + 1, f"{where}: expected seq {seq + 1}, found {row['seq']}"
        seq = row["seq"]
        assert row["asset_uri"] == asset.uri, f"{where}: another asset's uri"
        assert row["status"] in _STATUSES, f"{where}: status {row['status']}"
        is_read = row["status"] == "read"
        assert is_read == (row["text"] is not None), f"{where}: text and status disagree"
        assert is_read == (row["problem"] is None), f"{where}: problem and status disagree"


def check_resumes_everywhere(opened: Opened, *, at_least_batches: int = 3) -> None:
    """From every checkpoint, stored and loaded, a source opened anew reads exactly the rest."""
    source = opened()
    most = 0
    for asset in source.discover():
        batches = list(source.read(asset))
        most = max(most, len(batches))
        rows, given = rows_of(batches), 0
        for place, (batch, checkpoint) in enumerate(batches):
            given += batch.num_rows
            rest = rows_of(list(opened().read(asset, stored(checkpoint))))
            assert rest == rows[given:], (
                f"{asset.uri}: from checkpoint {place} expected the other {len(rows) - given} "
                f"rows, found {len(rest)}"
            )
    assert most >= at_least_batches, (
        f"expected an asset of at least {at_least_batches} batches, found {most}: "
        "give the source more records or a smaller batch_rows"
    )


def check_discovers_the_same_again(opened: Opened) -> None:
    """Two looks at unchanged data give equal assets, change keys too, each with its own uri."""
    first, second = list(opened().discover()), list(opened().discover())
    assert first == second, "expected the same assets again, found others"
    uris = [asset.uri for asset in first]
    assert len(set(uris)) == len(uris), "expected every asset once, found one twice"


def check_closes_what_it_opens(opened: Opened, *, times: int = 4) -> None:
    """Reading, whole or broken off, leaves no file, connection or thread open.

    Clients keep threads and connections of their own for the process: what counts is growth.
    """
    _read_twice(opened)
    _read_twice(opened)
    before = _open_things()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(times):
            _read_twice(opened)
    grown = _open_things() - before
    many = {name: more for name, more in grown.items() if more >= times}
    assert not many, f"expected nothing left open after {times} readings, found more of {many}"


def _read_twice(opened: Opened) -> None:
    """Once broken off after the first batch, once whole."""
    source = opened()
    for asset in source.discover():
        reading = source.read(asset)
        next(reading, None)
        close = getattr(reading, "close", None)
        assert close is not None, "expected read() to be a generator, which can be closed"
        close()
        for _ in source.read(asset):
            pass
    del source
    gc.collect()


def _open_things() -> Counter[str]:
    found: Counter[str] = Counter(thread.name.split("-")[0] for thread in threading.enumerate())
    folder = Path("/proc/self/fd")
    if folder.is_dir():
        for name in folder.iterdir():
            try:
                opened = str(name.readlink())
            except OSError:
                continue
            found["file" if opened.startswith("/") else opened.split(":", maxsplit=1)[0]] += 1
    return found


def check_survives_failures(
    opened: Opened, expected: Mapping[str, Sequence[str]], *, most_tries: int = 200
) -> int:
    """A source whose reads fail now and then is read whole, once, by going on from checkpoints.

    The source fails by itself (a flaky connection); it may do so only with SourceError. Returns how
    often it did.
    """
    failures = 0
    assets, tries = _retried(lambda: list(opened().discover()), most_tries)
    failures += tries
    found: dict[str, list[str]] = {}
    for asset in assets:
        checkpoint: Checkpoint | None = None
        for _ in range(most_tries):
            try:
                for batch, after in opened().read(asset, checkpoint):
                    _gather(found, batch)
                    checkpoint = stored(after)
                break
            except SourceError:
                failures += 1
        is_whole = checkpoint is not None and checkpoint.done
        assert is_whole, f"{asset.uri}: not read to its end within {most_tries} tries"
    _same_records(found, expected)
    return failures


def _retried(call: Callable[[], list[Asset]], most_tries: int) -> tuple[list[Asset], int]:
    for tries in range(most_tries):
        try:
            return call(), tries
        except SourceError:
            continue
    raise AssertionError(f"expected discover() to succeed within {most_tries} tries")


def rows_of(batches: Batches) -> Rows:
    """Every row of the batches, as dictionaries."""
    return [row for batch, _ in batches for row in batch.to_pylist()]


def stored(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it comes back from a database."""
    return Checkpoint(json.loads(json.dumps(dict(checkpoint.cursor))), checkpoint.done)


def _gather(found: dict[str, list[str]], batch: pa.RecordBatch) -> None:
    for row in batch.to_pylist():
        if row["text"] is not None:
            found.setdefault(row["record_id"], []).append(row["text"])


def _same_records(
    found: Mapping[str, Sequence[str]], expected: Mapping[str, Sequence[str]]
) -> None:
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    assert not missing, f"expected every record, {len(missing)} were skipped: {missing[:5]}"
    assert not extra, f"expected no other records, found {len(extra)}: {extra[:5]}"
    for record_id, texts in expected.items():
        assert list(found[record_id]) == list(texts), (
            f"record {record_id}: expected {len(texts)} texts, found {len(found[record_id])} "
            "or others"
        )


def each_row(source: Source) -> Iterator[dict[str, Any]]:
    """Every row of every asset."""
    for asset in source.discover():
        for batch, _ in source.read(asset):
            yield from batch.to_pylist()
