"""One user's Copilot interactions within a window of time, in the order of their times.

Graph promises no order and its page tokens end, so neither is relied on: a slice of time is read
whole, put in order and given; checkpoints name the last interaction, never a page. Slices are asked
for with an overlap on both sides and each interaction is given by the slice its time lies in, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa

from dlpagent.connectors.sources._ai_interaction import APP, Known, interaction
from dlpagent.connectors.sources._http_store import RefusedError
from dlpagent.connectors.sources._live_api import LiveApi, Reply, each_page
from dlpagent.connectors.sources._log_fields import first_time, list_at, text_at
from dlpagent.connectors.sources._log_reader import LogRecord, generic_record
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._touched_labels import TouchedLabels
from dlpagent.connectors.sources._windows import Window
from dlpagent.errors import SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

PAGE = 100  # as Microsoft's documentation advises
MAX_SLICE = 5_000  # interactions held at a time; a slice with more is halved
OVERLAP = timedelta(minutes=5)
_SHORTEST = timedelta(seconds=2)
_RESTARTS = 20
# What an expired page token is answered with; on a first page these mean something else.
_EXPIRED = frozenset({400, 404, 410})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[int, str]  # microseconds since 1970, id


class _One(NamedTuple):
    key: Key
    value: Any


class History:
    """The interactions of one user. classes: appClass values wanted, all when there are none."""

    def __init__(
        self,
        api: LiveApi,
        user: str,
        classes: Sequence[str] = (),
        touched: TouchedLabels | None = None,
    ) -> None:
        self._api, self._user, self._classes = api, user, classes
        self._touched = touched or TouchedLabels()
        place = f"/copilot/users/{quote(user, safe='@')}"
        self._path = f"{place}/interactionHistory/getAllEnterpriseInteractions"

    def batches(
        self, asset: Asset, window: Window, after: Checkpoint | None, batch_rows: int
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Batches behind the interaction a checkpoint names. Cursor: v, at (microseconds), id."""
        cursor = after.cursor if after is not None else {}
        start = (int(cursor["at"]), str(cursor["id"])) if "at" in cursor else None
        rows = PartRows(asset.uri, max_rows=batch_rows)
        for batch, key, last in mark_last(self._filled(rows, window, start)):
            place = {"v": 1} if key is None else {"v": 1, "at": key[0], "id": key[1]}
            yield batch, Checkpoint(place, done=last)

    def _filled(
        self, rows: PartRows, window: Window, start: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, Key | None]]:
        key = start
        for given, known in self._slices(window, start):
            for one in given:
                if start is not None and one.key <= start:
                    continue
                key = one.key
                record = _record(one, known)
                for seq, part in enumerate(record.parts):
                    place = {"file": rows.asset_uri}
                    rows.add(seq=seq, app=APP, locator=place, **record.columns, **part._asdict())
                if rows.is_full():
                    yield rows.take(), key
        yield rows.take(), key

    def _slices(self, window: Window, start: Key | None) -> Iterator[tuple[Sequence[_One], Known]]:
        """The window in slices that fit memory: what lies in each, in order, and what is known of it."""
        waiting = [(window.start, window.end)]
        while waiting:
            begin, end = waiting.pop()
            if start is not None and _micros(end) <= start[0]:
                continue
            found = self._read(begin, end)
            if found is None:
                middle = begin + (end - begin) / 2
                waiting += [(middle, end), (begin, middle)]
                continue
            low, high = _micros(begin), _micros(end)
            found.sort(key=lambda one: one.key)
            known = Known([one.value for one in found], user=self._user, labels=self._touched.of)
            yield [one for one in found if low <= one.key[0] < high], known

    def _read(self, begin: datetime, end: datetime) -> list[_One] | None:
        """All between two times, and some more on both sides; None when there are too many."""
        for _ in range(_RESTARTS):
            found: dict[str, _One] = {}
            pages = 0
            try:
                for page in each_page(self._api, self._path, self._query(begin, end), next_link):
                    pages += 1
                    for value in list_at(page, "value"):
                        one = _keyed(value, begin)
                        found[one.key[1]] = one
                    if len(found) > MAX_SLICE and end - begin > _SHORTEST:
                        return None
                return list(found.values())
            except RefusedError as error:
                if not pages or error.status not in _EXPIRED:
                    raise
        raise SourceError(
            "page tokens end before the pages do",
            where=self._path,
            expected=f"the pages of a slice of time within {_RESTARTS} tries",
            found="an expired page token each time",
            remedy="Run again with --resume, or with a smaller window_days.",
        )

    def _query(self, begin: datetime, end: datetime) -> Mapping[str, Any]:
        bounds = [
            f"createdDateTime gt {_shown(begin - OVERLAP)}",
            f"createdDateTime lt {_shown(end + OVERLAP)}",
        ]
        if self._classes:
            wanted = " or ".join(f"appClass eq '{_escaped(one)}'" for one in self._classes)
            bounds.insert(0, f"({wanted})")
        return {"$top": PAGE, "$filter": " and ".join(bounds)}


def next_link(reply: Reply) -> str | None:
    """Where Graph says the next page is."""
    link = reply.value.get("@odata.nextLink") if isinstance(reply.value, dict) else None
    return link if isinstance(link, str) else None


def _keyed(value: Any, begin: datetime) -> _One:
    """An interaction with its place in the order; one without a time lies at the slice's begin."""
    own = text_at(value, "id")
    if own is None:
        raw = json.dumps(value, sort_keys=True, default=str).encode()
        own = hashlib.blake2b(raw, digest_size=16).hexdigest()
    return _One((_micros(first_time(value, "createdDateTime") or begin), own), value)


def _record(one: _One, known: Known) -> LogRecord:
    if isinstance(one.value, Mapping):
        return interaction(one.value, one.key[1], known)
    return generic_record(one.value, one.key[1])


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _escaped(text: str) -> str:
    return text.replace("'", "''")
