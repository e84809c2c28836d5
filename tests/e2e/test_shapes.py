"""Requests of every shape: one right SERVER span each, whatever becomes of the request.

Real parts: uvicorn on both event loops and both HTTP parsers, under the launcher. What is right:
one span under its caller's, with status, error and at most one exception on it; a duration; each
log record under the ids of the request that wrote it; as many ended as begun.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from otelier.cli.receiver import ERROR, Receiver, Span
from tests.e2e.serving import (
    Caller,
    access_record,
    durations,
    in_progress,
    records,
    serve,
    server_span,
    server_spans,
)
from tests.e2e.speaking import ask_in_turn

UNSET = 0
ON_PURPOSE = "shapes_app.OnPurpose"
SOME = "some error"
ROOM = "/echo/{count}"


@dataclass(frozen=True)
class Shape:
    """A request and what must be found of it.

    status: of the answer as far as it began. error: `error.type`. exceptions: events on the span.
    said: the app's log records. method: `WS` for a websocket, `LEAVE` for a client that goes away.
    """

    path: str
    route: str
    status: int = 200
    method: str = "GET"
    error: str | None = None
    exceptions: int = 0
    said: Sequence[str] = ()


SHAPES: Mapping[str, Shape] = {
    "ok": Shape("/ok/7", "/ok/{number}", said=("number 7",)),
    "sync": Shape("/sync/7", "/sync/{number}", said=("number 7",)),
    "404": Shape("/nowhere", "", 404),
    "405": Shape("/ok/7", "/ok/{number}", 405, method="DELETE"),
    "422": Shape("/ok/seven", "/ok/{number}", 422),
    "unhandled": Shape("/unhandled", "/unhandled", 500, "GET", ON_PURPOSE, 1, ("before",)),
    "handled": Shape("/handled", "/handled", 503, "GET", "503", 0, ("before", "handled")),
    "stream": Shape("/stream", "/stream", said=("streaming",)),
    "stream breaks": Shape(
        "/stream-breaks", "/stream-breaks", 200, "GET", ON_PURPOSE, 1, ("streaming",)
    ),
    "client leaves mid-stream": Shape(
        "/stream-on", "/stream-on", 200, "LEAVE", SOME, 0, ("streaming",)
    ),
    "client leaves while waiting": Shape("/slow", "/slow", 200, "LEAVE", SOME, 0, ("slow",)),
    "websocket": Shape("/echo/3", ROOM, 101, "WS", said=("open",)),
    "websocket refused": Shape("/nowhere", "", 403, "WS"),
    "websocket fails": Shape("/ws-fails", "/ws-fails", 101, "WS", ON_PURPOSE, 1),
    "background": Shape("/background", "/background", said=("afterwards",)),
    "background fails": Shape("/background?fail=true", "/background", said=("afterwards",)),
    "asyncio.timeout": Shape("/times-out", "/times-out", 500, "GET", "TimeoutError", 1),
}
MOUNTED = ("ok", "sync", "404", "405", "422", "unhandled", "stream breaks", "websocket fails")


def mounted(shape: Shape) -> Shape:
    prefix = "/mounted/{tenant}"
    return replace(
        shape, path="/mounted/acme" + shape.path, route=prefix + (shape.route or "/{path}")
    )


TABLE = {**SHAPES, **{f"{name}, mounted": mounted(SHAPES[name]) for name in MOUNTED}}


@dataclass(frozen=True)
class Asked:
    """All shapes, asked of one server that has ended."""

    receiver: Receiver
    callers: Mapping[str, Caller]


@pytest.fixture(scope="module", params=["app", "wrapped"])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    """The bare app, and the one under three `BaseHTTPMiddleware`."""
    callers = {name: Caller() for name in TABLE}
    with Receiver() as receiver:
        with serve(f"shapes_app:{request.param}", receiver) as server:
            for name, shape in TABLE.items():
                ask(server.url, shape, callers[name])
            time.sleep(0.8)  # for what goes on after the answer
        yield Asked(receiver, callers)


def ask(url: str, shape: Shape, caller: Caller) -> None:
    if shape.method == "WS":
        converse(url.replace("http", "ws") + shape.path, shape, caller)
    elif shape.method == "LEAVE":
        leave(url, shape, caller)
    else:
        # A connection each: uvicorn closes it after an unhandled exception.
        try:
            answer = httpx.request(shape.method, url + shape.path, headers=caller.headers)
            assert answer.status_code == shape.status
        except httpx.TransportError:
            assert "breaks" in shape.path


def converse(url: str, shape: Shape, caller: Caller) -> None:
    if shape.status == 403:
        with pytest.raises(Exception, match="403"):
            connect(url, additional_headers=caller.headers)
        return
    with connect(url, additional_headers=caller.headers) as websocket:
        for number in range(3):
            websocket.send(str(number))
            if shape.error:
                with pytest.raises(ConnectionClosedError):
                    websocket.recv(10)
                return
            assert websocket.recv(10) == str(number)


def leave(url: str, shape: Shape, caller: Caller) -> None:
    """Read the beginning of a stream, nothing of what has not begun, and go."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        head = f"GET {shape.path} HTTP/1.1\r\nhost: x\r\ntraceparent: {caller.header}\r\n\r\n"
        connection.sendall(head.encode())
        if "stream" in shape.path:
            assert b"chunk" in connection.recv(4096) + connection.recv(4096)
        else:
            time.sleep(0.2)


@pytest.mark.parametrize("name", TABLE)
def test_shape(name: str, asked: Asked) -> None:
    """One SERVER span under its caller's, with the right status, error, and exception."""
    shape, span = TABLE[name], server_span(asked.receiver, asked.callers[name])
    assert span.attributes.get("http.route", "") == shape.route
    assert span.attributes.get("http.response.status_code") == shape.status
    method = "DELETE" if shape.method == "DELETE" else "GET"
    assert span.name == f"{method} {shape.route}".strip()
    events = [event for event, _ in span.events]
    if shape.error == SOME:
        # That nobody was there to take the answer has to be seen; whether it is the server's
        # failure is not for us to say.
        assert span.attributes.get("error.type"), "nothing tells that the client left"
        return
    assert span.attributes.get("error.type") == shape.error
    assert events == ["exception"] * shape.exceptions
    assert span.status == (ERROR if shape.error else UNSET)


@pytest.mark.parametrize("name", TABLE)
def test_records_of_a_shape(name: str, asked: Asked) -> None:
    """The app's records carry the ids of their request, and there is one access record."""
    caller = asked.callers[name]
    span = server_span(asked.receiver, caller)
    said = [log for log in records(asked.receiver, caller) if log.scope == "shapes"]
    assert [log.body for log in said] == list(TABLE[name].said)
    for log in [*said, access_record(asked.receiver, caller)]:
        assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
        assert log.attributes["http.request.id"] == span.attributes["http.request.id"]


@pytest.mark.parametrize("name", [name for name, shape in TABLE.items() if shape.exceptions])
def test_an_exception_is_a_record(name: str, asked: Asked) -> None:
    """What nobody handled is one log record with its traceback, under the request's ids."""
    caller = asked.callers[name]
    logs = [log for log in asked.receiver.logs if "exception.stacktrace" in log.attributes]
    (log,) = [log for log in logs if log.trace_id == caller.trace_id]
    assert log.span_id == server_span(asked.receiver, caller).span_id
    assert log.attributes["exception.type"] == TABLE[name].error


def test_as_many_ended_as_begun(asked: Asked) -> None:
    """A span and a duration for each request, no more; none is in progress at the end."""
    assert sorted(server_spans(asked.receiver)) == sorted(
        c.trace_id for c in asked.callers.values()
    )
    assert in_progress(asked.receiver) == 0
    counted = Counter[str]()
    for point in durations(asked.receiver):
        counted[point.attributes.get("http.route", "")] += point.count
    assert counted == Counter(shape.route for shape in TABLE.values() if shape.method != "WS")


def test_how_long_it_took(asked: Asked) -> None:
    """To the last byte: not to the end of a background task, and not to the end of a stream."""
    for name, longest in (("background", 0.25), ("client leaves mid-stream", 2.0)):
        assert seconds(server_span(asked.receiver, asked.callers[name])) < longest
    for name, least in (("client leaves while waiting", 0.1), ("asyncio.timeout", 0.05)):
        assert seconds(server_span(asked.receiver, asked.callers[name])) >= least


def seconds(span: Span) -> float:
    return (span.end - span.start) / 1e9


@pytest.mark.parametrize("app", ["app", "wrapped"])
@pytest.mark.parametrize("stop_by", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_cancelled_by_a_stop(app: str, stop_by: int, receiver: Receiver) -> None:
    """A request that the server gives up is a failed one, and all that it said is there."""
    caller, options = Caller(), ("--timeout-graceful-shutdown", "1")
    with serve(f"shapes_app:{app}", receiver, *options, stop_by=stop_by) as server:
        address = httpx.URL(server.url)
        connection = socket.create_connection((address.host, address.port or 80))
        head = f"GET /for-ever HTTP/1.1\r\nhost: x\r\ntraceparent: {caller.header}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(0.4)
    connection.close()
    span = server_span(receiver, caller)
    assert span.attributes["http.route"] == "/for-ever"
    assert "http.response.status_code" not in span.attributes
    assert span.attributes.get("error.type", "").endswith("CancelledError")
    assert span.status == ERROR
    said = [log.body for log in records(receiver, caller) if log.scope == "shapes"]
    assert said == ["waiting", "cancelled"]
    assert in_progress(receiver) == 0


@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_one_after_another(loop: str, parser: str, receiver: Receiver) -> None:
    """2,000 requests on 1 and on 16 connections, kept alive and pipelined, under middleware.

    The middleware sends an empty last body when the next request has already come, and uvicorn
    starts that one inside the context of the one before. Every other client has no trace: its
    request begins one.
    """
    options = ("--loop", loop, "--http", parser)
    callers = {number: Caller() if number % 2 else None for number in range(2000)}
    with serve("shapes_app:wrapped", receiver, *options) as server:
        for first, (connections, depth) in enumerate(((1, 1), (1, 8), (16, 1), (16, 8))):
            some = {n: callers[n] for n in range(first * 500, first * 500 + 500)}
            asyncio.run(ask_in_turn(server.url, "/ok", some, connections, depth))
    check_numbers(receiver, callers, "number {}")


def check_numbers(receiver: Receiver, callers: Mapping[int, Caller | None], *said: str) -> None:
    """Each number has its own span, ids and records, and no one else's."""
    by_trace = server_spans(receiver)
    spans = {
        int(span.attributes["url.path"].rpartition("/")[2]): span for (span,) in by_trace.values()
    }
    assert set(spans) == set(callers)
    for number, caller in callers.items():
        span, expected = spans[number], caller.span_id if caller else ""
        assert span.parent_id == expected
        assert caller is None or span.trace_id == caller.trace_id
        assert span.attributes["http.response.status_code"] == 200
    check_bodies(receiver, spans, said)
    ids = {span.attributes["http.request.id"] for span in spans.values()}
    assert len(ids) == len(by_trace) == len(callers)
    assert len([log for log in receiver.logs if log.scope == "otelier.access"]) == len(callers)
    assert sum(point.count for point in durations(receiver)) == len(callers)
    assert in_progress(receiver) == 0


def check_bodies(receiver: Receiver, spans: Mapping[int, Span], said: Sequence[str]) -> None:
    """The app's records, in their order, under the span and the request id of their number."""
    bodies: dict[tuple[str, str, object], list[object]] = {}
    for log in receiver.logs:
        if log.scope == "shapes":
            key = log.trace_id, log.span_id, log.attributes["http.request.id"]
            bodies.setdefault(key, []).append(log.body)
    assert bodies == {
        (span.trace_id, span.span_id, span.attributes["http.request.id"]): [
            text.format(number) for text in said
        ]
        for number, span in spans.items()
    }


@pytest.mark.parametrize("app", ["app", "wrapped"])
def test_a_thousand_at_once(app: str, receiver: Receiver) -> None:
    """All are in progress before the first one is answered, and none takes another's ids."""
    callers = {number: Caller() if number % 2 else None for number in range(1000)}
    with serve(f"shapes_app:{app}", receiver) as server:
        asyncio.run(ask_in_turn(server.url, "/crowd", callers, len(callers), 1))
    check_numbers(receiver, callers, "number {}", "again {}")


def test_ten_thousand_messages(receiver: Receiver) -> None:
    """A long websocket is one span as a short one is, and the server keeps nothing of it."""
    short, long = Caller(), Caller()
    with serve("shapes_app:app", receiver) as server:
        url = server.url.replace("http", "ws")
        echo(url, 1000, short)
        before = memory(server.process.pid)
        echo(url, 10_000, long)
        grown = memory(server.process.pid) - before
    one, other = server_span(receiver, short), server_span(receiver, long)
    assert set(one.attributes) == set(other.attributes)
    assert one.events == ()
    assert other.events == ()
    assert len([span for span in receiver.spans if span.trace_id == long.trace_id]) == 1
    said = [log.body for log in records(receiver, long) if log.scope == "shapes"]
    assert said == ["open"]
    assert grown < 4e6


def echo(url: str, count: int, caller: Caller, at_once: int = 100) -> None:
    with connect(f"{url}/echo/{count}", additional_headers=caller.headers) as websocket:
        for first in range(0, count, at_once):
            for number in range(first, first + at_once):
                websocket.send(str(number))
            for number in range(first, first + at_once):
                assert websocket.recv(10) == str(number)


def memory(pid: int) -> float:
    """Bytes that a process holds; nothing grows where there is no `/proc`."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return float(line.split()[1]) * 1024
