"""Faults of ours and of the receiver, in a real server: the CRM answers as it does without us.

Real parts: PostgreSQL, Redis, uvicorn under the launcher. Compared are status, body and headers;
only the date, and the request id that the settings page lists, are left out.
"""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from otelier.cli.receiver import SERVER, Receiver
from parts import free_ports
from parts.server import Server, command
from tests.e2e.conftest import CRM

ROOT = Path(__file__).parents[2]
ROUNDS = 10

ENROLMENT = {"json": {"contact_ids": [1, 2]}}
CONTACTS = "/api/v1/contacts"
WORKFLOWS = "/api/v1/workflows"

ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", f"{CONTACTS}/1", {}),
    ("GET", f"{CONTACTS}/999999", {}),
    ("GET", f"{CONTACTS}/one", {}),
    ("GET", CONTACTS, {}),
    ("GET", f"{CONTACTS}/export", {}),
    ("POST", f"{WORKFLOWS}/1/enrol", ENROLMENT),
    ("POST", f"{WORKFLOWS}/1/enrol", {"content": b"{"}),
    ("POST", f"{WORKFLOWS}/1/run/2", {}),
    ("GET", CONTACTS, {"headers": {"authorization": "Bearer nobody"}}),
    ("GET", CONTACTS, {"headers": {"authorization": ""}}),
    ("DELETE", f"{CONTACTS}/1", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/health", {}),
    ("GET", "/openapi.json", {}),
    # Last: uvicorn closes a connection after an exception that nobody has handled.
    ("POST", f"{WORKFLOWS}/1/test", {}),
]

Answer = tuple[str, int, bytes, list[tuple[str, str]]]


def ask(url: str) -> list[Answer]:
    """What a client gets, each answer in full."""
    told = []
    with httpx.Client(base_url=url, headers={"authorization": "Bearer ada-token"}) as client:
        for method, path, more in ASKED:
            answer = client.request(method, path, timeout=20, **more)
            pairs = [(k, v) for k, v in answer.headers.multi_items() if k not in LEFT_OUT]
            told.append((f"{method} {path}", answer.status_code, answer.content, pairs))
    return told


LEFT_OUT = ("date", "x-request-id")


def line(app: str, port: int, folder: Path) -> list[str]:
    return command("uvicorn", app, port, folder)


@pytest.fixture(scope="module")
def bare(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """The answers without us; asked twice, so that nothing that changes by itself is compared."""
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("bare")
    with Server(line("crm.app:app", port, folder), port, CRM, stores, observed=False) as server:
        first, second = ask(server.url), ask(server.url)
    assert first == second
    assert {status for _, status, _, _ in first} >= {200, 202, 401, 404, 405, 422, 500}
    return first


def test_functions_that_fail(
    bare: list[Answer], stores: dict[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    """Every function of ours raises now and then: no answer differs, the faults are said, and
    what can still be recorded arrives."""
    (port,) = free_ports(1)
    environ = {**stores, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "PYTHONPATH": str(ROOT)}
    with Server(line("tests.e2e.faulty_crm:app", port, tmp_path), port, CRM, environ) as server:
        for _ in range(ROUNDS):
            assert ask(server.url) == bare
    said = [text for text in server.stderr().splitlines() if "on purpose; the app goes on" in text]
    assert len(said) > 3, server.stderr()[-3000:]
    assert all(text.startswith("otelier: ") for text in said)
    assert [span for span in receiver.spans if span.kind == SERVER]


class Slow(BaseHTTPRequestHandler):
    """Takes everything, a second late."""

    def do_POST(self) -> None:
        time.sleep(1.0)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Refusing(Slow):
    """Takes nothing."""

    def do_POST(self) -> None:
        self.send_response(500)
        self.send_header("content-length", "7")
        self.end_headers()
        self.wfile.write(b"not now")


class Senseless(socketserver.BaseRequestHandler):
    """Answers what is no HTTP, and hangs up."""

    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"\x00\xffnonsense\r\n\r\n")


class Silent(socketserver.BaseRequestHandler):
    """Never answers."""

    def handle(self) -> None:
        while self.request.recv(65_536):
            pass


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def receiving(handler: Any) -> Iterator[str]:
    is_http = issubclass(handler, BaseHTTPRequestHandler)
    with (ThreadingHTTPServer if is_http else Threads)(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("handler", [Slow, Refusing, Senseless, Silent], ids=lambda h: h.__name__)
def test_a_receiver_that_fails(
    handler: Any, bare: list[Answer], stores: dict[str, str], tmp_path: Path
) -> None:
    """A receiver that is slow, refuses, talks nonsense or says nothing costs no answer anything:
    all are as ever, none waits for it, and a stop takes no longer than its time-out."""
    (port,) = free_ports(1)
    quick = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50"}
    quick |= {"OTEL_METRIC_EXPORT_INTERVAL": "200", "OTELIER_STOP_TIMEOUT": "1"}
    with receiving(handler) as url:
        environ = {**stores, **quick, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
        with Server(line("crm.app:app", port, tmp_path), port, CRM, environ) as server:
            ask(server.url)
            for _ in range(ROUNDS):
                before = time.monotonic()
                assert ask(server.url) == bare
                assert time.monotonic() - before < 0.9
        assert server.seconds_to_stop < 4
        assert "Traceback" not in without_the_apps(server.stderr())


def without_the_apps(stderr: str) -> str:
    """The tracebacks of the route that fails on purpose, cut out."""
    return "\n".join(part for part in stderr.split("ERROR:") if "crm/workflows.py" not in part)
