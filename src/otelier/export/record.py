"""A log record on its way out: plain values, no protobuf yet.

Made in the thread that logs, read once by the worker. Whoever makes one sees to it that nothing in
it can change later: texts are formatted and bounded, objects of the app have become text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from otelier.context import RequestContext
    from otelier.export.preset import Preset


class LeanLog:
    """One log record.

    time, observed: nanoseconds since 1970. severity_number: as in the logs data model, 1 to 24.
    preset, extra: attributes; on equal keys `extra` wins. box: its ids are added on encoding.
    trace_id, span_id: 0 outside a span. flags: W3C trace flags. is_kept: of the last to be dropped
    where there is no room: a record of the security stream.
    """

    __slots__ = (
        "body",
        "box",
        "event_name",
        "extra",
        "flags",
        "is_kept",
        "observed",
        "preset",
        "scope",
        "severity_number",
        "severity_text",
        "span_id",
        "time",
        "trace_id",
    )

    lean: ClassVar[bool] = True

    def __init__(
        self,
        scope: InstrumentationScope,
        time: int,
        observed: int,
        severity_number: int,
        severity_text: str,
        body: Any,
        preset: Preset | None = None,
        extra: dict[str, Any] | None = None,
        box: RequestContext | None = None,
        trace_id: int = 0,
        span_id: int = 0,
        flags: int = 0,
        event_name: str = "",
        is_kept: bool = False,
    ) -> None:
        self.scope = scope
        self.time = time
        self.observed = observed
        self.severity_number = severity_number
        self.severity_text = severity_text
        self.body = body
        self.preset = preset
        self.extra = extra
        self.box = box
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.event_name = event_name
        self.is_kept = is_kept
