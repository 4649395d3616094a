"""A tenant of the loopback Microsoft whose logs are read: users, Copilot interactions, audit feed.

    with Tenant(folder) as tenant:
        tenant.interactions["user id"] = […]
        tenant.audit.add("Audit.General", […])

It is as strict as the documentation: both bounds of createdDateTime, pages of at most 100, page
tokens that end, subscriptions that must be started, at most a day asked for at a time. Faults are
those of the loopback Microsoft, and random ones on demand.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlpagent.connectors.testing.microsoft.activity_feed import FEED_AUDIENCE, ActivityFeed
from dlpagent.connectors.testing.microsoft.faults import Fault, FaultScript
from dlpagent.connectors.testing.microsoft.server import GRAPH_AUDIENCE, Microsoft
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, json_answer, refusal

_HISTORY = re.compile(
    r"/v1\.0/copilot/users/([^/]+)/interactionhistory/getallenterpriseinteractions(?:\(\))?",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"/v1\.0/(?:users|groups/([^/]+)/transitiveMembers/microsoft\.graph\.user)", re.IGNORECASE
)
_CLASSES = re.compile(r"\((appClass eq '[^']*'(?: or appClass eq '[^']*')*)\) and (.*)")
_BOUND = re.compile(r"createdDateTime (gt|ge|lt|le) (\S+)")
_MAX_TOP = 100


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """How often requests fail, and how; 0 ends the connection before the answer, -1 within it."""

    rate: float
    statuses: tuple[int, ...] = (429, 500, 503, 0, -1)
    retry_after: str = "0"


class Tenant(Microsoft):
    """interactions: user → what the history holds. groups: group → its users.

    unlicensed: users whose history is refused with 403. page_life: how many page tokens are good
    before the next one has ended; None: all are good. random: faults at random, repeatably.
    """

    def __init__(self, folder: Path, *, page_size: int = _MAX_TOP) -> None:
        super().__init__(folder, page_size=page_size)
        self.page_size = page_size
        self.interactions: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.groups: dict[str, Sequence[str]] = {}
        self.unlicensed: frozenset[str] = frozenset()
        self.page_life: int | None = None
        self.expired = 0
        self.asked: list[tuple[str, str]] = []
        self.audit = ActivityFeed(lambda: self.url)
        self._tokens: dict[str, tuple[list[Any], int, str]] = {}
        self._pages_lock = threading.Lock()

    def fail_at_random(self, faults: RandomFaults) -> None:
        """Let requests for data fail from now on; Entra stays well."""
        self.faults = _RandomScript(faults)

    def clear(self) -> None:
        """As the loopback Microsoft does; nothing fails any more."""
        super().clear()
        self.faults = FaultScript()
        self.page_life = None

    def end_page_tokens(self) -> None:
        """No page token given so far is good any more."""
        with self._pages_lock:
            self._tokens.clear()

    def _take(self, request: Request, fault: Fault) -> Answer:
        """The logs first; all else as the loopback Microsoft does."""
        history, people = _HISTORY.fullmatch(request.path), _PEOPLE.fullmatch(request.path)
        is_feed = "/activity/feed/" in request.path
        if not (history or people or is_feed):
            return super()._take(request, fault)
        if fault.kind == "expire_tokens":
            self.entra.expire_all()
        if not self.entra.is_valid(request, FEED_AUDIENCE if is_feed else GRAPH_AUDIENCE):
            return refusal(401, "InvalidAuthenticationToken", "the token is not valid")
        self.asked.append((request.path, request.query.get("$filter", "")))
        if is_feed:
            return self.audit.answer(request)
        if history:
            return self._history(history.group(1), request)
        return self._people(people.group(1) if people else None, request)

    def _people(self, group: str | None, request: Request) -> Answer:
        if group is not None and group not in self.groups:
            return refusal(404, "Request_ResourceNotFound", "there is no such group")
        known = self.groups[group] if group else sorted({*self.interactions, *self.unlicensed})
        return self._page([{"id": user} for user in known], "users", request)

    def _history(self, user: str, request: Request) -> Answer:
        if user in self.unlicensed:
            return refusal(403, "Forbidden", "the user has no licence")
        if user not in self.interactions:
            return refusal(404, "NotFound", "there is no such user")
        if "$skiptoken" in request.query:
            return self._page([], "", request)
        top = request.query.get("$top", "100")
        if not top.isdigit() or not 1 <= int(top) <= _MAX_TOP:
            return refusal(400, "BadRequest", "$top is not from 1 to 100")
        try:
            wanted = _filtered(self.interactions[user], request.query.get("$filter", ""))
        except ValueError as error:
            return refusal(400, "BadRequest", str(error))
        return self._page(wanted, f"users('{user}')", request)

    def _page(self, values: list[Any], what: str, request: Request) -> Answer:
        """A page, and a token for the next one: good once or more, until told otherwise."""
        start, given = 0, request.query.get("$skiptoken")
        with self._pages_lock:
            if given is not None:
                if given not in self._tokens:
                    self.expired += 1
                    return refusal(410, "resyncRequired", "the page token has ended")
                values, start, what = self._tokens[given]
            size = min(self.page_size, int(request.query.get("$top", self.page_size)))
            context = f"https://graph.microsoft.com/v1.0/$metadata#copilot/{what}"
            body = {"@odata.context": context, "value": values[start : start + size]}
            if start + size < len(values):
                token = secrets.token_urlsafe(12)
                if self.page_life != 0:
                    self._tokens[token] = (values, start + size, what)
                    self.page_life = None if self.page_life is None else self.page_life - 1
                else:
                    self.page_life = None  # this one has ended already; the next are good again
                link = f"{self.url}{request.path}?$top={size}&$skiptoken={token}"
                body["@odata.nextLink"] = link
        return json_answer(200, body)


class _RandomScript(FaultScript):
    """Faults at random instead of in line; those in line come first."""

    def __init__(self, faults: RandomFaults) -> None:
        super().__init__()
        self._random, self._chance = faults, random.Random(1)  # noqa: S311 - repeatable, not secret
        self.happened = 0

    def next_for(self, service: str) -> Fault:
        found = super().next_for(service)
        if found.kind != "none" or service == "token":
            return found
        if self._chance.random() >= self._random.rate:
            return found
        self.happened += 1
        status = self._chance.choice(self._random.statuses)
        if status > 0:
            waits = self._random.retry_after if status in (429, 503) else None
            return Fault("status", status=status, retry_after=waits)
        return Fault("cut_before" if status == 0 else "cut_body")


def _filtered(values: Sequence[Mapping[str, Any]], wanted: str) -> list[Any]:
    """The newest first, as far as a filter of the documented form lets them through."""
    bounds, classes = wanted, None
    found = _CLASSES.fullmatch(wanted)
    if found:
        classes, bounds = set(re.findall(r"'([^']*)'", found.group(1))), found.group(2)
    signs = {}
    for part in bounds.split(" and ") if bounds else []:
        bound = _BOUND.fullmatch(part)
        if bound is None:
            raise ValueError("the filter is not understood")
        signs[bound.group(1)] = _moment(bound.group(2))
    if len(signs) == 1:
        raise ValueError("createdDateTime needs both bounds")
    kept = [
        one
        for one in values
        if (classes is None or one.get("appClass") in classes) and _lies_in(one, signs)
    ]
    return sorted(kept, key=lambda one: str(one.get("createdDateTime")), reverse=True)


def _lies_in(one: Mapping[str, Any], signs: Mapping[str, datetime]) -> bool:
    when = _moment(str(one["createdDateTime"]))
    tests = {
        "gt": lambda bound: when > bound,
        "ge": lambda bound: when >= bound,
        "lt": lambda bound: when < bound,
        "le": lambda bound: when <= bound,
    }
    return all(tests[sign](bound) for sign, bound in signs.items())


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
