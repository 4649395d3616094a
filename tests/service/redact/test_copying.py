"""Clean copies of files: what changes, what stays byte for byte, what happens when it goes wrong."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.service.redact.copying import Copied, copy_file
from dlpagent.service.redact.operators import OPERATORS, Cipher, Marks
from dlpagent.service.redact.rewriting import Restorer

CARD = "00000000-0000-4000-8000-0000000000aa"
NUMBER = "4111 1111 1111 1111"
# enough of them that a stray byte does not make the file one of Windows-1252
UMLAUTS = "ü".encode() * 99


def redacted(
    kit: Any, folder: Path, name: str, raw: bytes, operator: str = "mask", **options: Any
) -> tuple[bytes, Copied]:
    """The clean copy of a file of such bytes."""
    source, target = folder / name, folder / "clean" / name
    source.write_bytes(raw)
    copied = copy_file(source, target, kit.redactor(operator), **options)
    return (target.read_bytes() if target.exists() else b""), copied


@pytest.mark.parametrize(
    ("name", "raw", "clean"),
    [
        ("a.txt", f"é {NUMBER}\r\nb", "é **** **** **** 1111\r\nb"),
        ("a.txt", "\ufeffann@x.com", "\ufeff***@*.***"),
        ("a.txt", "", ""),
        ("a.jsonl", f'{{"t":  "{NUMBER} caf\\u00e9"}}\n\n', '{"t":  "**** **** **** 1111 caf\\u00e9"}\n\n'),
        ("a.jsonl", '{"t":"\\ud83d\\ude00\\n\\u0061nn@x.com"}', '{"t":"\\ud83d\\ude00\\n***@*.***"}'),
        ("a.jsonl", '{"b" : 4111111111111111, "f":1.50}', '{"b" : 1000000000001111, "f":1.50}'),
        ("a.jsonl", '{"a":"ann@x.com","a":"b"}', '{"a":"***@*.***","a":"b"}'),
        ("a.jsonl", '{"ann@x.com": [true, null, "x"]}', '{"***@*.***": [true, null, "x"]}'),
        ("a.jsonl", '"ann@x.com"\r\n[1, ["ann@x.com"]]', '"***@*.***"\r\n[1, ["***@*.***"]]'),
        ("a.json", '[\n {"a": "ann@x.com"}\n]\n', '[\n {"a": "***@*.***"}\n]\n'),
        ("a.csv",
         'id;"note"\r\n1;"a ""ann@x.com"""\r\n\r\n"2";b\r\n',
         'id;"note"\r\n1;"a ""***@*.***"""\r\n\r\n"2";b\r\n'),
        ("a.tsv", "id\tmail\n1\tann@x.com\n2\t\n", "id\tmail\n1\t***@*.***\n2\t\n"),
        ("a.csv", 'id,note\n1,"a\nann@x.com"', 'id,note\n1,"a\n***@*.***"'),
        ("a.csv", f"id,note\n1,{NUMBER},x\n", "id,note\n1,**** **** **** 1111,x\n"),
    ],
)  # fmt: skip
def test_only_what_was_found_changes(
    name: str, raw: str, clean: str, kit: Any, tmp_path: Path
) -> None:
    copy, copied = redacted(kit, tmp_path, name, raw.encode())
    assert copy.decode() == clean
    assert copied.is_written
    again, second = redacted(kit, tmp_path, name, copy)
    assert again == copy
    assert second.done.changed == 0


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_encodings_are_kept(encoding: str, kit: Any, tmp_path: Path) -> None:
    raw = f"é ü ö {NUMBER}\n".encode(encoding)
    copy, _ = redacted(kit, tmp_path, "a.txt", raw)
    assert copy == "é ü ö **** **** **** 1111\n".encode(encoding)


def test_packed_files_are_packed_again(kit: Any, tmp_path: Path) -> None:
    raw = b'{"a":"ann@x.com"}\n'
    copy, _ = redacted(kit, tmp_path, "a.jsonl.gz", gzip.compress(raw))
    assert gzip.decompress(copy) == b'{"a":"***@*.***"}\n'
    copy, _ = redacted(kit, tmp_path, "a.jsonl.zst", zstandard.compress(raw))
    with zstandard.ZstdDecompressor().stream_reader(copy) as stream:
        assert stream.read() == b'{"a":"***@*.***"}\n'


@pytest.mark.parametrize(
    ("name", "raw", "rest"),
    [
        ("a.jsonl", b'{"a":1}\n{"a":\n{"b":2}\n', b'{"a":1}\n{"b":2}\n'),
        ("a.jsonl", b'{"a":1}\n{"a":"\xff"}\n', b'{"a":1}\n'),
        ("a.jsonl", b'{"a":"data:text/plain,ann%40x.com ann@x.com"}\n{"b":2}\n', b'{"b":2}\n'),
        (
            "a.csv",
            b"id,note\n1," + b"\xc3\xa9" * 99 + b"\n2,\xff\n",
            b"id,note\n1," + b"\xc3\xa9" * 99 + b"\n",
        ),
    ],
)
def test_what_cannot_be_read_is_in_no_copy(
    name: str, raw: bytes, rest: bytes, kit: Any, tmp_path: Path
) -> None:
    copy, copied = redacted(kit, tmp_path, name, raw)
    assert (copy, copied.is_written, len(copied.done.unread)) == (b"", False, 1)
    assert not list((tmp_path / "clean").iterdir())
    copy, copied = redacted(kit, tmp_path, name, raw, drop_unreadable=True)
    assert (copy, copied.is_written) == (rest, True)
    assert copied.manifest["left_out"] == 1


def test_the_manifest_counts_and_holds_no_value(kit: Any, tmp_path: Path) -> None:
    raw = f'{{"a":"{NUMBER} ann@x.com","n":4111111111111111}}\n'.encode()
    _, copied = redacted(kit, tmp_path, "a.jsonl", raw, "token")
    text = (tmp_path / "clean" / "a.jsonl.manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest == copied.manifest
    counts = {(i["sit"]["name"], i["operator"]): i["count"] for i in manifest["redacted"]}
    assert counts == {("Card", "token"): 1, ("Card", "number"): 1, ("E-mail", "token"): 1}
    assert "4111" not in text
    assert "ann@" not in text


def test_a_copy_never_overwrites_its_source(kit: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("ann@x.com")
    with pytest.raises(ConfigurationError, match="overwrite"):
        copy_file(path, path, kit.redactor())
    assert path.read_text() == "ann@x.com"


@pytest.mark.parametrize("name", ["gone.txt", "a.pdf", "a.parquet"])
def test_what_is_no_data_is_refused(name: str, kit: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(SourceError):
        copy_file(tmp_path / name, tmp_path / "clean" / name, kit.redactor())
    assert not list(tmp_path.rglob("*.partial"))


def test_parquet_keeps_types_nesting_metadata_and_row_groups(kit: Any, tmp_path: Path) -> None:
    mail = "ann@x.com"
    rows = {
        "number": pa.array([4111111111111111, None, 5], pa.int64()),
        "dictionary": pa.array([mail, None, "x"]).dictionary_encode(),
        "list": pa.array([["a", mail], None, []]),
        "struct": pa.array([{"m": mail, "k": 1}, None, {"m": None, "k": 2}]),
        "map": pa.array([[("k", mail)], None, []], pa.map_(pa.string(), pa.string())),
        "fraction": pa.array([1.5, None, 2.0]),
        "bytes": pa.array([mail.encode(), None, b"z"]),
        "messages": pa.array([f'[{{"role":"user",  "content":"{mail}"}}]', None, "x"]),
    }
    table = pa.table(rows).replace_schema_metadata({"who": "we"})
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(table, source, row_group_size=2, compression="zstd")
    copied = copy_file(source, target, kit.redactor())
    assert (copied.done.records, copied.done.changed) == (3, 1)
    clean, before = pq.ParquetFile(target), pq.ParquetFile(source)
    assert clean.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert [clean.metadata.row_group(at).num_rows for at in range(2)] == [2, 1]
    assert clean.metadata.row_group(0).column(0).compression == "ZSTD"
    got, given_ = clean.read().to_pylist(), before.read().to_pylist()
    assert got[1:] == given_[1:]
    star = "***@*.***"
    assert got[0] == {
        "number": 1000000000001111, "dictionary": star, "list": ["a", star],
        "struct": {"m": star, "k": 1}, "map": [("k", star)], "fraction": 1.5,
        "bytes": star.encode(), "messages": f'[{{"role":"user",  "content":"{star}"}}]',
    }  # fmt: skip


_WORDS = st.sampled_from(
    ["card", "CARD", "payment", NUMBER, "4111-1111-1111-1111", "1234", "ann@x.com", "é", "😀", '"', "\\",
     "\n", ",", "[CARD_0123456789ABCDEF]", "[ENC_0123456789abcdefghijklmn]", "[", "]", "_", "7"]
)  # fmt: skip
_TEXTS = st.lists(_WORDS, max_size=8).map(" ".join) | st.lists(_WORDS, max_size=8).map("".join)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(_TEXTS, min_size=1, max_size=4), operator=st.sampled_from(OPERATORS))
def test_a_clean_copy_redacted_again_stays_as_it_is(
    texts: list[str], operator: str, kit: Any, tmp_path: Path
) -> None:
    raw = "".join(json.dumps({"t": text, "n": 4111111111111111}) + "\n" for text in texts)
    once, copied = redacted(kit, tmp_path, "a.jsonl", raw.encode(), operator)
    assert copied.is_written
    twice, _ = redacted(kit, tmp_path, "a.jsonl", once, operator)
    assert twice == once
    if operator != "keep":
        values = [json.loads(line)["t"] for line in once.splitlines()]
        assert not [text for text in values if re.search("[a-zé]@[a-z]", text)]
        assert not [text for text in values if re.search(r"\b4\d{3}([ -]?\d{4}){3}\b", text)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(_TEXTS.filter(lambda text: "[ENC" not in text), min_size=1, max_size=4))
def test_what_was_encrypted_comes_back(texts: list[str], kit: Any, tmp_path: Path) -> None:
    raw = "".join(json.dumps({"t": text}) + "\n" for text in texts).encode()
    redacted(kit, tmp_path, "a.jsonl", raw, "encrypt")
    restorer = Restorer(kit.marks)
    done = copy_file(tmp_path / "clean" / "a.jsonl", tmp_path / "back.jsonl", restorer)
    assert done.is_written
    assert (tmp_path / "back.jsonl").read_bytes() == raw


def test_another_key_restores_nothing_and_says_so(kit: Any, tmp_path: Path) -> None:
    redacted(kit, tmp_path, "a.jsonl", b'{"a":"ann@x.com"}\n', "encrypt")
    other = Restorer(Marks(kit.marks.evidence, Cipher(b"d" * 32)))
    done = copy_file(tmp_path / "clean" / "a.jsonl", tmp_path / "back.jsonl", other)
    assert not done.is_written
    assert other.foreign == 1
