"""Figures for Prometheus: no content, no tenant, no principal; label values come from short lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from dlpagent import __version__
from dlpagent.findings import level_of
from dlpagent.service.http.service import Service

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one app. Labels: method, route (as in the table), status, level."""

    def __init__(self, service: Service) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "dlpagent_http_requests", "Requests answered", ["method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "dlpagent_http_request_seconds", "Time to answer", ["route"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._texts = Counter("dlpagent_texts", "Texts classified", registry=registry)
        self._chars = Counter("dlpagent_characters", "Characters classified", registry=registry)
        self._findings = Counter("dlpagent_findings", "Findings", ["level"], registry=registry)
        self._unchecked = Counter(
            "dlpagent_texts_unchecked", "Texts on which a rule was not applied", registry=registry
        )
        waiting = Gauge("dlpagent_waiting", "Requests that wait for a worker", registry=registry)
        waiting.set_function(
            lambda: sum(tenant.lanes.waiting for tenant in service.tenants.values())
        )
        info = Gauge("dlpagent_build", "Version", ["version"], registry=registry)
        info.labels(__version__).set(1)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def classified(self, chars: int, found: Iterable[Any]) -> None:
        """Count texts and what was found in them (classifying.Found)."""
        self._chars.inc(chars)
        for one in found:
            self._texts.inc()
            if one.unchecked:
                self._unchecked.inc()
            for match in one.matches:
                self._findings.labels(level_of(match["confidence"])).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
