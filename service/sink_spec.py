"""One sink as a person named it: the name of its events in the outbox, its kind, target, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlpagent.ports import Sink
from dlpagent.service.wiring import open_sink


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """name: what the outbox calls it; kind: a row of wiring.SINKS. Secrets are never in settings."""

    name: str
    target: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Sink:
        """Raises ConfigurationError for what the sink does not know, SinkError when it cannot be had."""
        return open_sink(self.kind, self.target, **self.settings)

    @property
    def identity(self) -> str:
        """What must be the same for a run to be gone on with: where its events go."""
        return f"{self.name} {self.kind} {self.target}"


def file_sink(kind: str, target: str) -> SinkSpec:
    """A sink that needs no more than a file."""
    return SinkSpec(kind, target, kind)
