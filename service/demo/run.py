"""The quickstart: data that ships with the package, laid out as a user would have it, and swept."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path

from dlpagent.connectors.sinks.formats import findings_writer
from dlpagent.errors import ConfigurationError, ExitCode
from dlpagent.ports import Source
from dlpagent.service.cli.scanning import (
    OpenWriter,
    OutputPlan,
    Watcher,
    progress_for,
    write_html,
)
from dlpagent.service.demo.purview import purview_there
from dlpagent.service.session import EXAMPLE_NAME, Session, Settings, open_session
from dlpagent.service.sink_spec import SinkSpec, file_sink
from dlpagent.service.summary import held_violations, summary_lines, summary_of
from dlpagent.service.wiring import Unreachable, open_sources

VECTOR_SIZE = 32


def run_quickstart(out: Path, *, with_purview: bool = False) -> ExitCode:
    """Lay out the data below `out`, sweep it, and say where everything lies."""
    with purview_there(out) if with_purview else nullcontext() as there:
        code = _quickstart(out, there.sinks if there else ())
        if there:
            sys.stdout.writelines(f"{line}\n" for line in there.told())
    return code


def _quickstart(out: Path, more_sinks: tuple[SinkSpec, ...]) -> ExitCode:
    data = lay_out(out)
    targets = (str(data["export"]), str(data["corpus"]), f"qdrant-edge://{data['store'].resolve()}")
    settings = Settings(
        job="quickstart",
        command="quickstart",
        policy=EXAMPLE_NAME,
        state=str(out / "state.db"),
        sinks=(
            file_sink("o365", str(out / "events-o365.jsonl")),
            file_sink("ocsf", str(out / "events-ocsf.jsonl")),
            *more_sinks,
        ),
        targets=targets,
        fail_on="never",
        full=True,
    )
    with open_session(settings) as session:
        sources = list(open_sources(targets))
        code = _sweep(session, sources, out)
    sys.stdout.write(
        f"\nReport    {out / 'report.html'}\n"
        f"Events    {out / 'events-o365.jsonl'} (Office 365 audit shape), "
        f"{out / 'events-ocsf.jsonl'} (OCSF 2006)\n"
        f"Findings  {out / 'findings.jsonl'}\n"
        f"State     {out / 'state.db'}\n"
        f"Data      {out / 'data'} (synthetic)\n\n"
        f"Next: dlpagent scan YOUR-FILES --policy example   ·   "
        f"dlpagent explain 'my card is 4111 1111 1111 1111'\n"
    )
    return code


def _sweep(session: Session, sources: list[Source | Unreachable], out: Path) -> ExitCode:
    pack, names = session.classifier.pack, session.classifier.sit_names
    with (out / "findings.jsonl").open("wb") as file:
        table = findings_writer("table", sys.stdout, pack, names)  # type: ignore[arg-type]
        lines = findings_writer("jsonl", file, pack, names)
        writers = [
            OpenWriter(table, OutputPlan("table", None)),
            OpenWriter(lines, OutputPlan("jsonl", out / "findings.jsonl")),
        ]
        watcher = Watcher(progress_for(sources, quiet=False), session, writers)
        result = session.sweep(sources, watcher)
        watcher.progress.close()
        delivered = session.deliver()
        summary = summary_of(session, result)
        violations = list(held_violations(session, result))
        for item in writers:
            item.writer.close(summary, violations)
    write_html(session, result, out / "report.html", watcher.progress.figures())
    for line in summary_lines(session, result, delivered):
        sys.stderr.write(line + "\n")
    if delivered.pending or delivered.dead or delivered.errors:
        return ExitCode.DELIVERY
    return ExitCode.CLEAN if result.status == "complete" else ExitCode.INCOMPLETE


def lay_out(out: Path) -> dict[str, Path]:
    """Write the demo data below `out`/data: a ChatGPT export, a corpus, a vector store."""
    folder = out / "data"
    shipped = files("dlpagent.service.demo").joinpath("data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        export = folder / "chatgpt-export.zip"
        with zipfile.ZipFile(export, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("conversations.json", "user.json"):
                member = zipfile.ZipInfo(name, (2026, 1, 31, 12, 0, 0))
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, shipped.joinpath("chatgpt-export", name).read_bytes())
        corpus = folder / "support-tickets.jsonl"
        corpus.write_bytes(shipped.joinpath("support-tickets.jsonl").read_bytes())
        store = folder / "knowledge-base"
        build_store(store, shipped.joinpath("knowledge-base.jsonl").read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"the quickstart cannot write its data ({error.strerror})",
            where=str(out),
            expected="a folder this user may write",
            remedy="Name another with --out.",
        ) from None
    return {"export": export, "corpus": corpus, "store": store}


def build_store(folder: Path, lines: str) -> None:
    """An embedded vector store of the lines, made anew, with vectors hashed from their words."""
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeShard,
        EdgeVectorParams,
        Point,
        UpdateOperation,
    )

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = EdgeConfig(vectors=EdgeVectorParams(size=VECTOR_SIZE, distance=Distance.Cosine))
    shard = EdgeShard.create(str(folder), config)
    try:
        points = []
        for line in lines.splitlines():
            record = json.loads(line)
            payload = {"page_content": record["page_content"], "metadata": record["metadata"]}
            points.append(Point(record["id"], hashed_vector(record["page_content"]), payload))
        shard.update(UpdateOperation.upsert_points(points))
        shard.flush()
    finally:
        shard.close()


def hashed_vector(text: str) -> list[float]:
    """A stand-in for an embedding: words hashed into buckets. Good enough to have a real store."""
    vector = [0.0] * VECTOR_SIZE
    for word in text.lower().split():
        digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
        vector[digest[0] % VECTOR_SIZE] += 1.0 if digest[1] % 2 else -1.0
    return vector
