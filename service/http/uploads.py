"""An uploaded file, opened by the source that knows its shape, as `dlpagent scan` would."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from dlpagent.errors import DlpAgentError, SourceError
from dlpagent.findings import LEVELS, finding_lines, level_of
from dlpagent.service.http import values
from dlpagent.service.http.gate import too_large, too_slow
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.routes import Call, json_answer
from dlpagent.service.http.service import Service, Tenant

MOST_FINDINGS, MOST_UNREAD = 10_000, 1_000
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,12}){1,2}$")
# What it warns of names characters of the body.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


async def classify_upload(call: Call) -> Response:
    """What is in the file of the form field `file`."""
    most = call.service.settings.limits.file_bytes
    request = limited(call.request, most, call.service.settings.limits.body_seconds)
    try:
        async with request.form(max_files=1, max_fields=4, max_part_size=most) as form:
            upload = form.get("file")
            if isinstance(upload, str):  # a field without a file name is a text
                data = BytesIO(upload.encode("utf-8", "replace"))
                upload = UploadFile(data, filename="file.txt")
            if not isinstance(upload, UploadFile):
                raise Refusal(
                    400, "invalid", "there is no file", where="form", expected="a field named file"
                )
            told = await to_thread.run_sync(
                lambda: _classified(call.tenant, call.service, upload), limiter=call.service.uploads
            )
    except HTTPException:
        raise Refusal(
            400, "malformed", "the form cannot be read", where="body",
            expected="multipart/form-data with a boundary and one file",
        ) from None  # fmt: skip
    return json_answer(told)


def limited(request: Request, most: int, idle_seconds: float) -> Request:
    """The request, of which no more than `most` bytes are read, none after so many seconds without
    any. Reading raises Refusal: 413, or 408."""
    receive: Callable[[], Awaitable[Message]] = request.receive
    size = 0

    async def counting() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(idle_seconds):
                message = await receive()
        except TimeoutError:
            raise too_slow(idle_seconds) from None
        size += len(message.get("body", b""))
        if size > most:
            raise too_large(most)
        return message

    return Request(request.scope, counting)


def _classified(tenant: Tenant, service: Service, upload: UploadFile) -> values.FileResponse:
    name = upload.filename or "upload"
    suffix = _SUFFIX.search(PurePosixPath(name.replace("\\", "/")).name)
    with tempfile.TemporaryDirectory(prefix="dlpagent-upload-") as folder:
        path = Path(folder) / f"upload{suffix[0].lower() if suffix else ''}"
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        tally = _Tally(tenant)
        try:
            for batch in _batches(path):
                tally.add(batch)
        except SourceError as error:
            tally.note(error)
        except DlpAgentError as error:
            raise Refusal(
                422, "unreadable", error.what, where="file",
                expected=error.expected.replace(folder, ""),
            ) from None  # fmt: skip
    return values.FileResponse(
        file=name[:200],
        records=tally.records,
        counts=tally.counts,
        findings=tally.findings,
        complete=not tally.unread,
        unread=tally.unread[:MOST_UNREAD],
        pack=values.pack_of(service.pack),
    )


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    from dlpagent.service.wiring import Unreachable, open_sources

    for source in open_sources([str(path)]):
        if isinstance(source, Unreachable):
            raise source.error
        for asset in source.discover():
            for batch, _ in source.read(asset):
                yield batch


class _Tally:
    """What a file amounts to."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.records = 0
        self.counts: dict[str, int] = dict.fromkeys(LEVELS, 0)
        self.findings: list[dict[str, Any]] = []
        self.unread: list[dict[str, Any]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Classify a batch."""
        done = self._tenant.workers.submit(batch).result()
        self.records += done.counters.records
        for confidence in done.findings.column("confidence").to_pylist():
            self.counts[level_of(confidence)] += 1
        room = MOST_FINDINGS - len(self.findings)
        names = self._tenant.classifier.sit_names
        lines = finding_lines(
            done.findings.slice(0, room), asset_uri="file", pack=self._tenant.classifier.pack,
            names=names,
        )  # fmt: skip
        for line in lines:
            line["locator"].pop("file", None)
            self.findings.append(line)
        for problem in done.problems:
            self.unread.append(
                {
                    "record": problem.record_id,
                    "part": problem.part,
                    "status": problem.status,
                    "sit": names.get(problem.sit_id) if problem.sit_id else None,
                    "reason": problem.reason,
                }
            )

    def note(self, error: SourceError) -> None:
        """What could not be read at all."""
        self.unread.append(
            {"record": None, "part": None, "status": "unread", "sit": None, "reason": error.what}
        )
