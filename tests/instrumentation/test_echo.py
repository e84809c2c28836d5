"""The request's id, from and onto headers, and the headers that an answer gains on request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from otelier import _guard
from otelier.context import current_request
from otelier.instrumentation.http import HTTPInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.asking import Answer, converse, scope_of
from tests.instrumentation.conftest import options

ALL = ("traceresponse", "server-timing", "x-response-time")


@contextmanager
def observed(**more: Any) -> Iterator[None]:
    _guard.faults.clear()
    HTTPInstrumentor().instrument(options=options(**more), skip_dep_check=True)
    try:
        yield
    finally:
        HTTPInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def index() -> None: ...

    @app.get("/healthz")
    def quiet() -> None: ...

    @app.get("/own")
    def own() -> Response:
        mine = {"traceresponse": "mine", "server-timing": "db;dur=1", "X-Response-Time": "mine"}
        return Response(headers=mine)

    return app


def ask_with(path: str, *pairs: tuple[bytes, bytes]) -> Answer:
    scope = scope_of(path)
    scope["headers"] += pairs
    return asyncio.run(converse(shop(), scope))


ONE, TWO = b"x-one", b"x-two"
TAKEN = [
    ([(ONE, b"a")], "a"),
    ([(TWO, b"b")], "b"),
    ([(TWO, b"b"), (ONE, b"a")], "a"),
    ([(ONE, b"not valid"), (TWO, b"b")], "b"),
    ([(ONE, b""), (TWO, b"b")], "b"),
    ([(ONE, b"a"), (ONE, b"a2"), (TWO, b"b")], "b"),
    ([(ONE, b"a"), (ONE, b"a")], None),
    ([(ONE, b"a"), (b"accept", b"x"), (b"accept", b"y")], "a"),
    ([], None),
]


@pytest.mark.parametrize(("pairs", "expected"), TAKEN)
def test_the_first_valid_id_counts(telemetry: Telemetry, pairs: Any, expected: str | None) -> None:
    """In the order of the names; it goes back under the first. One sent twice is nobody's."""
    with observed(header="X-One", also_from=("X-Two",)):
        headers = ask_with("/", *pairs).headers
    (named,) = [value for name, value in headers if name in ("x-one", "x-two")]
    assert ("x-one", named) in headers
    assert named == expected or (expected is None and len(named) == 36)


def test_an_answer_names_its_trace(telemetry: Telemetry) -> None:
    """By both headers, and says how long it took to begin."""
    with observed(more_headers=ALL):
        headers = dict(ask_with("/").headers)
    (span,) = telemetry.spans
    flags = span.context.trace_flags
    trace = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{flags:02x}"
    assert headers["traceresponse"] == trace
    assert headers["server-timing"] == f'traceparent;desc="{trace}"'
    assert 0 <= float(headers["x-response-time"]) < 1000


def test_what_the_app_sets_stays(telemetry: Telemetry) -> None:
    """None is put over its own; `Server-Timing` is a list, and ours a line beside its own."""
    with observed(more_headers=ALL):
        headers = ask_with("/own").headers
    assert [value for name, value in headers if name == "traceresponse"] == ["mine"]
    assert [value for name, value in headers if name == "x-response-time"] == ["mine"]
    first, second = [value for name, value in headers if name == "server-timing"]
    assert first == "db;dur=1"
    assert second.startswith("traceparent;")


@pytest.mark.parametrize("more", [(), ALL])
@pytest.mark.parametrize("own", [(), ((b"X-Request-ID", b"own"),)])
def test_headers_that_can_be_read_once(telemetry: Telemetry, more: Any, own: Any) -> None:
    """ASGI takes any iterable: what the app gives goes out whole, with the id beside it."""

    async def lazy(scope: Any, receive: Any, send: Any) -> None:
        pairs = (pair for pair in ((b"x-app", b"kept"), *own))
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"1"})

    app = FastAPI()
    app.mount("/", lazy)
    with observed(more_headers=more):
        answer = asyncio.run(converse(app, scope_of("/")))
    assert answer.headers[0] == ("x-app", "kept")
    assert len(answer.ids()) == 1
    assert (answer.ids() == ["own"]) == bool(own)


def test_a_health_path_has_no_trace(telemetry: Telemetry) -> None:
    """Its answer has the id alone."""
    with observed(more_headers=ALL):
        answer = ask_with("/healthz")
    assert len(answer.ids()) == 1
    assert {name for name, _ in answer.headers}.isdisjoint(ALL)


class Server:
    """A server's state of a request, as uvicorn has it."""

    usual = ((b"server", b"uvicorn"),)

    def __init__(self, *, response_started: bool = False) -> None:
        self.response_started = response_started
        self.default_headers = list(self.usual)

    async def receive(self) -> Any:
        await asyncio.sleep(3600)


@pytest.mark.parametrize("path", ["/", "/healthz"])
@pytest.mark.parametrize("raises", [True, False])
def test_the_servers_own_answer_is_named(telemetry: Telemetry, path: str, raises: bool) -> None:
    """Whether the app has raised or returned without an answer; what all share is not changed."""
    server, shared = Server(), Server()
    usual = server.default_headers

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if raises:
            raise ValueError("on purpose")

    made = FastAPI()
    made.middleware_stack = app
    with observed():
        try:
            asyncio.run(made({**scope_of(path)}, server.receive, None))  # type: ignore[arg-type]
        except ValueError:
            assert raises
    assert [name for name, _ in server.default_headers] == [b"server", b"x-request-id"]
    assert usual == shared.default_headers == list(Server.usual)


def test_a_server_that_has_begun_is_left_alone(telemetry: Telemetry) -> None:
    """What it adds to answers is its own."""
    server = Server(response_started=True)

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    made = FastAPI()
    made.middleware_stack = app
    with observed():
        asyncio.run(made(scope_of("/"), server.receive, None))  # type: ignore[arg-type]
    assert server.default_headers == list(Server.usual)


def test_a_request_that_cannot_be_begun_has_no_other_ones_box(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of the request before it on one connection, whose context it was started in."""
    seen = []
    app = FastAPI()

    @app.get("/")
    async def index() -> None:
        seen.append(current_request.get())

    async def after_another() -> None:
        from otelier.context import RequestContext

        current_request.set(RequestContext("another's"))
        await converse(app, scope_of("/"))

    from otelier.instrumentation import http

    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    monkeypatch.setattr(http, "find_request_id", None)
    asyncio.run(after_another())
    HTTPInstrumentor().uninstrument()
    assert seen == [None]
    assert set(_guard.faults) == {"beginning a request"}
