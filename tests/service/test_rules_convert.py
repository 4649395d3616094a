"""dlpagent rules convert as a user meets it: both ways, encodings, versions, dictionaries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run
from tests.classifiers.packages import SMALL, written

GUID = "b4f1c1a0-1111-4222-8333-0000000000d1"


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["rules", *(str(item) for item in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_package_becomes_a_pack_and_the_pack_a_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.xml", SMALL)
    assert cli("convert", source, "-o", tmp_path / "pack", capsys=capsys)[0] == 0
    assert (tmp_path / "pack" / "order-number.yaml").is_file()
    code, out, _ = cli("convert", tmp_path / "pack", "-o", tmp_path / "b.xml", capsys=capsys)
    assert (code, "version 1.0.0.0" in out) == (0, True)
    assert cli("diff", source, tmp_path / "b.xml", capsys=capsys)[0] == 0


@pytest.mark.parametrize(("encoding", "head"), [("utf-16", b"\xff\xfe<\0"), ("utf-8", b"<?xml")])
def test_a_package_gets_another_encoding_and_version(
    encoding: str, head: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = written(tmp_path / "a.xml", SMALL), tmp_path / "b.xml"
    arguments = ("convert", source, "-o", out, "--encoding", encoding, "--bump", "build")
    for version in ("1.0.1.0", "1.0.2.0"):
        code, text, _ = cli(*arguments, capsys=capsys)
        assert (code, f"version {version}" in text) == (0, True)
    assert out.read_bytes().startswith(head)
    assert f'encoding="{encoding}"' in out.read_bytes().decode(encoding)
    assert cli("lint", out, capsys=capsys)[0] == 0


def test_a_dictionary_becomes_a_pack_or_a_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Words.txt").write_bytes("falcon\r\nheron".encode("utf-16"))
    assert cli("import", tmp_path / "Words.txt", "-o", tmp_path / "pack", capsys=capsys)[0] == 0
    code, _, _ = cli("convert", tmp_path / "Words.txt", "-o", tmp_path / "a.xml", capsys=capsys)
    assert code == 0
    # the only thing a package cannot say of it is that its values are words
    code, text, _ = cli("diff", tmp_path / "pack", tmp_path / "a.xml", capsys=capsys)
    (change,) = text.split("\n\n")[0].splitlines()
    assert (code, "text → number" in change) == (1, True)


def test_a_package_that_is_called_a_text_is_a_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.txt", SMALL, "utf-16")
    code, out, _ = cli("convert", source, "-o", tmp_path / "pack", capsys=capsys)
    assert (code, "SIT(s) of Small" in out) == (0, True)


def test_dictionaries_of_a_tenant_are_named_once_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [{"Identity": GUID, "KeywordDictionary": "falcon, heron"}]
    (tmp_path / "d.json").write_text(json.dumps(entries))
    source = written(tmp_path / "a.xml", SMALL.replace("Func_iban", GUID))
    code, _, err = cli("convert", source, "-o", tmp_path / "pack", "--dictionary",
                       tmp_path / "d.json", capsys=capsys)  # fmt: skip
    assert (code, err) == (0, "")
    assert "heron" in "".join(path.read_text() for path in (tmp_path / "pack").rglob("*.yaml"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("builtin", "-o", "folder"), "ends in .xml"),
        (("a.xml", "-o", "b.xml", "--encoding", "latin-1"), "--encoding"),
        (("a.xml", "-o", "b.xml", "--bump", "most"), "--bump"),
        (("nowhere", "-o", "b.xml"), "there is no such pack"),
        (("a.xml", "-o", "."), "not empty"),
        (("a.xml", "-o", "c", "--edm-store", "Members"), "NAME=STORE"),
    ],
)
def test_what_cannot_be_converted_says_why(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.xml", SMALL)
    code, _, err = cli("convert", *arguments, capsys=capsys)
    assert (code, said in err) == (2, True)


def test_what_purview_would_refuse_is_written_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.xml", SMALL.replace(r"PO-\d{6}", "a" * 1500))
    code, _, err = cli("convert", source, "-o", tmp_path / "b.xml", capsys=capsys)
    assert (code, "[regex-too-long]" in err, (tmp_path / "b.xml").is_file()) == (2, True, True)
