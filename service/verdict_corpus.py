"""Verdicts as a labelled corpus: texts read again from their sources, judged places as labels.

A verdict true or accepted is a label, a false one a look-alike; whatever else is found there was not
looked at and does not count. A place counts only if the value there still has the key it was judged
under.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.classifiers.evaluation import Document, Span
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import SourceError
from dlpagent.evidence import Evidence, load_evidence
from dlpagent.former_keys import load_former
from dlpagent.records import Asset
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import State
from dlpagent.state.readings import latest_readings
from dlpagent.state.verdicts import stored_verdicts
from dlpagent.suppressions import Ruling, Verdict, strongest


@dataclass(frozen=True, slots=True)
class _Place:
    """A judged finding: where, which SIT, how it was judged, the key it had."""

    start: int
    end: int
    sit_id: str
    ruling: Ruling
    key: str


@dataclass(slots=True)
class VerdictCorpus:
    """documents: texts with judged places. stale: judged findings whose value is not there any more
    (or stands encoded); lost: places that could not be read, with the reason."""

    documents: list[Document] = field(default_factory=list)
    stale: int = 0
    lost: list[tuple[str, str]] = field(default_factory=list)


def verdict_corpus(state: State, pack: Pack, types: TypeMap, key_file: Path) -> VerdictCorpus:
    """The texts of a state's newest findings that verdicts are about. Reads the sources.

    Types of labels are the names that the pack's SITs have in the type map.
    """
    corpus = VerdictCorpus()
    evidences = (load_evidence(key_file), *load_former(key_file))
    judged = _judged(state)
    for reading in latest_readings(state.database):
        places = judged.get(reading.asset.uri)
        if not places:
            continue
        left = {(*name, place) for name, many in places.items() for place in many}
        try:
            for document, used in _documents(reading.asset, places, pack, types, evidences):
                corpus.documents.append(document)
                left -= used
        except SourceError as error:
            corpus.lost.append((reading.asset.uri, str(error).splitlines()[0]))
        corpus.stale += len(left)
    return corpus


_Name = tuple[str, str]
"""Record id and part."""


def _judged(state: State) -> dict[str, dict[_Name, list[_Place]]]:
    """Asset → record and part → judged findings."""
    by_key: dict[str, list[Verdict]] = {}
    for verdict in stored_verdicts(state.database):
        by_key.setdefault(verdict.key, []).append(verdict)
    found: dict[str, dict[_Name, list[_Place]]] = {}
    if not by_key:
        return found
    for batch in state.latest_findings():
        for row in batch.rows.to_pylist():
            near = by_key.get(row["key"], ())
            held = strongest([item for item in near if item.covers(row["sit_id"], batch.asset_uri)])
            if held is not None:
                place = _Place(row["start"], row["end"], row["sit_id"], held.ruling, row["key"])
                name = (row["record_id"], row["part"])
                found.setdefault(batch.asset_uri, {}).setdefault(name, []).append(place)
    return found


def _documents(
    asset: Asset, places: Mapping[_Name, list[_Place]], pack: Pack, types: TypeMap,
    evidences: Iterable[Evidence],
) -> Iterator[tuple[Document, set[tuple[str, str, _Place]]]]:  # fmt: skip
    for number, (name, text, context) in enumerate(_texts(asset)):
        here = [
            place for place in places.get(name, ()) if _still_there(text, place, pack, evidences)
        ]
        if not here:
            continue
        spans: list[Span] = []
        decoys: list[Span] = []
        for place in here:
            sit = pack.sits[place.sit_id]
            kind = types.pred.of(sit.id if sit.id in types.pred.table else sit.name)
            if kind is not None:
                (decoys if place.ruling == "false" else spans).append(
                    Span(place.start, place.end, kind)
                )
        record, part = name
        yield (
            Document(
                f"{asset.uri}#{record}/{part}/{number}", asset.uri, text, tuple(spans),
                tuple(decoys), where=f"{asset.uri} {record}", is_judged=True, context=context,
            ),
            {(record, part, place) for place in here},
        )  # fmt: skip


def _texts(asset: Asset) -> Iterator[tuple[_Name, str, str]]:
    """(record, part), text and context of every part of an asset that can be read."""
    for source in open_sources([asset.uri], asset.connector or None):
        if isinstance(source, Unreachable):
            raise source.error
        for found in source.discover():
            if found.uri != asset.uri:
                continue
            for batch, _ in source.read(found):
                columns = (batch.column(name).to_pylist()
                           for name in ("record_id", "part", "text", "context"))  # fmt: skip
                for record, part, text, context in zip(*columns, strict=True):
                    if text:
                        yield (record, part), text, context or ""


def _still_there(text: str, place: _Place, pack: Pack, evidences: Iterable[Evidence]) -> bool:
    sit = pack.sits.get(place.sit_id)
    if sit is None:
        return False
    value = text[place.start : place.end]
    return any(item.key(value, sit.value) == place.key for item in evidences)
