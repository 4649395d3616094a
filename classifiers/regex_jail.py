"""Python's re in a child process that the parent kills when a match takes too long.

Python's engine backtracks and cannot be stopped from inside; killing a process always works. One
child serves a process; it is started on first use and again after each kill.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import queue
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO

from dlpagent.classifiers.regex_syntax import RuleTimeout

MAX_MATCHES_PER_ANSWER = 1_000
FEW_MATCHES = 8
START_LIMIT_S = 30.0
CHILD_MEMORY_BYTES = 1 << 30
# What a pipe takes without being read; a longer question is sent under the eye of a timer.
PIPE_BYTES = 32_768

Found = tuple[list[tuple[int, int]], bool]


class Jail:
    """Asks the child for matches. Safe for threads (one question at a time) and across forks."""

    def __init__(self) -> None:
        self._forget()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            # a forked process must not talk into its parent's pipes
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._text: str | None = None

    def find(
        self, pattern: str, text: str, position: int, limit_s: float, *, few: bool = False
    ) -> Found:
        """Matches from a position on (code points, non-empty, in order) and whether more may follow.

        few: a short answer is enough. Raises RuleTimeout after limit_s seconds, and when the child
        cannot be started or dies twice over one question; the child is dead then.
        """
        with self._lock:
            answer = self._ask(pattern, text, position, limit_s, few=few)
            if answer is None:  # it had died, or this question killed it: a new child decides
                answer = self._ask(pattern, text, position, limit_s, few=few)
            if answer is None:
                raise RuleTimeout
        found, more = json.loads(answer)
        return [(start, end) for start, end in found], more

    def _ask(
        self, pattern: str, text: str, position: int, limit_s: float, *, few: bool
    ) -> bytes | None:
        """The child's answer; None when it is dead. Raises RuleTimeout."""
        child = self._running()
        if child.stdin is None:
            raise RuleTimeout
        # the text is sent once: a rule that rejects many matches asks again and again
        sent = None if text == self._text else text
        question = json.dumps([pattern, sent, position, few]).encode()
        try:
            with self._killed_after(child, limit_s if len(question) > PIPE_BYTES else None):
                _send(child.stdin, question)
            answer = self._answers.get(timeout=limit_s)
        except queue.Empty:
            self._kill()
            raise RuleTimeout from None
        except OSError:
            answer = None
        if answer is None:
            self._kill()
        else:
            self._text = text
        return answer

    @staticmethod
    @contextlib.contextmanager
    def _killed_after(child: subprocess.Popen[bytes], limit_s: float | None) -> Iterator[None]:
        """A child that does not read would block the writer for ever."""
        if limit_s is None:
            yield
            return
        timer = threading.Timer(limit_s, child.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """Stop the child."""
        with self._lock:
            self._kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._kill()
        self._answers = queue.Queue()
        try:
            # a session of its own: Ctrl-C on the terminal is for the parent, not for the child
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and program
                [sys.executable, "-I", "-c", _PROGRAM, *_program_paths()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            threading.Thread(target=_pump, args=(self._child, self._answers), daemon=True).start()
            ready = self._answers.get(timeout=START_LIMIT_S)
        except (OSError, queue.Empty):
            ready = None
        if ready != b"ready" or self._child is None:
            self._kill()
            raise RuleTimeout
        return self._child

    def _kill(self) -> None:
        self._text = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was not flushed is not wanted
                        pipe.close()
            self._child = None


def _pump(child: subprocess.Popen[bytes], answers: queue.Queue[bytes | None]) -> None:
    while child.stdout is not None:
        try:
            answer = _receive(child.stdout)
        except (OSError, ValueError):
            answer = None
        answers.put(answer)
        if answer is None:
            return


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
    """One message; None at the end of the pipe, also inside a message."""
    head = pipe.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack(">I", head)
    message = pipe.read(size)
    return message if len(message) == size else None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def answer(pattern: str, text: str, position: int, few: bool = False) -> Found:
    """What the child does with a question: the loop of Re2Matcher.spans, everything accepted."""
    found: list[tuple[int, int]] = []
    compiled = _compiled(pattern)
    group = "value" if "value" in compiled.groupindex else 0  # as in regexes.py
    most = FEW_MATCHES if few else MAX_MATCHES_PER_ANSWER
    while len(found) < most:
        match = compiled.search(text, position)
        if match is None:
            return found, False
        start, end = match.span(group)
        if end > start:
            found.append((start, end))
            position = end
        else:
            position = max(position, start) + 1
        if position > len(text):
            return found, False
    return found, True


def serve() -> None:
    """The child's loop: one JSON question in, one JSON answer out, until the pipe closes."""
    _limit_memory()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _send(sink, b"ready")
    last = ""
    while (question := _receive(source)) is not None:
        pattern, text, position, few = json.loads(question)
        last = last if text is None else text
        _send(sink, json.dumps(answer(pattern, last, position, few)).encode())


def _limit_memory() -> None:
    """Backtracking may take memory as well as time."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        resource.setrlimit(resource.RLIMIT_AS, (CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES))


JAIL = Jail()
