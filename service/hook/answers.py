"""Verdicts in the words of the agent that asked.

An allowed call gets no answer at all: to say "allow" would overrule what the agent itself would ask
its user. A redacted call is shown to the user where the agent can (Claude Code), because "allow"
with a changed input would overrule the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from dlpagent.service.hook.calls import Call
from dlpagent.service.hook.verdicts import Verdict

BLOCKED = 2
"""The exit code that Claude Code, Codex and Gemini CLI take for a refusal; Cursor too."""

_SHOWN_CHARS = 4_000


class Answer(NamedTuple):
    """What the hook prints and exits with."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0


def answer(call: Call, verdict: Verdict) -> Answer:
    """The answer to a call."""
    return _FAMILIES[call.family](call, verdict)


def refusal(reason: str) -> Answer:
    """No call could be read, or checked: blocked in a way every agent understands."""
    return Answer(stderr=f"{reason}\n", code=BLOCKED)


def _claude(call: Call, verdict: Verdict) -> Answer:
    if verdict.action == "allow":
        return Answer()
    if call.kind == "prompt":  # a prompt can be blocked, and not changed
        return _json({"decision": "block", "reason": _with_copy(call, verdict)})
    if call.kind == "tool result":
        body: dict[str, Any] = {"decision": "block", "reason": verdict.reason}
        if verdict.action == "redact" and call.tool.startswith("mcp__"):
            body = {"hookSpecificOutput": {
                "hookEventName": call.event,
                "updatedMCPToolOutput": verdict.changed[call.field],
                "additionalContext": verdict.reason,
            }}  # fmt: skip
        return _json(body)
    specific = {
        "hookEventName": call.event,
        "permissionDecision": "deny" if verdict.action == "deny" else "ask",
        "permissionDecisionReason": verdict.reason,
    }
    if verdict.action == "redact":
        specific["updatedInput"] = verdict.changed[call.field]
    return _json({"hookSpecificOutput": specific})


def _gemini(call: Call, verdict: Verdict) -> Answer:
    if verdict.action == "allow":
        return Answer()
    if verdict.action == "redact" and call.kind == "tool call":
        specific = {"hookEventName": call.event, "tool_input": verdict.changed[call.field]}
        return _json({"systemMessage": verdict.reason, "hookSpecificOutput": specific})
    if verdict.action == "redact" and call.kind == "tool result":
        # what is denied is hidden from the model, and the reason takes its place
        copy = json.dumps(verdict.changed[call.field], ensure_ascii=False)
        return _json({"decision": "deny", "reason": f"{verdict.reason} With that masked:\n{copy}"})
    return _json({"decision": "deny", "reason": _with_copy(call, verdict)})


def _cursor(call: Call, verdict: Verdict) -> Answer:
    if call.kind == "prompt":
        if verdict.action == "allow":
            return _json({"continue": True})
        return _json({"continue": False, "user_message": _with_copy(call, verdict)})
    if verdict.action == "allow":
        return _json({"permission": "allow"}) if call.kind == "file" else Answer()
    permission = "ask" if verdict.action == "ask" and call.kind == "tool call" else "deny"
    body = {"permission": permission, "user_message": verdict.reason}
    if verdict.action == "redact" and call.kind == "tool call":
        body["agent_message"] = _with_copy(call, verdict)
    return _json(body)


def _plain(_call: Call, verdict: Verdict) -> Answer:
    body: dict[str, Any] = {"decision": verdict.action, "reason": verdict.reason}
    if verdict.action == "redact":
        body |= verdict.changed
    if verdict.unchecked:
        body["unchecked"] = verdict.unchecked
    body["findings"] = [
        {"part": item.part, "sit": item.sit, "level": item.level, "masked": item.masked}
        for item in verdict.found
    ]
    return Answer(json.dumps(body) + "\n", code=BLOCKED if verdict.action == "deny" else 0)


_FAMILIES = {"claude": _claude, "gemini": _gemini, "cursor": _cursor, "plain": _plain}


def _with_copy(call: Call, verdict: Verdict) -> str:
    """The reason, and for a redaction that the agent cannot make itself the clean copy to send."""
    if verdict.action != "redact":
        return verdict.reason
    changed = verdict.changed[call.field]
    copy = changed if isinstance(changed, str) else json.dumps(changed, ensure_ascii=False)
    if len(copy) > _SHOWN_CHARS:
        return verdict.reason
    return f"{verdict.reason} With that masked it may be sent again:\n{copy}"


def _json(body: Mapping[str, Any]) -> Answer:
    return Answer(json.dumps(body) + "\n")
