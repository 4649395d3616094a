"""Azure Monitor's Logs Ingestion on the loopback: rows checked against the columns of their stream.

Limits and checks as documented: 1 MB a call uncompressed, gzip or plain, a JSON array of objects,
TimeGenerated in every row. Unlike the service, which drops them silently, unknown columns and wrong
types are refused: a test must see them.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dlpagent.connectors.testing.microsoft.received import Received
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, refusal

RULE_ID = "dcr-000102030405060708090a0b0c0d0e0f"
API_VERSION = "2023-01-01"
MAX_CALL_BYTES = 1024 * 1024
MAX_FIELD_BYTES = 64 * 1024
_PATH = re.compile(r"/dataCollectionRules/([^/]+)/streams/([^/]+)")

# Column types of a stream declaration, and what JSON may hold for them.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "datetime": (str,),
    "int": (int,),
    "long": (int,),
    "real": (int, float),
    "boolean": (bool,),
    "dynamic": (dict, list, str, int, float, bool),
}


class Ingestion:
    """Takes rows. streams: stream → column → type; received: ids are the column id_column."""

    def __init__(self, streams: Mapping[str, Mapping[str, str]], id_column: str) -> None:
        self._streams, self._id_column = streams, id_column
        self.received = Received()
        self.refused: frozenset[str] = frozenset()  # ids it will not have

    def answer(self, request: Request) -> Answer | None:
        """The answer to an upload; None when the request is for something else."""
        found = _PATH.fullmatch(request.path)
        if found is None:
            return None
        rule, stream = found.groups()
        if request.query.get("api-version") != API_VERSION:
            return refusal(400, "InvalidApiVersion", "the api-version is not supported")
        if rule != RULE_ID or stream not in self._streams:
            return refusal(404, "NotFound", "there is no such data collection rule or stream")
        try:
            body = _plain(request)
        except (OSError, EOFError, zlib.error):
            return refusal(400, "InvalidRequest", "the body is not gzip")
        if len(body) > MAX_CALL_BYTES:
            return refusal(413, "RequestEntityTooLarge", "the call is larger than 1 MB")
        return self._take(self._streams[stream], body)

    def _take(self, columns: Mapping[str, str], body: bytes) -> Answer:
        try:
            rows = json.loads(body)
        except ValueError:
            return refusal(400, "InvalidRequest", "the body is not JSON")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return refusal(400, "InvalidRequest", "the body is not an array of objects")
        faults = [fault for row in rows for fault in row_faults(columns, row)]
        if faults or any(row.get(self._id_column) in self.refused for row in rows):
            return refusal(400, "InvalidPayload", "; ".join(faults[:5]))
        for row in rows:
            self.received.add(row.get(self._id_column), row)
        return Answer(204)


def row_faults(columns: Mapping[str, str], row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a row; column names and types only."""
    if "TimeGenerated" not in row:
        yield "TimeGenerated: missing"
    for name, value in row.items():
        wanted = columns.get(name)
        if wanted is None:
            yield f"{name}: unknown column"
        elif value is not None and not _fits(wanted, value):
            yield f"{name}: not {wanted}"
        elif len(json.dumps(value)) > MAX_FIELD_BYTES:
            yield f"{name}: larger than 64 KB"


def _fits(wanted: str, value: Any) -> bool:
    if isinstance(value, bool) and wanted not in ("boolean", "dynamic"):
        return False
    if not isinstance(value, _TYPES[wanted]):
        return False
    if wanted == "datetime" and isinstance(value, str):
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return True


def _plain(request: Request) -> bytes:
    if request.headers.get("content-encoding") == "gzip":
        return gzip.decompress(request.body)
    return request.body
