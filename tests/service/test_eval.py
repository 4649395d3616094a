"""dlpagent eval from labelled files to exit codes, and its figures against an oracle of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlpagent.classifiers.evaluation import Span
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError, ProblemsError
from dlpagent.service.cli import run
from dlpagent.service.corpora import read_corpora, read_map, read_sources
from dlpagent.service.eval_page import report_page
from dlpagent.service.eval_view import report_json, report_text
from dlpagent.service.evaluating import (
    Gate,
    Report,
    forms_of,
    missed_gates,
    predict,
    report,
    unknown_names,
    write_predictions,
)
from dlpagent.service.packs import load_packs

ROOT = Path(__file__).resolve().parents[2]

SITS = {
    "badge": ("11111111-1111-4111-8111-111111111111", "number", r"(?<![0-9])[0-9]{8}(?![0-9])"),
    "token": ("22222222-2222-4222-8222-222222222222", "secret", r"tok_[a-z]{6,12}"),
}

# Every label, look-alike and negative text a rule of the scoring needs, in a few lines.
ROWS: list[dict[str, Any]] = [
    {"id": "1", "source": "people", "mode": "near", "text": "badge 12345678 and 87654321",
     "spans": [{"start": 6, "end": 14, "type": "BADGE"}, {"start": 19, "end": 27, "type": "BADGE"}]},
    {"id": "2", "source": "people", "mode": "bare", "text": "é😀 11223344, tok_abcdefgh",
     "spans": [{"start": 3, "end": 12, "type": "BADGE"}]},
    {"id": "3", "source": "people", "text": "order 44556677",
     "spans": [], "decoys": [{"start": 6, "end": 14, "type": "BADGE"}]},
    {"id": "4", "source": "keys", "text": "key tok_qwertyui in 99887766",
     "spans": [{"start": 4, "end": 16, "type": "API_KEY"}, {"start": 0, "end": 3, "type": "WORD"}]},
    {"id": "5", "source": "keys", "text": "hunter2 is a password",
     "spans": [{"start": 0, "end": 7, "type": "API_KEY"}]},
    {"id": "6", "source": "logs", "neg": True, "text": "2024 10203040 tok_zzzzzzzz " + "x" * 500,
     "allow": ["SECRET"]},
]  # fmt: skip
MAP = {
    "gold": {"API_*": "SECRET", "WORD": None},
    "pred": {"Badge": "BADGE", SITS["token"][0]: "SECRET"},
    "groups": {"BADGE": "numbers"},
}
SOURCES = {
    "people": {"labels": ["BADGE"]},
    "keys": {"labels": ["API_KEY"]},
    "logs": {"labels": None},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, its map and sources, and a pack of two SITs."""
    path = tmp_path_factory.mktemp("eval")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    (path / "corpus.jsonl").write_text(lines, "utf-8")
    (path / "map.json").write_text(json.dumps(MAP), "utf-8")
    (path / "sources.json").write_text(json.dumps(SOURCES), "utf-8")
    pack = path / "pack"
    pack.mkdir()
    (pack / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    for name, (ident, value, pattern) in SITS.items():
        (pack / f"{name}.yaml").write_text(
            f"id: {ident}\nname: {name.title()}\nversion: 1\nparity: own\nvalue: {value}\n"
            f"elements:\n  {name}_words: {{keywords: [{name}, key]}}\n"
            f"  {name}_value: {{regex: '{pattern}'}}\n"
            f"patterns:\n  - {{confidence: 85, primary: {name}_value, match: [{name}_words]}}\n"
            f"  - {{confidence: 65, primary: {name}_value}}\n"
        )
    return path


@pytest.fixture(scope="module")
def pack(folder: Path) -> Pack:
    return load_pack(folder / "pack")


@pytest.fixture(scope="module")
def made(folder: Path, pack: Pack) -> tuple[Report, Path]:
    """The report on the corpus and the predictions it was counted from."""
    from dlpagent.classifiers.classify import ReferenceClassifier
    from dlpagent.evidence import Evidence

    types, labelled = read_map(folder / "map.json"), read_sources([folder / "sources.json"])
    documents = read_corpora([str(folder)], by="mode")
    found = predict(
        documents, ReferenceClassifier.of(pack, Evidence(b"k" * 32)), pack.sit_names, types
    )
    write_predictions(folder / "found.txt", documents, found)
    return report(documents, found, pack, types, labelled, [str(folder)], 1), folder / "found.txt"


def oracle(path: Path, floor: float) -> tuple[dict[str, list[int]], float]:
    """[labelled, found, overlapping, exact, look-alikes, hit] by type, and false positives per MB.

    The rules again from the files alone; no test text has two ways to pair labels and findings.
    """
    gold_names = {"BADGE": "BADGE", "API_KEY": "SECRET"}
    pred_names = {"Badge": "BADGE", SITS["token"][0]: "SECRET"}
    judged = {"people": ["BADGE"], "keys": ["SECRET"]}
    found = {
        row["id"]: row["spans"] for row in map(json.loads, path.read_text("utf-8").splitlines())
    }
    table: dict[str, list[int]] = {}
    false = size = 0
    for row in ROWS:
        spans = [(s["start"], s["end"], pred_names[s["type"]])
                 for s in found[row["id"]] if s["score"] >= floor]  # fmt: skip
        if row.get("neg"):
            size += len(row["text"].encode())
            false += len([item for item in spans if item[2] not in row["allow"]])
            continue
        gold = [(s["start"], s["end"], gold_names[s["type"]])
                for s in row["spans"] if s["type"] in gold_names]  # fmt: skip
        for start, end, name in gold:
            over = [s for s in spans if s[2] == name and s[0] < end and start < s[1]]
            line = table.setdefault(name, [0] * 6)
            line[0] += 1
            line[2] += bool(over)
            line[3] += (start, end, name) in spans
        for _, _, name in spans:
            if name in judged[row["source"]]:
                table.setdefault(name, [0] * 6)[1] += 1
        for lure in row.get("decoys", ()):
            line = table.setdefault(gold_names[lure["type"]], [0] * 6)
            line[4] += 1
            line[5] += any(s[0] < lure["end"] and lure["start"] < s[1] for s in spans)
    return table, false / (size / 1e6)


@pytest.mark.parametrize(("level", "floor"), [("low", 0.0), ("medium", 0.66), ("high", 0.76)])
def test_figures_equal_those_counted_from_the_written_predictions(
    made: tuple[Report, Path], level: str, floor: float
) -> None:
    figures = report_json(made[0])["levels"][level]
    table, false_per_mb = oracle(made[1], floor)
    assert {
        name: [
            item[key] for key in ("gold", "found", "overlapping", "exact", "decoys", "decoys_hit")
        ]
        for name, item in figures["types"].items()
    } == table
    assert figures["negatives"]["false_per_mb"] == false_per_mb


def test_the_corpus_of_these_tests_meets_every_rule(made: tuple[Report, Path]) -> None:
    figures = made[0].at_floor
    badge = figures.types["BADGE"]
    assert (badge.gold, badge.found, badge.overlapping, badge.exact) == (3, 4, 3, 2)
    assert (badge.decoys, badge.decoys_hit) == (1, 1)
    assert (figures.types["SECRET"].gold, figures.types["SECRET"].overlapping) == (2, 1)
    assert figures.negatives.by_type == {"BADGE": 1}
    assert figures.parts["people", "near"].gold == 2
    assert figures.in_source["keys", "SECRET"].gold == 2
    assert set(figures.sits) == {"Badge", SITS["token"][0]}


VALUES = ("12345678", "87654321", "11223344", "tok_", "hunter2", "44556677", "10203040")


def test_no_report_and_no_prediction_holds_a_value(made: tuple[Report, Path]) -> None:
    shown = made[1].read_text("utf-8") + report_page(made[0]) + report_text(made[0])
    shown += json.dumps(report_json(made[0])) + repr(made[0])
    assert not [value for value in VALUES if value in shown]
    assert "******40" in shown


def test_faults_name_file_and_line(made: tuple[Report, Path], folder: Path) -> None:
    faults = report_json(made[0])["faults"]
    (missed,) = faults["missed"]
    assert missed["where"] == f"{folder / 'corpus.jsonl'}:5"
    assert (missed["start"], missed["end"], missed["masked"]) == (0, 7, "********")
    assert [item["where"].rsplit(":", 1)[1] for item in faults["negative"]] == ["6"]
    assert [item["type"] for item in faults["decoy"]] == ["BADGE"]


def test_the_page_stands_alone_and_escapes_what_it_shows(made: tuple[Report, Path]) -> None:
    page = report_page(made[0])
    assert "<script" not in page
    assert not re.search(r"https?://", page)
    assert page.count("<table") == page.count("</table>") >= 6
    from dataclasses import replace

    odd = replace(made[0], faults={**made[0].faults, "missed": [
        replace(made[0].faults["missed"][0], where="<b>&.jsonl:1")]})  # fmt: skip
    assert "<b>&.jsonl" not in report_page(odd)
    assert "&lt;b&gt;&amp;.jsonl:1" in report_page(odd)


@pytest.mark.parametrize(
    ("gate", "sentences"),
    [
        (Gate(), 0),
        (Gate(precision=0.5, recall=0.5), 0),
        (Gate(precision=0.9), 1),
        (Gate(precision=0.9, recall=0.99), 2),
        (Gate(recall=0.9, names=("BADGE",)), 0),
        (Gate(recall=0.9, names=("BADGE", "SECRET")), 1),
        (Gate(recall=1.0, names=("numbers",)), 0),
    ],
)
def test_a_gate_is_missed_below_its_share(
    made: tuple[Report, Path], gate: Gate, sentences: int
) -> None:
    assert len(missed_gates(made[0], gate)) == sentences


def test_a_gate_on_an_unknown_type_names_those_there_are(made: tuple[Report, Path]) -> None:
    with pytest.raises(ConfigurationError, match="BADGE, SECRET, numbers"):
        missed_gates(made[0], Gate(names=("BADGES",)))


def test_names_of_the_map_that_are_no_sit_are_told(folder: Path, pack: Pack) -> None:
    types = read_map(folder / "map.json")
    assert unknown_names(pack, types) == []
    types.pred.table["Bagde"] = "BADGE"  # type: ignore[index]
    assert unknown_names(pack, types) == ["Bagde"]


def test_a_type_is_masked_as_carefully_as_its_most_secret_sit(folder: Path, pack: Pack) -> None:
    types = read_map(folder / "map.json")
    assert forms_of(pack, types) == {"BADGE": "number", "SECRET": "secret"}


# -- the readers ----------------------------------------------------------------------------------


def test_presidio_evaluator_json_is_read_as_array_and_as_lines(tmp_path: Path) -> None:
    row = {"full_text": "call Ann", "spans": [
        {"entity_type": "PERSON", "start_position": 5, "end_position": 8, "entity_value": "Ann"},
    ]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps([row, row], indent=1), "utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps(row) + "\n\n" + json.dumps(row), "utf-8")
    for name, lines in (("a.json", (2, 13)), ("b.jsonl", (1, 3))):
        documents = read_corpora([str(tmp_path / name)])
        assert [item.spans for item in documents] == [(Span(5, 8, "PERSON"),)] * 2
        assert [item.where for item in documents] == [f"{tmp_path / name}:{n}" for n in lines]
        assert len({item.id for item in documents}) == 2


def test_csv_labels_stand_for_the_whole_text(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        '\ufefftext,label,source\n"two\nlines",A|B,web\nnothing,,web\n"é, ok",A,web\n', "utf-8"
    )
    documents = read_corpora([str(tmp_path)])
    assert [item.spans for item in documents] == [
        (Span(0, 9, "A"), Span(0, 9, "B")), (), (Span(0, 5, "A"),),
    ]  # fmt: skip
    assert [item.where.rsplit(":", 1)[1] for item in documents] == ["2", "4", "5"]
    assert all(item.is_whole and item.source == "web" for item in documents)


WRONG = {
    "not JSON": ("{", "this is not JSON"),
    "no object": ("[1]", "this is not a labelled text"),
    "no text": ('{"spans": []}', "the text is missing"),
    "no labels": ('{"text": "my 4111 secret"}', "the labels are missing"),
    "labels are no list": ('{"text": "my 4111 secret", "spans": {}}', "spans is not a list"),
    "outside": ('{"text": "my 4111 secret", "spans": [{"start": 9, "end": 99, "type": "A"}]}',
                "outside its text"),
    "empty": ('{"text": "my 4111 secret", "spans": [{"start": 2, "end": 2, "type": "A"}]}',
              "outside its text"),
    "true is no number": ('{"text": "my 4111 secret", "spans": [{"start": true, "end": 2, "type": "A"}]}',
                          "not usable"),
    "half a label": ('{"text": "my 4111 secret", "spans": [{"start": 1, "end": 2}]}',
                     "not complete"),
    "allow": ('{"text": "my 4111 secret", "neg": true, "allow": [1]}', "allow holds"),
    "id twice": ('{"id": "good", "text": "my 4111 secret", "spans": []}', "two documents have this id"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "what"), WRONG.values(), ids=WRONG)
def test_an_unusable_text_is_named_by_line_and_never_shown(
    tmp_path: Path, line: str, what: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "good", "text": "a", "spans": []}\n' + line + "\n" + line, "utf-8")
    with pytest.raises(ProblemsError) as caught:
        read_corpora([str(path)])
    message = caught.value.render()
    assert f"{path}:2: " in message
    assert f"{path}:3: " in message
    assert what in message
    assert "4111" not in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,tag\n", r"a\.csv:1: a column is missing"),
        ("a.csv", 'text,label\nx,y\n"open,y\n', r"a\.csv:2: this is not CSV"),
        ("a.json", '{"a": 1}', r"a\.json:1: this is not a JSON array"),
        ("a.json", '[\n{"full_text": "a", "spans": []},\n{"full', r"a\.json:3: this is not JSON"),
        ("a.json", "[]", "there is no labelled text here"),
        ("a.txt", "x", "this is not a labelled corpus"),
        ("a.jsonl", b'{"text": "a", "spans": []}\n\xff', r"a\.jsonl:2: the corpus is not UTF-8"),
        ("a.jsonl", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_corpus_is_refused_at_its_place(
    tmp_path: Path, name: str, content: str | bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ProblemsError, ConfigurationError)) as caught:
        read_corpora([str(path)])
    assert re.search(message, caught.value.render())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n,}", "map.json:2: the type map is not JSON"),
        ("[]", "map.json:1: the type map is not a JSON object"),
        ('{\n"gold": {},\n"preds": {}}', "map.json:3: preds is not usable"),
        ('{"gold": {},\n"pred": {"A": "B",\n"C": 1}}', "map.json:3: C is not usable"),
        ('{"groups":\n{"A": null}}', "map.json:2: A is not usable"),
    ],
)
def test_a_wrong_map_is_told_at_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises((ProblemsError, ConfigurationError)) as caught:
        read_map(tmp_path / "map.json")
    assert message in caught.value.render()


def test_wrong_sources_are_told_at_their_line(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"a": {"labels": null},\n"b": {"labels": "A"}}')
    with pytest.raises(ProblemsError) as caught:
        read_sources([tmp_path / "s.json"])
    assert "s.json:2: b is not usable" in caught.value.render()


# -- the command ----------------------------------------------------------------------------------


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["eval", *(str(item) for item in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_writes_what_was_asked_and_a_missed_gate_exits_1(
    folder: Path, tmp_path: Path, made: tuple[Report, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [tmp_path / name for name in ("a.txt", "b.json", "c.html", "found.jsonl")]
    code, out, err = cli(
        folder, "--map", folder / "map.json", "--sources", folder / "sources.json", "--by", "mode",
        "--pack", folder / "pack", "--min-confidence", "low", "--format", "table,json,html",
        "-o", outputs[0], "-o", outputs[1], "-o", outputs[2], "--predictions", outputs[3],
        "--min-recall", "0.99", capsys=capsys,
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert "Gate missed: all types: recall 0.8000, wanted at least 0.99" in err
    assert outputs[3].read_text("utf-8") == made[1].read_text("utf-8")
    written = json.loads(outputs[1].read_text("utf-8"))
    expected = report_json(made[0])
    for name in ("levels", "confusion", "faults", "pack"):
        assert written[name] == json.loads(json.dumps(expected[name]))
    assert "Levels, all types together" in outputs[0].read_text("utf-8")
    assert outputs[2].read_text("utf-8").startswith("<!DOCTYPE html>")
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-recall", "1.5"], "--min-recall: this is not a share"),
        (["--min-confidence", "huge"], "this is not a confidence"),
        (["--format", "pdf"], "--format: this is not a choice"),
        (["--format", "json,html"], "formats and outputs do not match"),
        (["--map", "nowhere.json"], "nowhere.json: the type map cannot be read"),
        (["--profile", "loose"], "--profile: this is not a choice"),
    ],
)
def test_wrong_options_exit_2_and_say_what_is_expected(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = cli(folder, *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert message in err


def test_the_map_of_the_development_corpora_names_sits_that_exist() -> None:
    types = read_map(ROOT / "benchmarks" / "quality" / "map.json")
    assert unknown_names(load_packs(["builtin"], "extended"), types) == []
