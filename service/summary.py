"""What a finished sweep adds up to: the lines a person reads, and the data of the report."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sinks.report_data import (
    AssetFigures,
    ReadProblem,
    ReportData,
    SitFindings,
    Totals,
)
from dlpagent.findings import LEVELS, level_of
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.outbox import Delivered
from dlpagent.records import Asset
from dlpagent.service.ner import sentence_of
from dlpagent.service.session import Session
from dlpagent.service.suppressing import Suppressed
from dlpagent.state import AssetProgress, Counters
from dlpagent.sweep import Result
from dlpagent.violations import OPEN_STATUSES, SET_ASIDE, Severity, SitRef, Violation

MAX_LISTED = 500
MAX_PROBLEMS = 1_000

# What each status means to a person. "unchecked": read, but a rule was not applied.
REASONS: Mapping[str, str] = {
    "unread": "could not be read",
    "protected": "protected and not read",
    "opaque": "of a form that is not scanned",
    "no_content": "without content (logging of content is off)",
    "unchecked": "read, but a rule ran out of time or was cut off",
}


def incomplete_reasons(session: Session, result: Result) -> list[str]:
    """One sentence per reason why the run is not complete; empty when it is."""
    reasons = [f"{place}: {message.splitlines()[0]}" for place, message in result.unreachable]
    for status, meaning in REASONS.items():
        many = result.counters.statuses.get(status, 0)
        if many and status not in session.settings.accept:
            reasons.append(f"{many:,} part(s) {meaning}{_first_place(session, result, status)}")
    if failed := result.assets.get("failed", 0):
        reasons.append(f"{failed} asset(s) could not be read to their end")
    if pending := result.assets.get("pending", 0):
        reasons.append(f"{pending} asset(s) were not reached")
    return reasons


def _first_place(session: Session, result: Result, status: str) -> str:
    """Where the first part of a status lies, and why it was not read."""
    for item in session.state.problems(result.run_id, statuses=(status,), limit=1):
        return f"; the first: {item.asset_uri}, record {item.record_id}, {item.part}: {item.reason}"
    return ""


def summary_of(
    session: Session, result: Result, suppressed: Suppressed | None = None
) -> dict[str, Any]:
    """The run in figures, as plain JSON values."""
    hidden = suppressed or Suppressed()
    return {
        "run": result.run_id,
        "status": result.status,
        "assets": result.assets,
        "counters": asdict(result.counters),
        "suppressed": {"total": hidden.total, **hidden.rulings},
        "incomplete": incomplete_reasons(session, result),
    }


def summary_lines(
    session: Session,
    result: Result,
    delivered: Delivered | None,
    suppressed: Suppressed | None = None,
) -> Iterator[str]:
    """What is told on stderr when a run is over."""
    counters = result.counters + result.unchanged
    levels = ", ".join(f"{counters.levels.get(level, 0):,} {level}" for level in reversed(LEVELS))
    skipped = result.assets.get("skipped", 0)
    yield (
        f"{sum(result.assets.values()):,} asset(s){f' ({skipped:,} unchanged)' if skipped else ''}, "
        f"{result.counters.records:,} records read; {counters.findings:,} findings ({levels})"
    )
    if suppressed is not None and suppressed.total:
        yield f"{suppressed}; they count neither for --fail-on nor for policies"
    if session.decider is not None:
        counts = severities(session, result)
        many = ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("high", "medium", "low"))
        yield f"Violations: {many}"
    if became := what_became(session, result):
        yield became
    for reason in incomplete_reasons(session, result):
        yield f"Incomplete: {reason}"
    if sentence := sentence_of(session.left_out):
        yield sentence
    if delivered is not None:
        yield f"Events: {delivered.sent:,} delivered, {delivered.pending:,} waiting in the outbox"
        for sink in delivered.busy:
            yield f"Not delivered to {sink}: another process is delivering to it"
        for sink, message in delivered.errors.items():
            yield f"Not delivered to {sink}: {message.splitlines()[0]}"


def what_became(session: Session, result: Result) -> str:
    """One sentence on violations that do not count as open, "" when there are none."""
    counts = Counter(session.state.violations_by_status(result.run_id))
    for progress in session.state.progress(result.run_id):
        if progress.status == "skipped":
            set_aside = session.state.violations(asset=progress.asset_uri, statuses=SET_ASIDE)
            counts.update(each.status for each in set_aside)
    named = [
        f"{counts[status]:,} {words}"
        for status, words in (
            ("reopened", "reopened"),
            ("overridden", "overridden (not counted)"),
            ("false_positive", "false positive (not counted)"),
            ("resolved", "resolved: gone or clean"),
        )
        if counts.get(status)
    ]
    return f"What became of violations: {', '.join(named)}" if named else ""


def held_violations(session: Session, result: Result) -> Iterator[Violation]:
    """Open violations the run saw, and those that hold on assets it skipped as unchanged."""
    for item in session.state.violations(result.run_id, statuses=OPEN_STATUSES):
        yield item.violation
    for progress in session.state.progress(result.run_id):
        if progress.status == "skipped":
            for item in session.state.violations(asset=progress.asset_uri, statuses=OPEN_STATUSES):
                yield item.violation


def severities(session: Session, result: Result) -> dict[Severity, int]:
    """How many violations hold, by severity."""
    if not result.assets.get("skipped"):
        return session.state.violations_by_severity(result.run_id)  # type: ignore[return-value]
    counts: dict[Severity, int] = {}
    for violation in held_violations(session, result):
        counts[violation.severity] = counts.get(violation.severity, 0) + 1
    return counts


def report_data(
    session: Session, result: Result, now: datetime, figures: Mapping[str, Any]
) -> ReportData:
    """Everything the report shows of a run. Raises StateError."""
    progress = session.state.progress(result.run_id)
    violations = tuple(worst_violations(session, result))
    taxonomy = session.decider.taxonomy if session.decider else None
    counters = result.counters
    return ReportData(
        generated_at=now,
        totals=Totals(
            assets=len(progress),
            records=counters.records,
            parts=counters.parts,
            chars=counters.chars,
            seconds=float(figures.get("seconds", 0.0)),
        ),
        coverage={
            status: many  # type: ignore[misc]
            for status, many in counters.statuses.items()
            if status != "unchecked"  # such parts were read
        },
        pack=session.classifier.pack,
        pack_name=session.pack.name,
        policy=session.decider.policy if session.decider else None,
        run={"Run": result.run_id, "Pack": session.pack.name, "State": session.state.place},
        incomplete=tuple(incomplete_reasons(session, result)),
        problems=tuple(_problems(session, result, progress)),
        problems_total=counters.problems,
        sits=tuple(_sits(session, result)),
        assets=tuple(_assets(result, progress, violations, taxonomy)),
        violations=violations,
        severities=severities(session, result),
        left_out=sentence_of(session.left_out),
    )


def worst_violations(session: Session, result: Result) -> list[Violation]:
    """The violations that hold, the most severe first; at most MAX_LISTED."""
    order = {"high": 0, "medium": 1, "low": 2}
    return heapq.nsmallest(
        MAX_LISTED,
        held_violations(session, result),
        key=lambda item: (order[item.severity], item.asset_uri, item.record_id),
    )


def _problems(
    session: Session, result: Result, progress: list[AssetProgress]
) -> Iterator[ReadProblem]:
    left = MAX_PROBLEMS
    for asset in progress:
        if not asset.counters.problems or left <= 0:
            continue
        for item in session.state.problems(result.run_id, asset.asset_uri, limit=left):
            left -= 1
            yield ReadProblem(
                asset.asset_uri,
                item.record_id,
                item.part,
                item.status,  # type: ignore[arg-type]
                item.reason,
                item.locator,
            )


def _sits(session: Session, result: Result) -> Iterator[SitFindings]:
    """Findings by SIT and level, counted from what is stored."""
    names = session.classifier.sit_names
    counts: dict[str, dict[str, int]] = {}
    for batch in session.state.findings(result.run_id):
        table = pa.Table.from_batches([batch.rows.select(["sit_id", "confidence"])])
        for row in (
            table.group_by(["sit_id", "confidence"]).aggregate([([], "count_all")]).to_pylist()
        ):
            levels = counts.setdefault(row["sit_id"], {})
            level = level_of(row["confidence"])
            levels[level] = levels.get(level, 0) + row["count_all"]
    for sit_id, levels in counts.items():
        yield SitFindings(SitRef(sit_id, names.get(sit_id, sit_id)), **levels)


def _assets(
    result: Result,
    progress: list[AssetProgress],
    violations: tuple[Violation, ...],
    taxonomy: Taxonomy | None,
) -> Iterator[AssetFigures]:
    for item in progress:
        asset = result.found.get(item.asset_uri)
        if asset is None:  # planned before the run was cut off, and gone since
            asset = Asset(item.asset_uri, "dataset", "")
        mine = [one for one in violations if one.asset_uri == item.asset_uri]
        found: dict[Severity, int] = {}
        for violation in mine:
            found[violation.severity] = found.get(violation.severity, 0) + 1
        yield AssetFigures(
            uri=item.asset_uri,
            kind=asset.kind,
            connector=asset.connector,
            records=item.counters.records,
            violations=found,
            labels=_labels(item.counters, taxonomy),
            incomplete=item.status in ("incomplete", "failed", "pending"),
            **{level: item.counters.levels.get(level, 0) for level in LEVELS},  # type: ignore[arg-type]
        )


def _labels(counters: Counters, taxonomy: Taxonomy | None) -> tuple[tuple[str, int], ...]:
    """Labels the asset's items should carry, the most sensitive first."""
    if taxonomy is None:
        return ()
    found = []
    for ident, many in counters.labels.items():
        label = taxonomy.get(ident)
        name = taxonomy.path(label) if label else ident
        found.append((label.priority if label else -1, name, many))
    return tuple((name, many) for _, name, many in sorted(found, reverse=True))
