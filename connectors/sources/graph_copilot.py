"""Microsoft 365 Copilot interactions, live from Microsoft Graph: `graph://copilot?user=…`.

Source of the interface: aiInteractionHistory: getAllEnterpriseInteractions (application permission
AiEnterpriseInteraction.Read.All), and List users for sweeps that name nobody (User.Read.All). There
is no delta: a window of time is an asset, and its records are dealt out by createdDateTime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from dlpagent.connectors.sources._ai_interaction import APP
from dlpagent.connectors.sources._copilot_history import History, next_link
from dlpagent.connectors.sources._live_api import LiveApi, each_page
from dlpagent.connectors.sources._log_fields import list_at, text_at
from dlpagent.connectors.sources._microsoft_api import (
    LOGIN_SETTINGS,
    MicrosoftApi,
    cloud_named,
    endpoint_of,
    login_of,
)
from dlpagent.connectors.sources._store_address import address_of
from dlpagent.connectors.sources._text_settings import names_in, text_settings
from dlpagent.connectors.sources._touched_labels import TouchedLabels, touched_labels
from dlpagent.connectors.sources._windows import WINDOW_SETTINGS, Window, whole_number, windows
from dlpagent.errors import ConfigurationError
from dlpagent.records import Asset, Checkpoint

_EXAMPLE = "graph://copilot, perhaps with ?user=name@contoso.com&since=30d"
_SETTINGS = (
    "user",
    "group",
    "app_class",
    "audit",
    "allowed_hosts",
    *WINDOW_SETTINGS,
    *LOGIN_SETTINGS,
)
_DEFAULTS = {"since": "30d", "window_days": "7", "settle_hours": "24"}
_USERS_A_PAGE = 999
REMEDIES = {
    401: "Check tenant and application; the token was not taken.",
    402: "The tenant has no billing for this interface: see Microsoft's page on metered APIs.",
    403: "Grant the application AiEnterpriseInteraction.Read.All, and User.Read.All "
    "(GroupMember.Read.All for a group) to walk users; an administrator must consent.",
    404: "Check the user: it may be gone, or without a licence for Copilot.",
}


def _now() -> datetime:
    return datetime.now(UTC)


class GraphCopilot:
    """Each window of a user's history is an asset, each interaction a record named by its id."""

    name = "graph"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        user: str = "",
        group: str = "",
        app_class: str = "",
        audit: str = "",
        since: str = "",
        until: str = "",
        window_days: int = 7,
        settle_hours: int = 24,
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
        """Settings may stand in the address or be given by name; connectors/graph.md says what they
        mean. Raises ConfigurationError for those that are wrong or unknown.
        """
        given = {name: value for name, value in locals().items() if name in _SETTINGS}
        address = address_of(target, _EXAMPLE, _SETTINGS)
        if address.host != "copilot":
            raise ConfigurationError(
                "is nothing of Graph that is read", where=address.shown, expected=_EXAMPLE,
                found=address.host[:40] or "no name behind the slashes",
            )  # fmt: skip
        said = text_settings(given, address.settings, _SETTINGS)
        self._said = {name: said[name] or _DEFAULTS.get(name, "") for name in said}
        self._users, self._clock = names_in(said["user"]), clock
        self._classes = names_in(said["app_class"])
        self._days = whole_number(self._said["window_days"], "window_days")
        self._settle = whole_number(self._said["settle_hours"], "settle_hours")
        self._batch_rows = batch_rows
        found = cloud_named(said["cloud"])
        url = endpoint_of(said["endpoint"], found.graph_host, names_in(said["allowed_hosts"]))
        audience = f"https://{found.graph_host}"
        self._api = MicrosoftApi(login_of(said), found, f"{url}/v1.0", audience)
        self._windows()  # wrong times are said before anything is asked

    def discover(self) -> Iterator[Asset]:
        """A window of each user, the oldest first. Raises SourceError when users cannot be listed."""
        found = self._windows()
        for user in self._users or self._walked():
            for window in found:
                yield self._asset(user, window)

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any interaction. Raises SourceError when the history cannot be read."""
        if after is not None and after.done:
            return
        parts = urlsplit(asset.uri)
        user = unquote(parts.path.rpartition("/")[2])
        api = self._api.opened(REMEDIES)
        try:
            history = History(api, user, self._classes, self._touched)
            window = Window.named(parts.fragment)
            yield from history.batches(asset, window, after, self._batch_rows)
        finally:
            api.close()

    @cached_property
    def _touched(self) -> TouchedLabels:
        """What the audit files say; read when the first asset is named."""
        return touched_labels(names_in(self._said["audit"]))

    def _windows(self) -> Sequence[Window]:
        said = self._said
        return list(windows(said["since"], said["until"], self._days, self._settle, self._clock()))

    def _asset(self, user: str, window: Window) -> Asset:
        classes = ",".join(self._classes)
        query = f"?app_class={quote(classes)}" if classes else ""
        uri = f"graph://copilot/users/{quote(user, safe='@')}{query}#{window.name}"
        key = f"closed{self._touched.key}" if window.is_closed else None
        return Asset(uri, "chat_log", self.name, change_key=key, app=APP)

    def _walked(self) -> Iterator[str]:
        """The ids of all users, or of a group's members."""
        group = self._said["group"]
        inside = "transitiveMembers/microsoft.graph.user"
        path = f"/groups/{quote(group, safe='')}/{inside}" if group else "/users"
        api: LiveApi = self._api.opened(REMEDIES)
        try:
            query = {"$select": "id", "$top": _USERS_A_PAGE}
            for page in each_page(api, path, query, next_link):
                for one in list_at(page, "value"):
                    user = text_at(one, "id")
                    if user:
                        yield user
        finally:
            api.close()
