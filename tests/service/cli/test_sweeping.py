"""Running a sweep file: status before and after, resuming only what can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError, ExitCode
from dlpagent.service.cli.sweeping import run_sweep, status_of, status_text

# a small pack: what is tested here does not depend on which SITs there are
SIT = r"""id: 11111111-1111-4111-8111-111111111111
name: Card
version: 1
parity: own
elements: {Card: {regex: '\d{4}(?: \d{4}){3}', validators: [luhn]}}
patterns: [{confidence: 85, primary: Card}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("my credit card is 4111 1111 1111 1111")
    (tmp_path / "card.yaml").write_text(SIT)
    path = tmp_path / "sweeps.yaml"
    path.write_text("name: job\npacks: [card.yaml]\nsources: [a.txt]\nreport: report.html\n")
    return path


def test_a_sweep_runs_and_tells_its_status(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="has not run yet"):
        status_of(file, 5)
    assert run_sweep(file, must_resume=False, full=False, quiet=True) == ExitCode.FINDINGS
    found = status_of(file, 5)
    assert [(run["job"], run["status"]) for run in found["runs"]] == [("job", "complete")]
    shown = status_text(found)
    assert "a.txt" in shown
    assert "4111" not in shown
    assert "<!DOCTYPE html>" in (file.parent / "report.html").read_text()


def test_there_must_be_a_run_to_resume(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="no run to resume"):
        run_sweep(file, must_resume=True, full=False, quiet=True)
