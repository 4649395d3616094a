"""When sweeps are due: clocks that are put forward and back, and times that were missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dlpagent.service.agent.cron import Schedule, due_at


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 2 * * *", "UTC", "2026-01-01T02:00", "2026-01-02T02:00"),
        ("0 2 * * *", "Europe/Berlin", "2026-01-01T00:00", "2026-01-01T01:00"),
        ("0 2 * * *", "America/New_York", "2026-07-01T00:00", "2026-07-01T06:00"),
        ("*/15 * * * *", "UTC", "2026-01-01T00:07", "2026-01-01T00:15"),
        ("30 4 * * mon-fri", "UTC", "2026-11-20T05:00", "2026-11-23T04:30"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", "2028-02-29T00:00"),
        # 02:30 does not exist on 29 March 2026 in Berlin
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),
        # and exists twice on 25 October
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:31", "2026-10-26T01:30"),
    ],
)
def test_the_next_time_is_that_of_the_zone(cron: str, zone: str, after: str, expected: str) -> None:
    assert Schedule(cron, zone).after(at(after)) == at(expected)


@pytest.mark.parametrize(
    ("cron", "zone", "wanted"),
    [
        ("0 2 * * *", "Mars/Olympus", "a time zone"),
        ("0 2 * * *", "../etc/passwd", "a time zone"),
        ("61 * * * *", "UTC", "five fields"),
        ("hourly", "UTC", "five fields"),
        ("", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "five fields"),
        ("0 2 * * *", "Asia/Kolkata", ""),
    ],
)
def test_what_is_wrong_is_told(cron: str, zone: str, wanted: str) -> None:
    found = Schedule(cron, zone).problem()
    assert found.startswith(wanted)
    assert bool(found) is bool(wanted)


def test_missed_times_are_one_and_failures_put_off() -> None:
    hourly = Schedule("0 * * * *")
    assert due_at(hourly, at("2026-01-01T00:30"), None) == at("2026-01-01T01:00")  # long past: now
    later = at("2026-01-01T05:20")
    assert due_at(hourly, at("2026-01-01T00:30"), later) == later
    assert due_at(hourly, at("2026-01-01T05:30"), later) == at("2026-01-01T06:00")
