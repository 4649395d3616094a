"""Requests to and responses of the OpenAI, Azure OpenAI and Anthropic interfaces, as logged.

Source of the shapes: the published references of Chat Completions, Responses, Batch and Messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._api_parts import REQUESTS, RESPONSES, entry_parts
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    dict_at,
    first_text,
    first_time,
    json_or_text,
    no_content,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.records import Asset, Checkpoint

_APP = "AI API"
_OBJECTS = frozenset({
    "chat.completion", "response", "text_completion", "chat.completion.chunk",
})  # fmt: skip
_WHERE = ("", "request", "response", "body", "response.body", "request_body", "response_body",
          "requestBody", "responseBody")  # fmt: skip
_TIMES = ("timestamp", "time", "created_at", "created", "createdAt")


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
    if {"request_id", "call_type", "startTime"} <= value.keys():
        return False  # a spend log, which has its own connector
    if _is_request(value) or _is_response(value):
        return True
    inner = [json_or_text(value.get(key)) for key in (*REQUESTS, *RESPONSES)]
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
        key: json_or_text(child) if key in REQUESTS + RESPONSES else child
        for key, child in value.items()
    }
    parts = list(entry_parts(value, "")) or [
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
