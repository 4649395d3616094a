"""OpenTelemetry exports in OTLP JSON (.json, .jsonl): spans and log records of AI calls.

Three dialects: messages in attributes (gen_ai.input.messages), messages as events
(gen_ai.user.message, gen_ai.choice), flattened attributes (llm.input_messages.0.message.content).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    dict_at,
    first_text,
    list_at,
    nanos_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._otlp_parts import attributes_of, span_parts
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "OpenTelemetry"
_SETS = {"resourceSpans": ("scopeSpans", "spans"), "resourceLogs": ("scopeLogs", "logRecords")}
_COLUMNS = {
    "model": ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name"),
    "actor_id": ("user.id", "enduser.id", "gen_ai.user.id"),
    "conversation_id": ("gen_ai.conversation.id", "session.id"),
}


class OtlpTraces:
    """Each span or log record is a record `TRACE:SPAN` (log records: and their place)."""

    name = "otlp"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger requests are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By `resourceSpans` or `resourceLogs`."""
        return any(
            isinstance(value.get(key), list) for value in head_records(path) for key in _SETS
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any span."""
        return self._log.read(asset, after, _records)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    rest = dict(value)
    for outer, (middle, inner) in _SETS.items():
        if not isinstance(rest.get(outer), list):
            continue
        for place, resource in enumerate(rest.pop(outer)):
            if isinstance(resource, dict):
                yield from _resource(resource, f"{identity}.{outer}{place}", middle, inner)
            else:
                yield LogRecord(
                    {"record_id": f"{identity}.{outer}{place}"}, parts_of({outer: resource})
                )
    if rest:
        yield LogRecord({"record_id": f"{identity}#rest"}, parts_of(rest))


def _resource(
    value: Mapping[str, Any], identity: str, middle: str, inner: str
) -> Iterator[LogRecord]:
    """The resource and its scopes as one record, then each span or log record in it."""
    about = attributes_of(dict_at(value, "resource").get("attributes"))
    service = text_at(about, "service.name")
    rest = {key: one for key, one in value.items() if key != middle}
    if isinstance(value.get("resource"), dict):
        other = {key: one for key, one in value["resource"].items() if key != "attributes"}
        rest["resource"] = {**other, **about}
    scopes = value.get(middle)
    shown = [_scope(scope, inner) for scope in scopes] if isinstance(scopes, list) else scopes
    app = {"app": service} if service else {}
    yield LogRecord({"record_id": f"{identity}#resource", **app}, parts_of({**rest, middle: shown}))
    for at, scope in enumerate(list_at(scopes)):
        for place, one in enumerate(list_at(scope, inner)):
            if isinstance(one, dict):
                yield _span(one, f"{identity}.{at}.{place}", app, inner == "logRecords")
            else:
                columns = {"record_id": f"{identity}.{at}.{place}", **app}
                yield LogRecord(columns, parts_of({inner: one}))


def _scope(scope: Any, inner: str) -> Any:
    if not isinstance(scope, dict):
        return scope
    rest = {key: one for key, one in scope.items() if key != inner}
    if inner in scope and not isinstance(scope[inner], list):
        rest[inner] = scope[inner]
    if isinstance(rest.get("scope"), dict):
        rest["scope"] = {
            **rest["scope"],
            "attributes": attributes_of(rest["scope"].get("attributes")),
        }
    return rest


def _span(
    value: Mapping[str, Any], identity: str, app: Mapping[str, Any], is_log: bool
) -> LogRecord:
    about = attributes_of(value.get("attributes"))
    trace, span = text_at(value, "traceId"), text_at(value, "spanId")
    name = f"{trace or ''}:{span}" if span else identity
    parent = text_at(value, "spanId" if is_log else "parentSpanId")
    columns: dict[str, Any] = {
        key: next((text for one in names if (text := text_at(about, one))), None)
        for key, names in _COLUMNS.items()
    }
    columns["conversation_id"] = columns["conversation_id"] or trace
    columns |= {
        **app,
        "record_id": f"{name}#{identity}" if is_log and span else name,
        "parent_id": f"{trace or ''}:{parent}" if parent else None,
        "created_at": nanos_of(first_text(value, "startTimeUnixNano", "timeUnixNano")),
        "modified_at": nanos_of(text_at(value, "endTimeUnixNano")),
    }
    return LogRecord(columns, list(span_parts(value, about)))
