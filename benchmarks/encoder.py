"""What a span and a log record cost to encode: `python -m benchmarks.encoder`.

Makes the records of so many requests twice, lean and as the SDK has them: an HTTP server span with
twelve attributes, two database spans, three Redis spans, two log records. Checks that both encode
to the same messages, then takes the time of both by turns and prints the best of each in
the thread's own time: the rest is the machine's. Every span has ids, times, paths and keys of its
own. With few requests (`… 40`) all of it stays in the processor's cache; a batch of a busy process
does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random
from time import thread_time
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from otelier import context
from otelier.export import encode
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from otelier.sdk.lean_span import LeanSpan
from otelier.sdk.providers import TracerProvider as LeanTracerProvider

RESOURCE = Resource(
    {
        "service.name": "crm",
        "service.version": "1.4.2",
        "service.instance.id": "0193e0c5-8c0a-7c1e-b0a1-3f6c1de0c7a4",
        "deployment.environment.name": "production",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.1",
        "host.name": "web-3",
        "process.pid": 4711,
    }
)
BATCH = 256
ROUNDS = 15

_START = 1_766_666_666_000_000_000
_SCHEMA = "https://opentelemetry.io/schemas/1.40.0"
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
_ROUTES = tuple(f"/api/{name}/{{id}}" for name in ("users", "deals", "orders", "notes"))

_REQUEST = Preset(
    {
        "http.request.method": "GET",
        "url.scheme": "https",
        "network.protocol.version": "1.1",
        "user_agent.original": _AGENT,
        "server.address": "crm.example.com",
        "server.port": 443,
    }
)
_STATEMENTS = tuple(
    Preset(
        {
            "db.system.name": "postgresql",
            "db.namespace": "crm",
            "db.operation.name": "SELECT",
            "db.collection.name": table,
            "db.query.text": f"SELECT {table}.id, {table}.name FROM {table} WHERE {table}.id = $1",
            "db.query.summary": f"SELECT {table}",
            "server.address": "db.example.com",
            "server.port": 5432,
        }
    )
    for table in ("users", "deals", "orders", "notes")
)
_COMMAND = Preset(
    {
        "db.system.name": "redis",
        "db.namespace": "0",
        "db.operation.name": "GET",
        "db.query.text": "GET ?",
        "server.address": "cache.example.com",
        "server.port": 6379,
    }
)
_LINE = Preset(
    {
        "code.file.path": "/srv/app/crm/views.py",
        "code.function.name": "show_deal",
        "code.line.number": 217,
    }
)

Named = tuple[str, str, SpanKind, Preset, dict[str, Any]]


class Collected(SpanProcessor):
    """Keeps the spans that ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Ids(IdGenerator):
    """Gives out the ids that it is given."""

    span_id = trace_id = 1

    def generate_span_id(self) -> int:
        return self.span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


def request_spans(number: int, chance: Random) -> Iterator[Named]:
    """Those of one request, the server's first."""
    route = _ROUTES[number % len(_ROUTES)]
    path = route.replace("{id}", str(chance.randrange(10**6)))
    about = {
        "url.path": path,
        "client.address": f"10.1.{number % 200}.{chance.randrange(250)}",
        "http.route": route,
        "http.response.status_code": chance.choice((200, 200, 200, 201, 404)),
    }
    yield "otelier.http", f"GET {route}", SpanKind.SERVER, _REQUEST, about
    for count in range(2):
        statement = _STATEMENTS[(number + count) % len(_STATEMENTS)]
        summary = statement["db.query.summary"]
        rows = {"db.response.returned_rows": chance.randrange(50)}
        yield "otelier.database", summary, SpanKind.CLIENT, statement, rows
    for _ in range(3):
        key = {"otelier.cache.key": f"user:{chance.randrange(10**6)}:profile"}
        yield "otelier.cache", "GET", SpanKind.CLIENT, _COMMAND, key


def spans(requests: int) -> list[LeanSpan]:
    """Lean spans, by the tracer that the instrumentations use."""
    chance = Random(7)
    made: list[Any] = []
    provider = LeanTracerProvider(RESOURCE)
    provider.put = made.append
    provider.sampler = ALWAYS_ON  # another one is asked about each span, which is not measured here
    for number in range(requests):
        box = context.RequestContext(context.new_request_id())
        box.user_id = f"u-{chance.randrange(10**4)}"
        token = context.current_request.set(box)
        start, around = _START + number * 10_000_019, None
        for scope, name, kind, preset, extra in request_spans(number, chance):
            tracer = provider.get_tracer(scope, "0.1", _SCHEMA)
            start += chance.randrange(10**6)
            span = tracer.start_span(name, around, kind, preset, start_time=start)
            for key, value in extra.items():
                span.set_attribute(key, value)
            around = around or set_span_in_context(span)
            span.end(start + chance.randrange(10**6))
        context.current_request.reset(token)
    return made


def twins(lean: Sequence[LeanSpan]) -> list[ReadableSpan]:
    """The same spans by a tracer of the SDK."""
    ids, collected = Ids(), Collected()
    provider = TracerProvider(resource=RESOURCE, id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(collected)
    for span in lean:
        ids.span_id, ids.trace_id = span.span_id, span.trace_id
        parent = SpanContext(span.trace_id, span.parent_id, False, TraceFlags(1))
        around = set_span_in_context(NonRecordingSpan(parent)) if span.parent_id else None
        tracer = provider.get_tracer(span.scope.name, span.scope.version, span.scope.schema_url)
        twin = tracer.start_span(
            span.name, around, span.kind, span.attributes, start_time=span.started_at
        )
        assert isinstance(twin, Span)
        twin.end(span.ended_at)
    return collected.spans


def logs(lean_spans: Sequence[LeanSpan]) -> list[LeanLog]:
    """Two log records for each request."""
    chance = Random(7)
    scope = InstrumentationScope("crm.views")
    return [
        LeanLog(
            scope, span.started_at + number, span.started_at + number, 9, "INFO",
            f"deal {chance.randrange(10**6)} shown in {chance.random():.3f} s", _LINE,
            {"log.record.number": chance.randrange(10**4)}, span.box,
            span.trace_id, span.span_id, 1,
        )
        for span in lean_spans
        if span.kind is SpanKind.SERVER
        for number in range(2)
    ]  # fmt: skip


def log_twins(lean: Sequence[LeanLog]) -> list[ReadWriteLogRecord]:
    """The same records as the SDK has them."""
    return [
        ReadWriteLogRecord(
            LogRecord(
                timestamp=log.time,
                observed_timestamp=log.observed,
                context=set_span_in_context(
                    NonRecordingSpan(SpanContext(log.trace_id, log.span_id, False, TraceFlags(1)))
                ),
                severity_text=log.severity_text,
                severity_number=SeverityNumber(log.severity_number),
                body=log.body,
                attributes={
                    **(log.box.attributes() if log.box else {}),
                    **(log.preset or {}),
                    **(log.extra or {}),
                },
            ),
            RESOURCE,
            log.scope,
            LogRecordLimits(),
        )
        for log in lean
    ]


def ours(encoder: Callable[..., encode.Encoded], records: Sequence[Any]) -> list[bytes]:
    """In slices, as they are sent."""
    starts = range(0, len(records), BATCH)
    return [encoder(RESOURCE, records[start : start + BATCH]).body for start in starts]


def theirs(encoder: Callable[..., Any], records: Sequence[Any]) -> list[bytes]:
    starts = range(0, len(records), BATCH)
    return [encoder(records[start : start + BATCH]).SerializeToString() for start in starts]


def same(kind: Any, left: Sequence[bytes], right: Sequence[bytes]) -> bool:
    """Whether both are the same messages, attributes in any order."""
    return [ordered(kind.FromString(body)) for body in left] == [
        ordered(kind.FromString(body)) for body in right
    ]


def ordered(message: Any) -> Any:
    """The message, the attributes in it sorted by their keys."""
    for field, value in message.ListFields():
        if field.name == "attributes":
            value.sort(key=lambda pair: pair.key)
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                ordered(each)
    return message


def race(*runs: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of the best of each, run by turns."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            began = thread_time()
            run()
            best[place] = min(best[place], thread_time() - began)
    return best


def compare(what: str, lean: Sequence[Any], sdk: Sequence[Any], mine: Any, other: Any) -> None:
    """One line of the table: the lean lane, the SDK's records by our encoder, and upstream's."""
    seconds = race(lambda: ours(mine, lean), lambda: ours(mine, sdk), lambda: theirs(other, sdk))
    first, second, third = (taken / len(lean) * 1e6 for taken in seconds)
    print(f"{what:<22}{first:>8.2f}{second:>8.2f}{third:>10.2f}{third / first:>8.1f}x")


def main(requests: int = 500) -> None:
    lean = spans(requests)
    sdk = twins(lean)
    lean_logs = logs(lean)
    sdk_logs = log_twins(lean_logs)
    reader = ReadableLogRecord
    readable = [reader(log.log_record, RESOURCE, log.instrumentation_scope) for log in sdk_logs]
    upstream = theirs(encode_spans, sdk)
    assert same(ExportTraceServiceRequest, ours(encode.traces, lean), upstream)
    assert same(ExportTraceServiceRequest, ours(encode.traces, sdk), upstream)
    written = theirs(encode_logs, readable)
    assert same(ExportLogsServiceRequest, ours(encode.logs, lean_logs), written)
    assert same(ExportLogsServiceRequest, ours(encode.logs, sdk_logs), written)
    print(f"{len(lean)} spans, {len(lean_logs)} log records; all decode to the same messages")
    print(f"{'microseconds for one':<22}{'lean':>8}{'SDK':>8}{'upstream':>10}{'gain':>9}")
    for kind in ("otelier.http", "otelier.database", "otelier.cache"):
        places = [place for place, span in enumerate(lean) if span.scope.name == kind]
        some, others = [lean[place] for place in places], [sdk[place] for place in places]
        compare(f"span, {kind}", some, others, encode.traces, encode_spans)
    compare("span, all", lean, sdk, encode.traces, encode_spans)
    compare("log record", lean_logs, readable, encode.logs, encode_logs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
