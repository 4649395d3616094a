"""What a report shows: figures and lists of one run, without any value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dlpagent.findings import PackRef
from dlpagent.records import AssetKind, PartStatus
from dlpagent.violations import PolicyRef, Severity, SitRef, Violation


@dataclass(frozen=True, slots=True)
class Totals:
    """How much was scanned. size_bytes: of the assets as stored, None when no source could tell."""

    assets: int
    records: int
    parts: int
    chars: int
    seconds: float
    size_bytes: int | None = None

    @property
    def mb_per_s(self) -> float:
        """Millions of bytes a second; of characters when the size in bytes is not known."""
        amount = self.chars if self.size_bytes is None else self.size_bytes
        return amount / 1e6 / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A part that was not checked, and why. problem names the cause, never the content."""

    asset_uri: str
    record_id: str
    part: str
    status: PartStatus
    problem: str
    locator: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SitFindings:
    """How often a SIT was found, by level."""

    sit: SitRef
    high: int = 0
    medium: int = 0
    low: int = 0

    @property
    def total(self) -> int:
        """Findings of all levels."""
        return self.high + self.medium + self.low


@dataclass(frozen=True, slots=True)
class AssetFigures:
    """One asset: its findings by level, its violations, and the labels its items should carry.

    labels: (label name, items) in falling sensitivity; existing: the highest label it carries now.
    """

    uri: str
    kind: AssetKind
    connector: str
    records: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    violations: Mapping[Severity, int] = field(default_factory=dict)
    labels: tuple[tuple[str, int], ...] = ()
    existing: str | None = None
    incomplete: bool = False

    @property
    def findings(self) -> int:
        """Findings of all levels."""
        return self.high + self.medium + self.low


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything a report says of one run.

    coverage: parts by status. incomplete: one sentence per reason, empty when all was checked.
    severities: violations by severity, all of them; None counts those given in violations, which
    may be fewer than there are. problems_total: likewise for problems. left_out: a sentence about
    types that were not looked for by choice; empty when there are none.
    run: further facts of the run (id, source, command) in the order they are to be shown.
    """

    generated_at: datetime
    totals: Totals
    coverage: Mapping[PartStatus, int]
    pack: PackRef
    pack_name: str = ""
    policy: PolicyRef | None = None
    run: Mapping[str, str] = field(default_factory=dict)
    incomplete: tuple[str, ...] = ()
    problems: tuple[ReadProblem, ...] = ()
    problems_total: int | None = None
    sits: tuple[SitFindings, ...] = ()
    assets: tuple[AssetFigures, ...] = ()
    violations: tuple[Violation, ...] = ()
    severities: Mapping[Severity, int] | None = None
    left_out: str = ""

    def by_severity(self) -> dict[Severity, int]:
        """Violations by severity, highest first, every severity named."""
        if self.severities is not None:
            return {name: self.severities.get(name, 0) for name in ("high", "medium", "low")}
        counts: dict[Severity, int] = {"high": 0, "medium": 0, "low": 0}
        for violation in self.violations:
            counts[violation.severity] += 1
        return counts

    @property
    def is_complete(self) -> bool:
        """True when every part was read and nothing was left out.

        A part without content counts: nothing was logged there, which is not the same as clean.
        """
        return not self.incomplete and not any(
            count for status, count in self.coverage.items() if status != "read"
        )
