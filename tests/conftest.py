"""Fixtures of all tests: a clean environment, telemetry in memory, and servers to test against.

The instrumentations take tracer, meter and loggers from the global providers, which can be set
once in a process: they are made once, as the distro makes them, and emptied before each test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from opentelemetry.instrumentation._semconv import (
    _OpenTelemetrySemanticConventionStability as Conventions,
)
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelier.export.deliver import Delivery
from otelier.export.readable import log_converter
from otelier.export.sinks import ExporterSink
from otelier.sdk.providers import Providers
from otelier.settings import BY_NAME


class Telemetry:
    """What has been sent since the test began."""

    def __init__(self) -> None:
        kinds = (Counter, Histogram, UpDownCounter)
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader(dict.fromkeys(kinds, AggregationTemporality.DELTA))
        self._records = InMemoryLogRecordExporter()
        resource = Resource({"service.name": "tests"})
        self.providers = Providers(resource, [self._reader])
        self.delivery = Delivery(
            [
                ExporterSink("traces", self._spans),
                ExporterSink("logs", self._records, log_converter(self.providers.resource)),
            ]
        )
        self.providers.deliver_to(self.delivery)
        self.providers.install()

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        assert self.delivery.flush(5)
        return self._spans.get_finished_spans()

    @property
    def records(self) -> Sequence[ReadableLogRecord]:
        assert self.delivery.flush(5)
        return self._records.get_finished_logs()

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric since this was last called."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[Any]] = {}
        for of_resource in data.resource_metrics if data else ():
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found

    def clear(self) -> None:
        assert self.delivery.flush(5)
        self._spans.clear()
        self._records.clear()
        self.points()


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours or of OpenTelemetry's is set, whoever runs the tests."""
    _clean(monkeypatch)


@pytest.fixture(scope="session")
def telemetry_of_session() -> Iterator[Telemetry]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        _clean(monkeypatch)
        for name in ("OTEL_TRACES_SAMPLER", "OTEL_SEMCONV_STABILITY_OPT_IN"):
            monkeypatch.setenv(name, BY_NAME[name].default or "")
        Conventions._initialize()  # it reads its variable once in a process
        yield Telemetry()


@pytest.fixture
def telemetry(telemetry_of_session: Telemetry) -> Telemetry:
    telemetry_of_session.clear()
    return telemetry_of_session


@pytest.fixture(scope="session")
def part() -> Iterator[Callable[[Callable[[], AbstractContextManager[Any]]], Any]]:
    """Enter a server of `parts`; where it cannot be had, fail in CI and skip elsewhere."""
    from parts import Missing

    with ExitStack() as stack:

        def enter(make: Callable[[], AbstractContextManager[Any]]) -> Any:
            try:
                return stack.enter_context(make())
            except Missing as missing:
                unavailable = pytest.fail if os.environ.get("CI") else pytest.skip
                return unavailable(f"NOT TESTED: {missing}")

        yield enter


def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "OTELIER_", "_OTELIER_", "FASTAPI_OTEL_")):
            monkeypatch.delenv(name)
