"""The client: `python -m benchmarks.load`, a process of its own that asks and takes the time.

Each line on standard input is an `Order` as JSON, each line on standard output what came of it. It
keeps connections open, has at most one request on each, and sends a sampled `traceparent` of its
own with every request. One thread over epoll and plain sockets: about 20 µs a request, so that it
is the server that is busy.

Without a rate, a connection asks again as soon as it is answered. With one, requests are due at
even times whether or not the last one has been answered, and latency counts from when it was due.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10.0
CONNECTIONS = 16
PATIENCE_SECONDS = 30.0

_BODY = b'{"name": "lamp", "price": 42}'
_HEAD = (
    "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: otelier-benchmark/1\r\nAccept: */*\r\n"
    "traceparent: 00-%%(trace)s-%%(number)016x-01\r\n"
)
_PLAIN = "\r\n"
_JSON = f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n{_BODY.decode()}"


@dataclass(frozen=True)
class Question:
    """One kind of request. status: of the right answer."""

    line: str
    status: bytes = b"200"
    rest: str = _PLAIN

    @property
    def template(self) -> str:
        return _HEAD % self.line + self.rest


PING = Question("GET /ping")
ITEM = Question("GET /item")
NEW = Question("POST /items", b"201", _JSON)
ERROR = Question("GET /error", b"500")
NUMBERED = Question("GET /numbered/%(number)d", rest="X-Request-ID: asked-%(trace)s\r\n\r\n")

# What is asked in turn; a whole number of turns has an even number of items.
TURNS: Mapping[str, Sequence[Question]] = {
    "ping": (PING,),
    "item": (ITEM, ITEM),
    "mix": (ITEM, NEW, ITEM, ITEM, NEW, ITEM, ERROR, ITEM, NEW, ITEM),
    "numbered": (NUMBERED,),
}


@dataclass(frozen=True)
class Order:
    """turn: a name in `TURNS`; rate: requests a second, or none for as many as it can.

    trace: first 24 digits of each trace id, of its own if empty; the request's number, from 1,
    makes the rest.
    """

    port: int
    turn: str
    requests: int
    rate: float | None = None
    trace: str = ""


@dataclass(frozen=True)
class Outcome:
    """wrong: answers of another status, and none at all. latencies: of all of them, in seconds."""

    answered: int
    wrong: int
    seconds: float
    latencies: Sequence[float]


class Connection:
    """One socket and the request that is on it."""

    def __init__(self, port: int, poll: select.epoll) -> None:
        self._port = port
        self._poll = poll
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._poll.register(self._socket, select.EPOLLIN)
        self._received = b""

    @property
    def number(self) -> int:
        return self._socket.fileno()

    def ask(self, question: Question, request: bytes, since: float) -> None:
        self._question = question
        self.since = since
        self._socket.sendall(request)

    def answer(self) -> bool | None:
        """Whether the answer is the right one; None while it is not all there."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        self._received += data
        if data and not _is_whole(self._received):
            return None
        is_right = self._received[9:12] == self._question.status
        is_last = not data or self._question is ERROR
        self._received = b""
        if is_last:  # a server closes a connection whose app has failed
            self.renew()
        return is_right

    def renew(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        self._poll.unregister(self._socket)
        self._socket.close()


def _is_whole(received: bytes) -> bool:
    """Every answer of the app tells its length."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


class Run:
    """One order: who asks what when, and what has come back."""

    def __init__(self, order: Order) -> None:
        self._order = order
        turn = TURNS[order.turn]
        self._turn = [(question, question.template) for question in turn]
        self._trace = order.trace or os.urandom(12).hex()
        self._poll = select.epoll()
        made = [Connection(order.port, self._poll) for _ in range(CONNECTIONS)]
        self._idle = made
        self._busy: dict[int, Connection] = {}
        self._asked = self._right = self._wrong = 0
        self._latencies: list[float] = []

    def outcome(self) -> Outcome:
        self._began = self._heard = time.perf_counter()
        while self._right + self._wrong < self._order.requests:
            self._ask_what_is_due()
            self._take_answers()
        seconds = time.perf_counter() - self._began
        for connection in (*self._idle, *self._busy.values()):
            connection.close()
        self._poll.close()
        return Outcome(self._right, self._wrong, seconds, self._latencies)

    def _due(self) -> float:
        """When the next request is to be sent."""
        rate = self._order.rate
        return self._began + self._asked / rate if rate else time.perf_counter()

    def _ask_what_is_due(self) -> None:
        while self._idle and self._asked < self._order.requests:
            due = self._due()
            if due > time.perf_counter():
                return
            question, template = self._turn[self._asked % len(self._turn)]
            self._asked += 1
            trace = f"{self._trace}{self._asked:08x}"
            request = template % {"trace": trace, "number": self._asked}
            connection = self._idle.pop()
            self._busy[connection.number] = connection
            connection.ask(question, request.encode(), due)

    def _take_answers(self) -> None:
        for number, _ in self._poll.poll(self._seconds_to_wait()):
            if (connection := self._busy.get(number)) is None:
                self._renew(number)
                continue
            is_right = connection.answer()
            if is_right is None:
                continue
            del self._busy[number]
            self._idle.append(connection)
            self._heard = time.perf_counter()
            self._latencies.append(self._heard - connection.since)
            self._right += is_right
            self._wrong += not is_right
        if time.perf_counter() - self._heard > PATIENCE_SECONDS:
            raise TimeoutError(f"no answer for {PATIENCE_SECONDS:.0f} s")

    def _renew(self, number: int) -> None:
        """A server closes a connection on which nothing was asked for some seconds."""
        for connection in self._idle:
            if connection.number == number:
                connection.renew()
                return

    def _seconds_to_wait(self) -> float:
        """Until the next request is due, if somebody is free to send it."""
        if not self._idle or self._asked >= self._order.requests:
            return 1.0
        return max(0.0, self._due() - time.perf_counter())


class Client:
    """The process, from outside: `with Client() as client: client.run(order)`."""

    def __enter__(self) -> Client:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=STOP_SECONDS)

    def run(self, order: Order) -> Outcome:
        """A server that does not answer has all its answers wrong."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the client has no input or output")
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the client has ended")
        return Outcome(**json.loads(line))


def main() -> None:
    for line in sys.stdin:
        order = Order(**json.loads(line))
        try:
            outcome = Run(order).outcome()
        except OSError as error:  # it does not answer: its own row shows that, the others go on
            sys.stderr.write(f"port {order.port}: {error}\n")
            outcome = Outcome(0, order.requests, PATIENCE_SECONDS, [PATIENCE_SECONDS])
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
