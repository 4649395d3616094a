"""kill -9 at 100 random batches: what a live source gave before and after is everything, once."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sources.graph_copilot import GraphCopilot
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.logs import Tenant
from dlpagent.records import Checkpoint

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNT = 240


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    monkeypatch.setenv("SECRET", CLIENT_SECRET)
    with Tenant(tmp_path, page_size=50) as running:
        running.interactions = {
            "ada": [
                {"id": f"{n:04}", "interactionType": "userPrompt", "requestId": str(n),
                 "createdDateTime": (NOW - timedelta(minutes=9 * n)).isoformat(),
                 "body": {"contentType": "text", "content": f"text {n}"}}
                for n in range(COUNT)
            ]
        }  # fmt: skip
        yield running


def source(tenant: Tenant) -> GraphCopilot:
    return GraphCopilot(
        "graph://copilot?user=ada&since=2026-11-16", batch_rows=1, auth="secret",
        tenant_id=TENANT, client_id=CLIENT_ID, secret_env="SECRET", authority=tenant.url,
        ca_file=str(tenant.ca_file), endpoint=tenant.url, allowed_hosts=("localhost",),
        clock=lambda: NOW,
    )  # fmt: skip


def sweep(tenant: Tenant, journal: Path, dies_after: int) -> None:
    """Read on from the journal, one durable line a batch, and die in the middle of it."""
    lines = journal.read_text("utf-8").splitlines() if journal.exists() else []
    last: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    after = Checkpoint(last["cursor"], last["done"]) if last else None
    opened = source(tenant)
    (asset,) = opened.discover()
    with journal.open("a", encoding="utf-8") as file:
        for given, (batch, checkpoint) in enumerate(opened.read(asset, after)):
            if given == dies_after:
                os.kill(os.getpid(), signal.SIGKILL)
            told = {"ids": batch["record_id"].to_pylist(), "cursor": dict(checkpoint.cursor)}
            file.write(json.dumps({**told, "done": checkpoint.done}) + "\n")
            file.flush()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_sweep_killed_at_100_random_batches_reads_everything_once(
    tenant: Tenant, tmp_path: Path
) -> None:
    journal, chance, kills = tmp_path / "journal", random.Random(5), 0
    for _ in range(400):
        child = os.fork()
        if child == 0:
            sweep(tenant, journal, chance.randrange(5) if kills < 100 else 10_000)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            break
        kills += 1
        chance.random()  # the child drew from a copy of its own
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    given = [one for line in lines for one in line["ids"]]
    assert lines[-1]["done"]
    assert sorted(given) == [f"{n:04}" for n in range(COUNT)]
    assert kills == 100
