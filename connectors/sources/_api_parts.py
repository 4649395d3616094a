"""The parts of calls of AI interfaces: requests, responses, and logs that hold either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    list_at,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

REQUESTS = ("request", "request_body", "requestBody", "body", "input_body")
RESPONSES = ("response", "response_body", "responseBody", "output_body")
_KNOWN = frozenset({
    "id", "object", "created", "created_at", "model", "service_tier", "system_fingerprint",
    "stop_reason", "stop_sequence", "request_id", "custom_id", "timestamp", "method",
})  # fmt: skip
_CHAT_ROLES = {"choices": "assistant", "instructions": "system", "system": "system",
               "prompt": "user", "input": "user", "output": "assistant"}  # fmt: skip


def call_parts(value: Any, name: str, role: str) -> Iterator[ShapePart]:
    """The parts of what went into a call or came out of it: a text, messages, a request, a response.

    role: of what does not say its own.
    """
    is_entry = isinstance(value, Mapping) and "role" not in value
    if is_entry and any(key in value for key in ("messages", "choices", "output", "content")):
        for part in entry_parts(value, f"{name}."):
            yield part._replace(role=part.role or role)
    elif isinstance(value, Mapping) and role_of(value.get("role")) and "content" in value:
        for part in _said([value], name, role):
            yield part._replace(part=name + part.part[len(f"{name}[0]") :])
    else:
        yield from _said(value, name, role)


def entry_parts(value: Mapping[str, Any], path: str) -> Iterator[ShapePart]:
    """The parts of an entry; of the bodies in it as of requests and responses of their own."""
    rest = rest_of(value, _KNOWN)
    for key in (*REQUESTS, *RESPONSES):
        body = rest.get(key)
        if isinstance(body, dict) and path.count(".") < 3:
            yield from entry_parts(rest.pop(key), f"{path}{key}.")
    role = role_of(rest.pop("role", None)) or "assistant"
    if text_at(value, "type") == "message":
        del rest["type"]
    for key in ("instructions", "system", "prompt", "messages", "input", "content", "output"):
        if key in rest:
            yield from _said(rest.pop(key), f"{path}{key}", _CHAT_ROLES.get(key, role))
    for place, choice in enumerate(list_at(rest, "choices")):
        yield from _choice(choice, f"{path}choices[{place}]")
    if isinstance(rest.get("choices"), list):
        del rest["choices"]
    for part in parts_of(rest):
        yield part._replace(part=path + part.part)


def _said(value: Any, name: str, role: str) -> Iterator[ShapePart]:
    if not isinstance(value, list):
        yield from content_parts(value, role, name)
        return
    for place, one in enumerate(value):
        here = f"{name}[{place}]"
        speaker = role_of(dict_at(one).get("role"))
        if speaker is not None and "content" in one:
            # A message: its own role, and the role tool for what tools said in it.
            yield from content_parts(one["content"], speaker, f"{here}.content")
            rest = {key: child for key, child in one.items() if key not in ("content", "role")}
            if text_at(rest, "type") == "message":
                del rest["type"]
            for part in chat_parts(rest, speaker):
                yield part._replace(part=f"{here}.{part.part}")
        else:
            for part in content_parts([one], role, name):
                yield part._replace(part=here + part.part[len(f"{name}[0]") :])


def _choice(choice: Any, name: str) -> Iterator[ShapePart]:
    kept = {"finish_reason", "index", "logprobs"}
    shown = rest_of(choice, kept) if isinstance(choice, Mapping) else {"$": choice}
    for part in chat_parts(shown, "assistant"):
        yield part._replace(part=f"{name}.{part.part}")
