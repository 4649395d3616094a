"""The members of a zip without its directory: a download that broke off, by its local headers."""

from __future__ import annotations

from pathlib import Path

from dlpagent.connectors.documents.flow import Flow
from dlpagent.connectors.documents.limits import Budget, Limits
from dlpagent.connectors.documents.zips import Zip, ZipMember

# Whoever reads the members counts what comes out of each (see MemberStream).
_NO_LIMIT = Limits(max_unpacked_mb=1 << 40)


class SalvagedZip:
    """An open zip; members are those whose headers are still there, in the order they lie.

    Of members under one name the first is left out: the last counts, as in a whole zip.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._zip = Zip(self._file, Budget(_NO_LIMIT, 0))
        last = {one.name: one for one in self._zip.members if not one.is_folder}
        self.members: list[ZipMember] = list(last.values())

    def opened(self, index: int) -> SalvagedMember:
        """The bytes of a member."""
        return SalvagedMember(self._zip.flow(self.members[index]))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class SalvagedMember:
    """Reads as a file does; what was left out at the end raises EOFError."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises EOFError when the member is damaged or cut off."""
        raw = self._flow.read(size)
        if not raw and self._flow.problem is not None:
            raise EOFError
        return raw
