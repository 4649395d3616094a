"""Regenerates docs/quality.md: the figures of the built-in pack on the development corpora.

    python benchmarks/quality/run.py CORPORA [-o docs/quality.md] [--predictions FILE]

CORPORA is a folder of span JSON Lines with a sources.json; docs/eval.md shows both. The corpora are not
part of this repository; docs/quality.md names where each comes from and its licence.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import secrets
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.evaluation import Counts, Document, Figures, per_mb
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.findings import LEVEL_FLOOR
from dlpagent.service.corpora import read_corpora, read_map, read_sources
from dlpagent.service.eval_view import HEAD, by_size, cells, floor_name, interval
from dlpagent.service.evaluating import (
    TOTAL,
    Report,
    predict,
    report,
    unknown_names,
    write_predictions,
)
from dlpagent.service.packs import BUILTIN_NAME, load_packs
from dlpagent.service.settings import Home

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "quality.md"
LOW, MEDIUM, HIGH = LEVEL_FLOOR.values()

Wanted = tuple[str, str, str]
"""A measure, what was wanted of it, what is reached."""

# Its types are labelled nowhere else: the table by type says the same.
DIVIDED = ("ids_generated",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpora", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    parser.add_argument("--predictions", type=Path)
    asked = parser.parse_args()
    types = read_map(HERE / "map.json")
    sources = asked.corpora / "sources.json"
    labelled = read_sources([sources])
    documents = read_corpora([str(asked.corpora)], by="mode")
    pack = load_packs([BUILTIN_NAME], "extended")
    for name in unknown_names(pack, types):
        sys.stderr.write(f"map.json: {name} is no SIT of the pack\n")
    for name in unmapped_secrets(pack, types):
        sys.stderr.write(f"map.json: {name} finds secrets and is not mapped to SECRET\n")
    classifier = CascadeClassifier.of(
        pack, Evidence(secrets.token_bytes(KEY_BYTES)), Home.of_environment().path / "cache"
    )
    classifier.warm_up()
    found = predict(documents, classifier, pack.sit_names, types)
    if asked.predictions:
        write_predictions(asked.predictions, documents, found)
    files = [path.name for path in sorted(asked.corpora.glob("*.jsonl"))]
    result = report(documents, found, pack, types, labelled, files, MEDIUM)
    origins = json.loads(sources.read_text("utf-8"))
    asked.output.write_text("\n".join(page(result, documents, types, origins)) + "\n", "utf-8")


def unmapped_secrets(pack: Any, types: TypeMap) -> list[str]:
    """SITs that find secrets and that the map forgot; bundles repeat others and stay out."""
    return [
        sit.name
        for sit in pack.sits.values()
        if sit.value == "secret" and sit.patterns and types.pred.of(sit.name) == sit.name
        and sit.name != "All Credential Types"
    ]  # fmt: skip


def page(
    result: Report, documents: Sequence[Document], types: TypeMap, origins: dict[str, Any]
) -> Iterator[str]:
    """The lines of docs/quality.md."""
    yield from introduction(result)
    yield from targets(result)
    yield from corpora(documents, origins)
    yield from sources(result)
    yield from type_tables(result, types)
    yield from negatives(result)
    yield from sits(result)
    yield from confusion(result)


def introduction(result: Report) -> Iterator[str]:
    yield "# Quality"
    yield ""
    yield (
        "What the built-in pack finds in labelled texts, counted by `dlpagent eval` "
        "([how it counts](eval.md)). This page is written by a program: "
        "`python benchmarks/quality/run.py CORPORA`."
    )
    yield ""
    yield f"- Pack: version {result.pack.version}, hash `{result.pack.hash[:16]}`, profile extended."
    yield f"- Engine: cascade; {result.at_floor.documents} documents, {result.size_bytes / 1e6:.2f} MB."
    yield f"- Time: {result.seconds:.0f} s for all of it (pack compiled beforehand), one process."
    yield f"- Machine: {machine()}."
    yield f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}."
    if result.incomplete:
        yield f"- Incomplete: {len(result.incomplete)} rule(s) ran out of time."
    yield ""
    yield (
        "Types that no SIT of the pack finds (such as persons and organisations, when they show no "
        "findings below) stay in the tables with what they miss: a recall of 0 is what a user gets."
    )
    yield ""


def machine() -> str:
    """Processor, cores, system, Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text("utf-8").splitlines()
                 if line.startswith("model name")]  # fmt: skip
        model = names[0] if names else model
    return (
        f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Iterator[str]:
    """A Markdown table; the first `left` columns are words, the rest numbers."""
    yield "| " + " | ".join(head) + " |"
    marks = ["---" if column < left else "--:" for column in range(len(head))]
    yield "| " + " | ".join(marks) + " |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def targets(result: Report) -> Iterator[str]:
    """What was wanted beside what is reached."""
    medium, high = result.figures[MEDIUM], result.figures[HIGH]
    yield "## What was wanted, what is reached"
    yield ""
    yield from table(("measure", "wanted", "reached"), [
        recall("generated numbers with a keyword (`ctx`): recall from medium", "≥ 0.97",
               medium.parts.get(("ids_generated", "ctx"))),
        decoys("the same: look-alikes found", "≤ 0.03",
               medium.parts.get(("ids_generated", "ctx"))),
        recall("generated numbers, bare: recall from medium", "reported",
               medium.parts.get(("ids_generated", "bare"))),
        false_rate("false positives per MB, high", "≤ 3", high),
        false_rate("false positives per MB, medium and above", "≤ 15", medium),
        recall("secrets: recall from low", "≥ 0.85",
               result.figures[LOW].sources.get("secret_rule_examples")),
        decoys("the same: look-alikes found", "≤ 0.05",
               result.figures[LOW].sources.get("secret_rule_examples")),
        recall("secrets: recall from medium", "≥ 0.85", medium.sources.get("secret_rule_examples")),
        decoys("the same: look-alikes found", "≤ 0.05", medium.sources.get("secret_rule_examples")),
        structured("synthetic English texts, structured types: F2 from medium", "≥ 0.92", result),
    ], left=2)  # fmt: skip
    yield (
        "Structured types of the synthetic English texts: "
        + ", ".join(sorted(name for _, name in STRUCTURED))
        + "."
    )
    yield ""


def recall(what: str, wanted: str, counts: Counts | None) -> Wanted:
    counts = counts or Counts()
    return (what, wanted, f"{counts.recall:.3f} ({interval(counts.overlapping, counts.gold)})")


def decoys(what: str, wanted: str, counts: Counts | None) -> Wanted:
    counts = counts or Counts()
    share = counts.decoys_hit / counts.decoys if counts.decoys else 0.0
    return (what, wanted, f"{share:.3f} ({counts.decoys_hit} of {counts.decoys})")


def false_rate(what: str, wanted: str, figures: Figures) -> Wanted:
    found = figures.negatives
    return (what, wanted, f"{found.false_per_mb or 0:.2f} ({found.false} in {found.size_bytes / 1e6:.2f} MB)")  # fmt: skip


def structured(what: str, wanted: str, result: Report) -> Wanted:
    here = result.at_floor.in_source.items()
    chosen = [item for (source, name), item in here if (source, name) in STRUCTURED]
    counts = sum(chosen, Counts())
    return (what, wanted, f"{counts.f(2):.3f} (precision {counts.precision:.3f}, recall {counts.recall:.3f})")  # fmt: skip


STRUCTURED = frozenset(
    ("presidio_synth_v2", name)
    for name in (
        "CREDIT_CARD",
        "EMAIL_ADDRESS",
        "IBAN_CODE",
        "IP_ADDRESS",
        "PHONE_NUMBER",
        "US_DRIVER_LICENSE",
        "US_SSN",
    )
)


def corpora(documents: Sequence[Document], origins: dict[str, Any]) -> Iterator[str]:
    """Where every source comes from; the corpora themselves stay outside the repository."""
    count = Counter(document.source for document in documents)
    labels = Counter(dict.fromkeys(count, 0))
    lures = Counter(labels)
    size = Counter(labels)
    for document in documents:
        labels[document.source] += len(document.spans)
        lures[document.source] += len(document.decoys)
        size[document.source] += len(document.text.encode("utf-8"))
    yield "## Corpora"
    yield ""
    yield "The corpora are not part of this repository. Sources beginning with neg hold nothing sensitive."
    yield ""
    yield from table(
        ("source", "origin", "licence", "documents", "MB", "labels", "look-alikes"),
        [(name, origins.get(name, {}).get("origin", ""), origins.get(name, {}).get("licence", ""),
          str(count[name]), f"{size[name] / 1e6:.2f}", str(labels[name]), str(lures[name]))
         for name in sorted(count)],
        left=3,
    )  # fmt: skip


def sources(result: Report) -> Iterator[str]:
    yield "## By corpus"
    yield ""
    for floor, figures in result.figures.items():
        parts = [(f"{one} · {part}", item) for (one, part), item in sorted(figures.parts.items())]
        yield f"Findings from {floor_name(floor)}:"
        yield ""
        yield from table(
            ("source", *HEAD),
            [(name, *cells(item)) for name, item in [*sorted(figures.sources.items()), *parts]],
        )
    yield "Types of each source that hold labels, findings from medium:"
    yield ""
    several = Counter(source for source, _ in result.at_floor.in_source)
    rows = [
        (source, name, *cells(item))
        for (source, name), item in sorted(result.at_floor.in_source.items())
        if several[source] > 1 and source not in DIVIDED
    ]
    yield from table(("source", "type", *HEAD), rows, left=2)


def type_tables(result: Report, types: TypeMap) -> Iterator[str]:
    named = {}
    for sit, name in types.pred.table.items():
        named.setdefault(name, []).append(sit)
    yield "## By type"
    yield ""
    yield "Findings from medium. P, R with 95 % Wilson intervals; exact R: to the character."
    yield ""
    figures = result.at_floor
    rows = [*by_size(figures.types), *sorted(figures.groups.items()), (TOTAL, figures.total)]
    shown = [(name, who(named.get(name, [])), *cells(counts)) for name, counts in rows]
    yield from table(("type", "SITs", *HEAD), shown, left=2)


def who(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} SITs"


def negatives(result: Report) -> Iterator[str]:
    yield "## False positives in texts that hold nothing"
    yield ""
    yield (
        "Source code, tables, scientific sentences, logs, hashes, order numbers. Names, places, dates, "
        "URLs, IP, MAC and e-mail addresses may occur there and do not count; every other SIT does, "
        "umbrella types too."
    )
    yield ""
    floors = list(result.figures.items())
    kinds = sorted(
        {name for floor, item in floors if floor >= MEDIUM for name in item.negatives.by_type}
    )
    size = result.at_floor.negatives.size_bytes
    levels = [f"from {floor_name(floor)}" for floor, _ in floors]
    rows = [("all", *(f"{item.negatives.false_per_mb or 0:.2f}" for _, item in floors))]
    rows += [
        (f"source {source}", *(rate(*item.negatives.by_source[source]) for _, item in floors))
        for source in sorted(result.at_floor.negatives.by_source)
    ]
    rows += [
        (name, *(rate(item.negatives.by_type.get(name, 0), size) for _, item in floors))
        for name in kinds
    ]
    yield from table(("per MB", *levels), rows)


def rate(count: int, size_bytes: int) -> str:
    return f"{per_mb(count, size_bytes) or 0:.2f}"


def sits(result: Report) -> Iterator[str]:
    yield "## By SIT"
    yield ""
    yield (
        "Findings from medium of every SIT that found something. right: on a label of its type; wrong: "
        "elsewhere, in a source where its type is labelled; unjudged: in a source where it is not; "
        "negative: in texts that hold nothing."
    )
    yield ""
    rows = [
        (name, str(item.right), str(item.wrong), share(item.right, item.right + item.wrong),
         str(item.decoys_hit), str(item.negatives), str(item.unjudged))
        for name, item in sorted(result.at_floor.sits.items())
    ]  # fmt: skip
    head = ("SIT", "right", "wrong", "precision (95 %)", "look-alikes", "negative", "unjudged")
    yield from table(head, rows)


def share(hits: int, trials: int) -> str:
    return f"{hits / trials:.3f} ({interval(hits, trials)})" if trials else "–"


def confusion(result: Report) -> Iterator[str]:
    yield "## One type found on another"
    yield ""
    yield "Labels of a type that a finding of another type lies on: instead of its own, or as well."
    yield ""
    yield from table(
        ("labelled", "found as", "instead", "as well"),
        [
            (item.gold, item.found, str(item.instead), str(item.beside))
            for item in result.confusions[:40]
        ],
        left=2,
    )


if __name__ == "__main__":
    main()
