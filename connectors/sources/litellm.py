"""LiteLLM spend logs (rows of LiteLLM_SpendLogs as JSON Lines or JSON): one call per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._api_parts import call_parts
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    first_text,
    first_time,
    json_or_text,
    no_content,
    rest_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "LiteLLM"
_KEYS = frozenset({
    "request_id", "call_type", "startTime", "endTime", "completionStartTime", "model", "model_id",
    "model_group", "custom_llm_provider", "session_id", "status", "cache_hit", "cache_key",
})  # fmt: skip
_CONTENT = (("messages", "user"), ("proxy_server_request", "user"), ("response", "assistant"))


class LiteLlm:
    """Each call is a record, named by its `request_id`."""

    name = "litellm"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger rows are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By rows with `request_id`, `call_type` and `startTime`."""
        return any(
            {"request_id", "call_type", "startTime"} <= value.keys()
            for value in head_records(path)[:3]
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any call."""
        return self._log.read(asset, after, _records)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    metadata = json_or_text(value.get("metadata"))
    value = {**value, "metadata": metadata} if "metadata" in value else value
    columns = {
        "record_id": text_at(value, "request_id") or identity,
        "conversation_id": text_at(value, "session_id"),
        "actor_id": first_text(
            value, "end_user", "user", "metadata.user_api_key_user_id",
            "metadata.user_api_key_alias",
        ),
        "model": first_text(value, "model", "model_group"),
        "created_at": first_time(value, "startTime"),
        "modified_at": first_time(value, "endTime"),
    }  # fmt: skip
    yield LogRecord(columns, list(_parts(value)))


def _parts(value: Mapping[str, Any]) -> Iterator[Any]:
    said = 0
    for key, role in _CONTENT:
        for part in call_parts(json_or_text(value.get(key)), key, role):
            said += 1
            yield part
    if not said:
        reason = "the call was logged without its content (store_prompts_in_spend_logs is off)"
        yield no_content("messages", reason)
    known = {key for key, _ in _CONTENT}
    yield from parts_of(
        {key: one for key, one in rest_of(value, _KEYS).items() if key not in known}
    )
