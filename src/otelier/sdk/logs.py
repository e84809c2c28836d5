"""Where a lean log record goes: to the queue, or through the API of somebody else's provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otelier.export.record import LeanLog

Write = Callable[[LeanLog], object]


def writer(provider: LoggerProvider) -> Write:
    """What takes each record: the provider's own queue where it is ours."""
    lean: Write | None = getattr(provider, "write", None)
    if lean is not None:
        return lean

    def emit(log: LeanLog) -> None:
        scope = log.scope
        logger = provider.get_logger(scope.name, scope.version, scope.schema_url)
        logger.emit(api_record(log))

    return emit


class Echo:
    """show: is given our own records as well, those that no logging library has seen."""

    show: ClassVar[Callable[[LeanLog], object] | None] = None


def telling(provider: LoggerProvider) -> Write:
    """What takes records of our own: to be sent, and shown where that is asked for."""
    write = writer(provider)

    def tell(log: LeanLog) -> None:
        write(log)
        if Echo.show is not None:
            Echo.show(log)

    return tell


def api_record(log: LeanLog) -> LogRecord:
    """The same record in the words of the logs API."""
    attributes: dict[str, Any] = log.box.attributes() if log.box is not None else {}
    context = SpanContext(log.trace_id, log.span_id, False, TraceFlags(log.flags))
    return LogRecord(
        timestamp=log.time,
        observed_timestamp=log.observed,
        context=set_span_in_context(NonRecordingSpan(context)),
        severity_text=log.severity_text,
        severity_number=SeverityNumber(log.severity_number),
        body=log.body,
        attributes={**attributes, **(log.preset or {}), **(log.extra or {})},
        event_name=log.event_name or None,
    )
