"""The span of another process that a request names: what a new span needs of it, and no more.

For all others it is a `NonRecordingSpan`, whose context is made when somebody asks for it.
"""

from __future__ import annotations

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags


class RemoteSpan(NonRecordingSpan):
    """Has no trace state. trace_flags: those of the W3C."""

    def __init__(self, trace_id: int, span_id: int, trace_flags: int) -> None:
        """Not its base's, which wants the context."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_flags = trace_flags

    def get_span_context(self) -> SpanContext:
        return SpanContext(self.trace_id, self.span_id, True, TraceFlags(self.trace_flags))

    def __repr__(self) -> str:
        return f"RemoteSpan({self.get_span_context()!r})"
