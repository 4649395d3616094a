"""The Office 365 Management Activity feed on the loopback: subscriptions, content, blobs.

Rules and error codes as documented: content is listed for subscriptions that were started, at most
24 hours at a time and at most seven days old, page after page by the header NextPageUri.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dlpagent.connectors.testing.microsoft.wire import Answer, Request, json_answer, refusal

FEED_AUDIENCE = "https://manage.office.com"
_PATH = re.compile(r"/api/v1\.0/([^/]+)/activity/feed/(.*)")
_DAY, _OLDEST = timedelta(hours=24), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Blob:
    """Some records, and when they became available."""

    id: str
    content_type: str
    created: datetime
    records: Any


class ActivityFeed:
    """blobs: what there is. page_size: blobs on a page. gone: blobs that have expired meanwhile."""

    def __init__(self, origin: Callable[[], str], *, page_size: int = 3) -> None:
        self._origin, self.page_size = origin, page_size
        self.blobs: list[Blob] = []
        self.started: set[str] = set()
        self.gone: set[str] = set()
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def add(self, content_type: str, created: datetime, records: Sequence[Any]) -> str:
        """Make a blob available; returns its id."""
        name = f"{len(self.blobs):06}$audit"
        self.blobs.append(Blob(name, content_type, created, list(records)))
        return name

    def answer(self, request: Request) -> Answer:
        """The answer to a request below activity/feed."""
        found = _PATH.fullmatch(request.path)
        if found is None:
            return refusal(404, "NotFound", "there is nothing here")
        tenant, rest = found.groups()
        if rest == "subscriptions/start" and request.method == "POST":
            return self._start(request)
        if rest == "subscriptions/list":
            states = [{"contentType": one, "status": "enabled"} for one in sorted(self.started)]
            return json_answer(200, states)
        if rest == "subscriptions/content":
            return self._content(tenant, request)
        if rest.startswith("audit/"):
            return self._blob(rest.removeprefix("audit/"))
        return refusal(404, "NotFound", "there is nothing here")

    def _start(self, request: Request) -> Answer:
        kind = request.query.get("contentType", "")
        if kind in self.started:
            return refusal(400, "AF20024", "the subscription is already enabled")
        self.started.add(kind)
        return json_answer(200, {"contentType": kind, "status": "enabled", "webhook": None})

    def _content(self, tenant: str, request: Request) -> Answer:
        kind = request.query.get("contentType", "")
        if kind not in self.started:
            return refusal(400, "AF20022", "no subscription found for this content type")
        try:
            start, end = (_moment(request.query[name]) for name in ("startTime", "endTime"))
        except (KeyError, ValueError):
            return refusal(400, "AF20030", "startTime and endTime must both be given")
        if not timedelta(0) < end - start <= _DAY or start < self.now() - _OLDEST:
            return refusal(400, "AF20030", "at most 24 hours, at most 7 days in the past")
        wanted = [one for one in self.blobs if one.content_type == kind]
        wanted = [one for one in wanted if start <= one.created < end][::-1]
        at = int(request.query.get("nextPage", 0))
        base = f"{self._origin()}/api/v1.0/{tenant}/activity/feed"
        listed = [
            {
                "contentUri": f"{base}/audit/{one.id}",
                "contentId": one.id,
                "contentType": kind,
                "contentCreated": _shown(one.created),
                "contentExpiration": _shown(one.created + _OLDEST),
            }
            for one in wanted[at : at + self.page_size]
        ]
        if at + self.page_size >= len(wanted):
            return json_answer(200, listed)
        times = f"startTime={request.query['startTime']}&endTime={request.query['endTime']}"
        link = f"{base}/subscriptions/content?contentType={kind}&{times}"
        return json_answer(200, listed, NextPageUri=f"{link}&nextPage={at + self.page_size}")

    def _blob(self, name: str) -> Answer:
        for one in self.blobs:
            if one.id == name and name not in self.gone:
                return json_answer(200, one.records)
        return refusal(400, "AF20051", "content requested with the key has already expired")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
