"""Spans say route and status, and nothing of what was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlpagent.service.http.outer import Outer
from dlpagent.service.http.tracing import OpenTelemetryTracer
from tests.service.http.conftest import CARD, ONE, Served, sent

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")


def test_a_span_has_route_method_and_status_and_no_content(served: Served) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = Outer(
        served.app, routes=[], metrics=served.app.state.metrics, tls=False,
        tracer=OpenTelemetryTracer(provider),
    )  # fmt: skip
    key = served.keys[ONE, "admin"]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-API-Key": key, "traceparent": trace}
    sent(app, "POST", "/v1/classify", json={"text": CARD}, headers=headers)
    sent(app, "GET", f"/v1/sweeps/{CARD.replace(' ', '')}?x={CARD}", headers=headers)
    first, second = exporter.get_finished_spans()
    assert (first.name, dict(first.attributes or {})) == ("POST /v1/classify", {
        "http.request.method": "POST", "http.route": "/v1/classify",
        "http.response.status_code": 200,
    })  # fmt: skip
    assert second.name == "GET /v1/sweeps/{run_id}"
    assert f"{first.context.trace_id:032x}" == trace[3:35]
    told = first.to_json() + second.to_json()
    assert CARD not in told
    assert CARD.replace(" ", "") not in told
    assert key not in told


def test_the_service_answers_with_traces_on(served: Served) -> None:
    from dlpagent.service.http.app import make_app

    app = make_app(replace(served.service.settings, traces=True), served.service)
    assert sent(app, "GET", "/healthz").status_code == 200
