"""The child process that parses: it reads what it is told to, and can write only to its pipe.

Run by `parent`. A question is a file's path, or bytes; answers are rows as they are read. It has no
right to write files, and ends when its parent does.
"""

from __future__ import annotations

import io
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec

from dlpagent.connectors.documents.limits import Budget, LimitReachedError, Limits
from dlpagent.connectors.documents.report import Report, Row
from dlpagent.connectors.documents.walk import Walk

READY = b"ready"
# What an answer begins with: rows, the place now being read, the end.
ROWS, PLACE, END = b"r", b"p", b"e"
_MAX_MESSAGE_BYTES = 1 << 30


class Question(msgspec.Struct):
    """path, or raw when it is "". name: what the file is called."""

    path: str
    name: str
    limits: Limits
    raw: bytes = b""


def serve() -> None:
    """Answer questions until the pipe ends."""
    questions, answers = sys.stdin.buffer, _own_output()
    _give_up_rights()
    send(answers, READY)
    while (message := receive(questions)) is not None:
        question = msgspec.msgpack.decode(message, type=Question)
        _limit_memory(question.limits)
        end = _answer(question, answers)
        send(answers, END + msgspec.msgpack.encode(end))


def _answer(question: Question, answers: IO[bytes]) -> dict[str, Any]:
    """Rows are sent on the way. Gives what the last message says: problem, place, is_spent."""
    place = ""

    def at(inner: str) -> None:
        nonlocal place
        place = inner
        send(answers, PLACE + inner.encode("utf-8", "replace"))

    def rows(given: list[Row]) -> None:
        send(answers, ROWS + msgspec.msgpack.encode(given))

    problem, spent = None, False
    report: Report | None = None
    try:
        with _opened(question) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            report = Report(rows, Budget(question.limits, size))
            Walk(report, at).read_file(file, question.name)
    except LimitReachedError as reached:
        problem = reached.problem
    except OSError as error:
        problem = (
            f"expected a file that can be read, found {error.strerror or type(error).__name__}"
        )
    except MemoryError:
        problem, spent = f"expected it to be read with {question.limits.max_memory_mb} MiB", True
    if report is not None:
        report.flush()
    return {"problem": problem, "place": place, "spent": spent}


def _opened(question: Question) -> BinaryIO:
    return Path(question.path).open("rb") if question.path else io.BytesIO(question.raw)


def _own_output() -> IO[bytes]:
    """The pipe to the parent, which nothing that prints can disturb."""
    pipe = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return pipe


def _give_up_rights() -> None:
    """No file can grow by this process, and no core file is left of it."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory(limits: Limits) -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limits.max_memory_mb << 20, hard))


def send(pipe: IO[bytes], message: bytes) -> None:
    """One message with its length before it."""
    pipe.write(struct.pack(">I", len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """One message; None at the end of the pipe, also inside a message."""
    head = pipe.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack(">I", head)
    message = pipe.read(size) if size <= _MAX_MESSAGE_BYTES else b""
    return message if len(message) == size else None


if __name__ == "__main__":
    serve()
