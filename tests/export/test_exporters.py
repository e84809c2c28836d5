"""Names to exporters; what cannot be had is a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelier.export import exporters
from otelier.export.exporters import Means
from otelier.export.sinks import OTLPSink
from otelier.export.target import Target
from otelier.export.transport import Transport

HTTP = "http/protobuf"


def test_otlp_over_http() -> None:
    """`otlp` is OTLP over HTTP, for each signal its own."""
    (spans,), no_problems = exporters.load("traces", ["otlp"], HTTP)
    (measurements,), _ = exporters.load("metrics", ["otlp"], HTTP)
    assert isinstance(spans, OTLPSpanExporter)
    assert isinstance(measurements, OTLPMetricExporter)
    assert no_problems == []


def test_several() -> None:
    """In the order in which they are named."""
    found, problems = exporters.load("traces", ["otlp", "console"], HTTP)
    assert [type(one) for one in found] == [OTLPSpanExporter, ConsoleSpanExporter]
    assert problems == []


def test_none() -> None:
    """`none` is no exporter, and no problem."""
    assert exporters.load("traces", ["none"], HTTP) == ([], [])


def test_a_missing_one_costs_only_itself() -> None:
    """The others are there, and what is missing is named."""
    found, problems = exporters.load("traces", ["jaeger", "console"], HTTP)
    assert [type(one) for one in found] == [ConsoleSpanExporter]
    assert problems == ["traces exporter 'jaeger' left out: nothing installed is called 'jaeger'"]


def test_a_refusing_one_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that cannot be made does not keep the app from starting."""

    class Entry:
        def load(self) -> Any:
            return lambda: 1 / 0

    monkeypatch.setattr(exporters, "entry_points", lambda **_: [Entry()])
    found, problems = exporters.load("logs", ["otlp"], HTTP)
    assert found == []
    assert problems == ["logs exporter 'otlp' left out: division by zero"]


def test_grpc_is_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol decides which entry point is asked for."""
    asked: list[str] = []
    monkeypatch.setattr(exporters, "entry_points", lambda group, name: asked.append(name) or [])
    exporters.load("traces", ["otlp"], "grpc")
    exporters.load("traces", ["otlp"], HTTP)
    assert asked == ["otlp_proto_grpc", "otlp_proto_http"]


def means(target: Target | None = None) -> Means:
    return Means(target, lambda: Resource({"service.name": "tests"}), Transport())


def test_otlp_over_http_is_our_own_sink() -> None:
    """By either of its names, and with the target that it is given."""
    target = Target("http://c.example/v1/traces")
    found = exporters.sinks("traces", ["otlp", "otlp_proto_http", "none"], HTTP, means(target))
    assert [type(sink) for sink in found.sinks] == [OTLPSink, OTLPSink]
    assert found.sinks[0].shown == target.shown
    assert found.problems == []


def test_without_a_target_it_is_upstreams() -> None:
    """Who needs something that only the SDK's exporter can do gets that one."""
    (sink,) = exporters.sinks("traces", ["otlp"], HTTP, means()).sinks
    assert sink.shown == "exporter OTLPSpanExporter"


def test_any_other_exporter_is_wrapped() -> None:
    """And a missing one costs only itself."""
    found = exporters.sinks("logs", ["jaeger", "console"], HTTP, means(Target("http://c.example")))
    assert [sink.shown for sink in found.sinks] == ["exporter ConsoleLogRecordExporter"]
    assert found.problems == [
        "logs exporter 'jaeger' left out: nothing installed is called 'jaeger'"
    ]


def test_an_exporter_that_is_pulled_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no sink: the meter provider reads through it."""

    class Entry:
        def load(self) -> Any:
            return InMemoryMetricReader

    monkeypatch.setattr(exporters, "entry_points", lambda **_: [Entry()])
    found = exporters.sinks("metrics", ["prometheus"], HTTP, means())
    assert [type(reader) for reader in found.readers] == [InMemoryMetricReader]
    assert (found.sinks, found.problems) == ([], [])


def test_each_signal_is_encoded_as_what_it_is() -> None:
    """With the resource of the moment, by our own encoder."""
    pytest.importorskip("otelier.export.encode")
    provider = TracerProvider(resource=Resource({}))
    ended = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(ended))
    provider.get_tracer("tests").start_span("one").end()
    sinks = exporters.sinks("traces", ["otlp"], HTTP, means(Target("http://c.example"))).sinks
    (parcel,), refused = sinks[0].pack(ended.get_finished_spans())
    request = ExportTraceServiceRequest.FromString(parcel.content)
    assert (parcel.count, refused) == (1, 0)
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "one"
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "tests"
