"""What delivery costs: violations into file sinks, and Graph against the same requests made plainly.

usage: python benchmarks/sinks.py [EVENTS]     (default 100,000 for files; a fiftieth for services)

The services are the loopback Microsoft in a process of its own, which checks every request against
its description: most of the time per event is its work, so ratios say more than rates.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._graph_bodies import Writer, content_activity
from dlpagent.connectors.sinks._sentinel_row import COLUMNS, STREAM
from dlpagent.connectors.sinks.o365_file import O365File
from dlpagent.connectors.sinks.ocsf_file import OcsfFile
from dlpagent.connectors.sinks.purview import Purview
from dlpagent.connectors.sinks.sentinel import Sentinel
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.findings import PackRef
from dlpagent.outbox import drain
from dlpagent.ports import Sink
from dlpagent.records import Asset, Checkpoint
from dlpagent.state import BatchCommit, State, open_state
from dlpagent.violations import Event, Place, PolicyRef, SitCount, Violation, stable_id

USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
PACK, POLICY = PackRef("core", "1.0.0", "hash"), PolicyRef("policy", "Training data", "1")


def violation(number: int) -> Violation:
    """A violation with two places of evidence."""
    ident = stable_id("violation", str(number))
    place = Place(str(number), "text", 10, 29, CARD, 85, "****-****-****-1111", "0" * 32)
    return Violation(
        id=ident,
        event_id=stable_id("event", ident),
        asset_uri="file:///data/corpus.jsonl",
        asset_kind="dataset",
        connector="jsonl",
        item_level="record",
        record_id=str(number),
        policy=POLICY,
        rule_id="cards",
        rule_name="No card numbers",
        severity="high",
        mode="enforce",
        actions=("quarantine",),
        reason="2 Credit Card Number at confidence 85 or above.",
        location="dataset",
        pack=PACK,
        sits=(SitCount(CARD, "Credit Card Number", 85, 2, 2, ((85, 2, 2),)),),
        places=(place, replace(place, start=40, end=59)),
        places_total=2,
        evidence=str(number),
    )


def emit(state: State, many: int, sink: str) -> float:
    """Commit violations for a sink in batches of 2,000; returns the seconds taken."""
    run = state.begin_run(job=sink, command="bench", pack=PACK, policy=POLICY)
    lease = state.claim(run, Asset("file:///data/corpus.jsonl", "dataset", "jsonl"))
    before, began = None, time.perf_counter()
    for start in range(0, many, 2_000):
        after = Checkpoint({"n": start})
        held = tuple(violation(number) for number in range(start, min(many, start + 2_000)))
        state.commit_batch(run, lease, BatchCommit(before, after, violations=held, sinks=(sink,)))
        before = after
    state.finish_run(run, "complete")
    return time.perf_counter() - began


def drained(name: str, many: int, make: Callable[[Path], Sink]) -> float:
    """Events per second from the outbox through a sink."""
    with tempfile.TemporaryDirectory() as folder, open_state(Path(folder) / "s.db") as state:
        committed = emit(state, many, name)
        sink = make(Path(folder))
        began, worked = time.perf_counter(), time.process_time()
        done = drain(state, {name: sink})
        wall, cpu = time.perf_counter() - began, time.process_time() - worked
        sink.close()
    assert (done.sent, done.pending, done.dead) == (many, 0, 0), done
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name:16} {many:>8,} events: {many / wall:>8,.0f}/s wall, {many / cpu:>8,.0f}/s processor; "
        f"committed at {many / committed:,.0f}/s; {rss} MB at most"
    )
    return many / wall


def serve(pipe: Connection) -> None:
    """The loopback in its own process, until told to end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Microsoft(Path(folder), streams={STREAM: COLUMNS}) as microsoft,
    ):
        pipe.send((microsoft.url, microsoft.ca_file.read_text()))
        pipe.recv()


@contextmanager
def loopback(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A Microsoft and the settings that lead to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    url, authority = ours.recv()
    (folder / "ca.pem").write_text(authority)
    os.environ["BENCH_SECRET"] = CLIENT_SECRET
    login = {
        "auth": "secret",
        "tenant_id": TENANT,
        "client_id": CLIENT_ID,
        "secret_env": "BENCH_SECRET",
        "authority": url,
        "ca_file": str(folder / "ca.pem"),
        "allowed_hosts": ["localhost"],
    }
    try:
        yield url, login
    finally:
        ours.send("end")
        process.join()


def plain(url: str, login: dict[str, Any], many: int) -> float:
    """The same activities as bare POSTs with one token: what HTTP alone costs."""
    sink = Purview(url, user_id=USER, **login)
    token = sink._graph.token.header()
    context = ssl.create_default_context(cafile=login["ca_file"])
    path = f"{url}/v1.0/users/{USER}/dataSecurityAndGovernance/activities/contentActivities"
    headers = {"Authorization": token, "Content-Type": "application/json"}
    bodies = [
        encode(
            content_activity(
                Event(stable_id("p", str(n)), "new", "2026-01-01T00:00:00Z", TENANT, violation(n)),
                Writer(USER),
            )
        )
        for n in range(many)
    ]
    with httpx.Client(verify=context) as client:
        began, worked = time.perf_counter(), time.process_time()
        for body in bodies:
            assert client.post(path, content=body, headers=headers).status_code == 201
        wall, cpu = time.perf_counter() - began, time.process_time() - worked
    sink.close()
    print(
        f"{'plain POSTs':16} {many:>8,} events: {many / wall:>8,.0f}/s wall, "
        f"{many / cpu:>8,.0f}/s processor"
    )
    return many / wall


def main(many: int) -> None:
    drained("o365", many, lambda folder: O365File(folder / "o365.jsonl"))
    drained("ocsf", many, lambda folder: OcsfFile(folder / "ocsf.jsonl"))
    few = max(200, many // 50)
    with tempfile.TemporaryDirectory() as folder, loopback(Path(folder)) as (url, login):
        bare = plain(url, login, few)
        graph = drained("purview", few, lambda _: Purview(url, user_id=USER, **login))
        drained("sentinel", few, lambda _: Sentinel(url, rule_id=RULE_ID, **login))
        print(f"purview through the outbox / plain POSTs: {graph / bare:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
