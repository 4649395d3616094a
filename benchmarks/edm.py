"""Figures of exact data match: building a store, looking values up, scanning texts.

    python benchmarks/edm.py --rows 1000000 [--workers 2] [--folder DIR] [--text FILE] [--json OUT]

The rows are made up: nine columns (an id, a record number, names, a US social security number, a
telephone number, a full name, a date of birth, an address), five of them searchable. Lookups and
scans are timed in processor seconds of one core, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

from dlpagent.classifiers.detectors import detector_of
from dlpagent.classifiers.edm_build import build_store
from dlpagent.classifiers.edm_key import new_key
from dlpagent.classifiers.edm_schema import Field, Schema
from dlpagent.classifiers.edm_store import Store
from dlpagent.classifiers.edm_words import normal
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.pack import builtin_pack, load_pack

SCHEMA = Schema(
    "Customers",
    (
        Field("CustomerID", True, True, "-/#"),
        Field("Record", True),
        Field("FirstName", False, True),
        Field("LastName", False, True),
        Field("SSN", True, False, "- "),
        Field("Phone", True, False, "-. ()+"),
        Field("FullName", True, True),
        Field("DOB"),
        Field("Address", False, True),
    ),
)
WORDS = """
the of and to in is you that it he was for on are as with his they
at be this have from or one had by word but not what all were we when your
can said there use an each which she do how their if will up other about out many
then them these so some her would make like him into time has
""".split()  # noqa: SIM905 - a text reads better


def names(many: int, chance: random.Random) -> list[str]:
    """Made-up names of two to four syllables."""
    parts = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    return sorted({"".join(chance.choices(parts, k=chance.randint(2, 4))).title()
                   for _ in range(many)})  # fmt: skip


def row(place: int, first: list[str], last: list[str]) -> list[str]:
    """The same row for the same place, without keeping rows."""
    chance = random.Random(place * 2654435761 + 7)
    one, other = chance.choice(first), chance.choice(last)
    area, group, serial = chance.randint(1, 665), chance.randint(1, 99), chance.randint(1, 9999)
    return [
        f"C-{place:08d}",
        f"R{chance.randrange(10**9):09d}",
        one,
        other,
        f"{area:03d}-{group:02d}-{serial:04d}",
        f"({chance.randint(201, 989)}) {chance.randint(200, 999)}-{chance.randrange(10**4):04d}",
        f"{one} {other}",
        f"{chance.randint(1930, 2010)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
        f"{chance.randint(1, 9999)} {chance.choice(last)} Street, {chance.choice(last)}ton",
    ]


def write_rows(path: Path, rows: int, first: list[str], last: list[str]) -> None:
    with path.open("w") as file:
        file.write("\t".join(SCHEMA.names) + "\n")
        for place in range(rows):
            file.write("\t".join(row(place, first, last)) + "\n")


def peak_mb() -> tuple[float, float]:
    """Highest resident memory of this process and of the largest of its children, in MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def cpu_s() -> float:
    """Processor seconds of this process and its children that have ended."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)


def lookups(
    store: Store, rows: int, first: list[str], last: list[str], many: int
) -> dict[str, float]:
    """Lookups a second, of values that are there and of such that are not; cells a second."""
    chance = random.Random(3)
    places = [chance.randrange(rows) for _ in range(many)]
    field = SCHEMA.fields[4]
    there = [normal(row(place, first, last)[4], field) for place in places]
    absent = [f"9{chance.randrange(10**8):08d}" for _ in range(many)]
    began = time.process_time()
    found = [store.rows_of("SSN", value) for value in there]
    hit = time.process_time() - began
    assert all(place in rows_ for place, rows_ in zip(places, found, strict=True))
    began = time.process_time()
    assert not any(store.rows_of("SSN", value) for value in absent)
    miss = time.process_time() - began
    began = time.process_time()
    for place in places:
        store.cell(place, "LastName")
    cell = time.process_time() - began
    return {"hits/s": many / hit, "misses/s": many / miss, "cells/s": many / cell}


def texts(rows: int, first: list[str], last: list[str], megabytes: float) -> list[str]:
    """Chat-like texts; every twentieth speaks of a row, and one more of a number of no row."""
    chance = random.Random(5)
    found, size = [], 0.0
    while size < megabytes * 1e6:
        words = chance.choices(WORDS, k=300)
        if len(found) % 20 == 0:
            values = row(chance.randrange(rows), first, last)
            words[100:100] = ["social", "security", "number", values[4], values[2], values[3]]
            words[200:200] = ["invoice", f"{chance.randrange(10**9):09d}"]
        found.append(" ".join(words))
        size += len(found[-1])
    return found


SIT = """
id: 11111111-1111-4111-8111-111111111111
name: Customer
version: 1
parity: own
elements:
  value: {{detector: {{kind: edm, store: {store}, key: {key}, primary: {primary}{through}, any: [{fields}], min: {least}}}}}
patterns:
- {{confidence: 85, primary: value}}
"""


def scan(store: Path, key: Path, folder: Path, bodies: list[str], primary: str, through: str,
         fields: str, least: int) -> dict[str, float]:  # fmt: skip
    """MB/s of the detector alone, on one core."""
    pack = folder / "sit.yaml"
    pack.write_text(SIT.format(store=store, key=key, primary=primary, through=through,
                               fields=fields, least=least))  # fmt: skip
    loaded = load_pack(pack, base=builtin_pack())
    looker = detector_of(loaded.elements["value"])  # type: ignore[arg-type]
    subjects = [Subject.of(body) for body in bodies]
    looker.look(subjects[:5])
    began = time.process_time()
    seen = looker.look(subjects)
    seconds = time.process_time() - began
    size = sum(len(body.encode()) for body in bodies)
    return {"MB/s": size / 1e6 / seconds, "found": sum(len(one.spans) for one in seen)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--text", type=Path, help="scan this text instead of made-up ones")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    first, last = names(4_000, chance), names(60_000, chance)
    data, place = folder / f"rows-{args.rows}.tsv", folder / "store"
    if not data.exists():
        write_rows(data, args.rows, first, last)
    shutil.rmtree(place, ignore_errors=True)
    key_file = folder / "bench.key"
    key_file.unlink(missing_ok=True)
    key, _ = new_key(key_file)
    before, spent = peak_mb(), cpu_s()
    built = build_store(SCHEMA, data, place, key, workers=args.workers)
    own, child = peak_mb()
    size = sum(size for size, _ in built.manifest.files.values())
    figures: dict[str, object] = {
        "rows": built.manifest.rows,
        "data_mb": data.stat().st_size / 1e6,
        "build_s": built.seconds,
        "build_cpu_s": cpu_s() - spent,
        "rows/s": built.manifest.rows / built.seconds,
        "workers": args.workers,
        "peak_mb_before": before[0],
        "peak_mb": own,
        "peak_mb_of_a_worker": child,
        "store_mb": size / 1e6,
        "bytes_per_row": size / built.manifest.rows,
    }
    print(json.dumps(figures, indent=1), flush=True)
    began = time.perf_counter()
    store = Store(place, key_file)
    figures["open_ms"] = (time.perf_counter() - began) * 1e3
    figures["lookups"] = lookups(store, args.rows, first, last, 100_000)
    bodies = texts(args.rows, first, last, 10)
    if args.text:
        whole = args.text.read_text("utf-8", errors="replace")[:10_000_000]
        bodies = [whole[at : at + 2000] for at in range(0, len(whole), 2000)]
    through = ", through: U.S. Social Security Number (SSN)"
    names_of_row = "FirstName, LastName, DOB"
    figures["scan_through_sit"] = scan(
        place, key_file, folder, bodies, "SSN", through, names_of_row, 2
    )
    figures["scan_by_words_number"] = scan(
        place, key_file, folder, bodies, "SSN", "", names_of_row, 2
    )
    figures["scan_by_words_name"] = scan(
        place, key_file, folder, bodies, "FullName", "", "SSN, DOB, Phone", 1
    )
    print(json.dumps(figures, indent=1))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
