"""dlpagent edm as a user meets it: build, refresh, look, check; and nothing of a value left anywhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from dlpagent.service.cli import run

SCHEMA = """<EdmSchema xmlns="http://schemas.microsoft.com/office/2018/edm">
<DataStore name="Members" description="Members of a club" version="3">
<Field name="Number" searchable="true" caseInsensitive="true" ignoredDelimiters="-,/"/>
<Field name="Name" caseInsensitive="true"/>
<Field name="Town"/>
</DataStore></EdmSchema>"""

PACKAGE = """<RulePackage xmlns="http://schemas.microsoft.com/office/2018/edm">
<RulePack id="b4f1c1a0-1111-4222-8333-0000000000e1">
<Version major="1" minor="0" build="0" revision="0" />
<Publisher id="b4f1c1a0-1111-4222-8333-0000000000e2" />
<Details defaultLangCode="en-us"><LocalizedDetails langcode="en-us">
<PublisherName>Club</PublisherName><Name>Club</Name><Description>Club.</Description>
</LocalizedDetails></Details></RulePack>
<Rules>
<ExactMatch id="b4f1c1a0-1111-4222-8333-0000000000ea" patternsProximity="300" dataStore="Members"
 recommendedConfidence="75">
<Pattern confidenceLevel="85"><idMatch matches="Number" classification="Club number" />
<Any minMatches="1"><match matches="Name" /><match matches="Town" /></Any></Pattern>
</ExactMatch>
<Entity id="b4f1c1a0-1111-4222-8333-0000000000eb" patternsProximity="300" recommendedConfidence="65">
<Pattern confidenceLevel="65"><IdMatch idRef="Regex_club" /></Pattern></Entity>
<Regex id="Regex_club">[QqXx]{2}[-/][0-9]{1,9}</Regex>
<LocalizedStrings><Resource idRef="b4f1c1a0-1111-4222-8333-0000000000eb">
<Name default="true" langcode="en-us">Club number</Name>
<Description default="true" langcode="en-us">A number.</Description>
</Resource><Resource idRef="b4f1c1a0-1111-4222-8333-0000000000ea">
<Name default="true" langcode="en-us">Club member</Name>
<Description default="true" langcode="en-us">A member.</Description>
</Resource></LocalizedStrings>
</Rules></RulePackage>"""

ROWS = [f"QX-{place * 7919 + 100_000},Canaria Planted{place},Canarytown" for place in range(60)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.xml").write_text(SCHEMA)
    (tmp_path / "package.xml").write_text(PACKAGE)
    (tmp_path / "rows.csv").write_text("\n".join(["Number,Name,Town", *ROWS]) + "\n")
    return tmp_path


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(item) for item in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def build(capsys: pytest.CaptureFixture[str], *more: object) -> tuple[int, str, str]:
    return cli("edm", "build", "schema.xml", "rows.csv", "-o", "store", *more, capsys=capsys)


def test_a_store_is_built_refreshed_shown_and_checked(
    folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = build(capsys)
    assert code == 0
    assert "60 rows of Members" in out
    assert str(home / "edm") in out
    code, out, _ = build(capsys)
    assert (code, "of this data already" in out) == (0, True)
    code, out, _ = cli("edm", "info", "store", "--format", "json", capsys=capsys)
    facts = json.loads(out)
    assert (code, facts["rows"], facts["name"]) == (0, 60, "Members")
    assert facts["chance_of_a_false_match"] < 1e-17
    assert [field["name"] for field in facts["fields"]] == ["Number", "Name", "Town"]
    code, out, _ = cli("edm", "info", "store", capsys=capsys)
    assert "Number: searchable, case ignored" in out
    code, out, _ = cli("edm", "check", "store", capsys=capsys)
    assert (code, out) == (0, "store: 60 rows, 0.0 MB: all as written\n")
    with (folder / "rows.csv").open("a") as file:
        file.write("QX-1,Late Comer,Kiel\n")
    code, out, _ = build(capsys)
    assert (code, "61 rows" in out) == (0, True)
    assert len(list((home / "edm").iterdir())) == 1


def test_bad_lines_are_told_by_number_and_exit_3_or_2(
    folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "rows.csv").open("a") as file:
        file.write("CANARY-LINE\n")
    code, _, err = build(capsys)
    assert (code, "line 62" in err, "CANARY" in err) == (2, True, False)
    assert not (folder / "store").exists() or not list((folder / "store").iterdir())
    assert list((home / "edm").iterdir()) == []
    code, out, err = build(capsys, "--max-bad-percent", 5)
    assert (code, "60 rows" in out, "1 line(s) are no rows: line 62" in err) == (3, True, True)
    assert "CANARY" not in out + err


def test_a_key_file_may_be_named_and_its_loss_is_told(
    folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(capsys, "--key-file", folder / "my.key")[0] == 0
    assert not (home / "edm").exists()
    assert cli("edm", "check", "store", "--key-file", "my.key", capsys=capsys)[0] == 0
    code, _, err = cli("edm", "check", "store", capsys=capsys)
    assert (code, "The key of the EDM store".lower() in err.lower()) == (2, True)
    (folder / "my.key").rename(folder / "store.key")
    assert cli("edm", "check", "store", capsys=capsys)[0] == 0
    assert "schema.xml" not in err


def test_damage_is_found_and_exits_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(capsys)[0] == 0
    file = next((folder / "store").glob("*/rows.u64"))
    body = bytearray(file.read_bytes())
    body[0] ^= 255
    file.write_bytes(body)
    code, _, err = cli("edm", "check", "store", capsys=capsys)
    assert (code, "rows.u64 is not what was written" in err) == (2, True)
    code, _, err = cli("edm", "info", "elsewhere", capsys=capsys)
    assert (code, "there is no EDM store here" in err) == (2, True)


def test_a_package_with_its_store_is_imported_scanned_with_and_exported_equal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(capsys)[0] == 0
    code, _, err = cli("rules", "import", "package.xml", "-o", "pack", "--edm-store",
                       "Members=store", capsys=capsys)  # fmt: skip
    assert (code, err) == (0, "")
    (folder / "text.txt").write_text(
        "We met qx/107919, that is canaria planted1. QX-107920 Canaria Planted1. QX-100000."
    )
    code, out, _ = cli("scan", "text.txt", "--pack", "pack", "--format", "jsonl", "-q",
                       capsys=capsys)  # fmt: skip
    (finding,) = [json.loads(line) for line in out.splitlines() if "Club member" in line]
    assert (code, finding["start"], finding["end"], finding["confidence"]) == (1, 7, 16, 85)
    assert finding["masked"] == "**/******"
    assert cli("rules", "export", "pack", "-o", "out.xml", capsys=capsys)[0] == 0
    code, out, _ = cli("rules", "diff", "package.xml", "out.xml", "--edm-store", "Members=store",
                       capsys=capsys)  # fmt: skip
    assert (code, out.splitlines()[0]) == (0, "equal in meaning")
    assert cli("rules", "diff", "package.xml", "out.xml", capsys=capsys)[0] == 0


def test_no_value_is_left_in_store_state_logs_or_messages(
    folder: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [build(capsys)]
    said.append(cli("rules", "import", "package.xml", "-o", "pack", "--edm-store", "Members=store",
                    capsys=capsys))  # fmt: skip
    body = " ".join(row.replace(",", " ") for row in ROWS)
    (folder / "text.txt").write_text(body)
    outputs = [part for name in ("f.json", "f.html", "f.csv") for part in ("-o", name)]
    said.append(cli("scan", "text.txt", "--pack", "pack", "--format", "json,html,csv", *outputs,
                    "--state", "state.db", "-vv", capsys=capsys))  # fmt: skip
    said.append(cli("edm", "info", "store", capsys=capsys))
    assert [code for code, _, _ in said] == [0, 0, 1, 0]
    for name in ("rows.csv", "text.txt"):
        (folder / name).unlink()
    left = b"".join(
        item.read_bytes() for place in (folder, home) for item in place.rglob("*") if item.is_file()
    ).lower()
    told = "".join(out + err for _, out, err in said).lower() + caplog.text.lower()
    for row in ROWS:
        number, name, _ = row.lower().split(",")
        for value in (number, number.replace("-", ""), number[3:], name):
            assert value not in told
            assert value.encode() not in left
    assert b"canarytown" not in left
