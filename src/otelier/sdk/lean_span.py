"""A span that costs little: plain attributes, no lock, nothing encoded or validated twice.

It is a real span: of OpenTelemetry's API for whoever finds it in the context, and a `ReadableSpan`
for processors and exporters that users add. What most spans do not have (events, links, a status,
attributes beside the preset) is not there until somebody sets it: class attributes are the
defaults. Any thread may write to it; single dictionary and list operations need no lock.

Source: OpenTelemetry specification, trace API and SDK; semantic conventions, exceptions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from otelier._upstream import SPAN_KEY, current_context
from otelier.context import RequestContext
from otelier.error_attributes import attributes_of
from otelier.errors import message
from otelier.export.preset import Preset
from otelier.sdk.limits import bounded, bounded_value

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from otelier.sdk.tracer import LeanTracer

KINDS: Mapping[SpanKind, int] = {kind: kind.value + 1 for kind in SpanKind}
"""As numbered in OTLP, where 0 is `unspecified`."""

_KINDS = {number: kind for kind, number in KINDS.items()}
_NO_STATE = TraceState()
_NONE = (0, 0, 0)
_log = logging.getLogger("opentelemetry.sdk.trace")


def give(span: Span, attributes: Mapping[str, Any]) -> None:
    """Set attributes that are within the limits already, and that nobody changes later."""
    if type(span) is not LeanSpan:
        span.set_attributes(attributes)
    elif not span.ended_at:
        if span.extra is None:
            span.extra = {**attributes}
        else:
            span.extra.update(attributes)


def conclude(
    span: Span, closing: Preset, more: Mapping[str, Any] | None, titles: tuple[str, str], at: int
) -> None:
    """End a span with attributes that win over what was set before.

    more: others, as for `give`. titles: what it was called, and from now on is, unless somebody has
    given it another name meanwhile.
    """
    if more is not None:
        give(span, more)
    before, title = titles
    if type(span) is not LeanSpan:
        span.set_attributes(closing)
        if getattr(span, "name", before) == before:
            span.update_name(title)
    elif not span.ended_at:
        span.closing = closing
        if span.title == before:
            span.title = title
    span.end(at)


def ids(span: Span) -> tuple[int, int, int]:
    """Trace id, span id and flags; zeros outside a span."""
    if type(span) is LeanSpan:
        return span.trace_id, span.span_id, span.trace_flags
    context = span.get_span_context()
    return (context.trace_id, context.span_id, context.trace_flags) if context.is_valid else _NONE


def current_ids() -> tuple[int, int, int]:
    """Those of the span in the current context."""
    span: Any = current_context().get(SPAN_KEY)
    if type(span) is LeanSpan:
        return span.trace_id, span.span_id, span.trace_flags
    return ids(span or INVALID_SPAN)


class LeanSpan(Span, ReadableSpan):
    """Made by `LeanTracer.begin`, which sets the attributes that have no default here."""

    lean: ClassVar[bool] = True

    tracer: LeanTracer
    trace_id: int
    span_id: int
    title: str
    kind_number: int
    started_at: int

    parent_id: int = 0
    flags: int = 0x100
    """As in OTLP: 0x100 says that 0x200 (the parent is remote) is known."""
    trace_flags: int = 1
    trace_state: TraceState = _NO_STATE
    trace_state_text: str = ""
    ended_at: int = 0
    preset: Preset | None = None
    closing: Preset | None = None
    """Attributes that it ended with; `preset` and `extra` are those it had before."""
    extra: dict[str, Any] | None = None
    box: RequestContext | None = None
    event_list: list[tuple[str, int, dict[str, Any] | None, int]] | None = None
    link_list: list[tuple[SpanContext, dict[str, Any] | None, int]] | None = None
    status_number: int = 0
    status_text: str | None = None
    dropped: tuple[int, int, int] | None = None
    records_exceptions: tuple[bool, bool] = (True, True)

    def __init__(self) -> None:
        """Nothing: the tracer knows it all, and a call would cost more than the attributes."""

    @property
    def scope(self) -> InstrumentationScope:
        return self.tracer.scope

    # What the API asks of a span.

    def get_span_context(self) -> SpanContext:
        return SpanContext(
            self.trace_id, self.span_id, False, TraceFlags(self.trace_flags), self.trace_state
        )

    def is_recording(self) -> bool:
        return not self.ended_at

    def end(self, end_time: int | None = None) -> None:
        if self.ended_at:
            _log.warning("Calling end() on an ended span.")
            return
        self.ended_at = end_time or time_ns()
        tracer = self.tracer
        if tracer.observers:
            tracer.tell_ended(self)
        if self.trace_flags & 1:
            tracer.put(self)

    def set_attribute(self, key: str, value: Any) -> None:
        if self._is_open("Setting attribute"):
            limits = self.tracer.limits
            if not key or not isinstance(key, str):
                self._drop(attributes=1)
                return
            extra = self.extra
            if extra is None:
                extra = self.extra = {}
            if len(extra) < limits.attributes or key in extra:
                extra[key] = bounded_value(value, limits.length)
            else:
                self._drop(attributes=1)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        if self._is_open("Adding an event"):
            limits = self.tracer.limits
            events = self.event_list
            if events is None:
                events = self.event_list = []
            if len(events) < limits.events:
                kept, dropped = bounded(attributes, limits.event_attributes, limits.length)
                events.append((name, timestamp or time_ns(), kept, dropped))
            else:
                self._drop(events=1)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        sound = context is not None and (context.is_valid or attributes or context.trace_state)
        if sound and self._is_open("Adding a link"):
            limits = self.tracer.limits
            links = self.link_list
            if links is None:
                links = self.link_list = []
            if len(links) < limits.links:
                links.append((context, *bounded(attributes, limits.link_attributes, limits.length)))
            else:
                self._drop(links=1)

    def update_name(self, name: str) -> None:
        if self._is_open("Updating the name"):
            self.title = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code = status.status_code if isinstance(status, Status) else status
        text = status.description if isinstance(status, Status) else description
        settled = self.status_number == StatusCode.OK.value
        if code is not StatusCode.UNSET and not settled and self._is_open("Setting the status"):
            self.status_number = code.value
            self.status_text = text if code is StatusCode.ERROR else None

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        # Whether it escaped is not told any more: the convention has given that attribute up.
        about = {**attributes_of(exception), **(attributes or {})}
        self.add_event("exception", about, timestamp)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and self.is_recording():
            records, sets_status = self.records_exceptions
            if records:
                self.record_exception(error, escaped=True)
            if sets_status:
                self.set_status(StatusCode.ERROR, f"{type(error).__name__}: {message(error)}")
        self.end()

    def _is_open(self, doing: str) -> bool:
        if self.ended_at:
            _log.warning("%s on an ended span.", doing)
        return not self.ended_at

    def _drop(self, attributes: int = 0, events: int = 0, links: int = 0) -> None:
        so_far = self.dropped or (0, 0, 0)
        self.dropped = (so_far[0] + attributes, so_far[1] + events, so_far[2] + links)

    # What a processor or an exporter of the standard SDK reads.

    @property
    def name(self) -> str:
        return self.title

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    @property
    def kind(self) -> SpanKind:
        return _KINDS[self.kind_number]

    @property
    def parent(self) -> SpanContext | None:
        if not self.parent_id:
            return None
        remote = bool(self.flags & 0x200)
        flags = TraceFlags(self.trace_flags)
        return SpanContext(self.trace_id, self.parent_id, remote, flags, self.trace_state)

    @property
    def start_time(self) -> int:
        return self.started_at

    @property
    def end_time(self) -> int | None:
        return self.ended_at or None

    @property
    def status(self) -> Status:
        return Status(StatusCode(self.status_number), self.status_text)

    @property
    def attributes(self) -> Mapping[str, Any]:
        ids = self.box.attributes() if self.box is not None else {}
        return {**ids, **(self.preset or {}), **(self.extra or {}), **(self.closing or {})}

    @property
    def events(self) -> Sequence[Event]:
        return tuple(Event(name, made, at) for name, at, made, _ in self.event_list or ())

    @property
    def links(self) -> Sequence[Link]:
        return tuple(Link(context, made) for context, made, _ in self.link_list or ())

    @property
    def resource(self) -> Resource:
        return self.tracer.provider.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        return self.tracer.scope

    @property
    def dropped_attributes(self) -> int:
        return (self.dropped or (0, 0, 0))[0]

    @property
    def dropped_events(self) -> int:
        return (self.dropped or (0, 0, 0))[1]

    @property
    def dropped_links(self) -> int:
        return (self.dropped or (0, 0, 0))[2]

    def to_json(self, indent: int | None = 4) -> str:
        return str(self.readable().to_json(indent))

    def readable(self) -> ReadableSpan:
        """A copy of its present state, for those who keep what they are given."""
        return ReadableSpan(
            self.title,
            context=self.context,
            parent=self.parent,
            resource=self.resource,
            attributes=self.attributes,
            events=self.events,
            links=self.links,
            kind=self.kind,
            status=self.status,
            start_time=self.started_at,
            end_time=self.ended_at or None,
            instrumentation_scope=self.scope,
        )
