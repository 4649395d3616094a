"""Calls of coding agents as they write them on a hook's standard input.

Three families write them: Claude Code (and Codex, which took over its form), Gemini CLI, and Cursor.
Anything else may send {"text": …} or {"tool_name": …, "tool_input": …} and gets a plain answer.
Source: the hook references of these agents, as of November 2026; see docs/hooks.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dlpagent.errors import SourceError

Family = Literal["claude", "gemini", "cursor", "plain"]
Kind = Literal["prompt", "tool call", "tool result", "file"]

# event → (family, kind, fields that are checked); the first field that is there is the one that a
# redacted copy replaces
_EVENTS: Mapping[str, tuple[Family, Kind, tuple[str, ...]]] = {
    "UserPromptSubmit": ("claude", "prompt", ("prompt",)),
    "PreToolUse": ("claude", "tool call", ("tool_input",)),
    "PostToolUse": ("claude", "tool result", ("tool_response",)),
    "BeforeAgent": ("gemini", "prompt", ("prompt",)),
    "BeforeTool": ("gemini", "tool call", ("tool_input",)),
    "AfterTool": ("gemini", "tool result", ("tool_response",)),
    "beforeSubmitPrompt": ("cursor", "prompt", ("prompt",)),
    "beforeShellExecution": ("cursor", "tool call", ("command",)),
    "beforeMCPExecution": ("cursor", "tool call", ("tool_input",)),
    "preToolUse": ("cursor", "tool call", ("tool_input",)),
    "beforeReadFile": ("cursor", "file", ("content",)),
    "beforeTabFileRead": ("cursor", "file", ("content",)),
}
_PLAIN = ("text", "prompt", "tool_input", "tool_response")

APPS: Mapping[Family, str] = {
    "claude": "Claude Code",
    "gemini": "Gemini CLI",
    "cursor": "Cursor",
    "plain": "coding agent",
}
"""The app a policy sees, unless another is named."""

# Tools that read a file, and the arguments that name it: Gemini CLI has changed its own.
_READERS: Mapping[str, tuple[str, ...]] = {
    "Read": ("file_path",),
    "NotebookRead": ("notebook_path",),
    "read_file": ("absolute_path", "file_path", "path"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call. subject: what is to be checked, by field; event is empty for plain calls.

    lacks: the fields of which an event of its kind has one, and this call none.
    """

    family: Family
    kind: Kind
    event: str
    tool: str
    subject: Mapping[str, Any] = field(repr=False)
    reads: str = ""
    session: str = ""
    lacks: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field that a redacted copy replaces."""
        return next(iter(self.subject), "")


def read_call(raw: bytes) -> Call | None:
    """The call; None for events that carry nothing to be checked. Raises SourceError."""
    try:
        call = json.loads(raw)
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict):
        raise SourceError(
            "standard input holds no call",
            where="standard input",
            expected="one JSON object, as a coding agent writes it for a hook",
            found=f"{len(raw)} bytes that are none",
            remedy="See docs/hooks.md for how the hook is set up.",
        )
    event = _text(call.get("hook_event_name"))
    tool = _text(call.get("tool_name"))
    session = _text(call.get("session_id")) or _text(call.get("conversation_id"))
    if event and event not in _EVENTS:
        return None
    if not event:
        subject = {name: call[name] for name in _PLAIN if name in call}
        if not subject:
            raise SourceError(
                "the call holds nothing to check",
                where="standard input",
                expected="hook_event_name, or one of " + ", ".join(_PLAIN),
                found=f"{len(call)} other keys",
            )
        kind: Kind = "tool call" if "tool_input" in subject else "prompt"
        return Call("plain", kind, "", tool, subject, session=session)
    family, kind, names = _EVENTS[event]
    subject = {name: _opened(call[name]) for name in names if name in call}
    reads = ""
    if kind == "tool call" and tool in _READERS:
        arguments = subject.get("tool_input")
        if isinstance(arguments, dict):
            given = (_text(arguments.get(name)) for name in _READERS[tool])
            reads = next(filter(None, given), "")
    return Call(family, kind, event, tool, subject, reads, session, lacks=() if subject else names)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _opened(value: Any) -> Any:
    """Arguments that are themselves written as JSON (Cursor's MCP calls) as what they say."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
