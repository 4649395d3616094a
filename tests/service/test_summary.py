"""What a finished sweep adds up to, also when an asset has gone since it was planned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlpagent.records import Asset
from dlpagent.service.cli.progress import Progress
from dlpagent.service.cli.scanning import Watcher
from dlpagent.service.session import Settings, open_session
from dlpagent.service.summary import incomplete_reasons, report_data, summary_lines, summary_of
from dlpagent.service.wiring import open_sources

# a small pack: what is tested here does not depend on which SITs there are
SIT = r"""id: 11111111-1111-4111-8111-111111111111
name: Card
version: 1
parity: own
elements: {Card: {regex: '\d{4}(?: \d{4}){3}', validators: [luhn]}}
patterns: [{confidence: 85, primary: Card}]
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        '{"text": "my credit card is 4111 1111 1111 1111"}\n{"text": "x\n'
    )
    return folder


def test_figures_reasons_and_report_agree(corpus: Path) -> None:
    sit = corpus.parent / "card.yaml"
    sit.write_text(SIT)
    settings = Settings(job="j", command="scan", policy="example", packs=(str(sit),))
    with open_session(settings) as session:
        watcher = Watcher(Progress(quiet=True), session, [])
        result = session.sweep(list(open_sources([str(corpus)])), watcher)
        lines = list(summary_lines(session, result, None))
        assert lines[0].startswith("1 asset(s), 2 records read; ")
        (reason,) = incomplete_reasons(session, result)
        assert "1 part(s) could not be read; the first: file://" in reason
        assert f"Incomplete: {reason}" in lines
        assert summary_of(session, result)["status"] == "incomplete"
        session.state.plan(result.run_id, [Asset("file:///gone", "dataset", "jsonl")])
        data = report_data(session, result, datetime.now(UTC), {})
        assert [(item.uri, item.incomplete) for item in data.assets][-1] == ("file:///gone", True)
        assert data.totals.records == 2
        assert "4111 1111" not in repr(data)
