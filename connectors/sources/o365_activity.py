"""The Office 365 Management Activity feed, live: `o365-activity://TENANT`.

Source of the interface: the Office 365 Management Activity API reference (permission
ActivityFeed.Read): content blobs are listed for windows of at most 24 hours within the last seven
days, page after page by the header NextPageUri, in no order; a blob is an array of audit records.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._audit_record import AI_OPERATIONS, audit_record, is_ai
from dlpagent.connectors.sources._http_store import RefusedError
from dlpagent.connectors.sources._live_api import LiveApi, Reply, each_page
from dlpagent.connectors.sources._log_fields import text_at
from dlpagent.connectors.sources._log_reader import LogRecord, generic_record
from dlpagent.connectors.sources._microsoft_api import (
    LOGIN_SETTINGS,
    MicrosoftApi,
    cloud_named,
    endpoint_of,
    login_of,
)
from dlpagent.connectors.sources._record_rows import mark_last
from dlpagent.connectors.sources._shapes import ShapePart
from dlpagent.connectors.sources._store_address import address_of
from dlpagent.connectors.sources._text_settings import names_in, text_settings
from dlpagent.connectors.sources._windows import Window, windows
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Asset, Checkpoint, PartRows

_EXAMPLE = "o365-activity://TENANT-ID, perhaps with ?content=Audit.General&since=7d"
_SETTINGS = (
    "content", "operations", "start", "since", "allowed_hosts", *LOGIN_SETTINGS,
)  # fmt: skip
# Hosts by cloud, as the reference lists them; each is its own audience.
_HOSTS: Final = {
    "public": "manage.office.com",
    "gcc": "manage-gcc.office.com",
    "us-government": "manage.office365.us",
    "us-defense": "manage.protection.apps.mil",
}
_GONE = frozenset({"AF20051", "AF20052"})
_LONGEST = timedelta(days=7)
REMEDIES = {
    401: "Check tenant and application; the token was not taken.",
    403: "Grant the application ActivityFeed.Read (Office 365 Management APIs), with consent.",
}


class _Blob(NamedTuple):
    key: str  # when it became available, and its id: the order of reading
    uri: str


def _now() -> datetime:
    return datetime.now(UTC)


class O365Activity:
    """Each day of a content type is an asset, each audit record a record named by its Id."""

    name = "o365-activity"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        content: str = "",
        operations: str = "",
        start: str = "",
        since: str = "",
        auth: str = "",
        tenant_id: str = "",
        client_id: str = "",
        certificate_file: str = "",
        secret_env: str = "",
        authority: str = "",
        ca_file: str = "",
        cloud: str = "",
        endpoint: str = "",
        allowed_hosts: tuple[str, ...] = (),
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Settings may stand in the address or be given by name; connectors/o365-activity.md says
        what they mean. Raises ConfigurationError for those that are wrong or unknown.
        """
        given = {name: value for name, value in locals().items() if name in _SETTINGS}
        address = address_of(target, _EXAMPLE, _SETTINGS)
        self._tenant = _tenant(address.host, address.shown)
        said = text_settings(given, address.settings, _SETTINGS)
        said["tenant_id"] = said["tenant_id"] or self._tenant
        self._types = names_in(said["content"] or "Audit.General")
        self._operations = names_in(said["operations"] or ",".join(AI_OPERATIONS))
        self._since, self._start = said["since"] or "6d", said["start"] == "true"
        self._batch_rows, self._clock = batch_rows, clock
        host, found = _cloud(said["cloud"])
        url = endpoint_of(said["endpoint"], host, names_in(said["allowed_hosts"]))
        root = f"{url}/api/v1.0/{self._tenant}/activity/feed"
        self._api = MicrosoftApi(login_of(said), found, root, f"https://{host}")
        self._windows()

    def discover(self) -> Iterator[Asset]:
        """Each day of each content type; what blobs there are is its change key.

        Raises SourceError when a subscription was not started.
        """
        with _opened(self._api) as api:
            self._subscribe(api)
            for kind in self._types:
                for window in self._windows():
                    blobs = _listed(api, kind, window, self._oldest)
                    digest = hashlib.blake2b("\n".join(one.key for one in blobs).encode())
                    uri = f"o365-activity://{self._tenant}/{quote(kind)}{self._query}#{window.name}"
                    yield Asset(
                        uri,
                        "chat_log",
                        self.name,
                        change_key=f"{len(blobs)}-{digest.hexdigest()[:32]}",
                        app="Microsoft 365",
                    )

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any record. Raises SourceError when the feed cannot be read.

        Cursor: v, blob (the key of the one being read), skip (records of it that were given).
        """
        if after is not None and after.done:
            return
        parts = urlsplit(asset.uri)
        kind, window = parts.path.removeprefix("/"), Window.named(parts.fragment)
        cursor = after.cursor if after is not None else {}
        with _opened(self._api) as api:
            blobs = _listed(api, kind, window, self._oldest)
            for batch, place, last in mark_last(self._filled(api, asset, blobs, cursor)):
                yield batch, Checkpoint({"v": 1, **place}, done=last)

    def _filled(
        self, api: LiveApi, asset: Asset, blobs: Sequence[_Blob], cursor: Any
    ) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
        rows = PartRows(asset.uri, max_rows=self._batch_rows)
        at, skip = str(cursor.get("blob", "")), int(cursor.get("skip", 0))
        place: dict[str, Any] = {"blob": at, "skip": skip}
        given: set[str] = set()  # the feed may give a record in two blobs
        for blob in blobs:
            if blob.key < at:
                continue
            for number, record in enumerate(self._records(api, blob)):
                name = str(record.columns["record_id"])
                if name in given:
                    continue
                given.add(name)
                if blob.key == at and number < skip:
                    continue
                known: dict[str, Any] = {"app": asset.app, **record.columns}
                for seq, part in enumerate(record.parts):
                    file = {"file": blob.uri, "row": number}
                    rows.add(seq=seq, locator=file, **known, **part._asdict())
                place = {"blob": blob.key, "skip": number + 1}
                if rows.is_full():
                    yield rows.take(), place
        yield rows.take(), place

    def _records(self, api: LiveApi, blob: _Blob) -> Iterator[LogRecord]:
        """The wanted records of a blob; one that says so when it has expired meanwhile."""
        name = blob.key.partition(" ")[2]
        try:
            values = api.get(blob.uri).value
        except RefusedError as error:
            if error.code not in _GONE and error.status != 404:
                raise
            problem = "expected the records of a blob, found that it has expired"
            part = ShapePart("#blob", None, status="unread", problem=problem)
            yield LogRecord({"record_id": f"{name}#blob"}, [part])
            return
        for number, value in enumerate(values if isinstance(values, list) else [values]):
            identity = f"{name}.{number}"
            if not isinstance(value, dict):
                yield generic_record(value, identity)
            elif self._operations == ("all",) or self._wants(value):
                yield audit_record(value, identity)

    def _wants(self, value: dict[str, Any]) -> bool:
        operation = text_at(value, "Operation")
        return operation in self._operations or (operation is None and is_ai(value))

    @property
    def _query(self) -> str:
        is_default = self._operations == AI_OPERATIONS
        return "" if is_default else f"?operations={quote(','.join(self._operations))}"

    def _windows(self) -> Sequence[Window]:
        """Days of which the feed still has something: seven days back, and no further."""
        found = windows(self._since, "", 1, 24, self._clock())
        return [window for window in found if window.end > self._oldest]

    @property
    def _oldest(self) -> datetime:
        return self._clock() - _LONGEST + timedelta(minutes=5)

    def _subscribe(self, api: LiveApi) -> None:
        listed = api.get("/subscriptions/list").value
        enabled = {
            text_at(one, "contentType")
            for one in (listed if isinstance(listed, list) else [])
            if text_at(one, "status") == "enabled"
        }
        for kind in self._types:
            if kind in enabled:
                continue
            if not self._start:
                raise SourceError(
                    "nobody has started a subscription to this content",
                    where=f"o365-activity://{self._tenant}/{kind}",
                    expected="a subscription, so that Microsoft keeps the feed",
                    found="none",
                    remedy="Set start to true to let dlpagent start it; the first content comes "
                    "within twelve hours.",
                )
            api.post("/subscriptions/start", {"contentType": kind})


@contextmanager
def _opened(api: MicrosoftApi) -> Iterator[LiveApi]:
    found = api.opened(REMEDIES)
    try:
        yield found
    finally:
        found.close()


def _listed(api: LiveApi, kind: str, window: Window, oldest: datetime) -> Sequence[_Blob]:
    """The blobs of a day, in the order they became available."""
    found: dict[str, _Blob] = {}
    query = {
        "contentType": kind,
        "startTime": _shown(max(window.start, oldest)),
        "endTime": _shown(window.end),
    }
    for page in each_page(api, "/subscriptions/content", query, _next_page):
        for one in page if isinstance(page, list) else []:
            uri, own = text_at(one, "contentUri"), text_at(one, "contentId")
            if uri and own:
                found[own] = _Blob(f"{text_at(one, 'contentCreated') or ''} {own}", uri)
    return sorted(found.values())


def _next_page(reply: Reply) -> str | None:
    return reply.headers.get("nextpageuri")


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _cloud(name: str) -> tuple[str, Any]:
    """The feed's host, and the cloud whose Entra gives the token."""
    if (name or "public") not in _HOSTS:
        raise ConfigurationError(
            "the feed is not offered in this cloud",
            where="the setting cloud",
            expected="one of " + ", ".join(_HOSTS),
            found=name[:40],
        )
    return _HOSTS[name or "public"], cloud_named("" if name == "gcc" else name)


def _tenant(host: str, where: str) -> str:
    try:
        return str(uuid.UUID(host))
    except ValueError:
        raise ConfigurationError(
            "names no tenant", where=where, expected=_EXAMPLE, found=host[:60] or "nothing"
        ) from None
