"""Load on the service: prompts of 2,000 characters over many connections, beside Presidio's server.

    python benchmarks/serve_load.py --seconds 30 --connections 32 [--rate 400] [--presidio URL]

It begins `dlpagent serve` itself (--no-auth, --workers as given) and stops it afterwards. Each
connection asks again when it is answered (closed loop), or all of them together at --rate requests a
second. Latency is told as percentiles over all requests, memory as the resident size of the server
and its workers at the start, middle and end. --presidio asks a server that runs already (Presidio's
own, with its analyzer at /analyze) the same texts in the same way, for a tenth of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = [
    "the",
    "customer",
    "asked",
    "about",
    "her",
    "invoice",
    "and",
    "whether",
    "the",
    "order",
    "could",
    "be",
    "shipped",
    "next",
    "week",
    "please",
    "draft",
    "an",
    "answer",
    "that",
    "explains",
    "our",
    "terms",
    "and",
    "offers",
    "a",
    "refund",
    "if",
    "the",
    "parcel",
    "is",
    "late",
    "thank",
    "you",
    "for",
    "your",
    "patience",
    "the",
    "team",
    "will",
    "review",
    "the",
    "details",
    "and",
    "call",
    "back",
    "with",
    "regards",
]
VALUES = ["4111 1111 1111 1111", "bob@example.com", "219-09-9999", "GB82 WEST 1234 5698 7654 32"]


def prompt(rng: random.Random, chars: int = 2_000, share: float = 0.3) -> str:
    """Prose; in `share` of the prompts, one to three values."""
    words: list[str] = []
    size = 0
    while size < chars:
        words.append(rng.choice(WORDS))
        size += len(words[-1]) + 1
    if rng.random() < share:
        for _ in range(rng.randint(1, 3)):
            words.insert(rng.randrange(len(words)), rng.choice(VALUES))
    return " ".join(words)[:chars]


@dataclass
class Told:
    """Latencies in seconds, and answers that were none."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


async def connection(
    host: str, port: int, bodies: list[bytes], until: float, told: Told, gap: float
) -> None:
    """One connection: ask, wait for the answer, ask again (not before `gap` seconds have passed)."""
    reader, writer = await asyncio.open_connection(host, port)
    at = random.Random(port).randrange(len(bodies))
    due = time.perf_counter() + random.random() * gap
    while time.perf_counter() < until:
        if gap:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += gap
        at = (at + 1) % len(bodies)
        began = time.perf_counter()
        writer.write(bodies[at])
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if found:
            await reader.readexactly(int(found[1]))
        told.seconds.append(time.perf_counter() - began)
        told.errors += not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
        if b"close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
    writer.close()


def requests_of(path: str, port: int, texts: list[str], *, presidio: bool) -> list[bytes]:
    """Whole requests, made before the clock runs."""
    bodies = []
    for text in texts:
        body = json.dumps({"text": text, "language": "en"} if presidio else {"text": text}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        bodies.append(head.encode() + body)
    return bodies


async def load(
    port: int, bodies: list[bytes], connections: int, seconds: float, rate: float
) -> Told:
    """All connections for so long."""
    told = Told()
    until = time.perf_counter() + seconds
    gap = connections / rate if rate else 0.0
    await asyncio.gather(
        *(connection("127.0.0.1", port, bodies, until, told, gap) for _ in range(connections))
    )
    return told


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children (Linux; elsewhere 0)."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "status").read_text()
        except OSError:
            continue
        parent = re.search(r"PPid:\s+(\d+)", status)
        size = re.search(r"VmRSS:\s+(\d+)", status)
        if size and (entry.name == str(pid) or (parent and parent[1] == str(pid))):
            total += int(size[1])
    return total / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children (Linux; elsewhere 0)."""
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            columns = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name == str(pid) or columns[1] == str(pid):
            ticks += int(columns[11]) + int(columns[12])
    return ticks / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.0


def report(name: str, told: Told, seconds: float) -> None:
    print(
        f"{name}: {len(told.seconds) / seconds:.0f} requests/s, p50 {told.percentile(0.5):.1f} ms, "
        f"p99 {told.percentile(0.99):.1f} ms, p99.9 {told.percentile(0.999):.1f} ms, "
        f"{told.errors} errors"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--share", type=float, default=0.3, help="of prompts that hold values")
    parser.add_argument("--presidio", type=int, default=0, help="port of Presidio's server")
    parser.add_argument("--pack", default="builtin")
    given = parser.parse_args()
    rng = random.Random(7)
    texts = [prompt(rng, share=given.share) for _ in range(2_000)]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "serve.yaml"
        config.write_text("limits: {rate: 0, guesses: 0}\n")
        home = os.environ.get("DLPAGENT_HOME", folder)
        code = "import sys; from dlpagent.service.cli import main; main(sys.argv[1:])"
        server = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", code, "serve", "--no-auth", "--port", "0", "--config",
             str(config), "--workers", given.workers, "--pack", given.pack],
            env={**os.environ, "PYTHONPATH": str(ROOT), "DLPAGENT_HOME": home},
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stderr is not None
            found = re.search(r":(\d+)$", server.stderr.readline().strip())
            assert found
            port = int(found[1])
            wait_until_ready(port)
            bodies = requests_of("/v1/classify", port, texts, presidio=False)
            asyncio.run(load(port, bodies, given.connections, 3.0, given.rate))
            alone = asyncio.run(load(port, bodies, 1, 3.0, 0))
            report("one at a time", alone, 3.0)
            sizes = [memory_mb(server.pid)]
            whole = Told()
            spent = cpu_seconds(server.pid)
            for _ in range(2):
                part = asyncio.run(
                    load(port, bodies, given.connections, given.seconds / 2, given.rate)
                )
                whole.seconds += part.seconds
                whole.errors += part.errors
                sizes.append(memory_mb(server.pid))
            spent = cpu_seconds(server.pid) - spent
            report("dlpagent /v1/classify", whole, given.seconds)
            print(f"CPU of the server: {spent / len(whole.seconds) * 1000:.2f} ms a request")
            print("memory MB: " + " → ".join(f"{size:.0f}" for size in sizes))
            if given.presidio:
                seconds = max(5.0, given.seconds / 10)
                ours = requests_of("/analyze", port, texts, presidio=True)
                report(
                    "dlpagent /analyze",
                    asyncio.run(load(port, ours, given.connections, seconds, 0)),
                    seconds,
                )
                theirs = requests_of("/analyze", given.presidio, texts, presidio=True)
                report(
                    "Presidio /analyze",
                    asyncio.run(load(given.presidio, theirs, given.connections, seconds, 0)),
                    seconds,
                )
        finally:
            server.terminate()
            server.wait(30)


def wait_until_ready(port: int) -> None:
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the service did not become ready")


if __name__ == "__main__":
    main()
