"""Records made up at random, as the lean lane has them and as the SDK has them.

Both are made from one description, so that what the two become in OTLP can be compared. Values are
those that break encoders: sizes around the steps of a variable-length number, the ends of 64 bits,
text of every width, what is empty, what is nested.
"""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otelier.context import RequestContext
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from otelier.sdk.lean_span import LeanSpan

RESOURCE = Resource(
    {"service.name": "tests", "process.pid": 4711, "process.command_args": ("a", "b")},
    "https://example.com/resource",
)
SCOPES = (
    InstrumentationScope("one", "1.0", "https://example.com/1", {"a": 1, "b": ("x", "y")}),
    InstrumentationScope("one", "1.0", "https://example.com/2", {"a": 1, "b": ("x", "y")}),
    InstrumentationScope("two"),
    InstrumentationScope("two"),  # equal, and another object
    None,
)

_SIZES = (0, 1, 2, 7, 100, 123, 124, 125, 126, 127, 128, 129, 300, 1900, 2047, 2048, 4000)
_WHOLE = (
    0,
    1,
    127,
    128,
    1023,
    1024,
    2047,
    2048,
    16383,
    16384,
    2**31,
    2**32,
    2**63 - 1,
    -1,
    -(2**63),
)
_FLOATS = (0.0, -0.0, 1.5, -2.25, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
_LETTERS = ("a", "Z", "ä", "€", "漢", "😀", "\x00", "\n", '"')
_TIME = 1_766_666_666_000_000_000
_U64 = 2**64 - 1


class Chance(Random):
    """What is drawn, by kind."""

    def text(self) -> str:
        size = self.choice(_SIZES) if self.random() < 0.5 else self.randrange(12)
        letters = self.choice((_LETTERS, ("x",)))
        return "".join(self.choices(letters, k=size))[:4096]

    def whole(self) -> int:
        return self.choice(_WHOLE) if self.random() < 0.6 else self.randrange(-3000, 3000)

    def number(self) -> float:
        return self.choice(_FLOATS) if self.random() < 0.5 else self.uniform(-1e6, 1e6)

    def plain(self) -> Any:
        return self.choice(
            (
                self.text,
                self.text,
                self.whole,
                self.number,
                lambda: self.random() < 0.5,
                lambda: self.randbytes(self.randrange(200)),
                lambda: None,
            )
        )()

    def value(self, depth: int = 0) -> Any:
        if depth > 3 or self.random() < 0.8:
            return self.plain()
        size = self.randrange(4)
        if self.random() < 0.5:
            kind = self.choice((list, tuple))
            return kind(self.value(depth + 1) for _ in range(size))
        return {self.key(): self.value(depth + 1) for _ in range(size)}

    def key(self) -> str:
        if self.random() < 0.8:
            return f"key.{self.randrange(12)}"
        return self.choice(
            ("a" * 98, "a" * 99, "b" * 300, "ключ", "😀", "http.request.id", "user.id")
        )

    def attributes(self, most: int = 6) -> dict[str, Any]:
        return {self.key(): self.value() for _ in range(self.randrange(most))}

    def some_attributes(self) -> dict[str, Any] | None:
        return self.choice((None, {}, self.attributes(), self.attributes()))

    def moment(self) -> int:
        return self.choice((0, 1, _U64, _TIME + self.randrange(10**12)))

    def context(self) -> SpanContext:
        state = TraceState(self.choice(((), (("a", "1"),), (("a", "1"), ("b@c", "x-y")))))
        trace_id, span_id = self.randrange(1, 2**128), self.randrange(1, 2**64)
        return SpanContext(trace_id, span_id, self.random() < 0.5, TraceFlags(1), state)

    def box(self) -> RequestContext | None:
        if self.random() < 0.3:
            return None
        box = RequestContext(self.text()[:64])
        box.user_id = self.choice((None, "ann", self.text()))
        box.session_id = self.choice((None, "s-1"))
        return box


def ids_of(box: RequestContext | None) -> dict[str, Any]:
    return box.attributes() if box is not None else {}


def held(chance: Chance, attributes: dict[str, Any] | None) -> tuple[Any, int]:
    """The attributes as the SDK holds them, or as they are, and how many are said to be dropped."""
    if attributes is None or chance.random() < 0.5:
        return attributes, 0
    kept = BoundedAttributes(attributes=attributes, immutable=False, extended_attributes=True)
    kept.dropped = chance.choice((0, 0, 1, 300))
    return kept, kept.dropped


def as_held(attributes: Any) -> Any:
    """What the SDK has made of them: it turns lists into tuples, say."""
    return attributes if attributes is None else {key: attributes[key] for key in attributes}


def span_pair(chance: Chance) -> tuple[LeanSpan, ReadableSpan]:
    """One span twice."""
    lean = LeanSpan()
    context, parent = chance.context(), chance.choice((None, chance.context()))
    scope = chance.choice(SCOPES)
    lean.tracer = SimpleNamespace(scope=scope)  # type: ignore[assignment]
    lean.trace_id, lean.span_id = context.trace_id, context.span_id
    lean.trace_state_text = ",".join(f"{key}={text}" for key, text in context.trace_state.items())
    lean.parent_id = parent.span_id if parent else 0
    lean.flags = 0x300 if parent and parent.is_remote else 0x100
    lean.title, kind = chance.text(), chance.choice(list(SpanKind))
    lean.kind_number = kind.value + 1
    lean.started_at, lean.ended_at = chance.moment(), chance.moment()
    lean.preset = chance.choice((None, Preset(chance.attributes())))
    lean.extra, lean.box = chance.some_attributes(), chance.box()
    status, about = chance.choice(list(StatusCode)), chance.choice((None, "", chance.text()))
    lean.status_number = status.value
    lean.status_text = about if status is StatusCode.ERROR else None
    attributes = {**ids_of(lean.box), **(lean.preset or {}), **(lean.extra or {})}
    kept, dropped = held(chance, attributes)
    events, links = (
        bounded(chance, drawn_events(chance, lean)),
        bounded(chance, drawn_links(chance, lean)),
    )
    lean.dropped = dropped, events.dropped, links.dropped
    if not any(lean.dropped):
        lean.dropped = chance.choice((None, lean.dropped))
    twin = ReadableSpan(
        lean.title, context, parent, RESOURCE, kept, events, links, kind,
        status=Status(status, lean.status_text), start_time=lean.started_at,
        end_time=lean.ended_at, instrumentation_scope=scope,
    )  # fmt: skip
    return lean, twin


def bounded(chance: Chance, drawn: list[Any]) -> BoundedList[Any]:
    """As the SDK holds events and links, some of them dropped."""
    found = BoundedList.from_seq(128, drawn)
    found.dropped = chance.choice((0, 0, 2, 200))
    return found


def drawn_events(chance: Chance, lean: LeanSpan) -> list[Event]:
    drawn = []
    for _ in range(chance.choice((0, 0, 1, 3))):
        kept, dropped = held(chance, chance.some_attributes())
        drawn.append((Event(chance.text(), kept, chance.moment()), dropped))
    lean.event_list = [
        (event.name, event.timestamp, as_held(event.attributes), dropped)
        for event, dropped in drawn
    ] or None
    return [event for event, _ in drawn]


def drawn_links(chance: Chance, lean: LeanSpan) -> list[Link]:
    drawn = []
    for _ in range(chance.choice((0, 0, 1, 3))):
        kept, dropped = held(chance, chance.some_attributes())
        drawn.append((Link(chance.context(), kept), dropped))
    lean.link_list = [
        (link.context, as_held(link.attributes), dropped) for link, dropped in drawn
    ] or None
    return [link for link, _ in drawn]


def log_pair(chance: Chance) -> tuple[LeanLog | None, ReadableLogRecord | ReadWriteLogRecord]:
    """One log record twice; the first is None where the lean lane has nothing like it."""
    scope, context = chance.choice(SCOPES), chance.context()
    severity = chance.choice(list(SeverityNumber))
    text, name = chance.choice(("INFO", "", chance.text())), chance.choice(("", chance.text()))
    lean = LeanLog(
        scope, chance.moment(), chance.moment(), severity.value, text,  # type: ignore[arg-type]
        chance.value(), chance.choice((None, Preset(chance.attributes()))),
        chance.some_attributes(), chance.box(), *chance.choice(
            ((0, 0, 0), (context.trace_id, context.span_id, 1), (0, 5, 0), (5, 0, 1))
        ), name,
    )  # fmt: skip
    around = SpanContext(lean.trace_id, lean.span_id, False, TraceFlags(lean.flags))
    record = LogRecord(
        timestamp=lean.time, observed_timestamp=lean.observed,
        context=set_span_in_context(NonRecordingSpan(around)),
        severity_text=text, severity_number=severity, body=lean.body,
        attributes={**ids_of(lean.box), **(lean.preset or {}), **(lean.extra or {})},
        event_name=name,
    )  # fmt: skip
    # `LogRecord` takes a time that is 0 for none, and a context with one id for none.
    record.timestamp, record.observed_timestamp = lean.time, lean.observed
    record.trace_id, record.span_id = lean.trace_id, lean.span_id
    record.trace_flags = TraceFlags(lean.flags)
    if chance.random() < 0.5:
        return lean, ReadableLogRecord(record, RESOURCE, scope)
    return None, written(chance, record, scope)


def written(chance: Chance, record: LogRecord, scope: Any) -> ReadWriteLogRecord:
    """As processors are given it, with what only the SDK's records may lack."""
    found = ReadWriteLogRecord(record, RESOURCE, scope, LogRecordLimits())
    record.timestamp = chance.choice((None, record.timestamp))
    record.severity_text = chance.choice((None, record.severity_text))
    record.severity_number = chance.choice((None, record.severity_number))
    record.event_name = chance.choice((None, record.event_name))
    return found


def exemplars(chance: Chance) -> list[Exemplar]:
    return [
        Exemplar(
            chance.attributes(3),
            chance.choice((chance.whole, chance.number))(),
            chance.moment(),
            *chance.choice(((None, None), (chance.randrange(2**64), chance.randrange(2**128)))),
        )
        for _ in range(chance.choice((0, 0, 1, 3)))
    ]


def number_point(chance: Chance) -> NumberDataPoint:
    value = chance.choice((chance.whole, chance.number))()
    times = chance.moment(), chance.moment()
    return NumberDataPoint(chance.attributes(), *times, value, exemplars(chance))


def histogram_point(chance: Chance) -> HistogramDataPoint:
    counts = [chance.choice((0, 1, 300, _U64)) for _ in range(chance.randrange(6))]
    bounds = [chance.number() for _ in counts[1:]]
    ends = chance.choice(((None, None), (chance.number(), chance.number()), (1, 2)))
    total = chance.choice((chance.number(), 7))
    times = chance.moment(), chance.moment()
    return HistogramDataPoint(
        chance.attributes(), *times, chance.randrange(2**40), total, counts, bounds, *ends,
        exemplars(chance),
    )  # fmt: skip


def exponential_point(chance: Chance) -> ExponentialHistogramDataPoint:
    def buckets() -> Buckets:
        counts = [chance.choice((0, 1, 127, 128, _U64)) for _ in range(chance.randrange(6))]
        return Buckets(chance.choice((0, -1, 5, -(2**31), 2**31 - 1)), counts)

    times = chance.moment(), chance.moment()
    return ExponentialHistogramDataPoint(
        chance.attributes(), *times, chance.randrange(2**40), chance.number(),
        chance.choice((-10, 0, 20)), chance.randrange(300), buckets(), buckets(),
        chance.choice((0, 1)), chance.number(), chance.number(), exemplars(chance),
    )  # fmt: skip


def metric(chance: Chance) -> Metric:
    size = chance.randrange(1, 4)
    temporality = chance.choice(list(AggregationTemporality))
    numbers = [number_point(chance) for _ in range(size)]
    data: Any = chance.choice(
        (
            lambda: Gauge(numbers),
            lambda: Sum(numbers, temporality, chance.random() < 0.5),
            lambda: Histogram([histogram_point(chance) for _ in range(size)], temporality),
            lambda: ExponentialHistogram(
                [exponential_point(chance) for _ in range(size)], temporality
            ),
        )
    )()
    return Metric(
        chance.text(), chance.choice((None, chance.text())), chance.choice((None, "", "ms")), data
    )


def metrics_data(chance: Chance) -> MetricsData:
    resources = [RESOURCE, Resource({"other": chance.value()})][: chance.randrange(1, 3)]
    scopes = [scope for scope in SCOPES[:3] if scope is not None]
    return MetricsData(
        [
            ResourceMetrics(
                resource,
                [
                    ScopeMetrics(
                        scope,
                        [metric(chance) for _ in range(chance.randrange(1, 4))],
                        scope.schema_url or "",
                    )
                    for scope in chance.sample(scopes, chance.randrange(1, 4))
                ],
                resource.schema_url,
            )
            for resource in resources
        ]
    )
