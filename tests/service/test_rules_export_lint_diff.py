"""dlpagent rules export, lint and diff as a user meets them: files, messages, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpagent.service.cli import run
from tests.classifiers.packages import CONTOSO, SMALL, written

ORDER = "b4f1c1a0-1111-4222-8333-0000000000fa"


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["rules", *(str(item) for item in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return written(tmp_path / "package.xml", CONTOSO, "utf-16")


@pytest.fixture
def pack(package: Path, tmp_path: Path) -> Path:
    assert run(["rules", "import", str(package), "-o", str(tmp_path / "pack")]) == 0
    return tmp_path / "pack"


def test_import_export_and_diff_come_full_circle(
    package: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.xml"
    code, _, err = cli("export", pack, "-o", out, capsys=capsys)
    assert out.read_bytes().startswith(b"\xff\xfe")
    assert "Func_not_known_here" in err
    assert code == 2  # the package names a validator that no tenant knows
    for left, right in ((package, pack), (pack, out), (package, out)):
        code, text, _ = cli("diff", left, right, capsys=capsys)
        assert (code, text.splitlines()[0]) == (0, "equal in meaning")


def test_an_export_over_an_export_has_a_higher_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = written(tmp_path / "a.xml", SMALL), tmp_path / "b.xml"
    versions = []
    for bump in ("minor", "build", "major"):
        code, text, _ = cli("export", source, "-o", out, "--bump", bump, capsys=capsys)
        assert code == 0
        versions.append(text.split("version ")[1].split()[0])
    assert versions == ["1.1.0.0", "1.1.1.0", "2.0.0.0"]


def test_one_type_of_the_built_in_pack_with_another_publisher(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card.xml"
    code, text, err = cli("export", "builtin", "--sit", "Credit Card Number", "--profile", "strict",
                          "--publisher", "Fabrikam", "-o", out, capsys=capsys)  # fmt: skip
    assert text.startswith("1 SIT(s) ")
    written_text = out.read_bytes().decode("utf-16")
    assert "<PublisherName>Fabrikam</PublisherName>" in written_text
    assert '<IdMatch idRef="Func_credit_card" />' in written_text
    assert "<Keyword " not in written_text
    assert "this is Purview's own type" in err
    assert code == 0


def test_what_purview_would_refuse_is_written_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.xml", SMALL.replace(r"PO-\d{6}", "a" * 1500))
    code, _, err = cli("export", source, "-o", tmp_path / "b.xml", capsys=capsys)
    assert code == 2
    assert "[regex-too-long]" in err
    assert f"Purview would refuse {tmp_path / 'b.xml'}" in err
    assert (tmp_path / "b.xml").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bump", "patch"), "--bump"),
        (("--sit", "no such type"), "there is no such SIT"),
        (("--profile", "loose"), "--profile"),
    ],
)
def test_export_options_are_checked(
    arguments: tuple[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.xml", SMALL)
    code, _, err = cli("export", source, "-o", tmp_path / "b.xml", *arguments, capsys=capsys)
    assert (code, (tmp_path / "b.xml").exists()) == (2, False)
    assert words in err


def test_a_folder_that_does_not_exist_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "a.xml", SMALL)
    code, _, err = cli("export", source, "-o", tmp_path / "no" / "b.xml", capsys=capsys)
    assert code == 2
    assert "the file cannot be written" in err


# --- lint -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "counts"),
    [
        (SMALL, 0, "0 error(s), 0 warning(s)"),
        (SMALL.replace('recommendedConfidence="75"', 'recommendedConfidence="95"'), 0,
         "0 error(s), 1 warning(s)"),
        (SMALL.replace('minMatches="1"', 'minMatches="9"'), 2, "1 error(s), 0 warning(s)"),
    ],
)  # fmt: skip
def test_lint_exits_0_for_warnings_and_2_for_errors(
    text: str, code: int, counts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, err = cli("lint", written(tmp_path / "a.xml", text), capsys=capsys)
    assert (found, err.strip()) == (code, counts)


def test_lint_takes_several_paths_and_gives_json(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    bad = written(tmp_path / "a.xml", SMALL.replace("http://", "https://"))
    code, out, _ = cli("lint", pack, bad, "--format", "json", capsys=capsys)
    rows = json.loads(out)
    assert code == 2
    [row] = [row for row in rows if row["file"] == str(bad)]
    assert row == {
        "file": str(bad),
        "line": 2,
        "rule": "namespace",
        "severity": "error",
        "message": "the namespace is https://schemas.microsoft.com/office/2011/mce",
        "fix": 'Write xmlns="http://schemas.microsoft.com/office/2011/mce".',
    }


def test_the_built_in_pack_has_no_lint_error(capsys: pytest.CaptureFixture[str]) -> None:
    from dlpagent.classifiers.pack import BUILTIN

    code, out, _ = cli("lint", BUILTIN, capsys=capsys)
    assert code == 0, [line for line in out.splitlines() if ": error: " in line]


def test_lint_of_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cli("lint", tmp_path / "nothing", capsys=capsys)
    assert code == 2
    assert "there is no such pack" in err


# --- diff -------------------------------------------------------------------------------------


def test_diff_says_what_changed_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(tmp_path / "a.xml", SMALL)
    after = written(tmp_path / "b.dat", SMALL.replace("PO-", "PR-").replace(">Small<", ">Tiny<"))
    code, out, _ = cli("diff", before, after, capsys=capsys)
    assert code == 1
    assert out == (
        "~ regex: Order number › Regex_order: PO-\\d{6} → PR-\\d{6}\n\n"
        "Without effect on findings:\n  ~ pack name: Small → Tiny\n"
    )


def test_diff_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "a.xml", SMALL)
    after = written(tmp_path / "b.xml", SMALL.replace('="300"', '="200"'))
    code, out, _ = cli("diff", before, after, "--format", "json", capsys=capsys)
    assert code == 1
    assert json.loads(out) == {
        "equal": False,
        "changes": [
            {"kind": "changed", "what": "proximity", "sit_id": ORDER, "sit": "Order number",
             "at": "", "before": "300", "after": "200"}
        ],
        "notes": [],
    }  # fmt: skip


def test_diff_of_the_built_in_pack_with_itself_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("diff", "builtin", "builtin", capsys=capsys)[:2] == (0, "equal in meaning\n")


def test_diff_with_what_is_no_package_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = written(tmp_path / "a.xml", SMALL), written(tmp_path / "b.xml", "<a>")
    assert cli("diff", good, bad, capsys=capsys)[0] == 2
