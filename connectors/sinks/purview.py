"""Violations as content activities of Microsoft Graph: the way back into Purview.

They show in Purview's activity explorer and audit log under the user they are written for. v1.0
says that something happened; beta adds what DLP did about it (audit record ComplianceDLPEnforcement)
and items that could not be checked whole. Source: Graph, dataSecurityAndGovernance.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from dlpagent.connectors.sinks._graph import graph_and_writer, write_activities
from dlpagent.ports import Receipt
from dlpagent.violations import Event


class Purview:
    """Writes events as contentActivities. target: the Graph of a cloud; settings: graph_and_writer."""

    name = "purview"

    # What a sweep file may set is what this says (dlpagent.service.wiring reads it).
    __signature__ = signature(graph_and_writer)

    def __init__(self, target: str, **settings: Any) -> None:
        self._graph, self.writer = graph_and_writer(target, **settings)

    def deliver(self, events: Sequence[Event]) -> Sequence[Receipt]:
        """Write events; a repeat has the same contentEntries[].identifier."""
        return write_activities(self._graph, self.writer, events)

    def close(self) -> None:
        """Let go of connections."""
        self._graph.close()
