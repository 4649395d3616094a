"""Python's re in a child process that the parent kills when a match takes too long.

Python's engine backtracks and cannot be stopped from inside; killing a process always works. One
child serves a process; it is started on first use and again after each kill.
"""

from __future__ import annotations

import atexit
import functools
import json
import queue
import re
import struct
import subprocess
import sys
import threading
from typing import IO

from dlpagent.classifiers.regex_syntax import RuleTimeout

MAX_MATCHES_PER_ANSWER = 1_000
START_LIMIT_S = 30.0


class Jail:
    """Asks the child for matches. Safe for threads: one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        atexit.register(self.close)

    def find(
        self, pattern: str, text: str, position: int, limit_s: float
    ) -> tuple[list[tuple[int, int]], bool]:
        """Matches from a position on (code points, non-empty, in order) and whether more may follow.

        Raises RuleTimeout after limit_s seconds; the child is dead then.
        """
        question = json.dumps([pattern, text, position]).encode()
        with self._lock:
            child = self._running()
            try:
                _send(_pipe(child.stdin), question)
                answer = self._answers.get(timeout=limit_s)
            except (queue.Empty, BrokenPipeError):
                answer = None
            if answer is None:
                self._kill()
                raise RuleTimeout
        found, more = json.loads(answer)
        return [(start, end) for start, end in found], more

    def close(self) -> None:
        """Stop the child."""
        with self._lock:
            self._kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._answers = queue.Queue()
            self._child = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-I", "-c", _PROGRAM, *_program_paths()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            threading.Thread(target=_pump, args=(self._child, self._answers), daemon=True).start()
            if self._answers.get(timeout=START_LIMIT_S) != b"ready":
                raise RuleTimeout
        return self._child

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()
            self._child = None


def _pump(child: subprocess.Popen[bytes], answers: queue.Queue[bytes | None]) -> None:
    while True:
        try:
            answer = _receive(_pipe(child.stdout))
        except (OSError, ValueError):
            answer = None
        answers.put(answer)
        if answer is None:
            return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise BrokenPipeError
    return pipe


def _program_paths() -> list[str]:
    return [path for path in sys.path if path]


_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:] + sys.path; "
    "from dlpagent.classifiers.regex_jail import serve; serve()"
)


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(struct.pack(">I", len(message)) + message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(4)
    if len(head) < 4:
        return None
    return pipe.read(struct.unpack(">I", head)[0])


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def answer(pattern: str, text: str, position: int) -> tuple[list[tuple[int, int]], bool]:
    """What the child does with a question."""
    found: list[tuple[int, int]] = []
    compiled = _compiled(pattern)
    group = "value" if "value" in compiled.groupindex else 0  # as in regexes.py
    for match in compiled.finditer(text, position):
        start, end = match.span(group)
        if end > start:
            found.append((start, end))
        if len(found) >= MAX_MATCHES_PER_ANSWER:
            return found, True
    return found, False


def serve() -> None:
    """The child's loop: one JSON question in, one JSON answer out, until the pipe closes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _send(sink, b"ready")
    while (question := _receive(source)) is not None:
        _send(sink, json.dumps(answer(*json.loads(question))).encode())


JAIL = Jail()
