"""The three providers, and what they do not do."""

from __future__ import annotations

import atexit
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelier.export.deliver import Delivery
from otelier.export.readable import log_converter
from otelier.export.sinks import ExporterSink
from otelier.sdk.providers import Providers
from tests.conftest import Telemetry

RESOURCE = Resource({"service.name": "tests"})


def test_each_exporter_gets_everything() -> None:
    """Two exporters of one signal get the same; a flush delivers both lanes."""
    spans = [InMemorySpanExporter(), InMemorySpanExporter()]
    records = [InMemoryLogRecordExporter(), InMemoryLogRecordExporter()]
    reader = InMemoryMetricReader()
    made = Providers(RESOURCE, [reader])
    delivery = Delivery(
        [ExporterSink("traces", exporter) for exporter in spans]
        + [ExporterSink("logs", exporter, log_converter(made.resource)) for exporter in records]
    )
    made.deliver_to(delivery)
    made.tracer.get_tracer("t").start_span("theirs").end()
    made.tracer.get_tracer("otelier.t").start_span("ours").end()
    made.logger.get_logger("l").emit(LogRecord(body="b"))
    made.meter.get_meter("m").create_counter("c").add(1)
    assert made.tracer.force_flush()
    for exporter in spans:
        assert [span.name for span in exporter.get_finished_spans()] == ["theirs", "ours"]
    assert [len(exporter.get_finished_logs()) for exporter in records] == [1, 1]
    data = reader.get_metrics_data()
    assert data is not None
    assert data.resource_metrics[0].resource.attributes["service.name"] == "tests"


def test_without_exporters() -> None:
    """No exporter is no fault: nothing is kept, and a flush returns."""
    made = Providers(RESOURCE)
    delivery = Delivery([])
    made.deliver_to(delivery)
    for name in ("t", "otelier.t"):
        made.tracer.get_tracer(name).start_span("s").end()
    assert made.tracer.force_flush()
    assert len(delivery.spans) == 0


def test_the_end_of_the_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them hooks it: `export.lifecycle` does, under one deadline."""
    hooked: list[Any] = []
    monkeypatch.setattr(atexit, "register", hooked.append)
    Providers(RESOURCE, [InMemoryMetricReader()])
    assert hooked == []


def test_they_are_the_global_ones(telemetry: Telemetry) -> None:
    """Whoever asks OpenTelemetry for a provider gets ours."""
    found = (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    made = telemetry.providers
    assert found == (made.tracer, made.meter, made.logger)
