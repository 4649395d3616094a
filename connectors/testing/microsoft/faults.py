"""What can go wrong on demand: a script of faults, each for the next request of its kind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "status", "hang", "cut_before", "cut_after", "cut_body", "malformed", "empty", "expire_tokens",
    "batch_item", "none",
]  # fmt: skip
Service = Literal["graph", "ingestion", "token", "any"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    status: answer `status` and do nothing, with Retry-After when retry_after is given (seconds, or
    a date). hang: do not answer until the client gives up. cut_before, cut_after: end the
    connection before or after the request is acted on. cut_body: act, announce the whole answer,
    send half. malformed: act, answer with bytes that are no JSON. empty: act, and if all went well
    answer `status` without a body. expire_tokens: every token given so far becomes invalid, then go on.
    batch_item: the item `item` of a $batch is answered with `status`. none: nothing goes wrong.
    """

    kind: Kind
    service: Service = "any"
    status: int = 503
    retry_after: str | None = None
    item: int = 0


class FaultScript:
    """Faults in the order they are to happen; thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Fault] = deque(faults)

    def add(self, *faults: Fault) -> None:
        """Let these happen to the next requests, one each."""
        with self._lock:
            self._waiting.extend(faults)

    def clear(self) -> None:
        """Forget what has not happened yet."""
        with self._lock:
            self._waiting.clear()

    def next_for(self, service: str) -> Fault:
        """The first fault in line if it is for this service; it is used up."""
        with self._lock:
            if self._waiting and self._waiting[0].service in ("any", service):
                return self._waiting.popleft()
        return Fault("none")

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)
