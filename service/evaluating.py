"""A pack run over labelled documents, and its figures at every level."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dlpagent.classifiers.evaluation import (
    Document,
    Figures,
    Judged,
    Span,
    evaluate_corpus,
    widened,
)
from dlpagent.classifiers.evaluation_curve import Curves, curves
from dlpagent.classifiers.evaluation_faults import (
    Confusion,
    Fault,
    FaultKind,
    confusions,
    worst_faults,
)
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError
from dlpagent.evidence import ValueForm
from dlpagent.findings import LEVEL_FLOOR, PackRef
from dlpagent.ports import Classifier
from dlpagent.records import batch_of_columns

BATCH_DOCUMENTS = 2_000
BATCH_CHARS = 4_000_000

TOTAL = "all types"
"""What the sum over all types is called in tables and in --gate."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What was found, by document id, and what could not be looked for: (place, SIT, reason)."""

    spans: Mapping[str, tuple[Span, ...]]
    incomplete: tuple[tuple[str, str, str], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything `dlpagent eval` shows. figures: by confidence floor, ascending; floor: the one that
    gates, types and faults are shown at."""

    pack: PackRef
    corpora: tuple[str, ...]
    floor: int
    figures: Mapping[int, Figures]
    confusions: Sequence[Confusion]
    faults: Mapping[FaultKind, Sequence[Fault]]
    incomplete: Sequence[tuple[str, str, str]]
    seconds: float
    size_bytes: int
    curves: Curves = field(default_factory=lambda: Curves((), {}))

    @property
    def at_floor(self) -> Figures:
        return self.figures[self.floor]


def predict(documents: Sequence[Document], classifier: Classifier, names: Mapping[str, str],
            types: TypeMap, progress: Callable[[int], None] = lambda _done: None) -> Predictions:  # fmt: skip
    """Find the classifier's SITs in the documents. names: SIT id → name.

    A prediction is named by its SIT's id where the type map lists that, else by the SIT's name.
    progress: called with the number of documents done.
    """
    began = time.monotonic()
    found: dict[str, list[Span]] = {document.id: [] for document in documents}
    incomplete: list[tuple[str, str, str]] = []
    done = 0
    for batch in _batches(documents):
        result = classifier.classify(_records(batch))
        for match in result.matches.select(_USED).to_pylist():
            document, sit = batch[match["row"]], match["sit_id"]
            name = sit if sit in types.pred.table else names.get(sit, sit)
            span = Span(match["start"], match["end"], name, match["confidence"])
            found[document.id].append(span)
        incomplete += [
            (batch[item.row].where, names.get(item.sit_id or "", "every SIT"), item.reason)
            for item in result.incomplete
        ]
        done += len(batch)
        progress(done)
    spans = {document.id: widened(document, found[document.id]) for document in documents}
    return Predictions(spans, tuple(incomplete), time.monotonic() - began)


_USED = ["row", "start", "end", "sit_id", "confidence"]


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    chars = 0
    for document in documents:
        if batch and (len(batch) >= BATCH_DOCUMENTS or chars + len(document.text) > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(document)
        chars += len(document.text)
    if batch:
        yield batch


def _records(documents: Sequence[Document]) -> pa.RecordBatch:
    columns = {
        "record_id": pa.array([document.id for document in documents]),
        "part": pa.array(["text"] * len(documents)),
        "text": pa.array([document.text for document in documents], pa.large_string()),
        "context": pa.array([document.context or None for document in documents]),
    }
    return batch_of_columns("eval", len(documents), columns)


def report(
    documents: Sequence[Document], predictions: Predictions, pack: Pack, types: TypeMap,
    labelled: Mapping[str, Iterable[str] | None], corpora: Sequence[str], floor: int,
    min_iou: float = 0.0,
) -> Report:  # fmt: skip
    """The figures at every level and at the floor asked for, and the faults at that one."""
    figures: dict[int, Figures] = {}
    judged: list[Judged] = []
    for one in sorted({*LEVEL_FLOOR.values(), floor}):
        figures[one], here = evaluate_corpus(
            documents, predictions.spans, types, labelled=labelled, floor=one, min_iou=min_iou
        )
        judged = here if one == floor else judged
    faults = worst_faults(judged, predictions.spans, types, forms_of(pack, types), floor=floor)
    return Report(
        pack=pack.ref,
        corpora=tuple(corpora),
        floor=floor,
        figures=figures,
        confusions=confusions(judged),
        faults=faults,
        incomplete=predictions.incomplete,
        seconds=predictions.seconds,
        size_bytes=sum(len(document.text.encode("utf-8")) for document in documents),
        curves=curves(documents, predictions.spans, types, labelled=labelled, min_iou=min_iou),
    )


def forms_of(pack: Pack, types: TypeMap) -> dict[str, ValueForm]:
    """Canonical type → how its values are masked: the most careful form of its SITs."""
    careful: tuple[ValueForm, ...] = ("number", "text", "secret")
    forms: dict[str, ValueForm] = {}
    for sit in pack.sits.values():
        name = types.pred.of(sit.id if sit.id in types.pred.table else sit.name)
        if name is not None:
            forms[name] = max(forms.get(name, "number"), sit.value, key=careful.index)
    return forms


def unknown_names(pack: Pack, types: TypeMap) -> list[str]:
    """Names of the type map that are no SIT of the pack: misspelt, or of another pack."""
    known = set(pack.sits) | set(pack.sit_names.values())
    return sorted(name for name in types.pred.table if not name.endswith("*") and name not in known)


def write_predictions(path: Path, documents: Iterable[Document], found: Predictions) -> None:
    """Predictions as JSON Lines: {id, spans: [{start, end, type, score}]}; score: confidence / 100."""
    draft = path.with_name(path.name + ".partial")
    with draft.open("w", encoding="utf-8") as file:
        for document in documents:
            spans = [
                {"start": item.start, "end": item.end, "type": item.type,
                 "score": item.confidence / 100}
                for item in found.spans[document.id]
            ]  # fmt: skip
            line = {"id": document.id, "spans": spans}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    draft.replace(path)


@dataclass(frozen=True, slots=True)
class Gate:
    """What must be reached, by a type, a group or all types together. None: anything will do."""

    precision: float | None = None
    recall: float | None = None
    names: tuple[str, ...] = ()


def missed_gates(report: Report, gate: Gate) -> list[str]:
    """What was not reached, one sentence each. Raises ConfigurationError for an unknown type."""
    missed = []
    for name in gate.names or (TOTAL,):
        counts = report.at_floor.total if name == TOTAL else report.at_floor.named(name)
        if counts is None:
            known = sorted({*report.at_floor.types, *report.at_floor.groups})
            raise ConfigurationError(
                "there is no such type in these corpora",
                where="--gate",
                expected="one of " + ", ".join(known),
                found=name,
            )
        for what, wanted, reached in (
            ("precision", gate.precision, counts.precision),
            ("recall", gate.recall, counts.recall),
        ):
            if wanted is not None and reached < wanted:
                missed.append(f"{name}: {what} {reached:.4f}, wanted at least {wanted}")
    return missed
