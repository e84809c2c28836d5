"""A lean span does what the SDK's does: the same calls on both, compared by what comes out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, sampling
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from otelier.context import RequestContext, current_request
from otelier.export.deliver import Delivery
from otelier.export.preset import Preset
from otelier.export.sinks import ExporterSink
from otelier.sdk.lean_span import LeanSpan, give, ids
from otelier.sdk.providers import Providers
from otelier.sdk.tracer import starter

Call = Callable[[Any], object]


class Spans:
    """Tracers of both lanes on one provider, and what they have sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
        for name, value in {"OTEL_TRACES_SAMPLER": "always_on", **environ}.items():
            monkeypatch.setenv(name, value)
        self._exporter = InMemorySpanExporter()
        self.providers = Providers(Resource({"service.name": "tests"}))
        self._delivery = Delivery([ExporterSink("traces", self._exporter)])
        self.providers.deliver_to(self._delivery)
        self.lean = self.providers.tracer.get_tracer("otelier.tests", "1", "https://s/1")
        self.standard = self.providers.tracer.get_tracer("tests", "1", "https://s/1")

    @property
    def sent(self) -> Sequence[ReadableSpan]:
        assert self._delivery.flush(5)
        return self._exporter.get_finished_spans()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    return Spans(monkeypatch)


def link(number: int) -> Link:
    return Link(SpanContext(number, number, True), {"n": number})


def fails(span: Any) -> None:
    try:
        raise KeyError("k")
    except KeyError as error:
        span.record_exception(error, {"more": 1}, timestamp=7)


CALLS: dict[str, Call] = {
    "nothing": lambda span: None,
    "attributes": lambda span: span.set_attributes({"a": 1, "b": "x", "c": [True, False]}),
    "an attribute twice": lambda span: (span.set_attribute("a", 1), span.set_attribute("a", 2)),
    "a long text": lambda span: span.set_attribute("long", "x" * 20),
    "an event": lambda span: span.add_event("e", {"a": "x"}, timestamp=5),
    "a link": lambda span: span.add_link(link(2).context, {"n": 2}),
    "a link to nowhere": lambda span: span.add_link(SpanContext(0, 0, False)),
    "a name": lambda span: span.update_name("other"),
    "a status": lambda span: span.set_status(Status(StatusCode.ERROR, "why")),
    "a code and a text": lambda span: span.set_status(StatusCode.ERROR, "why"),
    "ok is final": lambda span: (
        span.set_status(StatusCode.OK),
        span.set_status(StatusCode.ERROR, "late"),
    ),
    "unset is ignored": lambda span: (
        span.set_status(StatusCode.ERROR, "why"),
        span.set_status(StatusCode.UNSET),
    ),
    "after the end": lambda span: (span.end(9), span.set_attribute("late", 1), span.end(11)),
}
LIMITS = {
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "4",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "3",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "2",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9",
}


def shape(span: ReadableSpan) -> dict[str, Any]:
    """All that is not chance; times, where a test has set them."""
    found = json.loads(span.to_json())
    for name in ("context", "start_time", "end_time"):
        found.pop(name)
    return found | {"dropped": (span.dropped_events, span.dropped_links)}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_calls_make_the_same_span(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the API's methods are given, under limits, the two lanes agree."""
    spans = Spans(monkeypatch, **LIMITS)
    for tracer in (spans.lean, spans.standard):
        span = tracer.start_span("s", kind=SpanKind.CLIENT, attributes={"a": 1}, links=[link(1)])
        CALLS[name](span)
        span.end()
    lean, standard = spans.sent
    assert isinstance(lean, LeanSpan)
    assert shape(lean) == shape(standard)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond a limit is left out and counted, as the specification says; the SDK leaves out
    what was there before."""
    spans = Spans(monkeypatch, **LIMITS)
    span = spans.lean.start_span("s")
    for number in range(9):
        span.set_attribute(f"k{number}", number)
        span.add_event(f"e{number}", {"long": "x" * 20})
        span.add_link(link(number + 1).context)
    span.end()
    (lean,) = spans.sent
    assert list(lean.attributes or {}) == ["k0", "k1", "k2", "k3"]
    assert [event.name for event in lean.events] == ["e0", "e1", "e2"]
    assert {(event.attributes or {})["long"] for event in lean.events} == {"x" * 9}
    assert [each.context.span_id for each in lean.links] == [1, 2]
    assert (lean.dropped_attributes, lean.dropped_events, lean.dropped_links) == (5, 6, 7)


def test_an_exception(spans: Spans) -> None:
    """Has the SDK's event, with the qualified name of its class."""
    for tracer in (spans.lean, spans.standard):
        span = tracer.start_span("s")
        fails(span)
        span.end()
    lean, standard = (span.events[0] for span in spans.sent)
    assert (lean.name, lean.timestamp) == (standard.name, standard.timestamp) == ("exception", 7)
    expected = dict(standard.attributes or {})
    del expected["exception.escaped"]  # deprecated
    found = dict(lean.attributes or {})
    assert found.pop("otelier.error.category") == "application"
    assert len(str(found.pop("otelier.error.fingerprint"))) == 32
    assert found == expected


def test_an_exception_passes(spans: Spans) -> None:
    """A span as a block records what passes through, and the status with it, as the SDK's."""
    for tracer in (spans.lean, spans.standard):
        with pytest.raises(KeyError), tracer.start_as_current_span("s"):
            raise KeyError("k")
        with pytest.raises(KeyError), tracer.start_span("s"):
            raise KeyError("k")
    sent = spans.sent
    for lean, standard in zip(sent[:2], sent[2:], strict=True):
        assert lean.status.status_code is standard.status.status_code is StatusCode.ERROR
        assert lean.status.description == standard.status.description
        assert [event.name for event in lean.events] == ["exception"]


def test_parents_both_ways(spans: Spans) -> None:
    """A span of the app stands under one of ours, and ours under one of the app."""
    with spans.lean.start_as_current_span("ours") as ours:
        assert trace.get_current_span() is ours
        with spans.standard.start_as_current_span("theirs"):
            spans.lean.start_span("inner").end()
    by_name = {span.name: span for span in spans.sent}
    assert len({span.context.trace_id for span in by_name.values() if span.context}) == 1
    parents = {name: span.parent for name, span in by_name.items()}
    assert parents["ours"] is None
    for child, parent in (("theirs", "ours"), ("inner", "theirs")):
        found, context = parents[child], by_name[parent].context
        assert found
        assert context
        assert found.span_id == context.span_id


def test_of_another_process(spans: Spans) -> None:
    """Trace id, parent and trace state are taken over; that it is remote is known."""
    state = TraceState([("vendor", "x")])
    remote = SpanContext(5, 6, True, TraceFlags(0), state)
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    for tracer in (spans.lean, spans.standard):
        tracer.start_span("s", context).end()
    lean, standard = spans.sent
    assert lean.parent
    assert lean.context
    assert lean.parent.is_remote
    assert standard.parent
    assert (lean.parent.trace_id, lean.parent.span_id) == (5, 6)
    assert (standard.parent.trace_id, standard.parent.span_id) == (5, 6)
    assert (lean.context.trace_id, lean.context.trace_state) == (5, state)
    assert lean.context.trace_flags.sampled


def test_in_a_thread(spans: Spans) -> None:
    """A thread that is given the context has the parent."""
    with spans.lean.start_as_current_span("outer") as outer:
        inside = copy_context()
    thread = threading.Thread(target=inside.run, args=(lambda: spans.lean.start_span("s").end(),))
    thread.start()
    thread.join()
    parent = next(span for span in spans.sent if span.name == "s").parent
    assert parent
    assert parent.span_id == outer.get_span_context().span_id


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_not_sampled(monkeypatch: pytest.MonkeyPatch, sampler: str) -> None:
    """It records nothing and is not sent, and its children are not either; the ids go on."""
    spans = Spans(monkeypatch, OTEL_TRACES_SAMPLER=sampler)
    with spans.lean.start_as_current_span("ours") as ours:
        assert not ours.is_recording()
        assert ours.get_span_context().is_valid
        child = spans.lean.start_span("child")
        assert child.get_span_context().trace_id == ours.get_span_context().trace_id
        child.end()
    assert spans.sent == ()


def test_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler decides by the trace, alike for both lanes."""
    spans = Spans(monkeypatch, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    for _ in range(400):
        with spans.lean.start_as_current_span("ours"):
            spans.standard.start_span("theirs").end()
    names = [span.name for span in spans.sent]
    assert names.count("ours") == names.count("theirs")
    assert 100 < names.count("ours") < 300


def test_a_sampler_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked with all attributes, and what it adds is on the span."""
    asked: list[Any] = []

    class Adds(sampling.Sampler):
        def should_sample(self, *args: Any, **_: Any) -> sampling.SamplingResult:
            asked.append(dict(args[4]))
            decision = sampling.Decision.RECORD_AND_SAMPLE
            return sampling.SamplingResult(decision, {**args[4], "added": True})

        def get_description(self) -> str:
            return "adds"

    spans = Spans(monkeypatch)
    spans.providers.tracer.sampler = Adds()
    start = starter(spans.providers.tracer.get_tracer("otelier.sampled"))
    start("s", None, SpanKind.SERVER, Preset({"a": 1}), {"b": 2}, 5).end()
    assert asked == [{"a": 1, "b": 2}]
    assert dict(spans.sent[0].attributes or {}) == {"a": 1, "b": 2, "added": True}


def test_a_processor_of_the_user(spans: Spans) -> None:
    """Sees each span of ours as it starts and as it ends, and may add to it."""
    seen: list[tuple[str, str]] = []

    class Watches(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(("start", span.name))
            span.set_attribute("added", 1)

        def on_end(self, span: ReadableSpan) -> None:
            seen.append(("end", span.name))

    spans.providers.tracer.add_span_processor(Watches())
    spans.lean.start_span("s").end()
    assert seen == [("start", "s"), ("end", "s")]
    assert dict(spans.sent[0].attributes or {}) == {"added": 1}


def test_ids_of_the_request(spans: Spans) -> None:
    """A user who is known late is on spans that were started before."""
    box = RequestContext("r-1")
    token = current_request.set(box)
    span = spans.lean.start_span("s")
    current_request.reset(token)
    box.user_id = "u-1"
    span.end()
    assert dict(spans.sent[0].attributes or {}) == {"http.request.id": "r-1", "user.id": "u-1"}


def test_constant_attributes(spans: Spans) -> None:
    """What is set on the span wins over its preset, which stays as it was."""
    preset = Preset({"a": 1, "b": 2})
    span = spans.lean.start_span("s", attributes=preset)
    give(span, {"b": 3})
    span.end()
    assert dict(spans.sent[0].attributes or {}) == {"a": 1, "b": 3}
    assert preset == {"a": 1, "b": 2}


def test_given_to_any_span(spans: Spans) -> None:
    """Attributes and ids by the short way are those of the API."""
    for tracer in (spans.lean, spans.standard):
        span = tracer.start_span("s")
        give(span, {"a": 1})
        context = span.get_span_context()
        assert ids(span) == (context.trace_id, context.span_id, context.trace_flags)
        span.end()
        give(span, {"late": 1})
    assert [dict(span.attributes or {}) for span in spans.sent] == [{"a": 1}, {"a": 1}]
    assert ids(trace.INVALID_SPAN) == (0, 0, 0)


def test_random_ids(spans: Spans) -> None:
    """Ids differ, are never zero, and the W3C's flag says that they are random."""
    found = [spans.lean.start_span("s").get_span_context() for _ in range(1000)]
    assert len({context.trace_id for context in found}) == 1000
    assert len({context.span_id for context in found}) == 1000
    assert all(context.is_valid and context.trace_flags == 3 for context in found)
