"""What a long-running process is asked by signals: to stop, to read its files again."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


@dataclass(slots=True)
class Asked:
    """stop: signals received that end the process; reload: one came that asks for reading again."""

    stop: list[int] = field(default_factory=list)
    reload: bool = False
    _pipe: tuple[int, int] = (-1, -1)

    def wake(self) -> None:
        """End a wait, from any thread."""
        with suppress(OSError):
            os.write(self._pipe[1], b"x")

    def wait(self, seconds: float) -> None:
        """Sleep until something is asked, wake() is called, or the time is over."""
        ready, _, _ = select.select([self._pipe[0]], [], [], max(0.0, seconds))
        if ready:
            with suppress(BlockingIOError):
                os.read(self._pipe[0], 4096)

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last question."""
        asked, self.reload = self.reload, False
        return asked


@contextmanager
def asked_by_signals() -> Iterator[Asked]:
    """SIGTERM and Ctrl-C ask to stop behind the work at hand, a second one ends it; SIGHUP reloads."""
    pipe = os.pipe()
    for end in pipe:
        os.set_blocking(end, False)
    asked = Asked(_pipe=pipe)

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked.stop:
            raise KeyboardInterrupt
        asked.stop.append(number)
        asked.wake()

    def reload(_number: int, _frame: FrameType | None) -> None:
        asked.reload = True
        asked.wake()

    handlers: dict[int, Any] = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    previous = {number: signal.signal(number, made) for number, made in handlers.items()}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for end in pipe:
            os.close(end)
