"""dlpagent hook as coding agents call it: JSON in, their own words out, the value never."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpagent.service.cli import run

CARD = "4111 1111 1111 1111"
MASKED = "**** **** **** 1111"
PACK = r"""
id: 00000000-0000-4000-8000-0000000000aa
name: Card
version: 1
parity: own
elements:
  card_number: {regex: '\b4[0-9]{3}(?:[ -]?[0-9]{4}){3}\b'}
  card_words: {keywords: [card]}
patterns:
- {confidence: 85, primary: card_number, match: [card_words]}
- {confidence: 65, primary: card_number}
"""
POLICY = """
id: 00000000-0000-4000-8000-0000000000b1
name: Mine
version: "1"
rules:
  - id: 00000000-0000-4000-8000-0000000000b2
    name: no cards
    severity: high
    locations: [claude]
    conditions: {sit: 00000000-0000-4000-8000-0000000000aa}
    actions: [ACTION]
"""
PROMPT = {"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": f"my card {CARD}"}
BASH = {"hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": f"pay --card '{CARD}'", "timeout": 5}}  # fmt: skip
CLEAN = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}

_spec = importlib.util.spec_from_file_location(
    "console_kit", Path(__file__).parent.parent / "console" / "serving.py"
)
assert _spec
assert _spec.loader
_kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_kit)
serving = _kit.serving

Hook = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hook")
    (folder / "card.yaml").write_text(PACK, "utf-8")
    return folder


@pytest.fixture
def hook(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hook:
    monkeypatch.setenv("DLPAGENT_HOME", str(home / "home"))

    def call(sent: object, *options: str) -> tuple[int, Any, str]:
        raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = run(["hook", "--pack", str(home / "card.yaml"), *options])
        shown = capsys.readouterr()
        assert CARD not in shown.out + shown.err
        return code, json.loads(shown.out) if shown.out else None, shown.err

    return call


def policy_file(home: Path, action: str) -> str:
    file = home / f"{action}.yaml"
    file.write_text(POLICY.replace("ACTION", action), "utf-8")
    return str(file)


@pytest.mark.parametrize(
    "sent",
    [
        CLEAN,
        {"hook_event_name": "Stop"},
        {"hook_event_name": "SessionStart", "prompt": f"card {CARD}"},
        {"hook_event_name": "BeforeTool", "tool_name": "ls", "tool_input": {}},
        {"hook_event_name": "beforeShellExecution", "command": "ls"},
    ],
)
def test_what_may_pass_gets_no_answer_so_that_the_agent_asks_as_it_would(
    hook: Hook, sent: dict[str, Any]
) -> None:
    assert hook(sent) == (0, None, "")


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (PROMPT, ("decision", "block")),
        (BASH, ("hookSpecificOutput.permissionDecision", "deny")),
        ({"hook_event_name": "PostToolUse", "tool_name": "Read",
          "tool_response": {"content": f"card {CARD}"}}, ("decision", "block")),
        ({"hook_event_name": "BeforeAgent", "prompt": f"card {CARD}"}, ("decision", "deny")),
        ({"hook_event_name": "BeforeTool", "tool_name": "run_shell_command",
          "tool_input": {"command": f"card {CARD}"}}, ("decision", "deny")),
        ({"hook_event_name": "AfterTool", "tool_name": "read_file",
          "tool_response": {"llmContent": f"card {CARD}"}}, ("decision", "deny")),
        ({"hook_event_name": "beforeSubmitPrompt", "prompt": f"card {CARD}"}, ("continue", False)),
        ({"hook_event_name": "beforeShellExecution", "command": f"card {CARD}"},
         ("permission", "deny")),
        ({"hook_event_name": "beforeMCPExecution", "tool_name": "x",
          "tool_input": json.dumps({"card": CARD})}, ("permission", "deny")),
        ({"hook_event_name": "beforeReadFile", "content": f"card {CARD}"}, ("permission", "deny")),
    ],
)  # fmt: skip
def test_what_is_denied_is_denied_in_the_words_of_the_agent(
    hook: Hook, sent: dict[str, Any], path: tuple[str, object]
) -> None:
    code, said, _ = hook(sent)
    assert code == 0
    value = said
    for step in path[0].split("."):
        value = value[step]
    assert value == path[1]
    assert MASKED in json.dumps(said)
    assert "Card (high)" in json.dumps(said)


def test_a_plain_call_is_answered_plainly(hook: Hook) -> None:
    code, said, _ = hook({"text": f"card {CARD}"})
    assert code == 2
    assert said["decision"] == "deny"
    assert said["findings"] == [{"part": "text", "sit": "Card", "level": "high", "masked": MASKED}]
    assert hook({"text": "nothing"})[:2] == (
        0, {"decision": "allow", "reason": "", "findings": []},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (BASH, {"hookSpecificOutput": {"permissionDecision": "ask", "updatedInput": {
            "command": f"pay --card '{MASKED}'", "timeout": 5}}}),
        ({"hook_event_name": "BeforeTool", "tool_name": "x", "tool_input": {"q": f"card {CARD}"}},
         {"hookSpecificOutput": {"tool_input": {"q": f"card {MASKED}"}}}),
        ({"hook_event_name": "PostToolUse", "tool_name": "mcp__db__query",
          "tool_response": [{"type": "text", "text": f"card {CARD}"}]},
         {"hookSpecificOutput": {
             "updatedMCPToolOutput": [{"type": "text", "text": f"card {MASKED}"}]}}),
        ({"tool_name": "x", "tool_input": {"q": f"card {CARD}"}},
         {"decision": "redact", "tool_input": {"q": f"card {MASKED}"}}),
    ],
)  # fmt: skip
def test_what_is_redacted_goes_on_masked_and_otherwise_as_it_was(
    hook: Hook, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    code, said, _ = hook(sent, "--redact", "high", "--deny", "never")
    assert code == 0
    for name, value in expected.items():
        if isinstance(value, dict) and name == "hookSpecificOutput":
            assert value.items() <= said[name].items()
        else:
            assert said[name] == value


def test_a_prompt_cannot_be_changed_so_it_is_sent_back_masked(hook: Hook) -> None:
    _, said, _ = hook(PROMPT, "--redact", "high", "--deny", "never")
    assert said["decision"] == "block"
    assert said["reason"].endswith(f"\nmy card {MASKED}")


@pytest.mark.parametrize(
    ("action", "decision"), [("block", "deny"), ("redact", "ask"), ("warn", "ask"), ("audit", None)]
)
def test_with_a_policy_its_rules_decide(
    hook: Hook, home: Path, action: str, decision: str | None
) -> None:
    code, said, _ = hook(BASH, "--policy", policy_file(home, action))
    assert code == 0
    if decision is None:
        assert said is None
        return
    specific = said["hookSpecificOutput"]
    assert specific["permissionDecision"] == decision
    assert "rule no cards" in specific["permissionDecisionReason"]
    assert ("updatedInput" in specific) is (action == "redact")


def test_a_rule_for_another_app_does_not_hold(hook: Hook, home: Path) -> None:
    policy = policy_file(home, "block")
    assert hook(BASH, "--policy", policy, "--app", "Codex")[1] is None
    assert hook({"hook_event_name": "BeforeAgent", "prompt": f"card {CARD}"},
                "--policy", policy)[1] is None  # fmt: skip


def test_a_file_is_looked_at_before_it_is_read(hook: Hook, home: Path) -> None:
    file = home / "notes.txt"
    file.write_text(f"the card is {CARD}\n", "utf-8")
    sent = {"hook_event_name": "PreToolUse", "tool_name": "Read",
            "tool_input": {"file_path": str(file)}}  # fmt: skip
    for options in ((), ("--redact", "high", "--deny", "never")):  # a read cannot be masked
        _, said, _ = hook(sent, *options)
        assert said["hookSpecificOutput"]["permissionDecision"] == "deny"
    sent["tool_input"] = {"file_path": str(home / "missing.txt")}
    assert hook(sent) == (0, None, "")
    binary = home / "picture"
    binary.write_bytes(b"\x89PNG\0")
    sent["tool_input"] = {"file_path": str(binary)}
    code, said, told = hook(sent)
    assert (code, said) == (2, None)
    assert "not text" in told
    code, said, told = hook(sent, "--unchecked", "allow")
    assert (code, said) == (0, None)
    assert "not text" in told


@pytest.mark.parametrize(
    "sent",
    [b"", b"no json", b"[1]", b"{}", b"[" * 100_000, b'{"text": "\xff"}', {"other": CARD}],
)
def test_what_is_no_call_is_refused_unless_unchecked_ones_may_pass(
    hook: Hook, sent: object
) -> None:
    code, said, told = hook(sent)
    assert (code, said) == (2, None)
    assert told
    code, said, told = hook(sent, "--unchecked", "allow")
    assert (code, said) == (0, None)
    assert told


def test_a_wrong_setting_is_told_and_denies(hook: Hook) -> None:
    for options in (("--deny", "sometimes"), ("--unchecked", "maybe"), ("--policy", "nowhere")):
        code, said, told = hook(BASH, *options)
        assert (code, said) == (2, None)
        assert told


@pytest.mark.parametrize(
    ("sent", "options", "expected"),
    [
        (CLEAN, (), None),
        (BASH, (), "deny"),
        (BASH, ("--redact", "high", "--deny", "never"), "ask"),
        (BASH, ("--policy", "Mine"), "deny"),
    ],
)
def test_a_service_that_runs_may_be_asked_instead(
    hook: Hook, home: Path, sent: dict[str, Any], options: tuple[str, ...], expected: str | None
) -> None:
    from dlpagent.service.http.app import make_app
    from dlpagent.service.http.settings import ServeSettings, TenantSettings

    settings = ServeSettings(
        auth=False,
        packs=(str(home / "card.yaml"),),
        tenants=(
            TenantSettings(state=str(home / "state.db"), policies=(policy_file(home, "block"),)),
        ),
    )
    with serving(make_app(settings)) as url:
        code, said, _ = hook(sent, "--server", url, *options)
    assert code == 0
    if expected is None:
        assert said is None
        return
    specific = said["hookSpecificOutput"]
    assert specific["permissionDecision"] == expected
    if expected == "ask":
        assert specific["updatedInput"] == {"command": f"pay --card '{MASKED}'", "timeout": 5}


def test_a_service_that_does_not_answer_lets_nothing_pass(hook: Hook) -> None:
    code, said, told = hook(BASH, "--server", "http://127.0.0.1:9")
    assert (code, said) == (2, None)
    assert told
    assert hook(BASH, "--server", "http://127.0.0.1:9", "--unchecked", "allow")[0] == 0


@pytest.mark.parametrize(
    "call",
    [
        {"hook_event_name": "UserPromptSubmit", "user_prompt": f"my card {CARD}"},
        {"hook_event_name": "PreToolUse", "tool_name": "Bash", "arguments": {"command": CARD}},
        {"hook_event_name": "BeforeAgent", "llm_request": f"my card {CARD}"},
        {"hook_event_name": "beforeSubmitPrompt", "text": f"my card {CARD}"},
    ],
    ids=lambda call: call["hook_event_name"],
)
def test_an_event_in_a_form_that_is_not_known_does_not_pass_unseen(
    hook: Hook, call: dict[str, Any]
) -> None:
    code, said, told = hook(call)
    assert (code, said) == (2, None)
    assert "the call has no field" in told
    assert CARD not in told
    assert hook(call, "--unchecked", "allow")[0] == 0


def test_keys_of_what_is_no_call_are_not_repeated(hook: Hook) -> None:
    code, _, told = hook({CARD: "x"})
    assert code == 2
    assert CARD not in told


@pytest.mark.parametrize("name", ["absolute_path", "file_path", "path"])
def test_a_file_is_looked_at_under_every_name_its_argument_has_had(
    hook: Hook, home: Path, name: str
) -> None:
    file = home / "named.txt"
    file.write_text(f"my card {CARD}", "utf-8")
    call = {"hook_event_name": "BeforeTool", "tool_name": "read_file",
            "tool_input": {name: str(file)}}  # fmt: skip
    assert hook(call)[1]["decision"] == "deny"


def test_what_a_rule_wants_masked_and_is_too_unlikely_to_be_does_not_pass(
    hook: Hook, home: Path
) -> None:
    every = POLICY.replace("ACTION", "redact").replace("00aa}", "00aa, confidence: low}")
    (home / "every.yaml").write_text(every, "utf-8")
    policy = str(home / "every.yaml")
    arguments = {"note": f"my card {CARD}", "other": "4222 2222 2222 2222 " + "x " * 400}
    call = {"hook_event_name": "PreToolUse", "tool_name": "mcp__x", "tool_input": arguments}
    _, said, told = hook(call, "--policy", policy, "--app", "claude")
    assert said, told
    decided = said["hookSpecificOutput"]
    assert decided["permissionDecision"] == "deny"
    assert "updatedInput" not in decided


@pytest.mark.parametrize("url", ["http://dlp.example.org:8080", "ftp://localhost", "x", "http://["])
def test_prompts_go_to_other_machines_encrypted_only(hook: Hook, url: str) -> None:
    code, said, told = hook(PROMPT, "--server", url)
    assert (code, said) == (2, None)
    assert "prompts cannot be sent there" in told
