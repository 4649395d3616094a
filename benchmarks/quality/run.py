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
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.evaluation import Counts, Document, Figures, per_mb
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.findings import LEVEL_FLOOR
from dlpagent.ports import Classifier
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
sys.path.insert(0, str(HERE))

import held_out  # noqa: E402
import secret_shapes  # noqa: E402

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
    # with the extra `ner`, persons are looked for, too
    pack = load_packs([BUILTIN_NAME], "extended", ner="auto")
    for name in unknown_names(pack, types):
        sys.stderr.write(f"map.json: {name} is no SIT of the pack\n")
    for name in unmapped_secrets(pack, types):
        sys.stderr.write(f"map.json: {name} finds secrets and is not mapped to SECRET\n")
    classifier = classifier_of(
        pack, Evidence(secrets.token_bytes(KEY_BYTES)), Home.of_environment().path / "cache"
    )
    found = predict(documents, classifier, pack.sit_names, types)
    if asked.predictions:
        write_predictions(asked.predictions, documents, found)
    files = [path.name for path in sorted(asked.corpora.glob("*.jsonl"))]
    result = report(documents, found, pack, types, labelled, files, MEDIUM)
    origins = json.loads(sources.read_text("utf-8"))
    fresh = judged_held_out(classifier, pack, types)
    lines = page(result, fresh, documents, types, origins)
    asked.output.write_text("\n".join(lines) + "\n", "utf-8")


def judged_held_out(classifier: Classifier, pack: Any, types: TypeMap) -> Report:
    """The figures on texts of held_out.py, drawn anew with its seed."""
    with TemporaryDirectory() as folder:
        held_out.write(Path(folder))
        documents = read_corpora([folder], by="mode")
    found = predict(documents, classifier, pack.sit_names, types)
    return report(documents, found, pack, types, {}, [], MEDIUM)


def unmapped_secrets(pack: Any, types: TypeMap) -> list[str]:
    """SITs that find secrets and that the map forgot; bundles repeat others and stay out."""
    return [
        sit.name
        for sit in pack.sits.values()
        if sit.value == "secret" and sit.patterns and types.pred.of(sit.name) == sit.name
        and sit.name != "All Credential Types"
    ]  # fmt: skip


def page(
    result: Report,
    fresh: Report,
    documents: Sequence[Document],
    types: TypeMap,
    origins: dict[str, Any],
) -> Iterator[str]:
    """The lines of docs/quality.md."""
    yield from introduction(result)
    yield from targets(result)
    yield from live_look_alikes()
    yield from fresh_texts(fresh)
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
        structured("synthetic English texts, structured types: F2 from medium", "≥ 0.92", result,
                   STRUCTURED),
        structured("the same: PERSON (with the extra `ner`), F2 from medium", "≥ 0.80", result,
                   frozenset({("presidio_synth_v2", "PERSON")})),
    ], left=2)  # fmt: skip
    yield (
        "Structured types of the synthetic English texts: "
        + ", ".join(sorted(name for _, name in STRUCTURED))
        + "."
    )
    yield ""


# Why the wanted share of look-alikes is out of reach with secrets: the kinds of what is still found.
LIVE = (
    ("tokens of one kind listed against the rule of another kind (bot, user and legacy tokens of a "
     "chat service; a licence key against another key of the same vendor)",
     "slack.2, slack.4, slack.6, newrelic.2"),
    ("whole settings files or connection strings whose password, client secret or webhook is live "
     "by every sign, listed because the one rule wants another field or host",
     "auth0.1, generic.1, generic.9, gitalk.1, mongodb.1, msteams.1, npm.1"),
    ("a value behind the name of a secret with a length its vendor does not issue, where others "
     "(stores that copy an interface) do issue it", "aws.2, generic.1, twitch.1"),
    ("passwords that are words or belong to an anonymous login; the same words are labelled secrets "
     "elsewhere in the corpus", "generic.4, generic.5, generic.10, odbc.1, postgres.1"),
)  # fmt: skip


def live_look_alikes() -> Iterator[str]:
    """What keeps the share of look-alikes of the secrets above what was wanted."""
    yield "### Look-alikes of secrets that are found all the same"
    yield ""
    yield (
        "The look-alikes are the negative examples of single rules: each says that *that rule* must not "
        "match, not that the text holds no secret. Placeholders, masks, variables, cut tokens, wrong "
        "check digits and code are left alone; what remains is found on purpose:"
    )
    yield ""
    yield from table(("what they are", "rules of the corpus"), LIVE, left=2)
    yield (
        "The corpus also labels what is no secret: account numbers, bucket and host names, resource "
        "names, client identifiers, user names, public keys. They are part of the recall above and are "
        "not looked for; of the labels left over, most are `user:secret@host` in URLs (low confidence)."
    )
    yield ""


def fresh_texts(result: Report) -> Iterator[str]:
    """Recall and look-alikes on texts drawn from published formats."""
    yield "## Fresh texts"
    yield ""
    yield (
        f"`benchmarks/quality/held_out.py` draws secrets of {len(secret_shapes.SHAPES.split(chr(10))) - 2} "
        "formats, numbers and telephone numbers of many countries as their issuers publish them, in "
        "sentences, code and tables of several languages; stand-ins (YOUR_KEY, ****, ${VAR}) and "
        "numbers with wrong check digits must not be found. Some rules were widened after what a "
        "first run missed; this page draws with another seed, and any seed gives other texts."
    )
    yield ""
    parts = sorted(result.figures[MEDIUM].parts)
    rows = [(f"{source} · {part}", *fresh_cells(result, (source, part))) for source, part in parts]
    head = ("texts", "labels", "recall low", "medium", "high", "look-alikes", "found from medium")
    yield from table(head, rows)


def fresh_cells(result: Report, part: tuple[str, str]) -> Iterator[str]:
    counts = [figures.parts.get(part, Counts()) for figures in result.figures.values()]
    yield str(counts[0].gold)
    yield from (f"{item.recall:.3f}" if item.gold else "–" for item in counts)
    yield str(counts[1].decoys)
    yield str(counts[1].decoys_hit)


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


def structured(
    what: str, wanted: str, result: Report, types: Collection[tuple[str, str]]
) -> Wanted:
    here = result.at_floor.in_source.items()
    chosen = [item for (source, name), item in here if (source, name) in types]
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
