"""What the loopback has taken: the latest values, in order, and how many in all."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable
from typing import Any

DEFAULT_KEPT = 10_000


class Received:
    """A bounded memory of what came in; ids are counted for all that is kept."""

    def __init__(self, kept: int = DEFAULT_KEPT) -> None:
        self._lock = threading.Lock()
        self._values: deque[tuple[Hashable, Any]] = deque(maxlen=kept)
        self.total = 0

    def add(self, ident: Hashable, value: Any) -> None:
        """Keep a value under the id its sender gave it."""
        with self._lock:
            self._values.append((ident, value))
            self.total += 1

    def values(self) -> list[Any]:
        """What is kept, in the order it came."""
        with self._lock:
            return [value for _, value in self._values]

    def ids(self) -> list[Any]:
        """The ids of what is kept, in the order it came, repeats and all."""
        with self._lock:
            return [ident for ident, _ in self._values]

    def repeats(self) -> dict[Hashable, int]:
        """Ids that came more than once, and how often."""
        return {ident: many for ident, many in Counter(self.ids()).items() if many > 1}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.total = 0
