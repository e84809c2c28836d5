"""Log records as the SDK's exporters know them. Spans need nothing: ours are readable ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

from otelier._upstream import ReadableLogRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from otelier.export.record import LeanLog


def log_converter(resource: Callable[[], Resource], limits: Any = None) -> Callable[[Any], Any]:
    """From a record in the queue to a `ReadableLogRecord`. limits: the SDK's, or None."""

    def convert(record: Any) -> Any:
        if isinstance(record, ReadableLogRecord):
            return record
        is_lean = getattr(record, "lean", False)
        return ReadableLogRecord(
            log_record=_log_record(record) if is_lean else record.log_record,
            resource=resource() if is_lean else record.resource or resource(),
            instrumentation_scope=record.scope if is_lean else record.instrumentation_scope,
            limits=limits if is_lean else record.limits,
        )

    return convert


def _log_record(record: LeanLog) -> LogRecord:
    ids = record.box.attributes() if record.box else {}
    return LogRecord(
        timestamp=record.time,
        observed_timestamp=record.observed,
        context=_context(record),
        severity_text=record.severity_text,
        severity_number=SeverityNumber(record.severity_number),
        body=record.body,
        attributes={**ids, **(record.preset or {}), **(record.extra or {})},
        event_name=record.event_name or None,
    )


def _context(record: LeanLog) -> Context:
    span = SpanContext(record.trace_id, record.span_id, False, TraceFlags(record.flags & 0xFF))
    return set_span_in_context(NonRecordingSpan(span), Context())
