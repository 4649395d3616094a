"""Labels are written beside what was there; everything else stays to the byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.errors import SourceError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.service.labelled_copies import COLUMN, RowLabels, _with_label, write_copy
from dlpagent.service.labelling import LabelledRecord
from dlpagent.violations import Item, Recommendation

TAXONOMY = load_taxonomy(tenant="5a0d3c1e-7b1f-4d7e-9a55-2f6f0c0d9b01")
LOW, HIGH = (TAXONOMY.ref(label) for label in TAXONOMY.labels[:2])
DECIDER = PolicyDecider(Policy("p", "P", "1", TAXONOMY))
VALUE = {"id": HIGH.id, "name": HIGH.name, "method": "Standard"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text() | st.just(COLUMN), JSON, max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(["", " ", "\r", " \t"]),
)
def test_a_line_gets_the_column_and_keeps_everything_else(
    record: dict[str, Any], indent: int | None, ascii_only: bool, tail: str
) -> None:
    text = json.dumps(record, ensure_ascii=ascii_only)
    raw = (text.replace(", ", " ,\t") if indent and "\\" not in text else text) + tail
    try:
        held = json.loads(raw)
    except ValueError:  # a comma inside a string, changed by us
        return
    encoded = raw.encode("utf-8", "surrogatepass")
    found = _with_label(encoded, VALUE).decode("utf-8", "surrogatepass")
    assert json.loads(found) == {**held, COLUMN: VALUE}
    assert found.endswith(tail)


@pytest.mark.parametrize("raw", [b"", b"[1]", b'"x"', b"{", b"12", b"  "])
def test_a_line_that_is_no_object_stays(raw: bytes) -> None:
    assert _with_label(raw, VALUE) == raw


def labels(*rows: int) -> RowLabels:
    return RowLabels(DECIDER, dict.fromkeys(rows, HIGH))


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_rows_are_counted_as_connectors_count_them(tmp_path: Path, packed: str) -> None:
    data = b'{"a": 1.0e5}\n\n  \n{"a": "\xff"}\r\nnot json\n{"a": 2}'
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packed]
    unpack = {"": bytes, ".gz": gzip.decompress, ".zst": _unzst}[packed]
    source, target = tmp_path / f"a.jsonl{packed}", tmp_path / f"b.jsonl{packed}"
    source.write_bytes(pack(data))
    assert write_copy(source, target, labels(3, 5)) == 2
    lines, before = unpack(target.read_bytes()).split(b"\n"), data.split(b"\n")
    assert [one for at, one in enumerate(lines) if at not in (3, 5)] == [
        one for at, one in enumerate(before) if at not in (3, 5)
    ]
    assert lines[3].startswith(b'{"a": "\xff","sensitivity_label":')
    assert json.loads(lines[5])[COLUMN]["tenantId"] == TAXONOMY.tenant


def _unzst(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def record(
    existing: Any, carried: tuple[str, ...], row: int = 0, label: Any = HIGH
) -> LabelledRecord:
    asset = Asset("x", "dataset", "jsonl")
    item = Item(asset, "record", str(row), (), "", labels=carried)
    return LabelledRecord(asset, item, Recommendation(label, existing, "", ()), (row, row + 1), {})


STAMP = f"MSIP_Label_{LOW.id}"


@pytest.mark.parametrize(
    ("existing", "carried", "expected"),
    [
        (None, (), (2, 0, 0)),
        (LOW, (LOW.id,), (2, 0, 0)),
        (LOW, (f"{STAMP}_Enabled=true;{STAMP}_Method=Standard",), (2, 0, 0)),
        (LOW, (f"{STAMP}_Enabled=true;{STAMP}_Method=Privileged",), (0, 2, 0)),
        (HIGH, (HIGH.id,), (0, 0, 0)),
        (None, ("11111111-1111-4111-8111-111111111111",), (0, 0, 2)),
    ],
)
def test_labels_of_people_and_of_others_are_not_overwritten(
    existing: Any, carried: tuple[str, ...], expected: tuple[int, int, int]
) -> None:
    rows = RowLabels(DECIDER)
    rows.add(record(existing, carried))
    assert (len(rows.labels), rows.left_to_people, rows.foreign) == expected


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 999)[:-20])
    (tmp_path / "a.parquet").write_bytes(b"PAR1 damaged PAR1")
    for name in ("a.jsonl.gz", "a.parquet"):
        with pytest.raises(SourceError):
            write_copy(tmp_path / name, tmp_path / f"copy-{name}", labels(0))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl.gz", "a.parquet"]


def test_an_empty_file_has_an_empty_copy(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert write_copy(tmp_path / "a.jsonl", tmp_path / "b.jsonl", labels()) == 0
    assert write_copy(tmp_path / "a.parquet", tmp_path / "b.parquet", labels()) == 0
    assert (tmp_path / "b.jsonl").read_bytes() == b""
    assert COLUMN in pq.read_schema(tmp_path / "b.parquet").names
