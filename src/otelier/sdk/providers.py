"""The three providers: the standard SDK's, with lean lanes for our own scopes.

`get_tracer` and `get_meter` give lean implementations to scopes that begin with `otelier.`, the
SDK's to everybody else. Both lanes share context, ids, sampler, limits and resource, and leave
through the same queues. Nothing here hooks the end of the process: `export.lifecycle` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakMethod

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricReader,
    MetricsData,
    ResourceMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Tracer

from otelier import _guard, _upstream, signals
from otelier._upstream import LoggerProvider as SDKLoggerProvider
from otelier._upstream import LogRecordProcessor, ReadWriteLogRecord
from otelier.context import current_request
from otelier.errors import message, type_name
from otelier.export.anyvalue import shown
from otelier.export.record import LeanLog
from otelier.privacy import mask_cut
from otelier.sdk.limits import Limits
from otelier.sdk.logs import api_record
from otelier.sdk.metrics import Reading, Store
from otelier.sdk.spans import RequestStamp
from otelier.sdk.tracer import LeanTracer
from otelier.tracebacks import stack_of

OURS = "otelier."

_CUMULATIVE, _DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA

# `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` to what is sent as a delta.
_DELTAS: dict[str, tuple[type, ...]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}


def _nowhere(record: Any) -> None:
    """Where records go before there is a delivery."""


class TracerProvider(SDKTracerProvider):
    """put: takes each ended span that is sampled. observers: processors that users have added."""

    def __init__(self, resource: Resource) -> None:
        self.put: Callable[[Any], object] = _nowhere
        self.flush: Callable[[float], bool] = lambda seconds: True
        self.observers: list[SpanProcessor] = []
        limits = SpanLimits()
        self._lean_limits = Limits.of(limits)
        super().__init__(resource=resource, shutdown_on_exit=False, span_limits=limits)
        super().add_span_processor(RequestStamp())
        super().add_span_processor(_SpanOutlet(self))

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        self.observers.append(span_processor)
        super().add_span_processor(span_processor)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Tracer:
        if not instrumenting_module_name.startswith(OURS):
            return super().get_tracer(
                instrumenting_module_name, instrumenting_library_version, schema_url, attributes
            )
        scope = InstrumentationScope(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )
        return LeanTracer(self, scope, self._lean_limits, self.put, self.observers)


class _SpanOutlet(SpanProcessor):
    """Lets the SDK's own spans out by the same queue."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...

    def on_end(self, span: ReadableSpan) -> None:
        try:
            context = span.context
            if context is not None and context.trace_flags.sampled:
                self._provider.put(span)
        except Exception as error:
            _guard.fault("taking a span", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._provider.flush(timeout_millis / 1000)


class LoggerProvider(SDKLoggerProvider):
    """write: takes a lean record. put: takes it, or the SDK's, out."""

    def __init__(self, resource: Resource) -> None:
        self.put: Callable[[Any], object] = _nowhere
        self.flush: Callable[[float], bool] = lambda seconds: True
        self.observers: list[LogRecordProcessor] = []
        super().__init__(resource=resource, shutdown_on_exit=False)
        super().add_log_record_processor(_LogOutlet(self))

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        self.observers.append(log_record_processor)
        super().add_log_record_processor(log_record_processor)

    def write(self, log: LeanLog) -> None:
        if self.observers:
            shown = ReadWriteLogRecord(api_record(log), self.resource, log.scope)
            for observer in self.observers:
                observer.on_emit(shown)
        self.put(log)


class _LogOutlet(LogRecordProcessor):
    """Lets records of the logs API out by the same queue, with the ids of their request."""

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        try:
            box = current_request.get()
            if box is not None:
                record = log_record.log_record
                record.attributes = {**box.attributes(), **(record.attributes or {})}
            self._provider.put(log_record)
        except Exception as error:
            _guard.fault("taking a log record", error)

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._provider.flush(timeout_millis / 1000)


class LeanMeterProvider(MeterProvider):
    """store: the lean instruments, None where every histogram is to be an exponential one."""

    def __init__(self, resource: Resource, readers: Sequence[MetricReader], store: Store | None):
        super().__init__(readers, resource, shutdown_on_exit=False)
        self.store = store
        self._own_resource = resource
        if store is not None:
            for place, reader in enumerate(readers):
                _upstream.collect_with(self, reader, self._joining(place))

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Meter:
        meter: Any = super().get_meter(name, version, schema_url, attributes)
        if self.store is not None and name.startswith(OURS):
            meter.otelier_store = self.store
            meter.otelier_scope = InstrumentationScope(name, version, schema_url, attributes)
        return meter  # type: ignore[no-any-return]

    def _joining(self, place: int) -> Callable[[Any], Callable[..., Any]]:
        """Lean points join the SDK's in one collection."""

        def wrap(collect: Callable[..., Any]) -> Callable[..., Any]:
            def joined(reader: Any, timeout_millis: float = 10_000) -> MetricsData | None:
                data: MetricsData | None = collect(reader, timeout_millis=timeout_millis)
                lean = self.store.collect(place) if self.store is not None else []
                if not lean:
                    return data
                resource = _upstream.meter_resource(self)
                found = list(data.resource_metrics) if data is not None else []
                if not found:
                    return MetricsData([ResourceMetrics(resource, lean, resource.schema_url)])
                first = found[0]
                merged = [*first.scope_metrics, *lean]
                found[0] = ResourceMetrics(first.resource, merged, first.schema_url)
                return MetricsData(found)

            return joined

        return wrap


class _Pulled(MetricReader):
    """What the delivery asks: collects when it is told to, and hands over."""

    def __init__(self, preference: str) -> None:
        kinds = (Counter, Histogram, ObservableCounter, UpDownCounter)
        deltas = _DELTAS[preference]
        super().__init__({kind: _DELTA if kind in deltas else _CUMULATIVE for kind in kinds})
        self._taken: list[MetricsData] = []

    def take(self) -> list[MetricsData]:
        self.collect()
        taken, self._taken = self._taken, []
        return taken

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> None:
        self._taken.append(metrics_data)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None: ...


class Providers:
    """Where spans, measurements and log records go.

    readers: of metrics, beside the one that the delivery asks (Prometheus, tests).
    temporality: `delta`, `cumulative` or `lowmemory`. lean_metrics: False leaves them to the SDK.
    """

    def __init__(
        self,
        resource: Resource,
        readers: Sequence[MetricReader] = (),
        *,
        temporality: str = "delta",
        exemplars: bool = True,
        lean_metrics: bool = True,
    ) -> None:
        _upstream.tolerate(shown, mask_cut, _described)
        self._pulled = _Pulled(temporality)
        all_readers = [self._pulled, *readers]
        readings = [
            Reading(*_upstream.temporalities(reader, Histogram, UpDownCounter, Counter))
            for reader in all_readers
        ]
        self.store = Store(readings, exemplars=exemplars) if lean_metrics else None
        self.tracer = TracerProvider(resource)
        self.meter = LeanMeterProvider(resource, all_readers, self.store)
        self.logger = LoggerProvider(resource)
        after_fork(self._forget)

    def resource(self) -> Resource:
        """That of this process: a fork has changed it."""
        return self.tracer.resource

    def collect(self) -> list[MetricsData]:
        """What the meters have to say since it was last asked."""
        return self._pulled.take()

    def fold(self) -> None:
        """Keep what was measured small."""
        if self.store is not None:
            self.store.fold()

    def _forget(self) -> None:
        """A forked child sends nothing that its parent has measured."""
        if self.store is not None:
            self.store.forget()
        _upstream.forget_measurements(self.meter)

    def deliver_to(self, delivery: Any) -> None:
        """Before the first tracer is asked for: it keeps where its spans go."""
        self.tracer.put, self.logger.put = delivery.spans.put, delivery.logs.put
        self.tracer.flush = self.logger.flush = delivery.flush

    def install(self) -> None:
        """Make them the global ones, for our instrumentations and for everybody else's."""
        trace.set_tracer_provider(self.tracer)
        metrics.set_meter_provider(self.meter)
        _logs.set_logger_provider(self.logger)


def _described(error: BaseException) -> dict[str, str]:
    """Of an exception that the SDK cannot describe."""
    return {
        signals.EXCEPTION_TYPE: type_name(error),
        signals.EXCEPTION_MESSAGE: message(error),
        signals.EXCEPTION_STACK: stack_of(error),
    }


def after_fork(forget: Callable[[], None]) -> None:
    """Call this method in forked children; its object is not kept alive for that."""
    reference = WeakMethod(forget)

    def after_in_child() -> None:
        if (method := reference()) is not None:
            method()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_in_child)
