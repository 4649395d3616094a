"""How well and how fast persons are found: ours, and the language model alone, on labelled corpora.

    python benchmarks/named_entities.py CORPORA [-o docs/named-entities.md]

CORPORA is a folder of span JSON Lines with a sources.json; docs/eval.md shows both. Without -o the tables
are printed; with it they replace those of the page, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dlpagent.classifiers import entities
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.entities import set_budget
from dlpagent.classifiers.evaluation import Document, Span, evaluate_corpus, widened
from dlpagent.classifiers.evaluation_matching import Names, TypeMap
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.people import language_model
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.findings import LEVEL_FLOOR
from dlpagent.service.corpora import read_corpora
from dlpagent.service.evaluating import predict

BEGIN, END = "<!-- figures: benchmarks/named_entities.py -->", "<!-- end of figures -->"
SIT = "All Full Names"
TYPES = TypeMap(Names({"*": None, "PERSON": "PERSON"}), Names({"*": None, SIT: "PERSON"}))  # type: ignore[arg-type]

Found = Mapping[str, tuple[Span, ...]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpora", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    set_budget(1e9)
    labelled = json.loads((asked.corpora / "sources.json").read_text("utf-8"))
    persons = [name for name, item in labelled.items() if "PERSON" in (item["labels"] or ())]
    lines = list(tables(read_corpora([str(asked.corpora)]), persons))
    if asked.output is None:
        sys.stdout.write("\n".join(lines) + "\n")
        return
    page = asked.output.read_text("utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    asked.output.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]), "utf-8")


def tables(documents: Sequence[Document], persons: Sequence[str]) -> Iterator[str]:
    by_source: dict[str, list[Document]] = {}
    for document in documents:
        if document.source in persons or document.is_negative:
            by_source.setdefault(document.source, []).append(document)
    speeds = []
    yield "| corpus | persons | what | floor | P | R | F2 |"
    yield "|---|--:|---|---|--:|--:|--:|"
    false: list[str] = []
    for source, some in by_source.items():
        found, speed = ours(some)
        speeds.append(f"| {source} | {speed} |")
        if source in persons:
            yield from quality(source, some, found)
        else:
            false.append(false_names(source, some, found))
    yield ""
    yield "Texts without labelled persons, names found in them per MB:"
    yield ""
    yield "| corpus | low and above | medium and above | high |"
    yield "|---|--:|--:|--:|"
    yield from false
    yield ""
    yield "| corpus | MB | texts | with a candidate | shown to the model | of its characters | MB per CPU second |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    yield from speeds


def ours(documents: Sequence[Document]) -> tuple[Found, str]:
    """What All Full Names finds, and the figures of the looking."""
    engine = entities.engine_of(language_model.ENGLISH)
    figures = engine.figures = entities.Figures()
    pack = load_pack(BUILTIN / "names")
    classifier = classifier_of(pack, Evidence(secrets.token_bytes(KEY_BYTES)))
    began = time.process_time()
    found = predict(documents, classifier, pack.sit_names, TYPES)
    seconds = time.process_time() - began
    size = sum(len(document.text.encode()) for document in documents) / 1e6
    return found.spans, (
        f"{size:.2f} | {figures.texts:,} | {figures.gated_texts / figures.texts:.0%} "
        f"| {figures.model_texts / figures.texts:.0%} | {figures.model_chars / figures.chars:.0%} "
        f"| {size / seconds:.3f}"
    )


def alone(documents: Sequence[Document]) -> Found:
    """What the language model labels as persons in the whole texts."""
    seen = language_model.entities(language_model.ENGLISH, [item.text for item in documents])
    return {
        document.id: widened(
            document,
            [Span(one.start, one.end, SIT, 100) for one in labels if one.label == "PERSON"],
        )
        for document, labels in zip(documents, seen, strict=True)
    }


def quality(source: str, documents: Sequence[Document], found: Found) -> Iterator[str]:
    for level, floor in LEVEL_FLOOR.items():
        yield row(source, documents, found, "ours", level, floor)
    yield row(source, documents, alone(documents), "the model alone", "–", 1)


def row(
    source: str, documents: Sequence[Document], found: Found, what: str, level: str, floor: int
) -> str:
    figures, _ = evaluate_corpus(documents, found, TYPES, labelled={}, floor=floor, min_iou=0.0)
    counts = figures.types["PERSON"]
    return (
        f"| {source} | {counts.gold} | {what} | {level} | {counts.precision:.3f} "
        f"| {counts.recall:.3f} | {counts.f(2):.3f} |"
    )


def false_names(source: str, documents: Sequence[Document], found: Found) -> str:
    many = Counter(
        level
        for document in documents
        for span in found[document.id]
        for level, floor in LEVEL_FLOOR.items()
        if span.confidence >= floor
    )
    size = sum(len(document.text.encode()) for document in documents) / 1e6
    return (
        f"| {source} | " + " | ".join(f"{many[level] / size:.0f}" for level in LEVEL_FLOOR) + " |"
    )


if __name__ == "__main__":
    main()
