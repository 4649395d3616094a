"""The agent at work for an hour: a watched folder and three scheduled sweeps with writers running.

    python benchmarks/soak.py [--minutes 60] [--folder DIR]

Writers append records, each with a number of its own, to logs that are rotated by rename, by copy
and truncation, and packed, in lines written in two halves; they write documents anew, rename and
delete them; and they feed three folders that are swept every minute. At the end every number
written must have made exactly one event (the documents': at least the last state of each), and file
descriptors and memory of both agents must not have grown. Prints figures; exits 1 when not so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from dlpagent.state import open_state

COMMAND = [sys.executable, "-c", "from dlpagent.service.cli import main; main()"]
ROOT = Path(__file__).resolve().parent.parent

PACK = r"""
id: 33333333-3333-4333-8333-333333333333
name: Ticket number
version: 1
parity: own
elements:
  Ticket: {regex: '\bTCK-\d{9}\b'}
patterns: [{confidence: 85, primary: Ticket}]
examples: [{text: TCK-123456789, confidence: 85}]
"""

POLICY = """
id: 44444444-4444-4444-8444-444444444444
name: Tickets
version: "1"
mode: audit
rules:
  - id: 55555555-5555-4555-8555-555555555555
    name: A ticket
    severity: low
    item: {item}
    locations: [any]
    conditions: {{sit: 33333333-3333-4333-8333-333333333333}}
    actions: [audit]
"""

SWEEP = """
name: {name}
state: {name}.db
packs: [pack]
policy: {policy}.yaml
sources: [{source}]
sinks: {{o365: {name}.events.jsonl}}
"""


class Writers:
    """Threads that write until told to stop; `written` has the ids whose records were written whole."""

    def __init__(self, folder: Path, rate: float, seed: int) -> None:
        self.folder, self.rate, self.chance = folder, rate, random.Random(seed)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.number = 0
        self.written: dict[str, set[str]] = {}
        self.documents: set[str] = set()
        self.acts: Counter[str] = Counter()

    def ticket(self, where: str) -> str:
        with self.lock:
            self.number += 1
            found = f"id-{self.number:09d}"
            self.written.setdefault(where, set()).add(found)
        return found

    def record(self, where: str) -> bytes:
        ident = self.ticket(where)
        return (
            json.dumps({"id": ident, "text": f"about TCK-{ident[3:]} and no more"}).encode() + b"\n"
        )

    def run(self) -> list[threading.Thread]:
        logs = [(self.log, (kind,)) for kind in ("rename", "copytruncate", "packed", "plain")]
        sweeps = [(self.swept, (name,)) for name in ("one", "two", "three")]
        made = [
            threading.Thread(target=t, args=a, daemon=True)
            for t, a in [*logs, *sweeps, (self.texts, ())]
        ]
        for each in made:
            each.start()
        return made

    def log(self, kind: str) -> None:
        """One log; every 20 s or so it is rotated in its own way."""
        path = self.folder / "watched" / kind / "app.jsonl"
        path.parent.mkdir(parents=True)
        rotate_at = time.monotonic() + 20 + self.chance.random() * 10
        rotation = 0
        file = path.open("ab", buffering=0)
        while not self.stopping.is_set():
            line = self.record("watched")
            cut = self.chance.randrange(1, len(line)) if self.chance.random() < 0.3 else len(line)
            file.write(line[:cut])
            if cut < len(line):
                self.acts["torn"] += 1
                time.sleep(self.chance.random() * 0.3)
                file.write(line[cut:])
            if kind != "plain" and time.monotonic() >= rotate_at:
                rotation += 1
                self.acts[kind] += 1
                old = path.with_name(f"app.jsonl.{rotation}")
                if kind == "copytruncate":
                    shutil.copyfile(path, old)
                    file.close()
                    os.truncate(path, 0)
                else:
                    if kind == "rename":
                        path.rename(old)
                        file.write(self.record("watched"))  # a writer that still holds it
                    else:
                        path.rename(old)
                        self.pack_later(old)
                    file.close()
                file = path.open("ab", buffering=0)
                rotate_at = time.monotonic() + 20 + self.chance.random() * 10
            self.stopping.wait(self.chance.random() * 2 / self.rate)
        file.close()

    def pack_later(self, old: Path) -> None:
        def pack() -> None:
            time.sleep(5)  # as delaycompress does: its writers are done with it
            packed = old.with_name(old.name + ".gz")
            with gzip.open(packed.with_suffix(".tmp"), "wb") as file:
                file.write(old.read_bytes())
            packed.with_suffix(".tmp").rename(packed)
            old.unlink()

        threading.Thread(target=pack, daemon=True).start()

    def texts(self) -> None:
        """Documents: new, written anew, renamed, deleted."""
        folder = self.folder / "watched" / "texts"
        folder.mkdir(parents=True)
        live: list[Path] = []
        count = 0
        while not self.stopping.is_set():
            act = self.chance.choice(["new", "new", "anew", "rename", "delete"])
            path = self.chance.choice(live) if live else None
            if act == "new" or path is None:
                count += 1
                path = folder / f"d{count}.txt"
                live.append(path)
                act = "new"
            elif act == "rename":
                count += 1
                target = folder / f"d{count}.txt"
                path.rename(target)
                live[live.index(path)] = target
            elif act == "delete" and len(live) > 5:
                path.unlink()
                live.remove(path)
            if act in ("new", "anew"):
                path.write_text(f"a document about TCK-{self.ticket('texts')[3:]}\n")
            self.acts[f"text {act}"] += 1
            self.stopping.wait(1.0 + self.chance.random())
        self.documents = {path.resolve().as_uri() for path in live}

    def swept(self, name: str) -> None:
        """A folder of JSON Lines, one file for every 200 records, that a schedule sweeps."""
        folder = self.folder / name
        count = 0
        while not self.stopping.is_set():
            count += 1
            with (folder / f"f{count // 200}.jsonl").open("ab", buffering=0) as file:
                file.write(self.record(name))
            self.stopping.wait(self.chance.random() * 2 / self.rate)


def lay_out(folder: Path) -> None:
    (folder / "pack").mkdir(parents=True)
    (folder / "pack" / "pack.yaml").write_text("id: soak\nname: soak\nversion: 1.0.0.0\n")
    (folder / "pack" / "ticket.yaml").write_text(PACK)
    for item in ("record", "asset"):
        (folder / f"{item}.yaml").write_text(POLICY.format(item=item))
    for name in ("one", "two", "three"):
        (folder / name).mkdir()
        (folder / name / "f0.jsonl").write_text("")
        text = SWEEP.format(name=name, policy="record", source=name)
        (folder / f"{name}.yaml").write_text(text + 'schedule: "* * * * *"\n')
    (folder / "watched").mkdir()
    (folder / "watch.yaml").write_text(
        SWEEP.format(name="watch", policy="record", source="watched")
    )


def started(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DLPAGENT_HOME": str(folder / "home")}
    with (folder / f"{name}.log").open("wb") as log:
        command = [*COMMAND, *arguments]
        return subprocess.Popen(command, cwd=folder, env=environment, stderr=log)  # noqa: S603


def sample(process: subprocess.Popen[bytes]) -> tuple[int, float, int]:
    """Open descriptors, resident MiB and threads of a process."""
    place = Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    descriptors = len(list((place / "fd").iterdir()))
    return descriptors, int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])


def wait_for(folder: Path, name: str, event: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if f'"event": "{event}"' in (folder / f"{name}.log").read_text():
            return
        time.sleep(0.5)
    raise SystemExit(f"{name} did not say {event} within {seconds} s")


def events_of(folder: Path, name: str) -> Counter[tuple[str, str]]:
    """(operation, record id) → events."""
    found: Counter[tuple[str, str]] = Counter()
    path = folder / f"{name}.events.jsonl"
    ids: Counter[str] = Counter()
    for line in path.read_text().splitlines() if path.exists() else []:
        event = json.loads(line)
        ids[event["Id"]] += 1
        found[event["Operation"], event["DlpAgent"]["item"].get("record", "")] += 1
    doubled = [ident for ident, many in ids.items() if many > 1]
    assert not doubled, f"{name}: {len(doubled)} event id(s) written twice"
    return found


def judge(name: str, written: set[str], found: Counter[tuple[str, str]]) -> list[str]:
    """What is wrong: records without their one event, or with more."""
    matches = {
        record: many
        for (operation, record), many in found.items()
        if operation == "DlpRuleMatch" and record.startswith("id-")
    }
    lost = written - matches.keys()
    doubled = [record for record, many in matches.items() if many > 1]
    unknown = matches.keys() - written
    print(
        f"{name}: {len(written):,} records written, {sum(matches.values()):,} events, "
        f"{len(lost)} lost, {len(doubled)} doubled"
    )
    return [
        f"{name}: {many} {what}"
        for what, many in (
            ("lost", len(lost)),
            ("doubled", len(doubled)),
            ("unknown", len(unknown)),
        )
        if many
    ]


def judge_documents(folder: Path, live: set[str]) -> list[str]:
    """Documents that are there have an open violation, those that are gone none."""
    with open_state(folder / "watch.db") as state:
        found = {
            item.violation.asset_uri: item.status
            for item in state.violations()
            if "/texts/" in item.violation.asset_uri
        }
    open_now = {uri for uri, status in found.items() if status != "resolved"}
    print(
        f"watch: {len(live)} documents there at the end, {len(open_now)} with an open violation, "
        f"{len(found) - len(open_now)} resolved"
    )
    return [] if open_now == live else [f"documents: {len(open_now ^ live)} differ"]


def flat(name: str, series: list[tuple[int, float, int]]) -> list[str]:
    """Growth between the second and the last quarter (the first warms caches up)."""
    quarter = max(1, len(series) // 4)
    early, late = series[quarter : 2 * quarter], series[-quarter:]
    wrong = []
    for place, what, unit, allowed in (
        (0, "descriptors", "", 2),
        (1, "memory", " MiB", 12),
        (2, "threads", "", 2),
    ):
        # a child that runs costs its parent three descriptors: the most is compared, not the middle
        of = statistics.median if what == "memory" else max
        before, after = of(each[place] for each in early), of(each[place] for each in late)
        most = max(each[place] for each in series)
        print(f"{name}: {what} {before:.0f} → {after:.0f}{unit} (most {most:.0f})")
        if after - before > allowed:
            wrong.append(f"{name}: {what} grew from {before:.0f} to {after:.0f}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rate", type=float, default=4.0, help="records a second and writer")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="soak-"))).resolve()
    lay_out(folder)
    watch = started(
        folder,
        "watch",
        "watch",
        "watched",
        "--settings",
        "watch.yaml",
        "--rescan",
        "15",
        "--push",
        "2",
    )
    wait_for(folder, "watch", "watching", 120)
    schedule = started(
        folder, "schedule", "sweep", "schedule", "one.yaml", "two.yaml", "three.yaml"
    )
    wait_for(folder, "schedule", "planned", 120)
    writers = Writers(folder, given.rate, given.seed)
    threads = writers.run()
    series: dict[str, list[tuple[int, float, int]]] = {"watch": [], "schedule": []}
    until = time.monotonic() + given.minutes * 60
    wrong: list[str] = []
    while time.monotonic() < until:
        time.sleep(min(5.0, max(0.0, until - time.monotonic())))
        for name, process in (("watch", watch), ("schedule", schedule)):
            if process.poll() is not None:
                wrong.append(f"{name} ended early with {process.returncode}")
                until = 0.0
            else:
                series[name].append(sample(process))
    writers.stopping.set()
    for each in threads:
        each.join()
    time.sleep(100)  # twins, rescans and the next minute's sweeps
    for name, process in (("watch", watch), ("schedule", schedule)):
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=150)
        print(f"{name}: exit {code}")
        wrong += [f"{name}: exit {code}"] if code else []
    print("acts of the writers:", dict(writers.acts))
    wrong += judge("watch", writers.written["watched"], events_of(folder, "watch"))
    wrong += judge_documents(folder, writers.documents)
    for name in ("one", "two", "three"):
        wrong += judge(name, writers.written[name], events_of(folder, name))
    for name, found in series.items():
        wrong += flat(name, found)
    print("\n".join(["wrong:", *wrong] if wrong else ["all as it should be"]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
