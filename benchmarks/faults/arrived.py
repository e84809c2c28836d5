"""Which records of which requests have arrived: found by id, told apart, and counted. Pure.

A record belongs to a request by its trace id, which the client chose. Where it also carries the
request's own id or is its log line, these must tell of the same request, or it is `crossed`. Two
records are the same one if their span id, or their span, time and text, are equal. Decoded with the
official protobuf classes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.faults.receiver import LOGS, TRACES, Arrival
from benchmarks.sink import plain

REQUEST_ID = "http.request.id"
SPAN, LOG = "span", "log"

_LINE = re.compile(r"number (\d+) is asked for")
_ASKED = "asked-{}"


@dataclass(frozen=True)
class Record:
    """identity: equal for the same record. texts: its body, or its attributes that are strings."""

    kind: str
    trace_id: str
    identity: tuple[Any, ...]
    request_id: str
    texts: Sequence[str]

    @property
    def number(self) -> int:
        """Of its request, as the trace id has it."""
        return int(self.trace_id[24:] or "0", 16)

    @property
    def line(self) -> int | None:
        """The number in the app's log line, if it is that."""
        found = (_LINE.fullmatch(text) for text in self.texts)
        return next((int(match[1]) for match in found if match), None)

    @property
    def is_crossed(self) -> bool:
        is_foreign = self.request_id not in ("", _ASKED.format(self.trace_id))
        return is_foreign or self.line not in (None, self.number)


@dataclass(frozen=True)
class Found:
    """Of the requests of one order. twice: records beyond the first of the same identity.

    lines: requests whose log line is there.
    """

    requests: int = 0
    spans: int = 0
    logs: int = 0
    lines: int = 0
    lost_spans: int = 0
    lost_logs: int = 0
    twice: int = 0
    crossed: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def lost(self) -> int:
        return self.lost_spans + self.lost_logs


class Arrived:
    """What a receiver has taken so far, by request."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self._arrivals = arrivals
        self._read = 0
        self._kept: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
        self._lines: set[str] = set()
        self._twice: Counter[str] = Counter()
        self._crossed: Counter[str] = Counter()

    def each(self, trace: str, requests: int) -> tuple[int, int]:
        """Spans and log records that most requests of this order have left."""
        made = Counter(self._of(f"{trace}{n:08x}") for n in range(1, requests + 1))
        return made.most_common(1)[0][0]

    def found(self, trace: str, requests: int, each: tuple[int, int]) -> Found:
        """trace: with which the order's trace ids begin; each: what one request should leave."""
        traces = [f"{trace}{number:08x}" for number in range(1, requests + 1)]
        made = [self._of(one) for one in traces]
        return Found(
            requests=requests,
            spans=sum(spans for spans, _ in made),
            logs=sum(logs for _, logs in made),
            lines=sum(one in self._lines for one in traces),
            lost_spans=sum(max(0, each[0] - spans) for spans, _ in made),
            lost_logs=sum(max(0, each[1] - logs) for _, logs in made),
            twice=sum(self._twice[one] for one in traces),
            crossed=sum(self._crossed[one] for one in traces),
        )

    def read(self) -> None:
        """Take in what has come since."""
        while self._read < len(self._arrivals):
            for record in records(self._arrivals[self._read]):
                self._add(record)
            self._read += 1

    def _of(self, trace_id: str) -> tuple[int, int]:
        kinds = Counter(identity[0] for identity in self._kept.get(trace_id, ()))
        return kinds[SPAN], kinds[LOG]

    def _add(self, record: Record) -> None:
        kept = self._kept[record.trace_id]
        identity = (record.kind, *record.identity)
        self._twice[record.trace_id] += identity in kept
        self._crossed[record.trace_id] += record.is_crossed
        kept.add(identity)
        if record.line is not None:
            self._lines.add(record.trace_id)


def records(arrival: Arrival) -> Iterable[Record]:
    body = plain(arrival.encoding, arrival.body)
    if arrival.path == TRACES:
        found = [*_spans(ExportTraceServiceRequest.FromString(body))]
    elif arrival.path == LOGS:
        found = [*_logs(ExportLogsServiceRequest.FromString(body))]
    else:
        found = []
    return found[arrival.without :]


def _spans(request: ExportTraceServiceRequest) -> Iterator[Record]:
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                texts = _strings(span.attributes)
                request_id = texts.get(REQUEST_ID, "")
                identity = (span.span_id,)
                yield Record(SPAN, span.trace_id.hex(), identity, request_id, [*texts.values()])


def _logs(request: ExportLogsServiceRequest) -> Iterator[Record]:
    for of_resource in request.resource_logs:
        for of_scope in of_resource.scope_logs:
            for log in of_scope.log_records:
                request_id = _strings(log.attributes).get(REQUEST_ID, "")
                identity = (log.span_id, log.time_unix_nano, log.body.string_value)
                text = [log.body.string_value]
                yield Record(LOG, log.trace_id.hex(), identity, request_id, text)


def _strings(attributes: Iterable[Any]) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes if each.value.string_value}
