"""The connector of documents: which files are its own, resuming, limits, missing extras."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import tarfile
from pathlib import Path

import pytest

from dlpagent.connectors.sources.document import DocumentFile
from dlpagent.connectors.testing import (
    check_closes_what_it_opens,
    check_discovers_the_same_again,
    check_reads_exactly,
    check_resumes_everywhere,
)
from dlpagent.errors import SourceError
from dlpagent.service.wiring import open_sources
from tests.connectors.documents.hostile_zips import plain_zip

DATA = Path(__file__).resolve().parents[2] / "data" / "documents"


def tar_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as writer:
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            writer.addfile(info, io.BytesIO(raw))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "connector"),
    [
        ("a.pdf", b"%PDF-1.7", "document"),
        ("named.txt", b"%PDF-1.7", "document"),
        ("a.zip", plain_zip({"a.txt": b"x"}), "document"),
        ("a.html", b"<p>x", "document"),
        ("a", b"<!DOCTYPE html><p>x", "document"),
        ("a.eml", b"Subject: x\n\nbody", "document"),
        ("a", b"Received: x\nMessage-ID: <1>\nFrom: a@b.example\n\nbody", "document"),
        ("a.txt", b"From: us\nTo: you\nSubject: a letter\n\nbody", "text"),
        ("a.md", b"# <html> is an element", "text"),
        ("a.txt", b"plain", "text"),
        ("a.txt.gz", gzip.compress(b"plain"), "document"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}'), "jsonl"),
        ("a.json.gz", gzip.compress(b'{"text": "x"}'), "json"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n"), "csv"),
        ("a.tar", tar_of({"1.txt": b"x", "1.json": b"{}"}), "webdataset"),
        ("a.tar", tar_of({"1.txt": b"x", "1.pdf": b"%PDF-1.7"}), "document"),
        ("a.tar.gz", gzip.compress(tar_of({"1.txt": b"x"})), "webdataset"),
        ("a.tgz", gzip.compress(tar_of({"d/1.html": b"<html>"})), "document"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(20), "document"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "text"),
    ],
)
def test_files_go_to_the_connector_that_reads_them(
    tmp_path: Path, name: str, raw: bytes, connector: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    (source,) = open_sources([str(tmp_path / name)])
    assert source.name == connector  # type: ignore[union-attr]


def test_the_source_conforms(tmp_path: Path) -> None:
    texts = {f"folder/{n:03}.txt": f"text {n} né" for n in range(120)}
    path = tmp_path / "a.zip"
    path.write_bytes(plain_zip({name: text.encode() for name, text in texts.items()}))
    check_reads_exactly(lambda: DocumentFile(str(path)), {k: [v] for k, v in texts.items()})
    check_discovers_the_same_again(lambda: DocumentFile(str(path)))
    check_resumes_everywhere(lambda: DocumentFile(str(path), batch_rows=30))
    check_closes_what_it_opens(lambda: DocumentFile(str(path), batch_rows=30), times=3)


def test_places_name_every_container_and_the_part(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(plain_zip({"b.eml": (DATA / "sample.eml").read_bytes()}))
    source = DocumentFile(str(path))
    (asset,) = source.discover()
    rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]
    places = [row["locator"]["file"] for row in rows]
    assert f"{path}!b.eml!b.pdf#page=2" in places
    assert f"{path}!b.eml!b.pdf!inner.docx#images" in places
    assert {row["asset_uri"] for row in rows} == {path.as_uri()}


def test_documents_that_chat_exports_hold_are_parts_of_their_messages(tmp_path: Path) -> None:
    chat = {
        "id": "c1",
        "mapping": {
            "m1": {
                "id": "m1",
                "message": {
                    "id": "m1",
                    "author": {"role": "user"},
                    "content": {"content_type": "text", "parts": ["see the file"]},
                    "metadata": {"attachments": [{"id": "file-AbC1", "name": "cards.docx"}]},
                },
            }
        },
    }
    files = {
        "conversations.json": json.dumps([chat]).encode(),
        "file-AbC1-cards.docx": (DATA / "sample.docx").read_bytes(),
        "file-AbC2-orphan.pdf": (DATA / "sample.pdf").read_bytes(),
    }
    path = tmp_path / "export.zip"
    path.write_bytes(plain_zip(files))
    (source,) = open_sources([str(path)])
    assert source.name == "chatgpt"  # type: ignore[union-attr]
    (asset,) = source.discover()  # type: ignore[union-attr]
    rows = [row for batch, _ in source.read(asset) for row in batch.to_pylist()]  # type: ignore[union-attr]
    found = {(row["record_id"], row["part"]): row for row in rows}
    text = found["c1#m1", "attachments/cards.docx#text"]
    assert "4111 1111 1111 1111" in text["text"]
    assert text["labels"]
    assert text["locator"]["file"] == f"{path}!file-AbC1-cards.docx#text"
    assert "text#page=1" in {part for record, part in found if record == "file-AbC2-orphan.pdf"}


def test_limits_are_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(plain_zip({f"{n}.txt": b"x" for n in range(5)}))
    (source,) = open_sources([str(path)], max_entries=3)
    (asset,) = source.discover()  # type: ignore[union-attr]
    statuses = [
        status
        for batch, _ in source.read(asset)  # type: ignore[union-attr]
        for status in batch["status"].to_pylist()
    ]
    assert statuses == ["read"] * 3 + ["unread"]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    source = DocumentFile(str(tmp_path / "a.pdf"))
    (asset,) = source.discover()
    with pytest.raises(SourceError, match=r"pip install 'dlpagent\[documents\]'"):
        list(source.read(asset))


def test_a_file_that_is_gone_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        list(DocumentFile(str(tmp_path / "no.pdf")).discover())
