"""What every function of the state works on: the engine, the clock and where segments lie."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from dlpagent.state.connection import reading, writing
from dlpagent.state.segments import SegmentFolder
from dlpagent.state.types import Clock, moment


@dataclass(frozen=True, slots=True)
class Database:
    """An open, up-to-date database. folder is None when findings are kept in rows only."""

    engine: Engine
    clock: Clock
    lease_seconds: float
    segment_rows: int
    folder: SegmentFolder | None

    def read(self) -> AbstractContextManager[Connection]:
        """A read transaction: one snapshot."""
        return reading(self.engine)

    def write(self) -> AbstractContextManager[Connection]:
        """A write transaction: all or nothing."""
        return writing(self.engine)

    def now(self) -> datetime:
        """The time by the injected clock."""
        return self.clock()

    def moment(self) -> str:
        """The time as the state writes it."""
        return moment(self.clock())
