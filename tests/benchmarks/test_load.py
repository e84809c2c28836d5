"""The benchmarks' client, beside servers that close connections."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from benchmarks.load import Order, Run

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Impatient(socketserver.BaseRequestHandler):
    """Answers once, and closes soon afterwards, as uvicorn does after five seconds."""

    def handle(self) -> None:
        if self.request.recv(65536):
            self.request.sendall(ANSWER)
            threading.Event().wait(0.02)


@pytest.fixture
def port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Impatient) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_connection_that_was_closed_while_idle_is_opened_anew(port: int) -> None:
    # More requests than connections: each of these is closed before it is asked again.
    outcome = Run(Order(port, "ping", 40, rate=25.0)).outcome()
    assert (outcome.answered, outcome.wrong) == (40, 0)
