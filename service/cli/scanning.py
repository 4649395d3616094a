"""What `scan`, `sweep` and `quickstart` share: sources in, sweep, findings and events out."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dlpagent.connectors.sinks.formats import FORMATS, FindingsWriter, findings_writer
from dlpagent.errors import ConfigurationError, ExitCode
from dlpagent.outbox import Delivered
from dlpagent.ports import Source
from dlpagent.records import Asset, Checkpoint
from dlpagent.service.cli.progress import Progress
from dlpagent.service.distributed import check_engine
from dlpagent.service.session import (
    Session,
    Settings,
    exit_code,
    open_session,
    parse_level,
)
from dlpagent.service.sink_spec import SinkSpec, file_sink
from dlpagent.service.summary import held_violations, report_data, summary_lines, summary_of
from dlpagent.service.suppressing import Suppressed, suppressed_in
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import AssetProgress, Committed, Counters
from dlpagent.sweep import Result, Stopped
from dlpagent.violations import ZERO_TENANT, Violation

# Of the sinks, those that are a file; the others need settings that only a sweep file has room for.
EVENT_FORMATS = ("o365", "ocsf")
ALL_FORMATS = (*FORMATS, "html", *EVENT_FORMATS)
STATUSES = ("unread", "protected", "opaque", "no_content", "unchecked")


@dataclass(frozen=True, slots=True)
class Request:
    """A scan as asked for on the command line, not yet checked."""

    targets: tuple[str, ...]
    connector: str | None
    packs: tuple[str, ...]
    profile: str
    policy: str | None
    labels: str | None
    min_confidence: str
    formats: str | None
    outputs: tuple[Path, ...]
    fail_on: str
    accept: str
    state: str | None
    resume: bool
    full: bool
    workers: int
    engine: str
    key_file: Path | None
    tenant_id: str | None
    quiet: bool
    ner: str = "off"
    ner_budget: float | None = None
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """One format and where it goes; path None is standard output."""

    format: str
    path: Path | None


def run_scan(request: Request) -> ExitCode:
    """Scan, write, deliver; returns the exit code. Raises DlpAgentError for what a person must mend."""
    plans = plan_outputs(request.formats, request.outputs)
    check_request(request, plans)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dlpagent-")))
        sinks = tuple(
            file_sink(plan.format, str(plan.path or work / plan.format))
            for plan in plans
            if plan.format in EVENT_FORMATS
        )
        session = stack.enter_context(open_session(settings_of(request, sinks)))
        resume = session.resumable() if request.resume else None
        sources = list(open_sources(request.targets, request.connector))
        writers = [
            stack.enter_context(opened_writer(plan, session))
            for plan in plans
            if plan.format in FORMATS
        ]
        watcher = Watcher(progress_for(sources, quiet=request.quiet), session, writers)
        if resume is not None:
            watcher.replay(resume.id)
        try:
            result = session.sweep(sources, watcher, resume)
        except Stopped as stop:
            watcher.progress.close()
            sys.stderr.write(stop.render() + "\n")
            return ExitCode.INTERRUPTED
        watcher.progress.close()
        delivered = session.deliver() if sinks else None
        suppressed = suppressed_in(session.state, result, session.suppressions)
        finish_outputs(session, result, watcher, plans, suppressed)
        for sink in sinks:
            if Path(sink.target).parent == work:
                _copy_to_stdout(Path(sink.target))
        if not request.quiet:
            for line in summary_lines(session, result, delivered, suppressed):
                sys.stderr.write(line + "\n")
        return exit_code(result, session.settings, delivered, suppressed)


def settings_of(request: Request, sinks: tuple[SinkSpec, ...]) -> Settings:
    """The checked settings of a request."""
    return Settings(
        job="scan " + " ".join(request.targets),
        command="scan",
        packs=request.packs,
        profile=request.profile,  # type: ignore[arg-type]
        policy=request.policy,
        labels=request.labels,
        state=request.state,
        key_file=request.key_file,
        min_confidence=parse_level(request.min_confidence),
        sinks=sinks,
        tenant_id=request.tenant_id or ZERO_TENANT,
        accept=parse_accept(request.accept),
        full=request.full,
        workers=request.workers,
        engine=check_engine(request.engine),
        fail_on=request.fail_on,
        targets=request.targets,
        ner=request.ner,  # type: ignore[arg-type]
        ner_budget=request.ner_budget,
        baseline=request.baseline,
    )


def plan_outputs(formats: str | None, outputs: Sequence[Path]) -> list[OutputPlan]:
    """Formats paired with files, in order; a format without a file goes to standard output."""
    default = "table" if sys.stdout.isatty() and not outputs else "jsonl"
    names = [name.strip() for name in (formats or default).split(",") if name.strip()]
    for name in names:
        if name not in ALL_FORMATS:
            raise ConfigurationError(
                "there is no such output format",
                where="--format",
                expected="one of " + ", ".join(ALL_FORMATS),
                found=name,
            )
    if len(outputs) > len(names):
        raise ConfigurationError(
            "there are more files than formats",
            where="--output",
            expected=f"at most {len(names)}",
            found=str(len(outputs)),
            remedy="Name one format per file: --format jsonl,html -o a.jsonl -o a.html",
        )
    paths = [*outputs, *[None] * (len(names) - len(outputs))]
    plans = [OutputPlan(name, path) for name, path in zip(names, paths, strict=True)]
    if sum(plan.path is None for plan in plans) > 1:
        raise ConfigurationError(
            "only one format can go to standard output",
            where="--format",
            remedy="Give each further format a file with -o.",
        )
    if len(set(outputs)) < len(outputs):
        raise ConfigurationError(
            "two formats would be written to one file",
            where="--output",
            expected="a file for each",
            found="the same file twice",
        )
    return plans


def check_request(request: Request, plans: Sequence[OutputPlan]) -> None:
    """What contradicts itself. Raises ConfigurationError."""
    events = [plan.format for plan in plans if plan.format in EVENT_FORMATS]
    if events and not request.policy:
        raise ConfigurationError(
            f"--format {events[0]} writes violations, and only a policy makes those",
            where="--policy",
            expected="a policy",
            found="none",
            remedy="Name a policy file, or use the one that ships: --policy example",
        )
    if request.resume and not request.state:
        raise ConfigurationError(
            "--resume needs a state to go on from",
            where="--state",
            expected="the state of the scan that was cut off",
            found="none",
        )
    for plan in plans:
        if plan.path is not None and not plan.path.absolute().parent.is_dir():
            raise ConfigurationError(
                "the output cannot be written",
                where=str(plan.path),
                expected="a file in an existing folder",
                found="no such folder",
            )
        if plan.path is not None and plan.path.is_dir():
            raise ConfigurationError(
                "the output cannot be written",
                where=str(plan.path),
                expected="a file",
                found="a folder",
            )


def parse_accept(text: str) -> frozenset[str]:
    """Part statuses from a comma list. Raises ConfigurationError."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = names - set(STATUSES)
    if unknown:
        raise ConfigurationError(
            "this is not a status of a part",
            where="--accept",
            expected="some of " + ", ".join(STATUSES),
            found=", ".join(sorted(unknown)),
        )
    return names


# --- writers ----------------------------------------------------------------------------------


@dataclass(slots=True)
class OpenWriter:
    """A writer with the file behind it. A file is written beside its name and moved when whole."""

    writer: FindingsWriter
    plan: OutputPlan
    draft: Path | None = None
    stream: BinaryIO | None = None
    is_whole: bool = False


@contextmanager
def opened_writer(plan: OutputPlan, session: Session) -> Iterator[OpenWriter]:
    """A writer for one output. What was written stays as <name>.partial if the scan ends early.

    Devices and pipes are written to as they are: nothing may take the place of /dev/null.
    """
    names, pack = session.classifier.sit_names, session.classifier.pack
    if plan.path is None:
        yield OpenWriter(findings_writer(plan.format, sys.stdout, pack, names), plan)  # type: ignore[arg-type]
        return
    is_special = plan.path.exists() and not plan.path.is_file()
    draft = plan.path if is_special else plan.path.with_name(plan.path.name + ".partial")
    try:
        stream = draft.open("wb")
    except OSError as error:
        raise ConfigurationError(
            f"the output cannot be written ({error.strerror})", where=str(plan.path)
        ) from None
    with stream:
        opened = OpenWriter(findings_writer(plan.format, stream, pack, names), plan, draft, stream)
        yield opened
    if opened.is_whole and not is_special:
        draft.replace(plan.path)


@dataclass(slots=True)
class Watcher:
    """Hands findings to the writers as they become durable, and figures to the progress."""

    progress: Progress
    session: Session
    writers: list[OpenWriter]
    assets: list[str] = field(default_factory=list)

    def planned(self, assets: Sequence[Asset]) -> None:
        self.progress.planned(assets)

    def asset_begins(self, asset: Asset, progress: AssetProgress) -> None:
        self.progress.asset_begins(asset, progress)

    def batch_done(
        self,
        asset: Asset,
        findings: pa.RecordBatch,
        checkpoint: Checkpoint,
        committed: Committed,
        counters: Counters,
    ) -> None:
        self._write(asset.uri, findings)
        self.progress.batch_done(asset, findings, checkpoint, committed, counters)

    def asset_ends(self, asset: Asset, progress: AssetProgress) -> None:
        self.progress.asset_ends(asset, progress)

    def asset_skipped(self, asset: Asset) -> None:
        if self.writers:
            for stored in self.session.state.latest_findings(asset.uri):
                self._write(asset.uri, stored.rows)
        self.progress.asset_skipped(asset)

    def replay(self, run_id: str) -> None:
        """Write what a run found before it was cut off."""
        if self.writers:
            for stored in self.session.state.findings(run_id):
                self._write(stored.asset_uri, stored.rows)

    def _write(self, asset_uri: str, findings: pa.RecordBatch) -> None:
        if not findings.num_rows or not self.writers:
            return
        suppressed = self.session.suppressions.verdicts_on(asset_uri, findings)
        for item in self.writers:
            item.writer.write(asset_uri, findings, suppressed)


def finish_outputs(
    session: Session,
    result: Result,
    watcher: Watcher,
    plans: Sequence[OutputPlan],
    suppressed: Suppressed,
) -> None:
    """Close the writers and write the report."""
    violations = list(held_violations(session, result)) if session.decider else []
    summary = summary_of(session, result, suppressed)
    for item in watcher.writers:
        item.writer.close(summary, violations)
        item.is_whole = True
    for plan in plans:
        if plan.format == "html":
            write_html(session, result, plan.path, watcher.progress.figures())


def write_html(
    session: Session, result: Result, path: Path | None, figures: Mapping[str, Any]
) -> None:
    """The report, to a file or standard output."""
    from dlpagent.connectors.sinks.report import render_report, write_report

    data = report_data(session, result, datetime.now(UTC), figures)
    if path is not None:
        write_report(path, data)
    else:
        sys.stdout.write(render_report(data))


def _copy_to_stdout(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()


def progress_for(sources: Sequence[Source | Unreachable], *, quiet: bool) -> Progress:
    """Progress that knows how much there is to read, as far as the sources can tell."""
    progress = Progress(quiet=quiet)
    progress.assets_total = len(sources)
    return progress


__all__ = ["Delivered", "Request", "Violation", "Watcher", "run_scan"]
