"""Documents read by a child process, which is killed and replaced when it takes too much.

One child serves file after file. It may be lost at any moment: what it had sent counts, and the
rest of the file is told as unread, with the place it was at.
"""

from __future__ import annotations

import atexit
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import suppress

import msgspec

from dlpagent.connectors.documents.child import END, PLACE, READY, ROWS, Question, receive, send
from dlpagent.connectors.documents.report import Row

_START_LIMIT_S = 60.0
_MAX_FILES_PER_CHILD = 500
# Nothing else of the environment reaches the child: no keys, no proxies.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH")
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:] + sys.path; "
    "from dlpagent.connectors.documents.child import serve; serve()"
)


def rows_of(question: Question, size_bytes: int) -> Generator[list[Row], None, None]:
    """Lists of rows as the child sends them; the last may hold the one that says why it ended.

    Closing the generator early kills the child, which would go on with work nobody wants.
    """
    child = _take()
    is_whole = False
    try:
        place = ""
        for message in child.answers(question, question.limits.seconds_for(size_bytes)):
            kind, body = message[:1], message[1:]
            if kind == PLACE:
                place = body.decode("utf-8", "replace")
            elif kind == ROWS:
                yield msgspec.msgpack.decode(body, type=list[Row])
            elif kind == END:
                is_whole = True
                end = msgspec.msgpack.decode(body, type=dict[str, object])
                if end["problem"]:
                    yield [_ended(str(end["problem"]), str(end["place"]))]
                is_whole = not end["spent"]
        if child.lost:
            yield [_ended(child.lost, place)]
    finally:
        _give_back(child, is_whole)


def _ended(problem: str, place: str) -> Row:
    """The row of a file that was not read to its end."""
    return {
        "record_id": f"{place}#end" if place else "#end",
        "inner": place,
        "part": "#file",
        "seq": 0,
        "text": None,
        "status": "unread",
        "problem": problem,
    }


class _Child:
    """A process and the thread that listens to it. lost says why it gave no whole answer."""

    def __init__(self) -> None:
        self.lost = ""
        self.files = 0
        self._messages: queue.Queue[bytes | None] = queue.Queue(maxsize=4)
        # a session of its own: Ctrl-C on the terminal is for the parent, not for the child
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-I", "-B", "-c", _PROGRAM, *(path for path in sys.path if path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        )
        self._listener = threading.Thread(target=self._listen, name="documents", daemon=True)
        self._listener.start()
        self._is_ready = False

    def answers(self, question: Question, limit_s: float) -> Generator[bytes, None, None]:
        """Messages up to the end. Only time spent waiting for the child counts."""
        self.files += 1
        self.lost = ""
        if not self._wait_until_ready():
            return
        left = limit_s
        with suppress(OSError):  # it is dead: the first message tells
            assert self._process.stdin is not None
            send(self._process.stdin, msgspec.msgpack.encode(question))
        while True:
            begun = time.monotonic()
            try:
                message = self._messages.get(timeout=max(left, 0.001))
            except queue.Empty:
                self.lost = (
                    f"expected it to be read in {limit_s:.0f} seconds, found that it takes longer: "
                    "the rest was not read (setting max_seconds)"
                )
                return
            left -= time.monotonic() - begun
            if message is None:
                self.lost = f"expected it to be read, found that the reader ended ({self._ended()})"
                return
            yield message
            if message[:1] == END:
                return

    def _wait_until_ready(self) -> bool:
        if not self._is_ready:
            with suppress(queue.Empty):
                self._is_ready = self._messages.get(timeout=_START_LIMIT_S) == READY
            if not self._is_ready:
                self.lost = f"expected a process that reads documents, found none ({self._ended()})"
        return self._is_ready

    def _listen(self) -> None:
        pipe = self._process.stdout
        message: bytes | None = b""
        while pipe is not None and message is not None:
            try:
                message = receive(pipe)
            except (OSError, ValueError, MemoryError):
                message = None
            self._messages.put(message)

    def _ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1)
            return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return "no answer"

    def close(self) -> None:
        """End the process, and the thread with it."""
        self._process.kill()
        self._process.wait()
        while self._listener.is_alive():  # it may wait for room in the queue
            with suppress(queue.Empty):
                self._messages.get(timeout=0.01)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None


_lock = threading.Lock()
_idle: list[_Child] = []


def _take() -> _Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.is_alive:
                return child
            child.close()
    return _Child()


def _give_back(child: _Child, is_whole: bool) -> None:
    """One idle child is kept; others, and those that may be damaged, end."""
    with _lock:
        if is_whole and not _idle and child.files < _MAX_FILES_PER_CHILD:
            _idle.append(child)
            return
    child.close()


def close_idle() -> None:
    """End the child that waits for the next file."""
    with _lock:
        while _idle:
            _idle.pop().close()


def _forget() -> None:
    """A forked process must not talk into its parent's pipes."""
    global _lock  # noqa: PLW0603 - the lock may have been held by a thread that is not here
    _lock = threading.Lock()
    _idle.clear()


atexit.register(close_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
