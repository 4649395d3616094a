"""A source of somebody else, as an installed package with an entry point: named, opened, recognised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

MODULE = '''
"""Notes: one record a paragraph."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dlpagent.connectors import testing
from dlpagent.records import Asset, Checkpoint, PartRows


class Notes:
    name = "notes"

    def __init__(self, target: str, *, batch_rows: int = 2000) -> None:
        self._path = Path(target.removeprefix("notes://"))
        self._batch_rows = batch_rows

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix == ".notes"

    def discover(self) -> Iterator[Asset]:
        text = self._path.read_text()
        yield Asset(self._path.as_uri(), "document", self.name, change_key=str(hash(text)))

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        begin = int(after.cursor["row"]) if after else 0
        notes = self._path.read_text().split("\\n\\n")
        while True:
            rows = PartRows(asset.uri)
            for number, note in enumerate(notes[begin : begin + self._batch_rows], begin):
                rows.add(record_id=str(number), part="note", seq=0, text=note)
            begin += self._batch_rows
            done = begin >= len(notes)
            yield rows.take(), Checkpoint({"row": begin}, done=done)
            if done:
                return


def conforms(target: str) -> None:
    def opened() -> Notes:
        return Notes(target, batch_rows=1)

    testing.check_reads_exactly(opened, {"0": ["none"], "1": ["4111 1111 1111 1111 visa"], "2": ["x"]})
    testing.check_discovers_the_same_again(opened)
    testing.check_resumes_everywhere(opened)
    testing.check_closes_what_it_opens(opened)
'''


def installed(folder: Path) -> Path:
    """What an installer leaves behind: the module, and its entry point in dist-info."""
    (folder / "notes_for_dlpagent.py").write_text(MODULE)
    about = folder / "notes_for_dlpagent-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: notes-for-dlpagent\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(
        "[dlpagent.connectors]\nnotes = notes_for_dlpagent:Notes\n"
    )
    return folder


def run(site: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(site)])
    environment = {**os.environ, "PYTHONPATH": path, "DLPAGENT_HOME": str(site / "home")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (tmp_path / "a.notes").write_text("none\n\n4111 1111 1111 1111 visa\n\nx")
    return installed(folder)


def test_it_passes_the_conformance_kit_from_outside(site: Path) -> None:
    code = "import sys, notes_for_dlpagent as n; n.conforms(sys.argv[1])"
    done = run(site, code, str(site.parent / "a.notes"))
    assert done.returncode == 0, done.stderr


def test_it_is_found_by_file_and_by_scheme(site: Path) -> None:
    path = site.parent / "a.notes"
    main = "from dlpagent.service.cli import main; main()"
    done = run(site, main, "scan", str(path), f"notes://{path}", "--format", "jsonl", "--quiet")
    assert done.returncode == 1, done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(each["record"], each["part"]) for each in findings} == {("1", "note")}
    assert {each["asset"] for each in findings} == {path.as_uri()}  # named twice, read once
