"""dlpagent policy: the verbs as a user meets them, files in, files out, codes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.service.cli import run

GUID = "5b1f0d5e-8a0c-4a7e-9d53-3f0f5b6f6c0"
POLICY = f"""
id: {GUID}1
name: Mine
version: "1"
rules:
  - id: {GUID}2
    name: cards
    severity: high
    conditions: {{sit: Credit Card Number}}
    examples:
      - {{fires: true, findings: [{{sit: Credit Card Number}}]}}
"""
RULE = {
    "Name": "Cards",
    "Policy": "AI",
    "ReportSeverityLevel": "High",
    "BlockAccess": True,
    "AdvancedRule": json.dumps(
        {"Version": "1.0", "Condition": {"Operator": "And", "SubConditions": [
            {"ConditionName": "ContentContainsSensitiveInformation", "Value": [{"groups": [
                {"Operator": "Or", "sensitivetypes": [{"name": "Credit Card Number"}]}]}]},
        ]}}
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.yaml").write_text(POLICY, "utf-8")
    return tmp_path


def cli(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(item) for item in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        (("", ""), 0, "all proven"),
        (("fires: true", "fires: false"), 2, "example 1 fires"),
        (("Credit Card Number}\n", "Credit Card Numbre}\n"), 2, "Did you mean Credit Card Number"),
        (("severity: high", "severity: huge"), 2, "severity: wrong value"),
        (("conditions", "conditoins"), 2, "conditions"),
    ],
)
def test_check_proves_a_policy_or_says_where_it_fails(
    change: tuple[str, str], code: int, word: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "mine.yaml").write_text(POLICY.replace(*change), "utf-8")
    found, out, err = cli("policy", "check", home / "mine.yaml", capsys=capsys)
    assert found == code
    assert word in out + err


def test_the_shipped_policy_is_proven(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("policy", "check", "example", capsys=capsys)[0] == 0


def test_a_rule_comes_in_is_proven_and_goes_out_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "rule.json").write_text(json.dumps(RULE), "utf-16")
    code, out, err = cli(
        "policy", "import", home / "rule.json", "-o", home / "in.yaml", "--location", "prompt",
        "--strict", capsys=capsys,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "1 rules, 0 auto-labels, 0 note(s)" in out
    assert cli("policy", "check", home / "in.yaml", capsys=capsys)[0] == 0
    code, _, err = cli("policy", "export", home / "in.yaml", "-o", home / "out.json", capsys=capsys)
    assert code == 0
    assert "its places are not exported: prompt" in err
    written = json.loads((home / "out.json").read_text("utf-8"))
    assert (written[1]["Name"], written[1]["BlockAccess"]) == ("Cards", True)
    assert "50842eb7-edc8-4019-85dd-5a5c1f2bb085" in written[1]["AdvancedRule"]


def test_strict_writes_nothing_when_something_would_be_left_out(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "rule.json").write_text(json.dumps({**RULE, "AccessScope": "InOrganization"}), "utf-8")
    arguments = ("policy", "import", home / "rule.json", "-o", home / "in.yaml")
    code, _, err = cli(*arguments, "--strict", capsys=capsys)
    assert code == 2
    assert "accessscope" in err
    assert not (home / "in.yaml").exists()
    assert cli(*arguments, capsys=capsys)[0] == 0


def test_export_says_what_purview_cannot_and_exits_2(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = POLICY.replace("    conditions:", "    ceiling: General\n    conditions:")
    (home / "mine.yaml").write_text(text, "utf-8")
    code, out, err = cli("policy", "export", home / "mine.yaml", "-o", home / "o", capsys=capsys)
    assert code == 2
    assert "ceilings" in err
    assert "0 rules, 1 not exported" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("policy", "import", "none.json", "-o", "x.yaml"),
        ("policy", "import", "mine.yaml", "-o", "x.yaml"),
        ("policy", "import", "rule.json", "-o", "x.yaml", "--location", "moon"),
        ("policy", "import", "rule.json", "-o", "no/such/folder.yaml"),
        ("policy", "simulate", "mine.yaml", "--state", "none.db"),
        ("policy", "simulate", "mine.yaml", "--state", "sqlite:///none.db"),
        ("policy", "explain", "mine.yaml", "--state", "none.db"),
        ("policy", "check", "none.yaml"),
    ],
)
def test_what_is_wrong_is_a_usage_error_and_makes_no_file(
    arguments: tuple[str, ...],
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    Path("rule.json").write_text(json.dumps(RULE), "utf-8")
    assert cli(*arguments, capsys=capsys)[0] == 2
    assert not {"x.yaml", "none.db"} & {path.name for path in home.iterdir()}


def test_simulate_counts_and_explain_says_why_without_any_value(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "note.txt").write_text("credit card 4111 1111 1111 1111\n", "utf-8")
    state, policy = home / "s.db", home / "mine.yaml"
    cli("scan", home / "note.txt", "--state", state, "-q", capsys=capsys)
    code, out, _ = cli("policy", "simulate", policy, "--state", state, capsys=capsys)
    assert (code, "cards: fires on 1\n" in out) == (0, True)
    code, out, _ = cli(
        "policy", "simulate", policy, "--state", state, "--format", "json", capsys=capsys
    )
    assert json.loads(out)["rules"] == [{"name": "cards", "fires": 1, "may_fire": 0}]
    explain = ("policy", "explain", policy, "--state", state)
    code, out, _ = cli(*explain, capsys=capsys)
    assert code == 0
    assert "fires at file: cards" in out
    assert "Found Credit Card Number (1 unique, confidence 85)" in out
    assert "4111" not in out
    code, out, _ = cli(*explain, "--rule", "CARDS", "--format", "json", capsys=capsys)
    assert json.loads(out)["rules"][0]["certain"] is True
    assert cli(*explain, "--asset", "elsewhere", capsys=capsys)[1] == ""
    assert cli(*explain, "--rule", "other", capsys=capsys)[0] == 2


def test_the_policy_files_of_a_tenant_come_in_live(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
    text = (
        f'<Content><policies><policy id="{GUID}1" mode="Enforce" name="Live"><rules>'
        f'<rule name="cards" id="{GUID}2" severity="High"><version><condition><and>'
        f'<containsDataClassification><keyValues><keyValue key="id" value="{card}"/></keyValues>'
        '</containsDataClassification></and></condition><action name="BlockAccess"/></version>'
        "</rule></rules></policy></policies></Content>"
    )
    content = base64.b64encode(text.encode("utf-16-le")).decode()
    row = {"id": "DlpPolicy", "fileType": "dlpPolicy", "status": "modified", "content": content}
    monkeypatch.setenv("LOOPBACK_SECRET", CLIENT_SECRET)
    (home / "microsoft").mkdir()
    with Microsoft(home / "microsoft") as running:
        running.graph.lists = {"/security/datasecurityandgovernance/policyfiles": [row]}
        (home / "graph.yaml").write_text(
            f"graph:\n  target: {running.url}\n  allowed_hosts: [localhost]\n"
            f"  auth: secret\n  secret_env: LOOPBACK_SECRET\n  tenant_id: {TENANT}\n"
            f"  client_id: {CLIENT_ID}\n  authority: {running.url}\n  ca_file: {running.ca_file}\n"
        )
        code, out, err = cli(
            "policy", "import", home / "graph.yaml", "-o", home / "live.yaml", capsys=capsys
        )
    assert (code, "1 rules" in out) == (0, True), err
    assert cli("policy", "check", home / "live.yaml", capsys=capsys)[0] == 0
