"""The file of tenants, Entra ID and limits: every problem with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.errors import ProblemsError
from dlpagent.service.cli import run
from dlpagent.service.http.serve_file import ENTRA_KEYS, LIMIT_KEYS, TENANT_KEYS, read_serve_file
from tests.service.http.conftest import ONE, TWO

DOCS = Path(__file__).parents[3] / "docs" / "service.md"


def test_tenants_entra_and_limits_are_read_and_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(
        f"tenants:\n  - {{id: {ONE}, state: one.db, policies: [example, p.yaml]}}\n"
        f"  - {{id: {TWO.upper()}, state: 'postgresql://h/db', key_file: k, labels: l.yaml}}\n"
        "entra: {audience: [api://a], authority: 'https://login.microsoftonline.us'}\n"
        "limits: {rate: 5, body_bytes: 100}\n"
    )
    found = read_serve_file(file)
    one, two = found.tenants
    assert (one.id, one.state) == (ONE, str(tmp_path / "one.db"))
    assert one.policies == ("example", str(tmp_path / "p.yaml"))
    assert (two.id, two.state) == (TWO, "postgresql://h/db")
    assert (two.key_file, two.labels) == (tmp_path / "k", str(tmp_path / "l.yaml"))
    assert found.entra is not None
    assert found.entra.authority == "https://login.microsoftonline.us"
    assert (found.limits.rate, found.limits.body_bytes, found.limits.burst) == (5, 100, 400)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("tenants: []\n", 1, "empty"),
        ("\ntenants:\n  - {id: x}\n", 3, "not the id of a tenant"),
        ("tenants:\n  - {state: a}\n", 2, "id"),
        ("tenants:\n  - {id: x, stat: a}\n", 2, "unknown key"),
        ("entra: {audience: a, authority: 'http://x'}\n", 1, "not an authority"),
        ("limits: {rate: fast}\n", 1, "rate"),
        ("nope: 1\n", 1, "unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(text)
    with pytest.raises(ProblemsError) as error:
        read_serve_file(file)
    assert any(each.line == line and words in each.what for each in error.value.problems), str(
        error.value
    )


def test_every_key_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    for name in (*TENANT_KEYS, *ENTRA_KEYS, *LIMIT_KEYS):
        assert f"{name}:" in text, name


def test_keys_are_made_listed_and_revoked_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(f"tenants:\n  - {{id: {ONE}}}\n  - {{id: {TWO}}}\n")
    two = ["--config", str(file), "--tenant", TWO]
    assert run(["keys", "create", "gateway", "--role", "analyst", "--days", "7", *two]) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("dlpa_")
    ident = key.split("_")[1]
    assert run(["keys", "list", *two]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith(f"{ident}\tanalyst\tgateway\t")
    assert key not in listed
    assert run(["keys", "list", "--config", str(file), "--tenant", ONE]) == 0
    assert capsys.readouterr().out == ""
    assert run(["keys", "revoke", ident, "--config", str(file), "--tenant", ONE]) == 2
    assert run(["keys", "revoke", ident, *two]) == 0
    assert run(["keys", "list", *two]) == 0
    assert not capsys.readouterr().out.rstrip().endswith("\t-")


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create", "x", "--role", "owner"],
        ["keys", "create", ""],
        ["keys", "revoke", "0123456789abcdef"],
        ["serve", "--config", "no-such-file.yaml"],
        ["serve", "--ner", "perhaps"],
    ],
)
def test_a_command_that_is_wrong_exits_with_2(arguments: list[str]) -> None:
    assert run(arguments) == 2
