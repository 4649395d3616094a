"""Langfuse exports of observations and traces (JSON Lines or JSON): one observation per row."""

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
    list_at,
    no_content,
    rest_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Langfuse"
_TYPES = frozenset({
    "GENERATION", "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING",
    "GUARDRAIL",
})  # fmt: skip
_KEYS = frozenset({
    "id", "trace_id", "traceId", "type", "start_time", "startTime", "end_time", "endTime",
    "session_id", "sessionId", "parent_observation_id", "parentObservationId", "environment",
    "provided_model_name", "project_id", "projectId", "level", "model", "timestamp", "created_at",
    "createdAt", "updated_at", "updatedAt", "completion_start_time", "completionStartTime",
})  # fmt: skip
_CONTENT = (("input", "user"), ("output", "assistant"))


class Langfuse:
    """Each observation or trace is a record, named by its id."""

    name = "langfuse"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger rows are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By observations: a known `type` and a trace, bare or in the pages of the interface."""
        return any(
            text_at(one, "type") in _TYPES and first_text(one, "trace_id", "traceId")
            for head in head_records(path)[:3]
            for one in (head, *list_at(head, "data")[:3])
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any observation."""
        return self._log.read(asset, after, _records)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif isinstance(value.get("data"), list) and "id" not in value:
        for place, one in enumerate(value["data"]):
            yield from _records(one, f"{identity}.{place}")
        rest = {key: one for key, one in value.items() if key != "data"}
        yield LogRecord({"record_id": f"{identity}#page"}, parts_of(rest))
    else:
        yield _observation(value, identity)


def _observation(value: Mapping[str, Any], identity: str) -> LogRecord:
    columns = {
        "record_id": text_at(value, "id") or identity,
        "conversation_id": first_text(
            value, "session_id", "sessionId", "trace_id", "traceId"
        ),
        "parent_id": first_text(value, "parent_observation_id", "parentObservationId"),
        "actor_id": first_text(value, "user_id", "userId"),
        "model": first_text(value, "provided_model_name", "model", "providedModelName"),
        "created_at": first_time(value, "start_time", "startTime", "timestamp"),
        "modified_at": first_time(value, "end_time", "endTime", "updated_at", "updatedAt"),
    }  # fmt: skip
    return LogRecord(columns, list(_parts(value)))


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    said = 0
    for key, role in _CONTENT:
        for part in call_parts(json_or_text(value.get(key)), key, role):
            said += 1
            yield part
    if not said and text_at(value, "type") == "GENERATION":
        yield no_content("input", "the call was logged without its content")
    known = {key for key, _ in _CONTENT}
    rest = {key: one for key, one in rest_of(value, _KEYS).items() if key not in known}
    for key in ("metadata", "model_parameters"):
        if key in rest:
            rest[key] = json_or_text(rest[key])
    yield from parts_of(rest)
