"""The command line as a user meets it: files in, findings out, codes, messages."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlpagent.service.cli import run

CARD = "4111 1111 1111 1111"
NOBODY = 65534


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(item) for item in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    rows = [
        {"id": "a", "text": f"my credit card is {CARD}, thanks"},
        {"id": "b", "text": "nothing here"},
        {
            "id": "c",
            "messages": [{"role": "user", "content": "é😀 IBAN DE89 3704 0044 0532 0130 00"}],
        },
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_scan_prints_one_json_line_per_finding_with_code_point_offsets(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = cli("scan", corpus, capsys=capsys)
    found = {(item["record"], item["sit"]["name"]): item for item in lines(out)}  # type: ignore[index]
    card = found["a", "Credit Card Number"]
    assert (card["part"], card["start"], card["end"]) == ("text", 18, 37)
    assert (card["confidence"], card["level"]) == (85, "high")
    iban = found["c", "International Banking Account Number (IBAN)"]
    assert (iban["part"], iban["start"], iban["end"]) == ("messages[0].content", 8, 35)
    assert code == 1
    assert CARD not in out
    assert CARD.replace(" ", "") not in out


@pytest.mark.parametrize(
    ("fail_on", "code"), [("low", 1), ("medium", 1), ("high", 1), ("never", 0)]
)
def test_fail_on_decides_the_exit_code(
    corpus: Path, fail_on: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("scan", corpus, "--fail-on", fail_on, capsys=capsys)[0] == code


def test_a_clean_scan_exits_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clean.txt").write_text("the weather is fine")
    code, out, err = cli("scan", tmp_path, capsys=capsys)
    assert (code, out) == (0, "")
    assert "0 findings" in err


def test_every_format_goes_to_its_file(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formats = ["table", "jsonl", "json", "csv", "sarif", "html", "ocsf", "o365"]
    files = [tmp_path / f"out.{name}" for name in formats]
    outputs = [part for file in files for part in ("-o", file)]
    code, out, _ = cli(
        "scan",
        corpus,
        "--policy",
        "example",
        "--format",
        ",".join(formats),
        *outputs,
        capsys=capsys,
    )
    assert (code, out) == (1, "")
    assert "Credit Card Number" in files[0].read_text()
    assert len(lines(files[1].read_text())) >= 2
    assert json.loads(files[2].read_text())["findings"]
    assert list(csv.DictReader(io.StringIO(files[3].read_text())))
    assert json.loads(files[4].read_text())["version"] == "2.1.0"
    assert files[5].read_text().startswith("<!DOCTYPE html>")
    assert {item["class_uid"] for item in lines(files[6].read_text())} == {2006}
    assert {item["UserKey"] for item in lines(files[7].read_text())} == {"DlpAgent"}
    for file in files:
        assert CARD not in file.read_text()
        assert CARD.replace(" ", "") not in file.read_text()
    assert not list(tmp_path.glob("*.partial"))


def test_workers_give_the_same_findings_and_events(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{number}.jsonl").write_bytes(corpus.read_bytes())
    written = []
    for workers in (1, 2):
        events = tmp_path / f"{workers}.ocsf"
        command = ("scan", tmp_path / "many", "--workers", workers, "--policy", "example",
                   "--format", "jsonl,ocsf", "-o", tmp_path / f"{workers}.jsonl", "-o", events)  # fmt: skip
        assert cli(*command, capsys=capsys)[0] == 1
        found = [json.loads(line) for line in events.read_text().splitlines()]
        written.append(
            (
                (tmp_path / f"{workers}.jsonl").read_text(),
                [item["metadata"]["uid"] for item in found],
            )
        )
    assert written[0] == written[1]


def test_min_confidence_leaves_out_what_lies_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text(f"see {CARD} there")
    assert lines(cli("scan", tmp_path / "a.txt", capsys=capsys)[1])
    assert cli("scan", tmp_path / "a.txt", "--min-confidence", "high", capsys=capsys)[1] == ""


def test_compressed_and_nested_input_is_found_in_folders(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    with gzip.open(folder / "c.jsonl.gz", "wb") as file:
        file.write(corpus.read_bytes())
    _, out, err = cli("scan", tmp_path / "in", capsys=capsys)
    assert {item["record"] for item in lines(out)} == {"a", "c"}
    assert "1 asset(s)" in err


def test_standard_input_is_scanned(corpus: Path, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dlpagent.service.cli import main; main()", "scan", "-"],
        input=corpus.read_bytes(),
        capture_output=True,
        cwd=Path(__file__).resolve().parent.parent.parent,
        check=False,
        env={**os.environ, "DLPAGENT_HOME": str(home)},
    )
    assert done.returncode == 1
    assert {json.loads(line)["record"] for line in done.stdout.splitlines()} == {"a", "c"}


def test_a_scan_with_a_state_skips_what_has_not_changed_and_still_tells_its_findings(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.db"
    first = cli("scan", corpus, "--state", state, capsys=capsys)
    second = cli("scan", corpus, "--state", state, capsys=capsys)
    assert "(1 unchanged)" in second[2]
    assert (first[0], first[1]) == (second[0], second[1])
    third = cli("scan", corpus, "--state", state, "--full", capsys=capsys)
    assert "unchanged" not in third[2]
    assert third[1] == first[1]


def test_a_file_named_twice_is_scanned_once(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = cli("scan", corpus, capsys=capsys)
    twice = cli("scan", corpus, corpus, corpus.parent / "." / corpus.name, capsys=capsys)
    assert twice[:2] == once[:2]


def test_min_confidence_and_profile_are_checked(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("scan", corpus, "--min-confidence", "101", capsys=capsys)[0] == 2
    assert cli("scan", corpus, "--profile", "loose", capsys=capsys)[0] == 2
    assert cli("scan", corpus, "--fail-on", "sometimes", capsys=capsys)[0] == 2


# --- what can go wrong ------------------------------------------------------------------------


def test_a_missing_path_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cli("scan", tmp_path / "nowhere", capsys=capsys)
    assert code == 2
    assert str(tmp_path / "nowhere") in err
    assert "Expected" in err


def test_an_unknown_connector_lists_those_there_are(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli("scan", corpus, "--connector", "jsonll", capsys=capsys)
    assert code == 2
    assert "jsonl" in err
    assert "chatgpt" in err


def test_an_unknown_scheme_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cli("scan", "gopher://x/y", capsys=capsys)
    assert code == 2
    assert "gopher://" in err


def test_half_a_json_line_is_reported_and_the_rest_is_read(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with corpus.open("a") as file:
        file.write('{"id": "d", "text": "cut o')
    code, out, err = cli("scan", corpus, capsys=capsys)
    assert code == 3
    assert {item["record"] for item in lines(out)} == {"a", "c"}
    assert "could not be read" in err


def test_accept_makes_a_status_no_reason_for_exit_3(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with corpus.open("a") as file:
        file.write("{broken\n")
    assert cli("scan", corpus, "--accept", "unread", capsys=capsys)[0] == 1
    assert cli("scan", corpus, "--accept", "unreadable", capsys=capsys)[0] == 2


def test_a_truncated_zip_is_incomplete_and_others_are_still_read(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "export.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(
            "conversations.json", json.dumps([{"id": "x", "title": "t", "mapping": {}}])
        )
    whole.write_bytes(whole.read_bytes()[:-30])
    code, out, err = cli("scan", whole, corpus, capsys=capsys)
    assert code == 3
    assert "export.zip" in err
    assert {item["record"] for item in lines(out)} == {"a", "c"}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_without_rights_is_incomplete_and_the_rest_is_read(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "in" / "closed").mkdir(parents=True)
        (folder / "in" / "open.jsonl").write_bytes(corpus.read_bytes())
        (folder / "in" / "secret.txt").write_text("x")
        cli("scan", folder / "in", capsys=capsys)  # loads what root alone may be able to load
        for path, mode in (("in/closed", 0), ("in/secret.txt", 0), ("home", 0o777), (".", 0o755)):
            (folder / path).chmod(mode)
        monkeypatch.setenv("DLPAGENT_HOME", str(folder / "home"))
        with as_nobody():
            code, out, err = cli("scan", folder / "in", capsys=capsys)
        (folder / "in" / "closed").chmod(0o700)
    assert code == 3
    assert "closed" in err
    assert "secret.txt" in err
    assert {item["record"] for item in lines(out)} == {"a", "c"}


def test_invalid_utf8_and_wrong_columns_are_reported_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'{"id": "bad", "text": "caf\xe9"}\n{"id": "good", "text": "credit card 4111111111111111"}\n'
    )
    pq.write_table(
        pa.table({"text": ["credit card 4111111111111111"], "blob": [b"\xff\xfe\x00\x01"]}),
        tmp_path / "b.parquet",
    )
    code, out, err = cli("scan", tmp_path, capsys=capsys)
    assert code == 3
    assert {(item["record"], item["part"]) for item in lines(out)} == {
        ("good", "text"),
        ("0", "text"),
    }
    assert "Incomplete" in err


def test_an_empty_file_is_complete_and_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jsonl", "b.txt", "c.csv"):
        (tmp_path / name).touch()
    code, out, _ = cli("scan", tmp_path, capsys=capsys)
    assert (code, out) == (0, "")


def test_events_need_a_policy(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cli("scan", corpus, "--format", "o365", capsys=capsys)
    assert code == 2
    assert "--policy example" in err


def test_an_output_in_a_missing_folder_is_refused_before_anything_is_read(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli("scan", corpus, "-o", tmp_path / "no" / "out.jsonl", capsys=capsys)
    assert code == 2
    assert "no such folder" in err


def test_a_usage_error_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("scan", capsys=capsys)[0] == 2
    assert cli("scam", capsys=capsys)[0] == 2
    assert cli("scan", "--no-such-option", "x", capsys=capsys)[0] == 2


BROKEN = """
id: 11111111-1111-4111-8111-111111111111
name: Broken
version: 1
parity: own
elements:
  Bad: {regex: '(unclosed'}
patterns:
  - {confidence: 85, primary: Bad, match: [Keyword_nowhere]}
colour: red
"""


def test_a_broken_pack_shows_every_problem_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "pack.yaml").write_text("id: x\nname: x\nversion: 1.0.0.0\n")
    (pack / "a.yaml").write_text(BROKEN)
    (pack / "b.yaml").write_text(BROKEN.replace("Bad", "Other").replace("(unclosed", "x"))
    code, _, err = cli("rules", "check", pack, capsys=capsys)
    assert code == 2
    assert "a.yaml:7" in err  # the regex
    assert "a.yaml:9" in err  # the dangling reference
    assert "a.yaml:10" in err  # the unknown key
    assert "two SITs have the id" in err
    assert "Keyword_nowhere" in err


# --- rules and explain ------------------------------------------------------------------------


def test_rules_list_and_show_know_the_pack(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli("rules", "list", "--format", "json", "--grep", "credit card", capsys=capsys)
    (card,) = [item for item in json.loads(out) if item["name"] == "Credit Card Number"]
    assert (code, card["id"]) == (0, "50842eb7-edc8-4019-85dd-5a5c1f2bb085")
    code, out, _ = cli("rules", "show", "credit card number", capsys=capsys)
    assert code == 0
    assert "Func_credit_card" in out
    assert cli("rules", "show", "no such thing", capsys=capsys)[0] == 2


def test_explain_says_what_supported_and_what_was_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = cli(
        "explain", f"credit card {CARD}", "--sit", "Credit Card Number", capsys=capsys
    )
    assert code == 1
    assert "confidence 85 (high)" in out
    assert "Keyword_cc_name" in out
    assert CARD not in out
    code, out, _ = cli(
        "explain", CARD, "--sit", "Credit Card Number", "--format", "json", capsys=capsys
    )
    (trace,) = json.loads(out)["traces"]
    assert trace["confidence"] == 65
    assert "needs at least 1 hits of" in trace["next_level"]


def test_explain_without_findings_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli("explain", "nothing to see", capsys=capsys)
    assert (code, out) == (0, "Nothing found.\n")


PACKAGE = """<?xml version="1.0" encoding="utf-16"?>
<RulePackage xmlns="http://schemas.microsoft.com/office/2011/mce">
 <RulePack id="DAD86A92-AB18-43BB-AB35-96F7C594ADAA"><Version major="1" minor="2" build="3" revision="4"/>
  <Publisher id="619DD8C3-7B80-4998-A312-4DF0402BAC04"/>
  <Details defaultLangCode="en-us"><LocalizedDetails langcode="en-us"><PublisherName>Contoso</PublisherName>
   <Name>Badges</Name><Description>d</Description></LocalizedDetails></Details></RulePack>
 <Rules>
  <Entity id="E1CC861E-3FE9-4A58-82DF-4BD259EAB378" patternsProximity="300" recommendedConfidence="75">
   <Pattern confidenceLevel="75"><IdMatch idRef="R"/><Match idRef="K"/></Pattern></Entity>
  <Regex id="R">EMP-\\d{6}</Regex>
  <Keyword id="K"><Group matchStyle="word"><Term>badge</Term></Group></Keyword>
  <LocalizedStrings><Resource idRef="E1CC861E-3FE9-4A58-82DF-4BD259EAB378">
   <Name default="true" langcode="en-us">Badge</Name></Resource></LocalizedStrings>
 </Rules></RulePackage>"""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-16-le"])
def test_a_rule_package_is_imported_checked_and_used(
    tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    xml = tmp_path / "badges.xml"
    xml.write_bytes(PACKAGE.encode(encoding))
    code, out, err = cli("rules", "import", xml, "-o", tmp_path / "pack", capsys=capsys)
    assert (code, err) == (0, "")
    assert "1 SIT(s) of Badges" in out
    (tmp_path / "log.txt").write_text("the badge EMP-123456 was lost")
    for pack in (tmp_path / "pack", xml):
        _, out, _ = cli("scan", tmp_path / "log.txt", "--pack", pack, capsys=capsys)
        (finding,) = lines(out)
        assert finding["sit"] == {"id": "e1cc861e-3fe9-4a58-82df-4bd259eab378", "name": "Badge"}
        assert (finding["start"], finding["end"]) == (10, 20)


# --- sweeps -----------------------------------------------------------------------------------


@pytest.fixture
def sweep(corpus: Path) -> Path:
    path = corpus.parent / "sweeps.yaml"
    path.write_text(
        "name: test\nstate: state.db\npolicy: example\nsources: [corpus.jsonl]\n"
        "sinks: {o365: o365.jsonl, ocsf: ocsf.jsonl}\nreport: report.html\n"
    )
    return path


def test_the_same_sweep_run_twice_writes_no_second_event(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("sweep", "run", sweep, capsys=capsys)[0] == 1
    events = (sweep.parent / "o365.jsonl").read_bytes()
    assert events
    for more in ([], ["--full"]):
        assert cli("sweep", "run", sweep, *more, capsys=capsys)[0] == 1
        assert (sweep.parent / "o365.jsonl").read_bytes() == events
    assert "violations" in (sweep.parent / "report.html").read_text()


def test_an_unchanged_asset_still_holds_its_violations(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def violations(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("Violations")]

    first = cli("sweep", "run", sweep, capsys=capsys)[2]
    second = cli("sweep", "run", sweep, capsys=capsys)[2]
    assert "(1 unchanged)" in second
    assert violations(second) == violations(first) != ["Violations: 0 high, 0 medium, 0 low"]


def test_a_changed_file_gives_changed_events(
    sweep: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli("sweep", "run", sweep, capsys=capsys)
    before = len((sweep.parent / "o365.jsonl").read_text().splitlines())
    with corpus.open("a") as file:
        file.write(json.dumps({"id": "z", "text": "credit card 5555 5555 5555 4444"}) + "\n")
    cli("sweep", "run", sweep, capsys=capsys)
    after = (sweep.parent / "o365.jsonl").read_text().splitlines()
    assert len(after) > before
    assert {json.loads(line)["Operation"] for line in after[before:]} <= {"DlpInfo", "DlpRuleMatch"}


def test_sweep_status_tells_of_runs_assets_and_delivery(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("sweep", "status", sweep, capsys=capsys)[0] == 2  # has not run yet
    cli("sweep", "run", sweep, capsys=capsys)
    code, out, _ = cli("sweep", "status", sweep, "--format", "json", capsys=capsys)
    found = json.loads(out)
    assert code == 0
    assert [run["status"] for run in found["runs"]] == ["complete"]
    assert [asset["status"] for asset in found["assets"]] == ["done"]
    assert all(lag["pending"] == 0 and lag["sent"] for lag in found["delivery"])
    assert "complete" in cli("sweep", "status", sweep, capsys=capsys)[1]


def test_sweep_resume_without_a_run_to_resume_is_refused(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cli("sweep", "resume", sweep, capsys=capsys)
    assert code == 2
    assert "no run to resume" in err


def test_a_sweep_file_shows_all_its_problems_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\nsorces: [a]\nsinks: {o356: x}\nfail_on: often\nmin_confidence: 200\n")
    code, _, err = cli("sweep", "run", path, capsys=capsys)
    assert code == 2
    for line, word in ((2, "sources"), (3, "o365"), (4, "never"), (5, "100")):
        assert f"bad.yaml:{line}" in err
        assert word in err


def test_an_unreachable_sink_exits_4_and_keeps_the_events(
    sweep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpagent.service.session.DELIVERY_PATIENCE_S", 0.1)
    (sweep.parent / "o365.jsonl").mkdir()
    code, _, err = cli("sweep", "run", sweep, capsys=capsys)
    assert code == 4
    assert "o365" in err
    (sweep.parent / "o365.jsonl").rmdir()
    assert cli("sweep", "run", sweep, capsys=capsys)[0] == 1
    assert (sweep.parent / "o365.jsonl").read_text()


def test_help_is_quick_to_import() -> None:
    """--help must not load what only a scan needs."""
    code = (
        "import sys; from dlpagent.service.cli import run; run(['--help']);"
        "heavy = {'pyarrow', 'sqlalchemy', 'numpy', 'hyperscan', 're2', 'alembic'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_quickstart_leaves_report_events_findings_and_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "quickstart"
    code, text, err = cli("quickstart", "--out", out, capsys=capsys)
    assert code == 0
    assert "Violations" in text
    assert "Payment cards in AI" in text
    assert "0 waiting in the outbox" in err
    for name in (
        "report.html",
        "events-o365.jsonl",
        "events-ocsf.jsonl",
        "findings.jsonl",
        "state.db",
    ):
        assert (out / name).stat().st_size, name
    again = cli("quickstart", "--out", out, capsys=capsys)
    assert again[0] == 0
