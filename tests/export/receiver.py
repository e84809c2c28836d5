"""A stand-in for a receiver of OTLP/HTTP: answers as told, and keeps what it took.

A real server on a real socket, in threads of its own; records are spans whose names are the texts
that a test puts in.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otelier.export.sinks import OTLPSink
from otelier.export.target import Target
from otelier.export.transport import Transport

Step = Callable[["Handler"], None]
"""Answers one request; the records are taken when it calls `take`."""


@dataclass
class Encoded:
    body: bytes
    count: int
    refused: int


def encode(names: Sequence[str]) -> Encoded:
    """One request with a span for each name; `poison` cannot be encoded."""
    if "poison" in names:
        raise ValueError("lone surrogate")
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in names:
        scope.spans.add().name = name
    return Encoded(request.SerializeToString(), len(names), 0)


def decode(body: bytes) -> list[str]:
    request = ExportTraceServiceRequest.FromString(body)
    return [s.name for r in request.resource_spans for c in r.scope_spans for s in c.spans]


def answer(status: int, body: bytes = b"", **headers: str) -> Step:
    """An answer; the records are taken if it is a success."""

    def step(handler: Handler) -> None:
        if 200 <= status < 300:
            handler.take()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return step


def partial(rejected: int, message: str) -> Step:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return answer(200, response.SerializeToString(), Content_Type="application/x-protobuf")


def hang(seconds: float = 30.0) -> Step:
    """No answer for so long, or until the receiver is closed."""
    return lambda handler: handler.receiver.closing.wait(seconds) and None


def half(handler: Handler) -> None:
    """An answer whose body ends too soon."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    handler.close_connection = True


def reset(handler: Handler) -> None:
    """An answer in the middle of which the connection is reset."""
    half(handler)
    time.sleep(0.05)  # let it arrive
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def headless(handler: Handler) -> None:
    """The beginning of an answer."""
    handler.wfile.write(b"HTTP/1.1 2")
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    """Close without an answer, as a server does with a connection that was idle for long."""
    handler.close_connection = True


def trickle(handler: Handler) -> None:
    """An answer, a byte each 50 ms: no single wait is long."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"x" * 1000:
        if handler.receiver.closing.wait(0.05):
            return
        handler.wfile.write(bytes((byte,)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding")
        self.body = zlib.decompress(body, 47) if encoding else body
        self.receiver.requests.append(self)
        self.receiver.sizes.append(len(self.body))
        self.receiver.keys.append(self.headers["Idempotency-Key"])
        step = self.receiver.steps.popleft() if self.receiver.steps else self.receiver.usual
        step(self)

    def take(self) -> None:
        self.receiver.taken += decode(self.body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gives up breaks the pipe


class Receiver:
    """steps: how the next requests are answered, then as `usual`."""

    def __init__(self, *steps: Step, port: int = 0) -> None:
        self.steps: deque[Step] = deque(steps)
        self.usual: Step = answer(200)
        self.requests: list[Handler] = []
        self.sizes: list[int] = []
        self.keys: list[str] = []
        self.taken: list[str] = []
        self.closing = threading.Event()
        handler = type("HandlerOfOne", (Handler,), {"receiver": self})
        self.server = Server(("127.0.0.1", port), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def sink(self, **target: Any) -> OTLPSink:
        transport = target.pop("transport", None) or Transport()
        return OTLPSink("traces", Target(self.url, **target), encode, transport)

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def receiving(*steps: Step, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(*steps, port=port)
    try:
        yield receiver
    finally:
        receiver.close()


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False
