"""Two scans held against each other: values by key, items where there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlpagent.classifiers.comparison import Tally
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.findings import PackRef
from dlpagent.service.compare_view import scans_json, scans_text
from dlpagent.service.comparing_scans import Side, agreement, compare_scans, is_scan, read_side
from dlpagent.service.purview_results import PurviewFinding, is_purview, read_purview

CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
PACK = Pack(PackRef("p", "1", "h"), "p", "", "extended", {}, {})


def side(name: str, *rows: tuple[str, str, str, int], **more: Any) -> Side:
    made = Side(name, **more)
    for row in rows:
        made.add(*row)
    return made


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([("f", "s", "k", 85)], [("f", "s", "k", 85)], Tally(same=1)),
        ([("f", "s", "k", 85)], [("f", "s", "k", 65)], Tally(level_changed=1)),
        ([("f", "s", "k", 85)], [("f", "s", "other", 85)], Tally(new=1, lost=1)),
        ([("f", "s", "k", 85)] * 3, [("f", "s", "k", 85)], Tally(same=1, lost=2)),
        ([("f", "s", "k", 65), ("f", "s", "k", 85)], [("f", "s", "k", 85)],
         Tally(same=1, lost=1)),
        ([], [("f", "s", "k", 85)], Tally(new=1)),
        ([("f", "s", "k", 85)], [("f", "t", "k", 85)], Tally(new=1, lost=1)),
    ],
)  # fmt: skip
def test_values_are_compared_by_key(before, after, expected) -> None:  # type: ignore[no-untyped-def]
    assert compare_scans(side("A", *before), side("B", *after)).total == expected


def test_an_asset_that_one_scan_did_not_read_whole_is_not_compared() -> None:
    rows = [("f", "s", "k", 85), ("g", "s", "k", 85)]
    before = side("A", *rows[:1], whole={"f": True, "g": False}, change_keys={"f": "1"})
    after = side("B", *rows, whole={"f": True, "g": True, "h": True}, change_keys={"f": "2"})
    found = compare_scans(before, after)
    assert found.total == Tally(same=1, incomparable=1)
    assert found.reasons == {"g": "was not read whole in A", "h": "was not read in A"}
    assert found.content_changed == {"f"}
    assert "g: was not read whole in A" in scans_text(found)


def test_files_can_be_the_same_by_name() -> None:
    before = side("A", ("file:///ci/1/a%20b.jsonl", "s", "k", 85))
    after = side("B", ("file:///home/a%20b.jsonl", "s", "k", 85))
    assert compare_scans(before, after).total == Tally(new=1, lost=1)
    assert compare_scans(before, after, by_name=True).total == Tally(same=1)


def test_scans_under_two_keys_are_told() -> None:
    found = compare_scans(side("A", ("f", "s", "k1", 85)), side("B", ("f", "s", "k2", 85)))
    assert "under one evidence key only" in found.notes[0]


LINE = {
    "v": 1, "asset": "file:///a", "sit": {"id": CARD, "name": "Credit Card Number"},
    "confidence": 85, "key": "k", "pack": {"id": "p", "version": "1"},
}  # fmt: skip
CSV = "asset,sit_id,sit_name,confidence,key,pack_id,pack_version\n" + (
    f"file:///a,{CARD},Credit Card Number,85,k,p,1\n"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", json.dumps(LINE) + "\n\n"), ("a.json", json.dumps({"findings": [LINE]})),
     ("a.csv", CSV)],
)  # fmt: skip
def test_every_form_of_findings_is_a_side(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert is_scan(str(path))
    read = read_side(str(path), PACK)
    assert read.found == {("file:///a", CARD, "k"): [85]}
    assert (read.names, read.packs) == ({CARD: "Credit Card Number"}, {"p 1"})


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", "{"), ("a.jsonl", "{}"), ("a.json", "[]"), ("a.csv", "asset\nx\n")],
)
def test_what_holds_no_findings_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="no finding"):
        read_side(str(path), PACK)


def test_a_pack_or_nothing_is_no_scan(tmp_path: Path) -> None:
    assert not is_scan(str(tmp_path))
    assert not is_scan(str(tmp_path / "nothing.jsonl"))


# --- Purview -----------------------------------------------------------------------------------

TYPES = [{"Id": CARD.upper(), "LowConfidenceMatch": 0, "MediumConfidenceMatch": 3,
          "HighConfidenceMatch": 2}]  # fmt: skip
EXPORTS = {
    "ce.csv": (
        "TagType,TagName,FileUrl,FileName,SensitiveInfoTypesData\r\n"
        'SensitiveInformationType,Credit Card Number,https://x/s/a.docx,a.docx,"'
        + json.dumps(TYPES).replace('"', '""') + '"\r\n'
    ),
    "ce.json": json.dumps([{"TotalCount": 1}, {"FileUrl": "https://x/s/a.docx",
                                               "SensitiveInfoTypesData": json.dumps(TYPES)}]),
    "test.json": json.dumps([{"File": "https://x/s/a.docx", "ClassificationResults": [
        {"Id": CARD, "ClassificationName": "Credit Card Number", "ConfidenceLevel": 76,
         "Count": 2}]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_exports_of_purview_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(EXPORTS[name].encode(encoding))
    assert is_purview(path)
    assert read_purview(path) == [PurviewFinding("https://x/s/a.docx", CARD, 76, 2)]


def test_the_utf_16_of_an_old_powershell_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ce.json"
    path.write_bytes(EXPORTS["test.json"].encode("utf-16"))
    assert is_purview(path)
    assert read_purview(path)[0].confidence == 76


def test_a_result_without_a_file_is_named_after_its_own(tmp_path: Path) -> None:
    path = tmp_path / "letter.docx.json"
    path.write_text(json.dumps({"ClassificationResults": [
        {"Name": "My Type", "ConfidenceLevel": "65", "UniqueCount": 1, "Count": 3}]}))  # fmt: skip
    assert read_purview(path) == [PurviewFinding("letter.docx", "My Type", 65, 1)]


@pytest.mark.parametrize(
    "content",
    ['[{"FileUrl": "x", "SensitiveInfoTypesData": "not json"}]', '[{"FileUrl": "x"}]',
     '[{"ClassificationResults": [{"ConfidenceLevel": 75}]}]',
     '[{"ClassificationResults": [{"Name": "A"}]}]'],
)  # fmt: skip
def test_a_row_that_is_no_result_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ProblemsError, match="cannot be used"):
        read_purview(path)


def test_purview_is_compared_item_by_item_and_agreement_counted(tmp_path: Path) -> None:
    path = tmp_path / "ce.json"
    path.write_text(EXPORTS["test.json"])
    ours = side(
        "scan", ("file:///d/a.docx", CARD, "k1", 65), ("file:///d/a.docx", CARD, "k2", 85),
        ("file:///d/b.docx", CARD, "k2", 85), ("file:///d/b.docx", "own", "k3", 85),
    )  # fmt: skip
    found = compare_scans(read_side(str(path), PACK), ours)
    assert found.by_item
    assert found.by_sit()[CARD] == Tally(same=1, new=1)
    said = {row["id"]: row.get("agreement") for row in scans_json(found)["sits"]}
    assert (said[CARD]["precision"], said[CARD]["recall"]) == (0.5, 1.0)
    assert said["own"] is None
    assert "Agreement" in scans_text(found)


def test_agreement_takes_the_first_for_the_truth() -> None:
    said = agreement(Tally(new=1, lost=3, same=1, level_changed=2))
    assert (said["both"], said["precision"], said["recall"]) == (3, 0.75, 0.5)
