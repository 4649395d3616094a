"""LangSmith exports of runs: JSON Lines or JSON of its interface, Parquet of its bulk export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._files import opened
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES, values
from dlpagent.connectors.sources._log_fields import (
    dict_at,
    first_text,
    first_time,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    text_at,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import (
    LogFile,
    LogRecord,
    Step,
    generic_record,
    read_steps,
)
from dlpagent.connectors.sources._messages_within import run_parts
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.connectors.sources._streams import ByteStream
from dlpagent.records import Asset, Checkpoint

_APP = "LangSmith"
_TYPES = frozenset({"llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"})
_KEYS = frozenset({
    "id", "trace_id", "dotted_order", "run_type", "start_time", "end_time", "first_token_time",
    "parent_run_id", "parent_run_ids", "child_run_ids", "session_id", "tenant_id", "status",
    "execution_order", "reference_example_id", "reference_dataset_id", "manifest_id", "app_path",
    "share_token", "trace_tier", "ttl_seconds", "last_queued_at", "inserted_at", "modified_at",
    "is_root", "total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "prompt_cost",
    "completion_cost", "inputs_s3_urls", "outputs_s3_urls", "serialized",
})  # fmt: skip
_JSON = ("extra", "events", "feedback_stats", "metadata", "serialized")
_BATCH = 256


class LangSmith:
    """Each run is a record, named by its id."""

    name = "langsmith"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger runs are reported unread, so that memory stays bounded."""
        self._path = Path(target)
        self._log = LogFile(self._path, self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By runs: a known `run_type` with inputs or a trace, bare or in `runs`."""
        if path.suffix.lower() == ".parquet":
            return {"run_type", "inputs", "outputs", "trace_id"} <= _columns(path)
        return any(
            text_at(one, "run_type") in _TYPES
            and ("inputs" in dict_at(one) or "trace_id" in dict_at(one))
            for head in head_records(path)[:3]
            for one in (head, *list_at(head, "runs")[:3])
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any run."""
        if self._path.suffix.lower() != ".parquet":
            yield from self._log.read(asset, after, _records)
            return
        if after is not None and after.done:
            return
        with opened(self._path) as file:
            stream = ByteStream(file)
            split = partial(values, max_bytes=self._log.max_record_bytes)
            step = Step(
                str(self._path.resolve()), stream, split, _records, whole=partial(_rows, self._path)
            )
            size = asset.size_bytes or 0
            yield from read_steps([step], asset, after, self._log.batch_rows, lambda: size)


def _rows(path: Path) -> Iterator[LogRecord]:
    """The runs of a Parquet file; one more record that tells what of it could not be read."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - half as slow to load as all the rest

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    yield _run(row, str(number))
                    number += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        found = f"{type(error).__name__} behind {number} runs"
        problem = f"expected a whole Parquet file, found {found}"
        part = ShapePart("#file", None, status="unread", problem=problem)
        yield LogRecord({"record_id": f"{number}#damage"}, [part])


def _columns(path: Path) -> set[str]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError):
        return set()


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif isinstance(value.get("runs"), list) and "id" not in value:
        for place, one in enumerate(value["runs"]):
            yield from _records(one, f"{identity}.{place}")
        rest = {key: one for key, one in value.items() if key != "runs"}
        yield LogRecord({"record_id": f"{identity}#page"}, parts_of(rest))
    else:
        yield _run(value, identity)
        for place, one in enumerate(list_at(value, "child_runs")):
            yield from _records(one, f"{identity}.{place}")


def _run(value: Mapping[str, Any], identity: str) -> LogRecord:
    value = {**value, **{key: json_or_text(value[key]) for key in _JSON if key in value}}
    columns = {
        "record_id": text_at(value, "id") or identity,
        "conversation_id": first_text(
            value, "extra.metadata.session_id", "extra.metadata.thread_id",
            "extra.metadata.conversation_id", "thread_id", "trace_id",
        ),
        "parent_id": text_at(value, "parent_run_id"),
        "actor_id": first_text(
            value, "extra.metadata.user_id", "extra.metadata.user", "extra.metadata.langgraph_user_id",
        ),
        "model": first_text(
            value, "extra.metadata.ls_model_name", "extra.invocation_params.model",
            "extra.invocation_params.model_name",
        ),
        "created_at": first_time(value, "start_time"),
        "modified_at": first_time(value, "end_time"),
    }  # fmt: skip
    return LogRecord(columns, list(_parts(value)))


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    said = 0
    speaker = "tool" if text_at(value, "run_type") in ("tool", "retriever") else "assistant"
    for key, role in (("inputs", "user"), ("outputs", speaker)):
        for part in run_parts(json_or_text(value.get(key)), key, role):
            said += 1
            yield part
    if not said and text_at(value, "run_type") == "llm":
        yield no_content("inputs", "the run was traced without its content")
    known = {"inputs", "outputs"}
    rest = {key: one for key, one in rest_of(value, _KEYS).items() if key not in known}
    if isinstance(rest.get("child_runs"), list):
        del rest["child_runs"]
    for key in ("parent_run_ids", "child_run_ids"):
        if all(isinstance(one, str) for one in list_at(rest, key)):
            rest.pop(key, None)
    yield from parts_of(rest)
