"""Tracers of our own scopes: they make lean spans, by the rules of the standard SDK.

Parent, ids, sampling, limits and the processors that a user adds are the provider's, so that lean
spans and the SDK's stand in one trace. A span that is not sampled costs an id and a context.

Source: OpenTelemetry specification, trace SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    use_span,
)

from otelier._random import bits
from otelier._upstream import SPAN_KEY, agnostic_contextmanager, current_context
from otelier.context import current_request
from otelier.export.preset import Preset
from otelier.sdk.lean_span import LeanSpan
from otelier.sdk.limits import Limits, bounded
from otelier.sdk.remote import RemoteSpan

if TYPE_CHECKING:
    from otelier.sdk.providers import TracerProvider

_REMOTE_KNOWN, _REMOTE = 0x100, 0x200
_SAMPLED, _RANDOM = 1, 2
_current_request = current_request.get
_new = object.__new__  # no call of an `__init__` that has nothing to do

Start = Callable[..., Span]


def starter(tracer: Tracer) -> Start:
    """What starts spans as `LeanTracer.begin` does, whosever tracer it is."""
    if isinstance(tracer, LeanTracer):
        return tracer.begin

    def begin(
        name: str,
        context: Context | None,
        kind: SpanKind,
        preset: Preset,
        extra: dict[str, Any] | None = None,
        at: int | None = None,
    ) -> Span:
        about = {**preset, **extra} if extra else preset
        return tracer.start_span(name, context, kind, about, start_time=at)

    return begin


def _random_trace_id() -> int:
    return bits(128) or 1


class LeanTracer(Tracer):
    """One for each scope of ours.

    put: takes an ended span that is sampled. observers: the processors that users have added, the
    provider's own list.
    """

    def __init__(
        self,
        provider: TracerProvider,
        scope: InstrumentationScope,
        limits: Limits,
        put: Callable[[LeanSpan], object],
        observers: Sequence[SpanProcessor],
    ) -> None:
        self.provider = provider
        self.scope = scope
        self.limits = limits
        self.put = put
        self.observers = observers
        self._samples_all = provider.sampler is ALWAYS_ON
        ids = provider.id_generator
        self._new_trace_id = _random_trace_id
        if type(ids) is not RandomIdGenerator:  # the user's own
            self._new_trace_id = ids.generate_trace_id
        self._is_random = ids.is_trace_id_random()

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        preset = extra = None
        if type(attributes) is Preset:
            preset = attributes
        elif attributes is not None:
            extra, _ = bounded(attributes, self.limits.attributes, self.limits.length)
        span = self.begin(name, context, kind, preset, extra, start_time, links or ())
        if type(span) is LeanSpan and not (record_exception and set_status_on_exception):
            span.records_exceptions = (record_exception, set_status_on_exception)
        return span

    def begin(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        preset: Preset | None,
        extra: dict[str, Any] | None = None,
        at: int | None = None,
        links: Sequence[Link] = (),
    ) -> Span:
        """Start a span with attributes that are constant and others that are not.

        extra: the latter; within the limits, and from now on the span's own. at: nanoseconds since
        1970, now where there is none.
        """
        parent: Any = (current_context() if context is None else context).get(SPAN_KEY)
        span = _new(LeanSpan)
        span.tracer = self
        if type(parent) is LeanSpan:
            span.trace_id = parent.trace_id
            span.parent_id = parent.span_id
            span.trace_flags = parent.trace_flags
            if parent.trace_state_text:
                span.trace_state, span.trace_state_text = (
                    parent.trace_state,
                    parent.trace_state_text,
                )
        else:
            self._adopt(span, parent)
        span.span_id = bits(64) or 1
        span.title = name
        span.kind_number = kind._value_ + 1  # `KINDS[kind]` and `kind.value` are calls
        span.preset = preset
        span.extra = extra
        if not self._samples_all and (left_out := self._thinned(span, context, kind, links)):
            return left_out
        span.box = _current_request()
        span.started_at = at or time_ns()
        if links or self.observers:
            self._tell_started(span, context, links)
        return span

    @agnostic_contextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with use_span(span, end_on_exit, record_exception, set_status_on_exception):
            yield span

    def _tell_started(self, span: LeanSpan, context: Context | None, links: Sequence[Link]) -> None:
        for link in links:
            span.add_link(link.context, link.attributes)
        for observer in self.observers:
            observer.on_start(span, context)  # type: ignore[arg-type]

    def tell_ended(self, span: LeanSpan) -> None:
        """Show an ended span to the processors that users have added."""
        readable = span.readable()
        for observer in self.observers:
            observer.on_end(readable)

    def _adopt(self, span: LeanSpan, parent: Any) -> None:
        """Under a span that is not ours: of the SDK, of another process, or none at all."""
        if type(parent) is RemoteSpan:
            span.trace_id = parent.trace_id
            span.parent_id = parent.span_id
            span.trace_flags = _SAMPLED | (parent.trace_flags & _RANDOM)
            span.flags = _REMOTE_KNOWN | _REMOTE
            return
        about: SpanContext | None = None if parent is None else parent.get_span_context()
        if about is None or not about.is_valid:
            span.trace_id = self._new_trace_id()
            span.trace_flags = _SAMPLED | (_RANDOM if self._is_random else 0)
            return
        span.trace_id = about.trace_id
        span.parent_id = about.span_id
        span.trace_flags = _SAMPLED | (about.trace_flags & _RANDOM)
        span.flags = _REMOTE_KNOWN | (_REMOTE if about.is_remote else 0)
        if about.trace_state:
            span.trace_state = about.trace_state
            span.trace_state_text = about.trace_state.to_header()

    def _thinned(
        self,
        span: LeanSpan,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
    ) -> Span | None:
        """Ask the sampler; a span that records nothing in place of one that is not to be made."""
        given = span.attributes
        result = self.provider.sampler.should_sample(
            context, span.trace_id, span.title, kind, given, links
        )
        decision: Any = result.decision
        sampled = decision.is_sampled()
        span.trace_flags = (span.trace_flags & _RANDOM) | (_SAMPLED if sampled else 0)
        if result.trace_state:
            span.trace_state = result.trace_state
            span.trace_state_text = result.trace_state.to_header()
        if not decision.is_recording():
            flags = TraceFlags(span.trace_flags)
            return NonRecordingSpan(
                SpanContext(span.trace_id, span.span_id, False, flags, span.trace_state)
            )
        # A sampler passes our attributes on, and may add some of its own.
        if result.attributes != given:
            span.extra, _ = bounded(result.attributes, self.limits.attributes, self.limits.length)
        return None
