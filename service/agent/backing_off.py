"""Sources that fail are left alone for a while, each on its own, longer every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.portions import Portion, Portioned
from dlpagent.ports import Source
from dlpagent.records import Asset, Checkpoint
from dlpagent.service.sweep_file import SourceSpec
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state.agenda import Agenda, Waiting

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)


@dataclass(slots=True)
class Noted:
    """A source that notes which assets are its own, and whether it could be looked at."""

    source: Source
    name: str
    assets: set[str] = field(default_factory=set)
    failed: bool = False

    def discover(self) -> Iterator[Asset]:
        """The source's assets."""
        try:
            for asset in self.source.discover():
                self.assets.add(asset.uri)
                yield asset
        except SourceError:
            self.failed = True
            raise

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """What the source reads."""
        return self.source.read(asset, after)


@dataclass(slots=True)
class NotedPortioned(Noted):
    """The same of a source whose assets can be cut."""

    def portions(
        self, asset: Asset, after: Checkpoint | None, size_bytes: int
    ) -> Iterator[Portion]:
        """What the source cuts."""
        assert isinstance(self.source, Portioned)
        return self.source.portions(asset, after, size_bytes)

    def read_portion(
        self, asset: Asset, portion: Portion
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """What the source reads of it."""
        assert isinstance(self.source, Portioned)
        return self.source.read_portion(asset, portion)


@dataclass(slots=True)
class Opened:
    """The sources of one entry of a sweep file. left_alone: it was not tried."""

    target: str
    sources: list[Source | Unreachable]
    left_alone: bool = False

    def has_failed(self, failed_assets: Sequence[str]) -> bool:
        """Whether anything of it could not be opened, looked at or read."""
        for each in self.sources:
            if isinstance(each, Unreachable):
                return True
            if isinstance(each, Noted) and (each.failed or each.assets & set(failed_assets)):
                return True
        return False


def open_specs(specs: Sequence[SourceSpec], agenda: Agenda, now: datetime) -> list[Opened]:
    """Open what is not to be left alone; what is counts as unreachable, so nothing of it is gone."""
    found = []
    for spec in specs:
        wait = agenda.waiting.get(spec.target)
        if wait is not None and now < _time(wait.until):
            error = SourceError(
                "this source is left alone for a while", where=spec.target,
                expected="a source that can be read",
                found=f"{wait.failures} failure(s) in a row; it is tried again at {wait.until}",
            )  # fmt: skip
            found.append(Opened(spec.target, [Unreachable(spec.target, error)], left_alone=True))
            continue
        found.append(Opened(spec.target, _opened(spec)))
    return found


def _opened(spec: SourceSpec) -> list[Source | Unreachable]:
    """What is not there today (a folder that is not mounted) is the trouble of this source alone."""
    try:
        return [
            _noted(each) for each in open_sources([spec.target], spec.connector, **spec.settings)
        ]
    except ConfigurationError as error:
        told = SourceError(
            error.what, where=error.where, expected=error.expected, found=error.found,
            remedy=error.remedy,
        )  # fmt: skip
        return [Unreachable(spec.target, told)]


def after_run(
    agenda: Agenda, opened: Sequence[Opened], failed_assets: Sequence[str], now: datetime
) -> Agenda:
    """The agenda behind a run: failures counted, those that are over forgotten."""
    waiting = dict(agenda.waiting)
    for each in opened:
        if each.left_alone:
            continue
        if each.has_failed(failed_assets):
            waiting[each.target] = wait_after(waiting.get(each.target), now)
        else:
            waiting.pop(each.target, None)
    return replace(agenda, waiting=waiting)


def wait_after(before: Waiting | None, now: datetime) -> Waiting:
    """One failure more: twice the wait, from FIRST_WAIT to LONGEST_WAIT."""
    failures = (before.failures if before else 0) + 1
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 20))
    return Waiting(failures, (now + wait).astimezone(UTC).isoformat(timespec="seconds"))


def _noted(each: Source | Unreachable) -> Source | Unreachable:
    if isinstance(each, Unreachable):
        return each
    name = str(getattr(each, "name", ""))
    return NotedPortioned(each, name) if isinstance(each, Portioned) else Noted(each, name)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
