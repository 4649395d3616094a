"""A store that is written to while it is swept: what may be missed then, and what may not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dlpagent.connectors.testing.conformance import Opened, stored
from dlpagent.records import Asset, Checkpoint


class Writable(Protocol):
    """The store behind a source, as its application writes to it. Writes are seen at once."""

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        """Insert or replace records: (record id, text)."""

    def delete(self, ids: Sequence[str]) -> None:
        """Delete records."""


@dataclass(slots=True)
class _Life:
    """What has happened to each record. steady: there from the beginning, never touched."""

    texts: dict[str, str]
    ever: dict[str, set[str]] = field(init=False)
    steady: set[str] = field(init=False)
    begun_with: frozenset[str] = field(init=False)
    deleted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ever = {record_id: {text} for record_id, text in self.texts.items()}
        self.steady = set(self.texts)
        self.begun_with = frozenset(self.texts)


def check_misses_nothing_while_records_change(
    opened: Opened,
    store: Writable,
    records: dict[str, str],
    *,
    new_id: Callable[[int], str],
    changes: int = 500,
    resume_after: int | None = None,
    seed: int = 1,
) -> None:
    """Records inserted, changed and deleted at random during the sweep, `changes` of them.

    records: what the store holds now, all of it in one asset, one text each besides its id.
    new_id: makes ids for new records. resume_after: open the source anew after so many batches, and go on.
    Held: a record nobody touched is read once, as it is. A changed record is read, in one of its
    versions. A deleted record may be read or not, a new one too. Nothing else is read.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    life = _Life(dict(records))
    seen: dict[str, list[str]] = {}
    source = opened()
    (asset,) = source.discover()
    steps = _estimated_batches(opened, asset)
    left = changes
    for place, (rows, _) in enumerate(_reading(opened, asset, resume_after)):
        for record_id, text in rows:
            seen.setdefault(record_id, []).append(text)
        many = left if place + 1 >= steps else min(left, changes // steps + 1)
        left -= many
        _change(chance, life, store, many, new_id)
    assert left == 0, f"expected {changes} changes during the sweep, {left} came too late"
    _judge(life, seen)


def _reading(
    opened: Opened, asset: Asset, resume_after: int | None
) -> Iterator[tuple[list[tuple[str, str]], Checkpoint]]:
    checkpoint: Checkpoint | None = None
    source, given = opened(), 0
    while checkpoint is None or not checkpoint.done:
        reading = source.read(asset, checkpoint)
        for batch, after in reading:
            ids, texts = batch.column("record_id").to_pylist(), batch.column("text").to_pylist()
            checkpoint = stored(after)
            given += 1
            told = zip(ids, texts, strict=True)
            yield [(i, t) for i, t in told if t is not None and t != i], checkpoint
            if given == resume_after:
                reading.close()  # type: ignore[attr-defined] # a generator, as the kit demands
                source = opened()
                break


def _estimated_batches(opened: Opened, asset: Asset) -> int:
    """About how many batches there will be while changes still can matter."""
    return max(1, sum(1 for _ in opened().read(asset)) - 1)


def _change(
    chance: random.Random,
    life: _Life,
    store: Writable,
    many: int,
    new_id: Callable[[int], str],
) -> None:
    put: dict[str, str] = {}
    gone: set[str] = set()
    held = frozenset(life.texts)
    for _ in range(many):
        kind = chance.choice(("insert", "change", "delete"))
        ids = sorted((life.texts.keys() & held) - gone)
        if kind == "insert" or not ids:
            record_id = new_id(len(life.ever))
            put[record_id] = f"new text of {len(life.ever)}"
            life.ever.setdefault(record_id, set())
        elif kind == "change":
            record_id = chance.choice(ids)
            put[record_id] = f"text changed to {chance.random()}"
        else:
            record_id = chance.choice(ids)
            gone.add(record_id)
            put.pop(record_id, None)
        life.steady.discard(record_id)
        if record_id in put:
            life.ever[record_id].add(put[record_id])
            life.texts[record_id] = put[record_id]
    if put:
        store.put(sorted(put.items()))
    if gone:
        store.delete(sorted(gone))
        life.deleted |= gone
        for record_id in gone:
            del life.texts[record_id]


def _judge(life: _Life, seen: dict[str, list[str]]) -> None:
    skipped = sorted(life.steady - set(seen))
    assert not skipped, f"{len(skipped)} untouched records were skipped, such as {skipped[:3]}"
    twice = sorted(i for i in life.steady if len(seen[i]) > 1)
    assert not twice, f"{len(twice)} untouched records were read twice, such as {twice[:3]}"
    lost = sorted((life.begun_with & set(life.texts)) - life.deleted - set(seen))
    assert not lost, f"{len(lost)} changed records were not read at all, such as {lost[:3]}"
    for record_id, texts in seen.items():
        assert record_id in life.ever, f"record {record_id}: never was in the store"
        odd = [text for text in texts if text not in life.ever[record_id]]
        assert not odd, f"record {record_id}: {len(odd)} texts that never were in the store"
        versions = len(life.ever[record_id])
        assert len(texts) <= versions + 1, f"record {record_id}: {versions} versions, read more"
