"""Verdicts at work in a scan: which hold, how many findings they hide, under which key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.evidence import Evidence
from dlpagent.findings import LEVELS, Level, level_of
from dlpagent.former_keys import holding
from dlpagent.state import State
from dlpagent.state.model import FindingBatch
from dlpagent.state.verdicts import stored_verdicts
from dlpagent.suppressions import Suppressions, Verdict
from dlpagent.sweep import Result


@dataclass(slots=True)
class Suppressed:
    """Findings hidden by verdicts. levels: level → findings; rulings: false, accepted → findings."""

    levels: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))
    rulings: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.rulings.values())

    def add(self, confidence: int, verdict: Verdict) -> None:
        """Count one finding."""
        self.levels[level_of(confidence)] += 1
        self.rulings[verdict.ruling] = self.rulings.get(verdict.ruling, 0) + 1

    def __str__(self) -> str:
        kinds = ", ".join(f"{many:,} {ruling}" for ruling, many in sorted(self.rulings.items()))
        return f"{self.total:,} findings suppressed by verdicts ({kinds or 'none'})"


def evidence_for(key_file: Path, verdicts: Iterable[Verdict]) -> Evidence:
    """The evidence of a key file; values under verdicts keep the key they had before a rotation.

    A verdict whose value was seen again under the present key needs no former key any more.
    """
    return holding(key_file, [(item.key_id, item.key) for item in unsuperseded(verdicts)])


def unsuperseded(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those that do not go on as another verdict, under a newer key."""
    given = list(verdicts)
    continued = {item.former_key for item in given}
    return [item for item in given if item.key not in continued]


def verdicts_in_force(state: State, baseline: Iterable[Verdict] = ()) -> list[Verdict]:
    """The verdicts of a state and of a baseline, those that suppress nothing too."""
    return [*stored_verdicts(state.database), *baseline]


def suppressed_in(state: State, result: Result, suppressions: Suppressions) -> Suppressed:
    """What verdicts hide of the findings of a run and of the assets it skipped as unchanged."""
    found = Suppressed()
    if not suppressions:
        return found
    for batch in _batches(state, result):
        hidden = suppressions.verdicts_on(batch.asset_uri, batch.rows)
        confidences = batch.rows.column("confidence")
        for row, verdict in hidden.items():
            found.add(confidences[row].as_py(), verdict)
    return found


def _batches(state: State, result: Result) -> Iterator[FindingBatch]:
    yield from state.findings(result.run_id)
    for progress in state.progress(result.run_id):
        if progress.status == "skipped":
            yield from state.latest_findings(progress.asset_uri)
