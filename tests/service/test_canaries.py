"""No raw value is stored: planted values are searched in every byte a scan leaves behind."""

from __future__ import annotations

import json
import logging
import random
import re
import string
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hyperscan
import pytest

from dlpagent.service.cli import run

FORMATS = ("table", "jsonl", "json", "csv", "sarif", "html", "ocsf", "o365")


def luhn(body: str) -> str:
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def canaries(many: int, chance: random.Random) -> list[tuple[str, str]]:
    """(sentence around the value, value) of six kinds; every value is unmistakable."""
    digits = lambda n: "".join(chance.choices(string.digits, k=n))  # noqa: E731
    mixed = lambda n: "".join(chance.choices(string.ascii_letters + string.digits, k=n))  # noqa: E731
    made = []
    for index in range(many):
        kind = index % 6
        if kind == 0:
            value = luhn("4" + digits(14))
            sentence = f"my credit card is {' '.join(re.findall('....', value))} ok"
            made.append((sentence, value))
        elif kind == 1:
            value = (
                f"{chance.randint(100, 665)}-{chance.randint(10, 99)}-{chance.randint(1000, 9999)}"
            )
            made.append((f"social security number {value} ok", value))
        elif kind == 2:
            body = digits(18)
            value = f"DE{98 - int(body + '131400') % 97:02d}{body}"
            made.append((f"IBAN {value} ok", value))
        elif kind == 3:
            value = f"{mixed(12).lower()}@{mixed(8).lower()}.example"
            made.append((f"write to {value} ok", value))
        elif kind == 4:
            value = f"{mixed(10)}#{mixed(6)}!{digits(3)}"
            made.append((f"password: {value}", value))
        else:
            value = mixed(40)
            made.append((f"aws_secret_access_key = {value}", value))
    return made


def plant(folder: Path, many: int, chance: random.Random) -> list[str]:
    """Files with the values in texts, table cells, broken lines, chat messages and attachments."""
    made = canaries(many, chance)
    values = [value for _, value in made]
    fifth = len(made) // 5 or 1
    with (folder / "corpus.jsonl").open("w") as file:
        for start in range(0, fifth, 5):
            text = "\n".join(sentence for sentence, _ in made[start : min(start + 5, fifth)])
            file.write(json.dumps({"id": f"r{start}", "text": text}) + "\n")
        file.write('{"id": "half", "text": "' + made[0][0])
    with (folder / "table.csv").open("w") as file:
        file.write("note,other\n")
        for sentence, _ in made[fifth : 2 * fifth]:
            file.write(f'"{sentence}",x\n')
        file.write(f'"ragged","{made[1][0]}",extra\n')
    mapping: dict[str, object] = {"root": {"id": "root", "message": None, "children": []}}
    for index, (sentence, _) in enumerate(made[2 * fifth : 3 * fifth]):
        mapping[f"m{index}"] = {
            "id": f"m{index}",
            "parent": "root",
            "children": [],
            "message": {
                "id": f"m{index}",
                "author": {"role": "user"},
                "content": {"content_type": "text", "parts": [sentence]},
            },
        }
    conversation = {"id": "c", "title": made[2][0], "mapping": mapping}
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps([conversation, {"mapping": made[3][0]}]))
        archive.writestr("notes.txt", "\n".join(s for s, _ in made[3 * fifth : 4 * fifth]))
    (folder / "notes.txt").write_text("\n".join(sentence for sentence, _ in made[4 * fifth :]))
    (folder / "broken.parquet").write_bytes(b"PAR1" + made[4][0].encode() + b"PAR1")
    return values


def searcher(values: list[str]) -> hyperscan.Database:
    """Finds any value as written, without its separators, and secrets in part."""
    forms = sorted(
        {form for value in values for form in (value, re.sub(r"[^0-9A-Za-z]", "", value))}
    )
    database = hyperscan.Database()
    database.compile(
        expressions=[re.sub(r"([^0-9A-Za-z])", r"\\\1", form).encode() for form in forms],
        ids=list(range(len(forms))),
        elements=len(forms),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(forms),
    )
    return database


def leftovers(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def search(values: list[str], caught: str, *folders: Path) -> list[str]:
    database, found = searcher(values), []
    for place, data in [
        ("standard output and error, logs", caught.encode()),
        *((str(path), path.read_bytes()) for path in leftovers(*folders)),
    ]:
        hits: set[int] = set()
        database.scan(data, match_event_handler=lambda ident, *_, to=hits: to.add(ident))
        if hits:
            found.append(f"{len(hits)} value(s) in {place}")
    return found


def plant_and_search(
    tmp_path: Path, home: Path, many: int, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> list[str]:  # fmt: skip
    source, out, temporary = tmp_path / "in", tmp_path / "out", tmp_path / "tmp"
    for folder in (source, out, temporary):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    values = plant(source, many, random.Random(many))
    outputs = [part for name in FORMATS for part in ("-o", str(out / f"out.{name}"))]
    with caplog.at_level(logging.DEBUG):
        policy = ["--policy", "example", "--format", ",".join(FORMATS), *outputs]
        code = run(["scan", str(source), "--state", str(out / "state.db"), "-vv", *policy])
        broken = run(
            ["scan", str(source / "broken.parquet"), "--state", str(out / "other.db"), "-vv"]
        )
        # what is left when the process dies in the middle
        monkeypatch.setattr("dlpagent.sweep.Sweep._close", _fails)
        with pytest.raises(RuntimeError) as raised:
            run(["scan", str(source / "notes.txt"), "--state", str(out / "crash.db"), "-vv"])
    assert (code, broken) == (3, 3)
    captured = capsys.readouterr()
    text = captured.out + captured.err + caplog.text + repr(raised.value) + str(raised.traceback)
    findings = (out / "out.jsonl").read_text().splitlines()
    assert len(findings) > many * 0.6, "the values were not found, so nothing is proven"
    return search(values, text, out, home, temporary)


def _fails(*_: object, **__: object) -> None:
    raise RuntimeError("planted failure")


def test_no_planted_value_is_left_anywhere(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert plant_and_search(tmp_path, home, 600, capsys, caplog, monkeypatch) == []


@pytest.mark.slow
def test_ten_thousand_planted_values_are_left_nowhere(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert plant_and_search(tmp_path, home, 10_000, capsys, caplog, monkeypatch) == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    (tmp_path / "leak").write_bytes(b"\0\1 4111111111111111 \0")
    assert search(["4111111111111111"], "", tmp_path) == [f"1 value(s) in {tmp_path / 'leak'}"]
    assert search(["4111 1111 1111 1111"], "", tmp_path)
    assert search(["x1y2"], "say x1y2", tmp_path / "none")
