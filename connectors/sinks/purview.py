"""Violations as content activities of Microsoft Graph: the way back into Purview.

They show in Purview's activity explorer and audit log under the user they are written for. v1.0
says that something happened; beta adds what DLP did about it (audit record ComplianceDLPEnforcement)
and items that could not be checked whole. Source: Graph, dataSecurityAndGovernance.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlpagent.connectors.sinks._azure import Login
from dlpagent.connectors.sinks._graph import Graph, write_activities
from dlpagent.connectors.sinks._graph_bodies import Api, checked_writer
from dlpagent.connectors.sinks._http import DEFAULT_TIMEOUT_S
from dlpagent.ports import Receipt
from dlpagent.violations import Event


class Purview:
    """Writes events as contentActivities. target: the Graph of a cloud.

    user_id: the Entra object id of the user for whom is written what has no user of its own. app_id:
    the Entra application id of the protected AI application. api: v1.0 or beta. The rest: see Login.
    """

    name = "purview"

    def __init__(
        self,
        target: str,
        *,
        user_id: str,
        app_id: str | None = None,
        api: Api = "v1.0",
        auth: str = "managed-identity",
        tenant_id: str | None = None,
        client_id: str | None = None,
        certificate_file: str | None = None,
        secret_env: str | None = None,
        authority: str | None = None,
        ca_file: str | None = None,
        allowed_hosts: Sequence[str] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.writer = checked_writer(user_id, app_id, api)
        login = Login(
            auth, tenant_id, client_id, certificate_file, secret_env, authority, ca_file, timeout_s
        )
        self._graph = Graph(target, login, allowed_hosts=allowed_hosts)

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Write events; a repeat has the same contentEntries[].identifier."""
        return write_activities(self._graph, self.writer, events)

    def close(self) -> None:
        """Let go of connections."""
        self._graph.close()
