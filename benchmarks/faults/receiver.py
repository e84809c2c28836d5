"""An OTLP/HTTP receiver that fails on demand; it keeps what it has taken, as it came.

Nothing is decoded here (`arrived` does, later), so that it is never the slow one. Each connection
has a thread. What counts as taken is what the receiver would have stored: the body of a request
whose behaviour calls `take`, whether or not its sender learns of it.
"""

from __future__ import annotations

import errno
import math
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any

from benchmarks.sink import Handler
from parts import free_ports

TRACES, LOGS = "/v1/traces", "/v1/logs"
COUNTED = (TRACES, LOGS)


@dataclass(frozen=True)
class Arrival:
    """A body that was taken, but for its first `without` records; at: on the monotonic clock."""

    path: str
    encoding: str
    body: bytes
    at: float
    without: int = 0


class Post(Handler):
    """One request, for a behaviour to deal with."""

    receiver: Receiver

    def setup(self) -> None:
        super().setup()
        self.receiver.opened(self.connection)

    def do_POST(self) -> None:
        self.path = self.path.partition("?")[0]
        self._body: bytes | None = None
        self.receiver.behaviour(self.path)(self)

    def do_GET(self) -> None:
        """The page that a redirect leads to."""
        self.answer(200, b"please log in", "text/html")

    def body(self) -> bytes:
        if self._body is None:
            self._body = super().body()
        return self._body

    def take(self, without: int = 0) -> None:
        encoding = self.headers.get("content-encoding", "")
        arrival = Arrival(self.path, encoding, self.body(), time.monotonic(), without)
        self.receiver.arrivals.append(arrival)

    def confirm(self, body: bytes = b"") -> None:
        self.answer(200, body, "application/x-protobuf")

    def hang_up(self) -> None:
        self.close_connection = True

    def reset(self) -> None:
        """End the connection in a way that the other side cannot take for an orderly one."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
        self.close_connection = True


Behaviour = Callable[[Post], None]


def well(post: Post) -> None:
    post.take()
    post.confirm()


@dataclass(frozen=True)
class Fault:
    """behave: none where nobody listens. It is over after `seconds`, or for each of traces and logs
    after `times` requests.
    """

    behave: Behaviour | None = well
    seconds: float = math.inf
    times: float = math.inf


class Receiver:
    """Listens on loopback while its context is open, unless its fault is that it does not.

    over: set while it is well.
    """

    def __init__(self) -> None:
        handler = type("Post", (Post,), {"receiver": self})
        self._server = _Server(handler)
        self._is_there = False
        self.arrivals: list[Arrival] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._fault = Fault()
        self._met: Counter[str] = Counter()
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Receiver:
        self._listen()
        self.over.set()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._go_away()
        self._server.server_close()

    @property
    def took_at(self) -> float:
        """When spans or log records came last, on the monotonic clock; 0 before any."""
        return next((one.at for one in reversed(self.arrivals) if one.path in COUNTED), 0.0)

    def begin(self, fault: Fault) -> None:
        self._fault = fault
        self._met.clear()
        self.over.clear()
        if fault.behave is None:
            self._go_away()

    def end(self) -> None:
        """Be well again."""
        self._fault = Fault()
        if not self._is_there:
            self._listen()
        self.over.set()

    def is_met(self) -> bool:
        """Whether each of traces and logs has met its fault as often as it should."""
        return all(self._met[path] >= self._fault.times for path in COUNTED)

    def behaviour(self, path: str) -> Behaviour:
        """For the next request."""
        with self._lock:
            fault = self._fault
            self._met[path] += 1
            is_faulty = path in COUNTED and self._met[path] <= fault.times
        return fault.behave if is_faulty and fault.behave else well

    def opened(self, connection: socket.socket) -> None:
        self._connections.append(connection)

    def _listen(self) -> None:
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._is_there = True

    def _go_away(self) -> None:
        """Refuse connections, and break those that are open."""
        if self._is_there:
            self._server.deactivate()
            self._is_there = False
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed long ago
        self._connections.clear()


class _Server(ThreadingHTTPServer):
    """It owns its port all the time, whether or not it listens (Linux): nobody else can take it."""

    allow_reuse_address = False
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[Post]) -> None:
        super().__init__(("127.0.0.1", 0), handler, bind_and_activate=False)
        while not self._has_bound(*free_ports(1)):
            pass

    def _has_bound(self, port: int) -> bool:
        """Not where old connections of others are still in TIME_WAIT."""
        self.server_address = ("127.0.0.1", port)
        try:
            self.server_bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True

    def server_activate(self) -> None:
        """Old connections that are still in TIME_WAIT are no reason not to."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        super().server_activate()

    def deactivate(self) -> None:
        self.shutdown()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that has not waited for its answer is no news here."""
