"""Windows of time: what makes a service incremental that cannot say what changed.

A window is an asset. Windows lie on a fixed grid, so that each sweep finds those of the one before
under the same name; those that are over, and have been for a while, are read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dlpagent.errors import ConfigurationError

# A Monday: windows of seven days are weeks.
_GRID = datetime(2020, 1, 6, tzinfo=UTC)
_AGO = re.compile(r"(\d{1,5})([dh])")
WINDOW_SETTINGS = ("since", "until", "window_days", "settle_hours")


@dataclass(frozen=True, slots=True)
class Window:
    """From start (included) to end (not included). is_closed: nothing will be added to it."""

    start: datetime
    end: datetime
    is_closed: bool

    @property
    def name(self) -> str:
        """`2026-11-16..2026-11-23`, with the time of day where it is not midnight."""
        return f"{_shown(self.start)}..{_shown(self.end)}"

    @staticmethod
    def named(name: str) -> Window:
        """The window of a name; it counts as open. Raises ValueError for anything else."""
        start, _, end = name.partition("..")
        found = [datetime.fromisoformat(one) for one in (start, end)]
        moments = [one if one.tzinfo else one.replace(tzinfo=UTC) for one in found]
        return Window(moments[0], moments[1], is_closed=False)


def windows(
    since: str, until: str, days: int, settle_hours: int, now: datetime
) -> Iterator[Window]:
    """The windows of some days each. since, until: a date, a time, or so long ago (30d, 12h).

    A window is closed when it has been over for settle_hours. Raises ConfigurationError for times
    that are none.
    """
    start = _moment("since", since, now)
    end = _moment("until", until, now) if until else now
    if start >= end:
        raise ConfigurationError(
            "the time to read is empty", where="the settings since and until",
            expected="since before until", found=f"{_shown(start)} and {_shown(end)}",
        )  # fmt: skip
    step = timedelta(days=days)
    at = _GRID + (start - _GRID) // step * step
    while at < end:
        first = at if _AGO.fullmatch(since) else max(at, start)
        # A last window that ends now would have another name in the next sweep.
        last = min(at + step, end) if until and not _AGO.fullmatch(until) else at + step
        yield Window(first, last, last + timedelta(hours=settle_hours) <= now)
        at += step


def whole_number(given: Any, name: str) -> int:
    """A setting as a whole number from 1. Raises ConfigurationError for anything else."""
    text = str(given)
    if text.isascii() and text.isdigit() and 0 < int(text) < 100_000:
        return int(text)
    raise ConfigurationError(
        f"the setting {name} is wrong", expected="a whole number from 1", found=text[:40]
    )


def _moment(name: str, given: str, now: datetime) -> datetime:
    ago = _AGO.fullmatch(given)
    if ago:
        hours = int(ago[1]) * (24 if ago[2] == "d" else 1)
        return now - timedelta(hours=hours)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise ConfigurationError(
            f"the setting {name} is no time",
            expected="a date (2026-11-01), a time (2026-11-01T08:00:00Z), or so long ago (30d, 12h)",
            found=given[:40],
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(moment: datetime) -> str:
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    is_midnight = plain.time() == datetime.min.time()
    return plain.date().isoformat() if is_midnight else plain.isoformat() + "Z"
