"""Engines on a cluster: rows in order, nothing twice, and (marked `cluster`) the real Ray and Spark."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from dlpagent.assess import Assessor
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.pack_values import select
from dlpagent.connectors.sources.jsonl import JsonLines
from dlpagent.evidence import Evidence
from dlpagent.jobs import Job, in_this_process
from dlpagent.service import distributed
from dlpagent.service.cli import run
from dlpagent.service.distributed import Listed, merged, rows_of, table_of
from dlpagent.state import AssetProgress, Lease

CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    pack = select(builtin_pack(), lambda sit: sit.id == CARD)
    return Assessor(ReferenceClassifier.of(pack, Evidence(bytes(32))))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Job]:
    folder = tmp_path_factory.mktemp("shards")
    for number in range(4):
        rows = [{"id": f"{number}-{n}", "text": "my credit card is 4111 1111 1111 1111"}
                for n in range(5 * number)]  # fmt: skip
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return dict(enumerate(job for path in sorted(folder.iterdir()) for job in _jobs_of(path)))


def _jobs_of(path: Path) -> Iterator[Job]:
    source = JsonLines(path, batch_rows=4)
    for asset in source.discover():
        progress = AssetProgress("run", "a", asset.uri, "running")
        yield Job(source, asset, Lease("a", asset.uri, "run", "token", progress))


PORTION_BYTES = 300


@pytest.fixture(scope="module")
def listed(jobs: dict[int, Job]) -> Listed:
    found = Listed()
    list(found.tasks(jobs.values(), PORTION_BYTES))
    assert max(found.portions.values()) > 2
    return found


@pytest.fixture(scope="module")
def rows(assessor: Assessor, jobs: dict[int, Job]) -> list[dict[str, object]]:
    tasks = table_of(Listed().tasks(jobs.values(), PORTION_BYTES))
    return [row for batch in rows_of(assessor, tasks.to_batches()) for row in batch.to_pylist()]


def told(steps: object) -> dict[str, list[tuple[object, ...]]]:
    """Asset → what its steps say, in order."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for step, assessed in steps:  # type: ignore[attr-defined]
        keys = assessed.findings.to_pylist() if assessed else None
        found.setdefault(step.job.asset.uri, []).append((step.before, step.after, step.error, keys))
    return found


def joined(steps: object) -> dict[str, list[object]]:
    """Asset → its findings in order, and how it ended."""
    found: dict[str, list[object]] = {}
    before: dict[str, object] = {}
    for step, assessed in steps:  # type: ignore[attr-defined]
        uri = step.job.asset.uri
        assert step.before == before.get(uri), "a step that does not go on where the last one ended"
        before[uri] = step.after
        told = assessed.findings.to_pylist() if assessed else ["end", step.error]
        found.setdefault(uri, []).extend(told)
        if step.after is None:
            before[uri] = "ended"
    return found


@pytest.mark.parametrize("seed", range(20))
def test_rows_in_any_order_and_given_again_are_the_steps_of_one_process(
    seed: int,
    assessor: Assessor,
    jobs: dict[int, Job],
    listed: Listed,
    rows: list[dict[str, object]],
) -> None:
    chance = random.Random(seed)
    mixed = rows + chance.sample(rows, 3)
    chance.shuffle(mixed)
    tables = [pa.Table.from_pylist([row]) for row in mixed]
    alone = joined(in_this_process(assessor, iter(jobs.values())))
    assert joined(merged(listed, tables)) == alone


@pytest.mark.parametrize("portion", [0, 1])
def test_a_job_without_an_answer_ends_with_an_error_at_its_checkpoint(
    portion: int, jobs: dict[int, Job], listed: Listed, rows: list[dict[str, object]]
) -> None:
    kept = [row for row in rows if row["job"] != 2 or row["portion"] < portion]  # type: ignore[operator]
    found = told(merged(listed, [pa.Table.from_pylist(kept)]))
    *read, (before, after, error, _) = found[jobs[2].asset.uri]
    assert bool(read) == bool(portion)
    assert (before, after) == (read[-1][1] if read else None, None)
    assert "run again" in str(error)


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")  # those of Ray, Spark and pandas about each other
@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_a_cluster_gives_the_findings_and_events_of_one_process(
    engine: str,
    tmp_path: Path,
    home: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray" if engine == "ray" else "pyspark")
    monkeypatch.setattr(distributed, "PORTION_BYTES", 1_000)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number in range(5):
        rows = [{"id": f"{number}-{n}", "text": f"my credit card is 4111 1111 1111 1111, {n}"}
                for n in range(50)]  # fmt: skip
        (corpus / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (corpus / "torn.jsonl").write_text('{"id": 1, "te')
    outputs = []
    for name in ("local", engine):
        out, events = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.ocsf"
        code = run(["scan", str(corpus), "--engine", name, "--policy", "example",
                    "--state", str(tmp_path / f"{name}.db"),
                    "--format", "jsonl,ocsf", "-o", str(out), "-o", str(events)])  # fmt: skip
        uids = {json.loads(line)["metadata"]["uid"] for line in events.read_text().splitlines()}
        outputs.append((code, sorted(out.read_text().splitlines()), uids))
    assert outputs[0] == outputs[1]
    assert len(outputs[0][1]) >= 250
    assert outputs[0][0] == 3, "the torn file makes it incomplete"
