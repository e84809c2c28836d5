"""Starts everything, sends some traffic, shows one request whole and then every route.

Interactive, it goes on serving and shows each request that is made; else it ends by itself, with 0
if the request shown is complete. Whatever it started is ended by its own handle, also on Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from demo import story, traffic
from otelier.cli import route_table, trace_tree
from otelier.cli.console import Traces, show_finished
from otelier.cli.receiver import SERVER, Receiver
from otelier.cli.terminal import Terminal
from parts import Missing, free_ports
from parts.postgres import postgres
from parts.redis import redis
from parts.server import Server, command

CRM = Path(__file__).parents[1] / "examples" / "crm"
PORT = 8000
ARRIVAL_SECONDS = 15.0

# What is recorded is sent at once, so that nobody has to wait for the demonstration.
SOON = {
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_BLRP_SCHEDULE_DELAY": "200",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
}

Part = TypeVar("Part")


class Failed(Exception):
    """The demonstration cannot go on; the text is for the person who watches."""


def main() -> int:
    terminal = Terminal()
    try:
        with ExitStack() as stack:
            demonstrate(terminal, stack)
    except (Missing, Failed) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def demonstrate(terminal: Terminal, stack: ExitStack) -> None:
    began = time.monotonic()
    traces = Traces()
    database = start(terminal, "PostgreSQL", lambda: stack.enter_context(postgres()))
    cache = start(terminal, "Redis", lambda: stack.enter_context(redis()))
    receiver = stack.enter_context(Receiver(0, traces.add))
    stores = {"DATABASE_URL": database.url, "REDIS_URL": cache.url}
    server = start(terminal, "the CRM", lambda: stack.enter_context(crm(stores, receiver.url)))
    answer = start(terminal, "first request", lambda: traffic.first_request(server.url))
    if answer.status_code != 200:
        raise Failed(f"the CRM answered {answer.status_code} to {traffic.FIRST}: {server.stderr()}")
    sent = 1 + start(terminal, "traffic", lambda: traffic.send(server.url))
    await_arrival(receiver, sent)
    show(terminal, receiver, answer.headers.get("x-request-id"))
    terminal.write(
        "", f"{sent} requests, all of them here, {time.monotonic() - began:.0f} s in all"
    )
    if sys.stdin.isatty() and sys.stdout.isatty():
        serve_on(terminal, server, traces)


def start(terminal: Terminal, what: str, do: Callable[[], Part]) -> Part:
    """Do it, and say how long it took and what it is."""
    began = time.monotonic()
    try:
        done = do()
    except Missing:
        raise
    except (OSError, RuntimeError) as error:
        raise Failed(str(error)) from None
    origin = getattr(done, "origin", "") or getattr(done, "url", "") or ""
    seconds = f"{time.monotonic() - began:5.1f} s"
    terminal.write(f"{terminal.paint(seconds, 'dim')}  {what:<14} {origin}".rstrip())
    return done


@contextmanager
def crm(stores: dict[str, str], endpoint: str) -> Iterator[Server]:
    port = PORT if is_free(PORT) else free_ports(1)[0]
    environ = {
        **SOON,
        **stores,
        "OTEL_SERVICE_NAME": "crm",
        "OTELIER_REDIS_INFO": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    with tempfile.TemporaryDirectory() as folder:
        line = command("uvicorn", "crm.app:app", port, Path(folder))
        with Server(line, port, CRM, environ) as server:
            yield server


def is_free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def await_arrival(receiver: Receiver, sent: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        arrived = sum(span.kind == SERVER for span in receiver.spans)
        if arrived >= sent:
            time.sleep(0.5)  # the last log records
            return
        time.sleep(0.1)
    raise Failed(f"{arrived} of {sent} requests arrived within {ARRIVAL_SECONDS:.0f} s")


def show(terminal: Terminal, receiver: Receiver, request_id: str | None) -> None:
    spans, logs = receiver.spans, receiver.logs
    gaps = story.missing(request_id, spans, logs)
    if gaps:
        raise Failed(f"the story of request {request_id} lacks: {', '.join(gaps)}")
    failing = [s.attributes["http.request.id"] for s in spans if s.events and s.kind == SERVER]
    for shown in (request_id, *failing[:1]):
        terminal.write("", *one_request(terminal, receiver, shown))
    terminal.write("", *route_table.render(spans, terminal))


def one_request(terminal: Terminal, receiver: Receiver, request_id: Any) -> list[str]:
    traces = {
        s.trace_id for s in receiver.spans if s.attributes.get("http.request.id") == request_id
    }
    spans = [span for span in receiver.spans if span.trace_id in traces]
    logs = [log for log in receiver.logs if log.trace_id in traces]
    return trace_tree.render(spans, logs, terminal)


def serve_on(terminal: Terminal, server: Server, traces: Traces) -> None:
    traces.forget()
    header = ": ".join(*traffic.TOKEN.items())
    terminal.write(
        "",
        f"the CRM goes on, with its docs at {server.url}/docs; try",
        f"  curl -iH '{header}' {server.url}{traffic.FIRST}",
        "each request appears here; Ctrl-C ends",
    )
    try:
        while server.process.poll() is None:
            show_finished(traces, terminal)
            time.sleep(0.2)
    except KeyboardInterrupt:
        terminal.write("", "ended")


if __name__ == "__main__":
    # A closed pipe (make demo | head) is no reason for a traceback.
    try:
        code = main()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
