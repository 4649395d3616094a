"""The loopback Microsoft itself: one https server for Entra, Graph and Logs Ingestion.

    with Microsoft(folder, streams=…) as microsoft:
        … microsoft.url, microsoft.ca_file, microsoft.graph.activities.ids(), microsoft.fail(Fault(…))

What is taken is kept, bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlpagent.connectors.testing.microsoft.entra import Entra
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.graph import Graph
from dlpagent.connectors.testing.microsoft.https import Loopback
from dlpagent.connectors.testing.microsoft.ingestion import Ingestion
from dlpagent.connectors.testing.microsoft.slices import check_installed
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, refusal

MONITOR_AUDIENCE = "https://monitor.azure.com"
GRAPH_AUDIENCE = "https://graph.microsoft.com"


class Microsoft(Loopback):
    """Running while it is a context. folder: where its certificates lie.

    streams: stream → column → type of the data collection rule; id_column: which column names an
    event; page_size: values on a page of a list.
    """

    def __init__(
        self,
        folder: Path,
        *,
        streams: Mapping[str, Mapping[str, str]] | None = None,
        id_column: str = "EventId",
        page_size: int = 100,
    ) -> None:
        check_installed()
        super().__init__(folder, self._take, service_of)
        self.entra = Entra(lambda: self.url, self.now)
        self.graph = Graph(lambda: self.url, page_size=page_size)
        self.ingestion = Ingestion(streams or {}, id_column)

    def clear(self) -> None:
        """Forget what was taken and which faults were to come."""
        self.faults.clear()
        self.skew_s = 0.0
        graph = self.graph
        for received in (graph.activities, graph.contents, graph.evaluations):
            received.clear()
        self.ingestion.received.clear()
        graph.opinion = None
        self.graph.set_scopes()
        self.graph.actions = []
        self.graph.refused = self.ingestion.refused = self.graph.strangers = frozenset()

    def _take(self, request: Request, fault: Fault) -> Answer:
        """Act on a request and answer it; a token is asked of all but Entra."""
        if fault.kind == "expire_tokens":
            self.entra.expire_all()
        found = self.entra.answer(request)
        if found is not None:
            return found
        is_ingestion = service_of(request) == "ingestion"
        audience = MONITOR_AUDIENCE if is_ingestion else GRAPH_AUDIENCE
        if not self.entra.is_valid(request, audience):
            challenge = 'Bearer error="invalid_token"'
            return refusal(401, "InvalidAuthenticationToken", "the token is not valid",
                           WWW_Authenticate=challenge)  # fmt: skip
        answer = (
            self.ingestion.answer(request) if is_ingestion else self.graph.answer(request, fault)
        )
        return answer or refusal(404, "NotFound", "there is nothing here")


def service_of(request: Request) -> str:
    """Which of the three services a request is for."""
    path = request.path.lower()
    if "/oauth2/" in path or "/.well-known/" in path or path.startswith("/msi/"):
        return "token"
    return "ingestion" if path.startswith("/datacollectionrules/") else "graph"
