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

from otelier.sdk import providers
from tests.conftest import Telemetry

RESOURCE = Resource({"service.name": "tests"})


def test_each_exporter_gets_everything() -> None:
    """Two exporters of one signal get the same; a flush of all three delivers."""
    spans = [InMemorySpanExporter(), InMemorySpanExporter()]
    records = [InMemoryLogRecordExporter(), InMemoryLogRecordExporter()]
    reader = InMemoryMetricReader()
    made = providers.build(RESOURCE, spans, [reader], records)
    made.tracer.get_tracer("t").start_span("s").end()
    made.logger.get_logger("l").emit(LogRecord(body="b"))
    made.meter.get_meter("m").create_counter("c").add(1)
    for flush in made.flushes:
        flush()
    assert [len(exporter.get_finished_spans()) for exporter in spans] == [1, 1]
    assert [len(exporter.get_finished_logs()) for exporter in records] == [1, 1]
    data = reader.get_metrics_data()
    assert data is not None
    assert data.resource_metrics[0].resource.attributes["service.name"] == "tests"


def test_without_exporters() -> None:
    """No exporter is no fault: nothing is sent, and a flush returns."""
    made = providers.build(RESOURCE, [], [], [])
    made.tracer.get_tracer("t").start_span("s").end()
    assert all(flush() for flush in made.flushes)


def test_the_end_of_the_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them hooks it: `export.lifecycle` does, under one deadline."""
    hooked: list[Any] = []
    monkeypatch.setattr(atexit, "register", hooked.append)
    providers.build(RESOURCE, [], [InMemoryMetricReader()], [])
    assert hooked == []


def test_they_are_the_global_ones(telemetry: Telemetry) -> None:
    """Whoever asks OpenTelemetry for a provider gets ours."""
    found = (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    made = telemetry.providers
    assert found == (made.tracer, made.meter, made.logger)
