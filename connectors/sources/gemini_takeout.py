"""Gemini activity of a Google Takeout (MyActivity.json): an array of prompts with their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import chat_parts, first_time, list_at, rest_of
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.records import Asset, Checkpoint, without_surrogates

_APP = "Gemini"
_KEYS = frozenset({"time"})
# Names of the product and of the setting that kept the activity.
_CONSTANT_LISTS = ("products", "activityControls")
_PRODUCTS = ("Gemini Apps", "Bard", "Gemini", "Gemini Apps Activity", "Bard Activity")
_FILES = ("attachedFiles", "imageFile")


class GeminiTakeout:
    """Each activity (a prompt with its answer) is a record, named by its position from 0."""

    name = "gemini-takeout"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger activities are reported unread, so memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By activities of Gemini or Bard, named so in `header` or `products`."""
        return any(
            isinstance(value.get("title"), str)
            and "time" in value
            and any(one in _PRODUCTS for one in (value.get("header"), *list_at(value, "products")))
            for value in head_records(path)[:3]
        )

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any activity."""
        return self._log.read(asset, after, _records)


def _records(value: Any, identity: str) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
        return
    columns = {
        "record_id": identity,
        "created_at": first_time(value, "time"),
        "attachments": [
            {"name": name, "mime": None, "size": None, "ref": None} for name in _files(value)
        ]
        or None,
    }
    yield LogRecord(columns, _parts(value))


def _files(value: Mapping[str, Any]) -> list[str]:
    """The names of the files that went with the prompt."""
    found = [*list_at(value, "attachedFiles"), value.get("imageFile")]
    return [without_surrogates(one)[:500] for one in found if isinstance(one, str) and one]


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    rest = rest_of(value, _KEYS)
    if rest.get("header") in _PRODUCTS:
        del rest["header"]
    for key in _CONSTANT_LISTS:
        left = [one for one in list_at(rest, key) if one not in _PRODUCTS]
        if isinstance(rest.get(key), list) and not left:
            del rest[key]
    answer = rest.pop("safeHtmlItem", None)
    for part in chat_parts(rest, "user"):
        yield part._replace(context=None) if part.part == "title" else part
    for part in chat_parts({"safeHtmlItem": answer}, "assistant"):
        yield part._replace(context=None)
    for name in _FILES:
        if rest.get(name):
            problem = "expected the file beside the activity, found its name only"
            yield ShapePart(f"{name}#file", None, "user", None, "opaque", problem)
