"""When a sweep is due: cron expressions in a time zone, missed times made up for once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dlpagent.errors import missing_extra


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression of five fields (as Debian's cron reads it) in a time zone."""

    cron: str
    timezone: str = "UTC"

    def after(self, moment: datetime) -> datetime | None:
        """The first time behind a moment, in UTC; None when there is none (30 February).

        Where clocks are put forward, a time that is skipped comes right behind the gap; where they
        are put back, a fixed time comes once.
        """
        return next(self.times(moment), None)

    def times(self, moment: datetime) -> Iterator[datetime]:
        """All times behind a moment. Raises ValueError for what is no cron expression."""
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            raise missing_extra("cronsim", "agent", "dlpagent sweep schedule") from None

        try:
            for each in CronSim(self.cron, moment.astimezone(ZoneInfo(self.timezone))):
                yield each.astimezone(UTC)
        except CronSimError as error:
            raise ValueError(str(error)) from None

    def problem(self) -> str:
        """What is wrong with it; "" when nothing is."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return "a time zone such as Europe/Berlin or UTC"
        try:
            self.after(datetime.now(UTC))
        except ValueError:
            return "five fields: minute, hour, day of month, month, day of week"
        return ""


def due_at(schedule: Schedule, last: datetime, not_before: datetime | None) -> datetime | None:
    """When to run next: the first time behind the last run, so that missed ones count as one.

    not_before: while a failing sweep is left alone.
    """
    found = schedule.after(last)
    if found is None or not_before is None:
        return found
    return max(found, not_before)
