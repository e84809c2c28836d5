"""The three providers of the standard SDK, made once at start.

The SDK reads its own variables (sampler, limits, batching); exporters and resource are given.
None of them hooks the end of the process: `export.lifecycle` does, under one deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otelier._upstream import BatchLogRecordProcessor, LoggerProvider
from otelier.sdk.spans import RequestStamp


@dataclass(frozen=True)
class Providers:
    """Where spans, measurements and log records go."""

    tracer: TracerProvider
    meter: MeterProvider
    logger: LoggerProvider

    @property
    def flushes(self) -> tuple[Callable[[], object], ...]:
        return (self.tracer.force_flush, self.meter.force_flush, self.logger.force_flush)

    def install(self) -> None:
        """Make them the global ones, for our instrumentations and for everybody else's."""
        trace.set_tracer_provider(self.tracer)
        metrics.set_meter_provider(self.meter)
        _logs.set_logger_provider(self.logger)


def build(
    resource: Resource, spans: Sequence[Any], measurements: Sequence[Any], records: Sequence[Any]
) -> Providers:
    """spans, measurements, records: the exporters of each signal."""
    tracer = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracer.add_span_processor(RequestStamp())
    for exporter in spans:
        tracer.add_span_processor(BatchSpanProcessor(exporter))
    readers = [_reader(exporter) for exporter in measurements]
    meter = MeterProvider(resource=resource, metric_readers=readers, shutdown_on_exit=False)
    logger = LoggerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in records:
        logger.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return Providers(tracer, meter, logger)


def _reader(exporter: Any) -> MetricReader:
    # An exporter that is pulled from (Prometheus) is a reader itself.
    if isinstance(exporter, MetricReader):
        return exporter
    return PeriodicExportingMetricReader(exporter)
