"""One app under the launcher and uvicorn, and clients that tell the server who is asking.

Each request gets a trace id and a parent of its own, by which everything that comes of it is found
again at the receiver.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from otelier.cli.receiver import SERVER, Log, Point, Receiver, Span
from parts import free_ports
from parts.server import Server

HERE = Path(__file__).parent
DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"


@dataclass(frozen=True)
class Caller:
    """Who asks: the trace and the span that the request belongs to."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def header(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    @property
    def headers(self) -> dict[str, str]:
        return {"traceparent": self.header}


@contextmanager
def serve(
    app: str,
    receiver: Receiver,
    *options: str,
    folder: Path = HERE,
    stop_by: int = signal.SIGTERM,
    **variables: str,
) -> Iterator[Server]:
    """`uvicorn app options…` under the launcher; all that it sent is there when this is over."""
    (port,) = free_ports(1)
    line = ["uvicorn", app, "--port", str(port), "--no-access-log", *options]
    environ = {"OTEL_SERVICE_NAME": "e2e", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **variables}
    with Server(line, port, folder, environ, stop_by=stop_by) as server:
        yield server
    faults = [line for line in server.stderr().splitlines() if "; the app goes on" in line]
    assert faults == []


def server_spans(receiver: Receiver) -> dict[str, list[Span]]:
    """SERVER spans by trace id."""
    found: dict[str, list[Span]] = {}
    for span in receiver.spans:
        if span.kind == SERVER:
            found.setdefault(span.trace_id, []).append(span)
    return found


def server_span(receiver: Receiver, caller: Caller) -> Span:
    """The one SERVER span of the request, right under its caller."""
    (span,) = server_spans(receiver).get(caller.trace_id, [])
    assert span.parent_id == caller.span_id
    assert span.end >= span.start
    return span


def records(receiver: Receiver, caller: Caller) -> list[Log]:
    """The request's log records, the access record left out."""
    logs = [log for log in receiver.logs if log.trace_id == caller.trace_id]
    return [log for log in logs if log.scope != "otelier.access"]


def access_record(receiver: Receiver, caller: Caller) -> Log:
    logs = [log for log in receiver.logs if log.trace_id == caller.trace_id]
    own = [log for log in logs if log.scope == "otelier.access"]
    (record,) = [log for log in own if "exception.type" not in log.attributes]
    return record


def durations(receiver: Receiver) -> list[Point]:
    return [point for point in receiver.points if point.name == DURATION]


def in_progress(receiver: Receiver) -> float:
    """Requests begun and not ended, over the whole run of one server."""
    last: dict[tuple[object, ...], float] = {}
    for point in receiver.points:
        if point.name == ACTIVE:
            key = (point.resource["process.pid"], *sorted(point.attributes.items()))
            before = last.get(key, 0) if point.is_delta else 0
            last[key] = before + point.value
    assert last, "nothing was counted"
    return sum(last.values())
