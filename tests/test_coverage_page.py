"""docs/coverage.md says what is so today."""

from __future__ import annotations

import runpy
from pathlib import Path

from dlpagent.classifiers.pack import builtin_pack

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / "benchmarks" / "coverage.py"


def test_the_coverage_page_is_what_the_command_writes() -> None:
    written = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    fresh = runpy.run_path(str(COMMAND), run_name="coverage")["page"](builtin_pack())
    assert written == fresh, "out of date: python benchmarks/coverage.py"


def test_the_coverage_page_has_one_row_for_each_of_the_327_types() -> None:
    rows = [
        line.split(" | ")
        for line in (ROOT / "docs" / "coverage.md").read_text("utf-8").splitlines()
        if line.count(" | ") >= 8 and "`" in line.split(" | ")[1]
    ]
    assert len({row[1] for row in rows}) == len(rows) == 327
