"""dlpagent label: as a user meets it, files in, labels, manifests and copies out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.service.cli import run

LABELS = "/security/datasecurityandgovernance/sensitivitylabels"
GUID = "11111111-aaaa-4aaa-8aaa-00000000000"
GENERAL, SECRET, HIGHER = f"{GUID}1", f"{GUID}2", f"{GUID}3"
TAXONOMY = f"""
name: Ours
labels:
  - {{id: {GENERAL}, name: General, priority: 0}}
  - {{id: {SECRET}, name: Secret, priority: 1}}
  - {{id: {HIGHER}, name: Higher, priority: 2}}
"""
POLICY = """
id: 5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c01
name: Labels
version: "1"
auto_labels:
  - {label: Secret, conditions: {sit: Credit Card Number, min_confidence: 75}}
  - {label: Higher, conditions: {sit: Credit Card Number, min_confidence: 75, min_count: 2}}
"""
CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444")
MANUAL = f"MSIP_Label_{GENERAL}_Enabled=true; MSIP_Label_{GENERAL}_Method=Privileged"
ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": f"visa card {CARDS[0]} exp 10/29"},
    {"id": "b", "text": "nothing at all", "n": 0.25},
    {"id": "c", "text": f"visa card {CARDS[1]} exp 10/29", "msip_labels": MANUAL},
    {"id": "d", "text": "nothing at all", "sensitivity_label": "General"},
    {"id": "e", "text": "write to ann.lee@contoso.example"},
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all, so that the pack is read and compiled once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(kept))
    (tmp_path / "labels.yaml").write_text(TAXONOMY, "utf-8")
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    lines = [json.dumps(row) + "\n" for row in ROWS]
    (tmp_path / "train.jsonl").write_text("".join(lines), "utf-8")
    return tmp_path


def label(
    folder: Path,
    *arguments: object,
    capsys: pytest.CaptureFixture[str],
    labels: str = "labels.yaml",
) -> tuple[int, str, str]:
    command = ["label", *arguments, "--policy", folder / "policy.yaml", "--labels", folder / labels]
    code = run([str(item) for item in command])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def shown(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_corpus_gets_the_highest_label_of_its_records_and_of_all_of_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = label(
        home, home / "train.jsonl", "--records", "--format", "jsonl", capsys=capsys
    )
    *records, asset = shown(out)
    assert code == 0
    assert {one["record"]: one["label"]["name"] for one in records} == {
        "a": "Secret", "c": "Secret", "d": "General",
    }  # fmt: skip
    assert "a person must raise it" in records[1]["reason"]
    # two cards are in no record and in the corpus
    assert (asset["label"]["name"], asset["raised_by"], asset["records"]) == ("Higher", [""], 5)
    assert asset["labels"] == {"Secret": 2, "General": 1}


def test_what_raised_a_label_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "one.jsonl").write_text(json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1]) + "\n")
    code, out, _ = label(home, home / "one.jsonl", capsys=capsys)
    assert code == 0
    assert "one.jsonl: Secret" in out
    assert "raised by 1 of 2 records: a" in out
    assert "calls for Secret" in out


def test_no_value_is_shown_or_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = home / "lineage.json"
    code, out, err = label(
        home, home / "train.jsonl", "--records", "--lineage", manifest, capsys=capsys
    )
    for card in CARDS:
        for text in (out, err, manifest.read_text("utf-8")):
            assert card not in text
            assert card.replace(" ", "") not in text
    assert code == 0


@pytest.mark.parametrize(("ceiling", "code"), [("Secret", 1), ("Higher", 0), (HIGHER, 0)])
def test_a_label_above_the_one_allowed_fails_the_build(
    home: Path, capsys: pytest.CaptureFixture[str], ceiling: str, code: int
) -> None:
    found = label(home, home / "train.jsonl", "--fail-above", ceiling, capsys=capsys)
    assert found[0] == code


def test_what_cannot_be_read_is_incomplete_and_never_clean(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "bad.jsonl").write_text(json.dumps(ROWS[1]) + '\n{"text": "cut of')
    code, out, _ = label(home, home / "bad.jsonl", capsys=capsys)
    assert (code, "incomplete: 1 parts are unread" in out) == (3, True)


def test_a_labelled_copy_is_read_back_as_labelled(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = home / "copy.jsonl"
    code, out, _ = label(home, home / "train.jsonl", "--write", copy, capsys=capsys)
    assert code == 0
    assert "1 rows; 1 carry a lower label that a person set" in out
    read = [json.loads(line) for line in copy.read_text("utf-8").splitlines()]
    assert read[0].pop("sensitivity_label") == {
        "id": SECRET, "name": "Secret", "method": "Standard",
    }  # fmt: skip
    assert read == ROWS
    _, out, _ = label(home, copy, "--records", "--format", "jsonl", capsys=capsys)
    first = shown(out)[0]
    assert first["existing"] == first["label"]


@pytest.mark.parametrize("column", [None, pa.string(), pa.struct([("id", pa.string())])])
def test_a_parquet_copy_has_a_column_more_and_everything_else_as_it_was(
    home: Path, capsys: pytest.CaptureFixture[str], column: pa.DataType | None
) -> None:
    rows = [{"id": f"r{n}", "text": ROWS[0]["text"] if n % 3 else "x"} for n in range(10)]
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": {"text": {}}}}), "mine": "1"}
    )
    if column is not None:
        table = table.append_column("sensitivity_label", pa.nulls(10, column))
    pq.write_table(table, home / "t.parquet", row_group_size=4)
    code, out, err = label(
        home, home / "t.parquet", "--write", home / "copy.parquet", capsys=capsys
    )
    if column is not None and column != pa.string():
        assert (code, "holds something else" in err) == (2, True)
        assert not (home / "copy.parquet").exists()
        return
    assert code == 0, out + err
    copy = pq.read_table(home / "copy.parquet")
    found = copy.column("sensitivity_label").to_pylist()
    ids = [one["id"] if isinstance(one, dict) else one for one in found]
    assert ids == [SECRET if n % 3 else None for n in range(10)]
    assert copy.select(["id", "text"]).to_pylist() == rows
    assert pq.ParquetFile(home / "copy.parquet").num_row_groups == 3
    if column is None:
        described = json.loads(copy.schema.metadata[b"huggingface"])["info"]["features"]
        assert set(described) == {"text", "sensitivity_label"}
    _, out, _ = label(home, home / "copy.parquet", "--records", "--format", "jsonl", capsys=capsys)
    assert [one["existing"]["id"] for one in shown(out)[:-1]] == [SECRET] * 6


def test_a_folder_is_copied_as_it_lies_and_what_cannot_be_labelled_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        (home / "corpus" / name).mkdir(parents=True)
        (home / "corpus" / name / "t.jsonl").write_text(json.dumps(ROWS[0]))
    code, _, _ = label(home, home / "corpus", "--write", home / "copies", capsys=capsys)
    assert code == 0
    for name in ("one", "two"):
        assert "sensitivity_label" in (home / "copies" / name / "t.jsonl").read_text()
    (home / "corpus" / "README.txt").write_text("about")
    code, out, _ = label(home, home / "corpus", "--write", home / "copies", capsys=capsys)
    assert (code, "no labelled copy of" in out) == (3, True)
    both = [home / "corpus" / name / "t.jsonl" for name in ("one", "two")]
    code, _, err = label(home, *both, "--write", home / "flat", capsys=capsys)
    assert (code, "two files would have the same copy" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "target", "word"),
    [
        ("notes.txt", "copy.txt", "no labelled copy can be made"),
        ("train.jsonl", "train.jsonl", "would overwrite its source"),
    ],
)
def test_copies_are_refused_before_anything_is_read(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, target: str, word: str
) -> None:
    (home / "notes.txt").write_text("plain")
    before = (home / "train.jsonl").read_bytes()
    code, _, err = label(home, home / name, "--write", home / target, capsys=capsys)
    assert (code, word in err) == (2, True)
    assert (home / "train.jsonl").read_bytes() == before


def test_a_manifest_is_verified_until_file_manifest_or_policy_change(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = home / "lineage.json"
    label(home, home / "train.jsonl", home / "policy.yaml", "--lineage", manifest, capsys=capsys)
    held = json.loads(manifest.read_bytes())
    assert [asset["file"]["path"] for asset in held["assets"]] == ["train.jsonl", "policy.yaml"]
    assert held["policy"]["version"].startswith("1+")
    assert label(home, "verify", manifest, "--require-seal", capsys=capsys)[0] == 0
    other = ("verify", manifest, "--key-file", home / "other.key")
    code, _, err = label(home, *other, capsys=capsys)
    assert (code, "seal was not checked" in err) == (0, True)
    assert label(home, *other, "--require-seal", capsys=capsys)[0] == 1

    (home / "policy.yaml").write_text(POLICY.replace("75", "85"), "utf-8")
    code, out, _ = label(home, "verify", manifest, capsys=capsys)
    assert (code, "the policy is another one" in out) == (1, True)
    assert "policy.yaml: is not as it was labelled" in out

    (home / "train.jsonl").write_text("{}\n")
    code = run(["label", "verify", str(manifest)])
    out = capsys.readouterr().out
    assert (code, "train.jsonl: is not as it was labelled" in out) == (1, True)


def test_a_state_gives_the_labels_that_its_findings_call_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = home / "state.db"
    run(["scan", str(home / "train.jsonl"), "--state", str(state), "-q", "-o", str(home / "x")])
    capsys.readouterr()
    code, out, _ = label(home, state, "--format", "jsonl", capsys=capsys)
    (asset,) = shown(out)
    assert (code, asset["label"]["name"]) == (0, "Higher")
    assert asset["labels"] == {"Secret": 2, "General": 1}
    _, out, _ = label(home, home / "train.jsonl", "--format", "jsonl", capsys=capsys)
    assert shown(out) == [asset]  # as if the data had been read again
    code, _, err = label(home, state, "--lineage", home / "m.json", capsys=capsys)
    assert (code, "needs the data itself" in err) == (2, True)


def test_the_labels_in_use_are_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(home / "labels.yaml")
    assert run(["label", "taxonomy", "--labels", file, "--format", "json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in held["labels"]] == ["General", "Secret", "Higher"]
    assert run(["label", "taxonomy", "--labels", file, "--refresh"]) == 2
    assert "no tenant to ask" in capsys.readouterr().err


@pytest.fixture
def microsoft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Microsoft]:
    monkeypatch.setenv("LOOPBACK_SECRET", CLIENT_SECRET)
    (tmp_path / "microsoft").mkdir()
    with Microsoft(tmp_path / "microsoft") as running:
        names = ((GENERAL, "General"), (SECRET, "Secret"), (HIGHER, "Higher"))
        running.graph.lists = {
            LABELS: [
                {"id": ident, "name": name, "priority": rank}
                for rank, (ident, name) in enumerate(names)
            ]
        }
        (tmp_path / "graph.yaml").write_text(
            f"graph:\n  target: {running.url}\n  allowed_hosts: [localhost]\n"
            f"  auth: secret\n  secret_env: LOOPBACK_SECRET\n  tenant_id: {TENANT}\n"
            f"  client_id: {CLIENT_ID}\n  authority: {running.url}\n"
            f"  ca_file: {running.ca_file}\n  timeout_s: 2\n"
        )
        yield running


@pytest.mark.parametrize(
    ("said", "verdict"), [(HIGHER, "agrees"), (GENERAL, "differs"), (None, "differs")]
)
def test_the_tenant_is_asked_only_when_a_second_opinion_is_wanted(
    home: Path, microsoft: Microsoft, capsys: pytest.CaptureFixture[str], said: str | None,
    verdict: str,
) -> None:  # fmt: skip
    if said:
        microsoft.graph.opinion = {"recommended": {"sensitivityLabel": {"id": said}}}
    code, out, _ = label(home, home / "train.jsonl", capsys=capsys, labels="graph.yaml")
    assert (code, "the tenant" in out) == (0, False)
    assert not microsoft.graph.evaluations.total
    code, out, _ = label(
        home, home / "train.jsonl", "--second-opinion", capsys=capsys, labels="graph.yaml"
    )
    assert (code, f"the tenant {verdict}" in out) == (0, True)
    (sent,) = microsoft.graph.evaluations.values()
    assert CARDS[0] not in json.dumps(sent)
    assert sent["currentLabel"]["applicationMode"] == "manual"


def test_a_second_opinion_that_cannot_be_had_is_incomplete(
    home: Path, microsoft: Microsoft, capsys: pytest.CaptureFixture[str]
) -> None:
    label(home, home / "train.jsonl", capsys=capsys, labels="graph.yaml")
    microsoft.fail(Fault("status", "graph", status=403))
    code, out, _ = label(
        home, home / "train.jsonl", "--second-opinion", capsys=capsys, labels="graph.yaml"
    )
    assert (code, "no second opinion: 403" in out) == (3, True)
    code, _, err = label(home, home / "train.jsonl", "--second-opinion", capsys=capsys)
    assert (code, "no tenant to ask" in err) == (2, True)


def test_labels_of_a_tenant_are_shown_with_their_age(
    home: Path, microsoft: Microsoft, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(home / "graph.yaml")
    assert run(["label", "taxonomy", "--labels", file]) == 0
    out = capsys.readouterr().out
    assert "fetched less than a minute ago" in out
    assert f"tenant {TENANT}" in out
    microsoft.fail(Fault("status", "graph", status=403))
    assert run(["label", "taxonomy", "--labels", file, "--refresh"]) == 3
