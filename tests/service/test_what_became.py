"""A run tells of violations that do not count: set aside by people, or resolved by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run
from dlpagent.state import open_state
from dlpagent.state.exempting import override


def test_what_is_set_aside_or_resolved_is_told_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, state = tmp_path / "data", tmp_path / "s.db"
    data.mkdir()
    row = json.dumps({"id": "a", "text": "my credit card is 4111 1111 1111 1111"})
    for name in ("kept", "cleaned"):
        (data / f"{name}.jsonl").write_text(row + "\n", "utf-8")

    def scan() -> str:
        given = ["--policy", "example", "--state", str(state), "--fail-on", "never"]
        assert run(["scan", str(data), *given]) == 0
        return capsys.readouterr().err

    assert "What became" not in scan()
    with open_state(state) as opened:
        kept = [v.violation for v in opened.violations() if "kept" in v.violation.asset_uri]
        for violation in kept:
            override(opened.database, "ann", violation.id, "a test number")
    (data / "cleaned.jsonl").write_text('{"id": "a", "text": "nothing"}\n', "utf-8")
    many = len(kept)
    told = scan()  # the file that is kept is skipped as unchanged
    assert "Violations: 0 high, 0 medium, 0 low" in told
    assert f"{many} overridden (not counted), {many} resolved: gone or clean" in told
    (data / "cleaned.jsonl").unlink()
    (data / "kept.jsonl").unlink()
    (data / "other.jsonl").write_text('{"id": "a", "text": "nothing"}\n', "utf-8")
    assert f"{many} resolved" in scan()
