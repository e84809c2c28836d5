"""`python -m benchmarks loop`: what the layers cost inside one process, without a server.

The app is called as a server calls it, with a scope, by turns bare and observed: Otelier is put in
before a block and taken out after it. The thread's own CPU time is taken, so that neither the
exporter's thread nor another process is in it; what was recorded goes to a sink and is counted.
Figures of a warm loop are lower than those of a server under load (`overhead`): for tuning only.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from importlib.metadata import entry_points
from statistics import median
from time import thread_time
from typing import Any

from benchmarks.sink import Sink

ROUNDS, REQUESTS, WARM = 15, 2_000, 300
ROUTES = 1_000

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"otelier-benchmark/1"),
    (b"accept", b"*/*"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="in a block")
    parser.add_argument("--only", metavar="A,B", help=f"of {','.join(APPS)}")


def run(options: argparse.Namespace) -> int:
    names = options.only.split(",") if options.only else list(APPS)
    stack = ExitStack()
    atexit.register(stack.close)  # after Otelier's own end, which sends the last metrics
    sink = stack.enter_context(Sink())
    observed = Observed(sink.url)
    for name in names:
        app = APPS[name]()
        rounds = asyncio.run(_rounds(app, observed, options.rounds, options.requests))
        print(_line(name, rounds), flush=True)
    observed.flush()
    counts = sink.counts()
    print(f"arrived: {counts.spans:.0f} spans, {counts.logs:.0f} log records")
    return 0


class Observed:
    """Otelier in this process, as its launcher puts it in; `with` puts it in and takes it out."""

    def __init__(self, sink: str) -> None:
        os.environ.update(OTEL_SERVICE_NAME="loop", OTEL_EXPORTER_OTLP_ENDPOINT=sink)
        from otelier import distro

        steps: Sequence[Any] = (distro.Distro, distro.Configurator)
        for step in steps:
            step().configure()
        if (started := distro.Distro.started) is None:
            raise RuntimeError("otelier is off here")
        self.flush = started.flush
        self._arguments = started.arguments
        entries = entry_points(group="opentelemetry_instrumentor")
        self._ours = {e.name: e.load()() for e in entries if e.value.startswith("otelier.")}

    def __enter__(self) -> None:
        for name, instrumentor in self._ours.items():
            instrumentor.instrument(**self._arguments.get(name, {}))

    def __exit__(self, *_: object) -> None:
        for instrumentor in self._ours.values():
            instrumentor.uninstrument()


async def _rounds(
    app: App, observed: Observed, rounds: int, requests: int
) -> list[tuple[float, float]]:
    """Seconds of a request, bare and observed, in each round."""
    await seconds(app, WARM)
    with observed:
        await seconds(app, WARM)
    found = []
    for _ in range(rounds):
        bare = await seconds(app, requests)
        with observed:
            found.append((bare, await seconds(app, requests)))
    return found


async def seconds(app: App, requests: int) -> float:
    """CPU time of a request, of the calling thread."""
    began = thread_time()
    for _ in range(requests):
        await app(_scope(), _receive, _send)
    return (thread_time() - began) / requests


def _scope() -> Scope:
    """FastAPI's own telemetry, which needs no more than a provider, stands down for its mark."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": "/asked",
        "raw_path": b"/asked",
        "query_string": b"",
        "headers": list(_HEADERS),
        "state": {},
        "fastapi.telemetry": None,
    }


async def _receive() -> Mapping[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Mapping[str, Any]) -> None:
    if message["type"] == "http.response.start" and message["status"] != 200:
        raise RuntimeError(f"the app answered {message['status']}")


def _starlette() -> App:
    """One route of Starlette."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def asked(_: Request) -> PlainTextResponse:
        return PlainTextResponse("pong")

    return Starlette(routes=[Route("/asked", asked)])


def _fastapi(routes: int = 0, work: Callable[[], object] = lambda: None) -> App:
    """An endpoint that does `work`, behind so many other routes."""
    from fastapi import FastAPI

    app = FastAPI()

    async def asked() -> dict[str, str]:
        work()
        return {"answer": "pong"}

    for number in range(routes):
        app.add_api_route(f"/other{number}/{{key}}", asked)
    app.add_api_route("/asked", asked)
    return app


def _with_logs() -> App:
    """Two log lines, that go nowhere else."""
    log = logging.getLogger("loop")
    log.setLevel(logging.INFO)
    log.addHandler(logging.NullHandler())

    def work() -> None:
        log.info("item %d is asked for", 1)
        log.info("item %d is called %s", 1, "lamp")

    return _fastapi(work=work)


def _with_sql() -> App:
    """One SELECT on SQLite, in memory."""
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite://")
    statement = text("SELECT 1")

    def work() -> None:
        with engine.connect() as connection:
            connection.execute(statement)

    return _fastapi(work=work)


APPS: Mapping[str, Callable[[], App]] = {
    "starlette": _starlette,
    "ping": _fastapi,
    "routes": lambda: _fastapi(ROUTES),
    "logs": _with_logs,
    "sql": _with_sql,
}


def _line(name: str, rounds: Sequence[tuple[float, float]]) -> str:
    bare, with_otelier = (min(column) * 1e6 for column in zip(*rounds, strict=True))
    over = median(seen - plain for plain, seen in rounds) * 1e6
    return (
        f"{name:10} bare {bare:7.1f} µs, observed {with_otelier:7.1f} µs (best of each); "
        f"over bare {over:6.1f} µs (median of {len(rounds)})"
    )
