"""How often a principal may ask, and how often an address may guess at keys."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from dlpagent.service.http.access import Principal
from dlpagent.service.http.problems import Refusal

MOST_BUCKETS = 10_000
GUESSES_PER_SECOND = 1.0


class Buckets:
    """Token buckets by name, the longest unused forgotten first."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Seconds until one may be taken; 0 when it was."""
        now = self._clock()
        left, seen = self._buckets.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[name] = (left - 1 if wait == 0 else left, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return wait


class Limiter:
    """The limits of one service. rate 0, guesses 0: none."""

    def __init__(
        self, rate: float, burst: int, guesses: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asked = Buckets(rate, burst, clock) if rate else None
        self._guesses = Buckets(GUESSES_PER_SECOND, guesses, clock) if guesses else None

    def check(self, principal: Principal) -> None:
        """Count a request. Raises Refusal (429) with the seconds to wait."""
        wait = self._asked.take(f"{principal.tenant_id} {principal.id}") if self._asked else 0.0
        if wait:
            raise _too_many(wait, "this principal asks too often")

    def note_guess(self, request: Request) -> None:
        """Count a wrong credential. Raises Refusal (429) for an address that guesses too often.

        Who shows a right one is let in even then: many may stand behind one address.
        """
        address = request.client.host if request.client else ""
        wait = self._guesses.take(address) if self._guesses else 0.0
        if wait:
            raise _too_many(wait, "too many wrong credentials from this address")


def _too_many(wait: float, title: str) -> Refusal:
    seconds = str(int(wait) + 1)
    return Refusal(
        429,
        "too-many",
        title,
        remedy=f"Wait {seconds} second(s).",
        headers={"Retry-After": seconds},
    )
