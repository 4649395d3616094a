"""Protection scopes: what the tenant's policies want done with an activity, remembered by ETag.

Source: Graph, protectionScopes/compute. A scope is computed once per user and again when the service
says it was modified, or after an hour.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks._graph import Graph
from dlpagent.connectors.sinks._graph_bodies import Writer, location_of
from dlpagent.connectors.sinks._http import Reply

# inline: wait for a verdict; offline: send and go on; none: no policy asks for content.
ExecutionMode = Literal["inline", "offline", "none"]

ACTIVITIES: Final = "uploadText,uploadFile"
_LIFETIME_S: Final = 3_600.0
_MAX_USERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes of one user. etag: their state, to be sent with what is processed."""

    etag: str
    modes: Mapping[str, ExecutionMode]
    until: float

    def mode(self, activity: str) -> ExecutionMode:
        """What is wanted for an activity."""
        return self.modes.get(activity, "none")


class ScopeCache:
    """Scopes by user, the latest thousand. clock: seconds that only grow."""

    def __init__(
        self, graph: Graph, writer: Writer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._graph, self._writer, self._clock = graph, writer, clock
        self._known: OrderedDict[str, Scopes] = OrderedDict()

    def of(self, user: str) -> Scopes | Reply:
        """The scopes of a user; the reply when they could not be computed."""
        held = self._known.get(user)
        if held is not None and self._clock() < held.until:
            self._known.move_to_end(user)
            return held
        body: dict[str, Any] = {"activities": ACTIVITIES}
        if self._writer.app_id:
            body["locations"] = [location_of(self._writer.app_id)]
        path = (
            f"/{self._writer.api}/users/{user}/dataSecurityAndGovernance/protectionScopes/compute"
        )
        reply = self._graph.post(path, encode(body))
        found = reply.json() if reply.is_ok else None
        if not isinstance(found, dict) or not isinstance(found.get("value"), list):
            return (
                reply if not reply.is_ok else Reply(0, problem="the protection scopes are not JSON")
            )
        modes = modes_of(found["value"], self._writer.app_id)
        scopes = Scopes(reply.headers.get("etag", ""), modes, self._clock() + _LIFETIME_S)
        self._known[user] = scopes
        while len(self._known) > _MAX_USERS:
            self._known.popitem(last=False)
        return scopes

    def forget(self, user: str) -> None:
        """The service says that a user's scopes were modified."""
        self._known.pop(user, None)


def modes_of(scopes: list[Any], app_id: str | None) -> dict[str, ExecutionMode]:
    """Activity → what is wanted; inline beats offline. Scopes of other applications do not count.

    The service does not apply the filters of the request at present, so they are applied here.
    """
    modes: dict[str, ExecutionMode] = {}
    for scope in scopes:
        if not isinstance(scope, dict) or not _is_for(scope, app_id):
            continue
        mode: ExecutionMode = (
            "inline" if scope.get("executionMode") == "evaluateInline" else "offline"
        )
        for activity in str(scope.get("activities") or "").replace(" ", "").split(","):
            if mode == "inline" or activity not in modes:
                modes[activity] = mode
    return modes


def _is_for(scope: Mapping[str, Any], app_id: str | None) -> bool:
    places = scope.get("locations")
    if not places or not app_id or not isinstance(places, list):
        return True
    return any(
        isinstance(p, dict) and str(p.get("value")).lower() == app_id.lower() for p in places
    )
