"""Traces for OpenTelemetry, when asked for: a span per request, with route and status only."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.types import Scope

from dlpagent import __version__
from dlpagent.errors import missing_extra


class Tracer(Protocol):
    """Begins and ends spans."""

    def begin(self, scope: Scope) -> Any:
        """A span, child of the one that the request names."""

    def end(self, span: Any, method: str, route: str, status: int) -> None:
        """End it. Nothing of address, query or body goes into it."""


class NoTracer:
    """Traces nothing."""

    def begin(self, scope: Scope) -> None:
        """See Tracer."""

    def end(self, span: Any, method: str, route: str, status: int) -> None:
        """See Tracer."""


class OpenTelemetryTracer:
    """Spans through whatever tracer provider the process has set up."""

    def __init__(self, provider: Any = None) -> None:
        try:
            from opentelemetry import propagate, trace
        except ImportError:
            raise missing_extra("opentelemetry-api", "otel", "--traces") from None
        self._propagate, self._trace = propagate, trace
        self._tracer = (provider or trace.get_tracer_provider()).get_tracer("dlpagent", __version__)

    def begin(self, scope: Scope) -> Any:
        """See Tracer."""
        wanted = {b"traceparent", b"tracestate"}
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope.get("headers", [])
            if name in wanted
        }
        context = self._propagate.extract(carrier)
        return self._tracer.start_span("HTTP", context=context, kind=self._trace.SpanKind.SERVER)

    def end(self, span: Any, method: str, route: str, status: int) -> None:
        """See Tracer."""
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end()


def tracer_of(wanted: bool, provider: Any = None) -> Tracer:
    """A tracer; provider: another than the process's own."""
    return OpenTelemetryTracer(provider) if wanted else NoTracer()


def export_over_http() -> None:
    """Send spans to where OTEL_EXPORTER_OTLP_ENDPOINT says. Raises ConfigurationError."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise missing_extra("opentelemetry-sdk", "otel", "--traces") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "dlpagent"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
