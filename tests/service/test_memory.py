"""Memory stays flat in the size of what is scanned."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_KB = 500 * 1024
PROSE = (
    "the customer asked about delivery of an order and the invoice was sent again after the "
    "review of contract terms because a change in price had not been noted by the team"
)


def texts(chance: random.Random, many: int) -> list[str]:
    """Prose of about 500 characters; a card number in one of fifty."""
    words, made = PROSE.split(), []
    for index in range(many):
        text = " ".join(chance.choices(words, k=85))
        made.append(f"{text} credit card 4111 1111 1111 1111" if index % 50 == 0 else text)
    return made


def write_jsonl(path: Path, size: int) -> None:
    block = "".join(json.dumps({"text": text}) + "\n" for text in texts(random.Random(1), 4000))
    with path.open("w") as file:
        while file.tell() < size:
            file.write(block)


def write_parquet(path: Path, size: int) -> None:
    """Uncompressed and plain, so that the file is as large as what it holds."""
    table = pa.table({"text": texts(random.Random(2), 20_000)})
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        while not path.exists() or path.stat().st_size < size:
            writer.write_table(table)


def peak_kb(path: Path, home: Path) -> tuple[int, int]:
    """(exit code, peak resident memory in KB) of a scan in a process of its own."""
    command = "from dlpagent.service.cli import main; main()"
    output = str(path.parent / "findings.jsonl")
    process = subprocess.Popen(
        [sys.executable, "-c", command, "scan", str(path), "-o", output, "--quiet"],
        cwd=ROOT,
        env={**os.environ, "DLPAGENT_HOME": str(home)},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write"), [("a.jsonl", write_jsonl), ("a.parquet", write_parquet)]
)
def test_two_gigabytes_are_scanned_within_500_mb(
    tmp_path: Path, home: Path, name: str, write
) -> None:
    path = tmp_path / name
    write(path, 2_000_000_000)
    code, peak = peak_kb(path, home)
    path.unlink()
    assert code == 1
    assert (tmp_path / "findings.jsonl").stat().st_size > 1_000_000
    assert peak < LIMIT_KB, f"{peak} KB"
