"""A body of JSON lines, read while it comes in, in groups that are classified together."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dlpagent.service.http.gate import decoded, too_large
from dlpagent.service.http.problems import Refusal
from dlpagent.service.http.values import TextItem

GROUP_TEXTS, GROUP_CHARS = 64, 200_000
MOST_LINE_BYTES = 4_000_000


class StreamedLines(Response):
    """Lines sent while the request's body is still read.

    Starlette's StreamingResponse waits for the client to go by reading the body itself.
    """

    def __init__(self, lines: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for line in self._lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        except ClientDisconnect:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


Line = TextItem | Refusal
"""A text, or what is wrong with its line."""


async def groups_of(request: Request, most: int) -> AsyncIterator[list[Line]]:
    """Groups of lines in order. Who sends slowly waits for no group to fill: what came, goes.

    A body of more than `most` bytes, or a line that is too long, ends the stream with a refusal.
    """
    size = 0
    rest = b""
    async for part in request.stream():
        size += len(part)
        *lines, rest = (rest + part).split(b"\n")
        for group in _groups(lines):
            yield group
        if size > most or len(rest) > MOST_LINE_BYTES:
            yield [too_large(most if size > most else MOST_LINE_BYTES)]
            return
    for group in _groups([rest]):
        yield group


async def first_of(groups: AsyncIterator[list[Line]]) -> list[Line]:
    """The first group. Raises Refusal where the very first line is wrong, or none comes: then the
    whole body is taken for something else."""
    group = await anext(groups, None)
    if group is None:
        raise Refusal(400, "malformed", "there are no lines", where="body", expected="JSON lines")
    if isinstance(group[0], Refusal):
        raise group[0]
    return group


def _groups(lines: list[bytes]) -> list[list[Line]]:
    groups: list[list[Line]] = []
    chars = 0
    for line in filter(bytes.strip, lines):
        if not groups or len(groups[-1]) >= GROUP_TEXTS or chars >= GROUP_CHARS:
            groups.append([])
            chars = 0
        item = _line(line)
        groups[-1].append(item)
        chars += len(item.text) if isinstance(item, TextItem) else 0
    return groups


def _line(data: bytes) -> Line:
    try:
        item = decoded(data, TextItem)
    except Refusal as refusal:
        return refusal
    assert isinstance(item, TextItem)
    return item
