"""Requests to and responses of the OpenAI, Azure OpenAI and Anthropic interfaces, as logged.

Source of the shapes: the published references of Chat Completions, Responses, Batch and Messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    content_parts,
    dict_at,
    first_text,
    first_time,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "AI API"
_REQUESTS = ("request", "request_body", "requestBody", "body", "input_body")
_RESPONSES = ("response", "response_body", "responseBody", "output_body")
_OBJECTS = frozenset({
    "chat.completion", "response", "text_completion", "chat.completion.chunk",
})  # fmt: skip
_KNOWN = frozenset({
    "id", "object", "created", "created_at", "model", "service_tier", "system_fingerprint",
    "stop_reason", "stop_sequence", "request_id", "custom_id", "timestamp", "method",
})  # fmt: skip
_WHERE = ("", "request", "response", "body", "response.body", "request_body", "response_body",
          "requestBody", "responseBody")  # fmt: skip
_TIMES = ("timestamp", "time", "created_at", "created", "createdAt")
_CHAT_ROLES = {"choices": "assistant", "instructions": "system", "system": "system",
               "prompt": "user", "input": "user", "output": "assistant"}  # fmt: skip


class ApiLog:
    """Each request, response or pair of both is a record, named by its own id or position."""

    name = "api-log"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger entries are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By a request with its model, or a response. Plain `messages` are training data."""
        return any(is_entry(value) for value in head_records(path)[:3])

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any entry."""
        return self._log.read(asset, after, _records)


def is_entry(value: Mapping[str, Any]) -> bool:
    """True for a request, a response, or an entry that holds either."""
    if _is_request(value) or _is_response(value):
        return True
    inner = [json_or_text(value.get(key)) for key in (*_REQUESTS, *_RESPONSES)]
    inner += [dict_at(one).get("body") for one in inner]
    return any(isinstance(one, dict) and (_is_request(one) or _is_response(one)) for one in inner)


def _is_request(value: Mapping[str, Any]) -> bool:
    asked = isinstance(value.get("messages"), list) or (
        "input" in value and ("instructions" in value or isinstance(value["input"], list))
    )
    return asked and isinstance(value.get("model"), str)


def _is_response(value: Mapping[str, Any]) -> bool:
    if text_at(value, "object") in _OBJECTS:
        return isinstance(value.get("choices"), list) or isinstance(value.get("output"), list)
    is_message = text_at(value, "type") == "message" and isinstance(value.get("content"), list)
    return is_message and isinstance(value.get("model"), str)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    value = {
        key: json_or_text(child) if key in _REQUESTS + _RESPONSES else child
        for key, child in value.items()
    }
    parts = list(_entry_parts(value, "")) or [
        no_content("messages", "the entry was logged without its content")
    ]
    yield LogRecord(_columns(value, identity), parts)


def _columns(value: Mapping[str, Any], identity: str) -> dict[str, Any]:
    def first(*keys: str) -> str | None:
        return first_text(value, *(f"{at}.{key}".strip(".") for key in keys for at in _WHERE))

    times = (f"{at}.{key}".strip(".") for key in _TIMES for at in _WHERE)
    return {
        "record_id": first("id", "request_id", "requestId", "custom_id") or identity,
        "model": first("model"),
        "actor_id": first("user", "safety_identifier", "metadata.user_id", "user_id"),
        "conversation_id": first("conversation.id", "conversation", "conversation_id"),
        "parent_id": first("previous_response_id"),
        "created_at": first_time(value, *times),
    }


def _entry_parts(value: Mapping[str, Any], path: str) -> Iterator[ShapePart]:
    """The parts of an entry; of the bodies in it as of requests and responses of their own."""
    rest = rest_of(value, _KNOWN)
    for key in (*_REQUESTS, *_RESPONSES):
        body = rest.get(key)
        if isinstance(body, dict) and path.count(".") < 3:
            yield from _entry_parts(rest.pop(key), f"{path}{key}.")
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
