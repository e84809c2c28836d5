"""Threads and pools that a request uses belong to it, and to no other."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.trace import SpanKind, get_tracer

from otelier.context import current_request
from tests.conftest import Telemetry
from tests.instrumentation.asking import ask, converse, scope_of

own = contextvars.ContextVar("own", default="unset")


def request_id() -> str | None:
    request = current_request.get()
    return request.request_id if request else None


class Subclass(threading.Thread):
    """A thread with a `run` of its own."""

    def __init__(self, seen: list[Any]) -> None:
        super().__init__()
        self._seen = seen

    def run(self) -> None:
        self._seen.append((request_id(), own.get()))


def timer(seen: list[Any]) -> threading.Thread:
    return threading.Timer(0.01, lambda: seen.append((request_id(), own.get())))


def plain(seen: list[Any]) -> threading.Thread:
    return threading.Thread(target=lambda: seen.append((request_id(), own.get())))


@pytest.mark.parametrize("make", [plain, Subclass, timer])
def test_a_thread_is_of_its_request(http: Telemetry, make: Any) -> None:
    """It has the request, and no other context variable: it is else as it was."""
    app, seen = FastAPI(), list[Any]()

    @app.get("/")
    def index() -> None:
        own.set("of the request")
        thread = make(seen)
        thread.start()
        thread.join()
        assert "run" not in vars(thread)

    assert ask(app, "/", x_request_id="r").status == 200
    assert seen == [("r", "unset")]


def test_a_span_in_a_thread_is_a_child(http: Telemetry) -> None:
    """Of the span that was the current one as it started."""
    app = FastAPI()

    def works() -> None:
        with get_tracer("the app").start_as_current_span("inside"):
            logging.getLogger("shop")

    @app.get("/")
    def index() -> None:
        thread = threading.Thread(target=works)
        thread.start()
        thread.join()

    ask(app, "/")
    by_kind = {span.kind: span for span in http.spans}
    inside, server = by_kind[SpanKind.INTERNAL], by_kind[SpanKind.SERVER]
    assert inside.parent is not None
    assert inside.parent.span_id == server.context.span_id


def test_a_pool_that_a_request_began_keeps_nothing_of_it(http: Telemetry) -> None:
    """Each task has the request that gave it, and none has that of the pool's first one."""
    app, pools = FastAPI(), list[ThreadPoolExecutor]()

    @app.get("/")
    def index() -> str | None:
        if not pools:
            pools.append(ThreadPoolExecutor(1))
        return pools[0].submit(request_id).result()

    for number in range(3):
        assert ask(app, "/", x_request_id=f"r{number}").body == b'"r%d"' % number
    assert pools[0].submit(request_id).result() is None
    pools[0].shutdown()


def test_other_pools_of_the_standard_library(http: Telemetry) -> None:
    """What their threads do is of no request: not of the one that began them."""
    app, pools = FastAPI(), list[ThreadPool]()

    @app.get("/")
    def index() -> None:
        pools.append(ThreadPool(1))

    ask(app, "/")
    assert pools[0].apply(request_id) is None
    pools[0].terminate()


def test_executors_of_the_event_loop(http: Telemetry) -> None:
    """`run_in_executor` and `asyncio.to_thread`, from requests in turn on one loop."""
    app = FastAPI()

    @app.get("/")
    async def index() -> list[str | None]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(None, request_id), await asyncio.to_thread(request_id)]

    async def in_turn() -> list[bytes]:
        return [(await converse(app, scope_of("/", x_request_id=f"r{n}"))).body for n in range(3)]

    assert asyncio.run(in_turn()) == [b'["r%d","r%d"]' % (n, n) for n in range(3)]


def test_outside_of_a_request_it_starts_as_ever(http: Telemetry) -> None:
    """Nothing is put on a thread that no request has started, and errors are its own."""
    seen = list[Any]()
    thread = plain(seen)
    thread.start()
    thread.join()
    assert seen == [(None, "unset")]
    with pytest.raises(RuntimeError, match="once"):
        thread.start()
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result()
