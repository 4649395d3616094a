"""From findings to what a decider sees: tallies, places and the evidence digest of each item.

Two ways with one meaning: items_of_batch() for records, vectorised because it runs on every batch;
ItemTallies for an asset that is one item, fed in parts of any size with bounded memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.contents import contents_of
from dlpagent.evidence import Evidence
from dlpagent.pairs import (
    Ints,
    dictionary_of,
    digest_text,
    int_array,
    modular_sums,
    pair_words,
    run_starts,
)
from dlpagent.places import grouped_places
from dlpagent.records import Asset
from dlpagent.violations import Item, RecordFacts, Tally

_CHECKED = ("read", "no_content")
_CONFIDENCES = 128  # room for 0–100 in a combined code
_NO_EVIDENCE = digest_text(0)


def evidence_digest(sit_ids: pa.Array, keys: pa.Array) -> str:
    """The order-free digest of the distinct (SIT, key) pairs: 32 hexadecimal digits."""
    first, second = pair_words(dictionary_of(sit_ids), keys)
    order = np.lexsort((second, first))
    order = order[run_starts(first[order], second[order])]
    return digest_text(sum(modular_sums(first[order], second[order], order[:1] * 0)))


def tallies_of(findings: pa.RecordBatch) -> tuple[Tally, ...]:
    """The tallies of all findings of a batch (FINDING_SCHEMA) taken as one item, by SIT id."""
    return _grouped_tallies(np.zeros(findings.num_rows, dtype=np.int64), findings)[0].get(0, ())


def items_of_batch(
    asset: Asset,
    batch: pa.RecordBatch,
    findings: pa.RecordBatch,
    incomplete_rows: Collection[int] = (),
) -> Iterator[Item]:
    """The records of a batch that have findings or labels, each as an item, in reading order.

    batch: RECORD_SCHEMA; findings: FINDING_SCHEMA, all of them in that batch. incomplete_rows: rows
    of the batch on which some rule was not applied. Raises ValueError for a finding whose record is
    not in the batch.
    """
    records = batch.column("record_id").dictionary_encode()
    codes = int_array(records.indices)
    found = _record_codes(findings.column("record_id"), records.dictionary)
    lengths = pc.fill_null(pc.list_value_length(batch.column("labels")), 0)
    labelled = codes[int_array(lengths) > 0]
    wanted = np.union1d(found, labelled)
    if not len(wanted):
        return
    tallies, digests = _grouped_tallies(found, findings)
    places = grouped_places(found, findings)
    totals = np.bincount(found, minlength=len(records.dictionary))
    unsure = _incomplete_records(batch, codes, incomplete_rows)
    for code, facts in _facts(batch, codes, wanted):
        facts["app"] = facts["app"] or asset.app
        yield Item(
            asset=asset,
            level="record",
            tallies=tallies.get(code, ()),
            evidence=digests.get(code, _NO_EVIDENCE),
            places=places.get(code, ()),
            places_total=int(totals[code]),
            incomplete=code in unsure,
            **facts,
        )


def facts_of_batch(
    batch: pa.RecordBatch, findings: pa.RecordBatch, evidence: Evidence | None = None
) -> tuple[RecordFacts, ...]:
    """Who and what the records are that have findings or labels, of those that say anything of it.

    evidence: the key under which the contents of records with findings are kept, if they are to be.
    """
    if evidence is None and all(
        batch.column(name).null_count == batch.num_rows for name in _FACT_COLUMNS
    ):
        return ()
    records = batch.column("record_id").dictionary_encode()
    codes = int_array(records.indices)
    found = _record_codes(findings.column("record_id"), records.dictionary)
    lengths = pc.fill_null(pc.list_value_length(batch.column("labels")), 0)
    wanted = np.union1d(found, codes[int_array(lengths) > 0])
    if not len(wanted):
        return ()
    with_findings = set(found.tolist())
    contents: dict[str, str] = {}
    if evidence is not None and len(found):
        contents = dict(contents_of(batch, findings.column("record_id"), evidence))
    told = (
        RecordFacts(
            facts["record_id"],
            facts["roles"],
            facts["labels"],
            facts["actor_id"],
            facts["app"],
            code in with_findings,
            contents.get(facts["record_id"]),
        )
        for code, facts in _facts(batch, codes, wanted)
    )
    return tuple(each for each in told if each.says_anything)


def _record_codes(record_ids: pa.Array, known: pa.Array) -> Ints:
    codes = pc.index_in(record_ids, value_set=known)
    if codes.null_count:
        raise ValueError("a finding names a record that is not in its batch")
    return int_array(codes)


def _grouped_tallies(
    groups: Ints, findings: pa.RecordBatch
) -> tuple[dict[int, tuple[Tally, ...]], dict[int, str]]:
    """Per group (record): its tallies by SIT id, and its evidence digest."""
    if not len(groups):
        return {}, {}
    sits = _sorted_dictionary(dictionary_of(findings.column("sit_id")))
    names, codes = sits.dictionary.to_pylist(), int_array(sits.indices)
    confidences = int_array(findings.column("confidence"))
    first, second = pair_words(sits, findings.column("key"))

    order = np.lexsort((-confidences, second, first, groups))
    order = order[run_starts(groups[order], first[order], second[order])]
    starts = run_starts(groups[order])
    sums = modular_sums(first[order], second[order], starts)
    digests = dict(zip(groups[order][starts].tolist(), map(digest_text, sums), strict=True))

    # One code per (group, SIT, confidence), highest confidence first; its order is the wanted one.
    cells = (groups * len(names) + codes) * _CONFIDENCES + (_CONFIDENCES - 1 - confidences)
    values, hits = np.unique(cells, return_counts=True)
    best, many = np.unique(cells[order], return_counts=True)
    unique = np.zeros(len(values), dtype=np.int64)
    unique[np.searchsorted(values, best)] = many

    counts: dict[int, dict[int, list[tuple[int, int, int]]]] = {}
    for cell, hit, one in zip(values.tolist(), hits.tolist(), unique.tolist(), strict=True):
        rest, confidence = divmod(cell, _CONFIDENCES)
        group, sit = divmod(rest, len(names))
        counts.setdefault(group, {}).setdefault(sit, []).append(
            (_CONFIDENCES - 1 - confidence, hit, one)
        )
    tallies = {
        group: tuple(Tally(names[sit], tuple(rows)) for sit, rows in by_sit.items())
        for group, by_sit in counts.items()
    }
    return tallies, digests


def _sorted_dictionary(encoded: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same values with a dictionary in rising order."""
    order = pc.array_sort_indices(encoded.dictionary)
    place = np.empty(len(order), dtype=np.int32)
    place[int_array(order)] = np.arange(len(order), dtype=np.int32)
    indices = pa.array(place[int_array(encoded.indices)], type=pa.int32())
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary.take(order))


def _incomplete_records(
    batch: pa.RecordBatch, codes: Ints, incomplete_rows: Collection[int]
) -> set[int]:
    checked = pc.is_in(batch.column("status"), value_set=pa.array(_CHECKED))
    unread = codes[~checked.to_numpy(zero_copy_only=False)].tolist()
    return {*unread, *codes[list(incomplete_rows)].tolist()}


def _facts(
    batch: pa.RecordBatch, codes: Ints, wanted: Ints
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the parts of each wanted record say of it, as keyword arguments of Item."""
    rows = np.flatnonzero(np.isin(codes, wanted))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    parts = batch.select(["record_id", "role", "labels", *_FIRST_OF]).take(pa.array(rows))
    record_ids, roles = parts.column("record_id").to_pylist(), parts.column("role").to_pylist()
    labels = _lists(parts.column("labels"))
    # Columns that say nothing (most do in most sources) are not walked through.
    firsts = {name: parts.column(name) for name in _FIRST_OF}
    said = {name: each.to_pylist() for name, each in firsts.items() if each.null_count < len(each)}
    starts = run_starts(codes[rows])
    bounds = zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True)
    for code, (start, end) in zip(codes[rows][starts].tolist(), bounds, strict=True):
        facts: dict[str, Any] = dict.fromkeys(_FIRST_OF)
        facts["record_id"] = record_ids[start]
        facts["roles"] = _sorted_set(tuple(roles[start:end]))
        facts["labels"] = _sorted_set(tuple(chain(*labels[start:end]))) if labels else ()
        for name, values in said.items():
            facts[name] = next((value for value in values[start:end] if value is not None), None)
        yield code, facts


def _lists(column: pa.Array) -> list[list[str | None]]:
    """The lists of a column, null as empty; nothing at all when every one is null."""
    if column.null_count == len(column):
        return []
    return [each or [] for each in column.to_pylist()]


_FACT_COLUMNS = ("role", "labels", "actor_id", "app")
_FIRST_OF = ("actor_id", "app", "model", "conversation_id", "created_at")


@lru_cache(maxsize=4096)
def _sorted_set(values: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
