"""Names to exporters; what cannot be had is a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from otelier.export import exporters

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
