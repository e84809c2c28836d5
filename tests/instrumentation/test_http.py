"""One SERVER span, one duration and one access record a request; one request id; no harm."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from opentelemetry import baggage
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode, get_tracer
from sqlalchemy import create_engine, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from otelier import _guard
from otelier.context import SCOPE_KEY, RequestContext, current_request
from otelier.instrumentation import asked as asked_module
from otelier.instrumentation import echo as echo_module
from otelier.instrumentation import exchange as exchange_module
from otelier.instrumentation import http as http_module
from otelier.instrumentation import outcome as outcome_module
from otelier.instrumentation.database import DatabaseInstrumentor
from otelier.instrumentation.http import HTTPInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.apps import OurFault, behind_middleware, shop, starlette_items
from tests.instrumentation.asking import HEADER, Answer, ask, converse, scope_of
from tests.instrumentation.conftest import options

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"

# path, method, status, route, error type of FastAPI's `shop`
ANSWERS = [
    ("/items/7", "GET", 200, "/items/{item}", None),
    ("/sync/7", "GET", 200, "/sync/{item}", None),
    ("/nowhere", "GET", 404, None, None),
    ("/items/7", "DELETE", 405, "/items/{item}", None),
    ("/items/seven", "GET", 422, "/items/{item}", None),
    ("/fails", "GET", 500, "/fails", "tests.instrumentation.apps.OurFault"),
    ("/refuses", "GET", 503, "/refuses", "503"),
    ("/stream", "GET", 200, "/stream", None),
    ("/stream-fails", "GET", 200, "/stream-fails", "tests.instrumentation.apps.OurFault"),
    ("/background", "GET", 200, "/background", None),
    ("/t/acme/items/3", "GET", 200, "/t/{tenant}/items/{i}", None),
    ("/t/acme/nowhere", "GET", 404, "/t/{tenant}/{path}", None),
    ("/t/acme/deep/x", "GET", 404, "/t/{tenant}/deep/{path}", None),
    ("/api/r/5", "GET", 200, "/api/r/{z}", None),
    ("/files/a.txt", "GET", 200, "/files/{path}", None),
    ("/files/b.txt", "GET", 404, "/files/{path}", None),
    ("/own-id", "GET", 200, "/own-id", None),
]


def server_spans(telemetry: Telemetry) -> list[ReadableSpan]:
    return [span for span in telemetry.spans if span.kind is SpanKind.SERVER]


def only_span(telemetry: Telemetry) -> ReadableSpan:
    spans = server_spans(telemetry)
    assert len(spans) == 1
    return spans[0]


@pytest.mark.parametrize(("path", "method", "status", "route", "error"), ANSWERS)
def test_one_span_one_duration_one_access_record(
    http: Telemetry, path: str, method: str, status: int, route: str | None, error: str | None
) -> None:
    """Every answer makes one of each, with the same route, status and error."""
    answer = ask(shop(), path, method)
    span, points = only_span(http), http.points()
    attributes = dict(span.attributes or {})
    access = [r for r in http.records if r.instrumentation_scope.name == "otelier.access"]

    assert answer.status == status
    assert span.name == (f"{method} {route}" if route else method)
    assert span.parent is None
    assert (attributes.get("http.route"), attributes["http.response.status_code"]) == (
        route,
        status,
    )
    assert attributes.get("error.type") == error
    assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
    (point,) = points[DURATION]
    assert point.count == 1
    assert (point.attributes.get("http.route"), point.attributes.get("error.type")) == (
        route,
        error,
    )
    assert [active.value for active in points[ACTIVE]] == [0]
    (record,) = access
    assert record.log_record.span_id == span.context.span_id
    assert record.log_record.attributes["http.request.id"] == attributes["http.request.id"]


@pytest.mark.parametrize("given", ["from-the-client.1", None, "bad id\twith <script>", "x" * 65])
@pytest.mark.parametrize("path", [row[0] for row in ANSWERS if row[0] != "/own-id"])
def test_every_answer_names_its_request(http: Telemetry, path: str, given: str | None) -> None:
    """A good id is taken, a bad one replaced, a missing one made; answer and span say it."""
    answer = ask(shop(), path, **({"x_request_id": given} if given else {}))
    (named,) = answer.ids()
    attributes = dict(only_span(http).attributes or {})
    assert (named == given) is (given == "from-the-client.1")
    assert attributes["http.request.id"] == named
    if given is not None and named != given:
        assert not any(given in str(value) for value in attributes.values())


def test_the_app_sees_the_id(http: Telemetry) -> None:
    """Coroutines and functions in threads read the id that the answer carries."""
    app = shop()
    for path in ("/items/1", "/sync/1"):
        answer = ask(app, path)
        assert [json.loads(answer.body)["request"]] == answer.ids()


def test_the_apps_own_header_stays(http: Telemetry) -> None:
    """An id that the app sets itself is neither replaced nor doubled."""
    assert ask(shop(), "/own-id", x_request_id="other").ids() == ["set-by-the-app"]


def test_two_requests_have_two_ids(http: Telemetry) -> None:
    """Ids are made anew, and nothing of a request is left behind after it."""
    app = shop()
    first, second = ask(app, "/items/1"), ask(app, "/items/1")
    assert first.ids() != second.ids()
    assert current_request.get() is None


def test_attributes_of_a_request(http: Telemetry) -> None:
    """The span says who asked whom for what, with the query's values masked."""
    ask(shop(), "/items/7?token=hunter2&page", user_agent="curl/8")
    attributes = dict(only_span(http).attributes or {})
    attributes.pop("http.request.id")
    assert attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/items/7",
        "url.query": "token=REDACTED&REDACTED",
        "network.protocol.version": "1.1",
        "client.address": "192.0.2.7",
        "user_agent.original": "curl/8",
        "server.address": "shop.example",
        "server.port": 8000,
        "http.route": "/items/{item}",
        "http.response.status_code": 200,
    }


def test_an_unknown_method_is_other(http: Telemetry) -> None:
    """A method that anyone may invent makes no metric series of its own."""
    ask(shop(), "/items/7", "BREW")
    span = only_span(http)
    (point,) = http.points()[DURATION]
    assert span.name == "HTTP /items/{item}"
    assert (span.attributes or {})["http.request.method_original"] == "BREW"
    assert point.attributes["http.request.method"] == "_OTHER"


def test_a_failure_is_on_its_span(http: Telemetry) -> None:
    """The exception behind a 500 is an event of the span, and still reaches the server."""
    answer = ask(shop(), "/fails")
    (event,) = only_span(http).events
    assert isinstance(answer.error, OurFault)
    assert (event.attributes or {})["exception.type"] == "tests.instrumentation.apps.OurFault"


def test_starlette_alone(http: Telemetry) -> None:
    """An app of plain Starlette is observed like one of FastAPI."""
    ask(starlette_items(), "/items/3")
    assert only_span(http).name == "GET /items/{i}"


def test_a_route_added_while_serving(http: Telemetry) -> None:
    """A route that is added after the first request has its template as well."""
    app = shop()
    ask(app, "/items/1")
    app.add_api_route("/late/{x}", lambda x: x)
    ask(app, "/late/9")
    assert [span.name for span in server_spans(http)] == ["GET /items/{item}", "GET /late/{x}"]


def test_under_a_base_http_middleware(http: Telemetry) -> None:
    """A middleware that runs the app in another task hides nothing."""
    answer = ask(behind_middleware(), "/items/3")
    assert only_span(http).name == "GET /items/{item}"
    assert [json.loads(answer.body)["request"]] == answer.ids()


def test_an_app_made_before(telemetry: Telemetry, propagator: None) -> None:
    """An app that was made, and has served, before it was observed is observed."""
    app = shop()
    ask(app, "/items/1")
    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    try:
        ask(app, "/items/2")
    finally:
        HTTPInstrumentor().uninstrument()
    ask(app, "/items/3")
    ours = [s for s in telemetry.spans if s.instrumentation_scope.name == "otelier.http"]
    assert [(span.attributes or {})["url.path"] for span in ours] == ["/items/2"]


def test_uninstrument_restores() -> None:
    """Starlette's and FastAPI's classes are what they were."""
    import fastapi.routing
    import starlette.routing

    owners = [Starlette, FastAPI, fastapi.routing.APIRoute]
    owners += [starlette.routing.Route, starlette.routing.WebSocketRoute, starlette.routing.Mount]
    before = [dict(vars(owner)) for owner in owners]
    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    during = [dict(vars(owner)) for owner in owners]
    HTTPInstrumentor().uninstrument()
    assert during != before
    assert [dict(vars(owner)) for owner in owners] == before


def test_without_options_nothing_happens() -> None:
    """Under another distro the instrumentor is called without options, and does nothing."""
    before = dict(vars(FastAPI))
    HTTPInstrumentor().instrument(skip_dep_check=True)
    after = dict(vars(FastAPI))
    HTTPInstrumentor().uninstrument()
    assert after == before


# Quiet and excluded


def test_a_health_path_is_quiet(http: Telemetry) -> None:
    """A probe makes no span, no metric and no record; its answer still has an id."""
    answer = ask(shop(), "/healthz")
    assert (answer.status, len(answer.ids())) == (200, 1)
    assert (http.spans, http.records, http.points()) == ((), (), {})


def test_queries_of_a_health_path_are_quiet(http: Telemetry) -> None:
    """What a probe asks of the database is as quiet as the probe, and loud again after it."""
    engine = create_engine("sqlite://")
    app = FastAPI()

    @app.get("/{any}")
    def query(any: str) -> int:  # noqa: A002
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one())

    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    try:
        ask(app, "/healthz")
        quiet = list(http.spans)
        ask(app, "/loud")
    finally:
        DatabaseInstrumentor().uninstrument()
    assert quiet == []
    assert [span.kind for span in http.spans] == [SpanKind.CLIENT, SpanKind.SERVER]


def test_excluded_urls(http: Telemetry) -> None:
    """A pattern is searched for in the whole URL, host included."""
    ask(shop(), "/excluded/1")
    ask(shop(), "/items/1", host="excluded.example")
    assert server_spans(http) == []


# Others who observe the same request


def test_native_telemetry_is_silent(http: Telemetry) -> None:
    """FastAPI's own telemetry, switched on in user code, adds nothing."""
    provider = http.providers.tracer
    app = FastAPI(telemetry={"tracing": True, "metrics": True, "tracer_provider": provider})

    @app.get("/x")
    async def x() -> str:
        return "x"

    ask(app, "/x")
    assert [span.name for span in http.spans] == ["GET /x"]
    assert http.points()[DURATION][0].count == 1


# Context


def test_a_trace_is_continued(http: Telemetry) -> None:
    """The client's trace goes on, and its sampling flag decides nothing."""
    ask(shop(), "/items/1", traceparent=TRACEPARENT[:-1] + "0")
    span = only_span(http)
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)


def test_strangers_baggage_is_not_taken_in(http: Telemetry) -> None:
    """With the default propagators a client cannot plant baggage."""

    async def tell(request: Request) -> JSONResponse:
        return JSONResponse(dict(baggage.get_all()))

    app = Starlette(routes=[Route("/", tell)])
    answer = ask(app, "/", baggage="user=eve", traceparent=TRACEPARENT)
    assert json.loads(answer.body) == {}
    assert only_span(http).parent is not None


@pytest.mark.parametrize("traceparent", [None, TRACEPARENT])
def test_a_predecessors_context_is_discarded(http: Telemetry, traceparent: str | None) -> None:
    """A request that a server starts inside another's context inherits nothing of it."""
    app = shop()

    async def serve() -> Answer:
        with get_tracer("predecessor").start_as_current_span("predecessor"):
            current_request.set(RequestContext("of-the-predecessor"))
            more = {"traceparent": traceparent} if traceparent else {}
            return await converse(app, scope_of("/items/1", **more))

    answer = contextvars.copy_context().run(asyncio.run, serve())
    span = only_span(http)
    assert answer.ids() != ["of-the-predecessor"]
    assert (f"{span.parent.span_id:016x}" if span.parent else None) == (
        PARENT if traceparent else None
    )


def test_a_foreign_span_may_be_parent(http: Telemetry) -> None:
    """A current span without a request (a Lambda handler's) is the parent of the SERVER span."""
    app = shop()

    async def serve() -> None:
        with get_tracer("foreign").start_as_current_span("handler"):
            await converse(app, scope_of("/items/1"))

    asyncio.run(serve())
    spans = {span.name: span for span in http.spans}
    parent = spans["GET /items/{item}"].parent
    assert spans["GET /items/{item}"].kind is SpanKind.SERVER
    assert parent is not None
    assert parent.span_id == spans["handler"].context.span_id


def test_a_mounted_app_is_a_nested_one(http: Telemetry) -> None:
    """An app that is mounted in two others makes one span a request, not three."""
    outer, middle = FastAPI(), FastAPI()
    middle.mount("/shop", shop())
    outer.mount("/v{version}", middle)
    answer = ask(outer, "/v2/shop/t/acme/items/3")
    assert len(answer.ids()) == 1
    assert only_span(http).name == "GET /v{version}/shop/t/{tenant}/items/{i}"


def test_concurrent_requests_keep_apart(http: Telemetry) -> None:
    """Requests on one event loop do not see each other's ids."""
    app = shop()

    async def serve() -> list[Answer]:
        scopes = [scope_of(f"/items/{n}", x_request_id=f"id-{n}") for n in range(20)]
        return await asyncio.gather(*(converse(app, scope) for scope in scopes))

    answers = asyncio.run(serve())
    seen = [json.loads(answer.body)["request"] for answer in answers]
    assert seen == [f"id-{n}" for n in range(20)] == [answer.ids()[0] for answer in answers]


def test_a_cancelled_request_ends(http: Telemetry) -> None:
    """A server that gives up on a request leaves a span and no active request."""
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(3600)

    async def serve() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(converse(app, scope_of("/slow")), 0.05)

    asyncio.run(serve())
    assert (only_span(http).attributes or {})["error.type"] == "asyncio.exceptions.CancelledError"
    assert [point.value for point in http.points()[ACTIVE]] == [0]


def test_in_the_background(http: Telemetry) -> None:
    """A background task runs after the span has ended, and still belongs to its request."""
    seen: list[str | None] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            box = current_request.get()
            seen.append(box.request_id if box else None)

    handler = Keeping()
    logging.getLogger("shop").addHandler(handler)
    try:
        answer = ask(shop(), "/background")
    finally:
        logging.getLogger("shop").removeHandler(handler)
    assert seen == answer.ids()


# Websockets


def test_a_websocket(http: Telemetry) -> None:
    """A connection is one span, its handshake carries the id, and it is no request duration."""
    with TestClient(shop()).websocket_connect("/ws/open") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
        extra = dict(socket.extra_headers or ())
    span, attributes = only_span(http), dict(only_span(http).attributes or {})
    assert span.name == "GET /ws/{room}"
    assert (attributes["http.response.status_code"], attributes["network.protocol.name"]) == (
        101,
        "websocket",
    )
    assert extra[b"x-request-id"].decode() == attributes["http.request.id"]
    assert DURATION not in http.points()


def test_a_refused_websocket(http: Telemetry) -> None:
    """A connection that is closed before it was accepted is a 403, and no error."""
    with pytest.raises(WebSocketDisconnect), TestClient(shop()).websocket_connect("/ws/closed"):
        pass
    span = only_span(http)
    assert (span.attributes or {})["http.response.status_code"] == 403
    assert span.status.status_code is StatusCode.UNSET


def test_a_failing_websocket(http: Telemetry) -> None:
    """A connection that ends in an exception is a failed span with it, and the app's own error."""

    def converse_until_it_breaks() -> None:
        with TestClient(shop()).websocket_connect("/ws/broken") as socket:
            socket.send_text("hello")
            socket.receive_text()
            socket.receive_text()

    with pytest.raises(OurFault):
        converse_until_it_breaks()
    span = only_span(http)
    assert (span.attributes or {})["error.type"] == "tests.instrumentation.apps.OurFault"
    assert span.status.status_code is StatusCode.ERROR


def test_a_client_that_leaves_a_websocket(http: Telemetry) -> None:
    """A client that goes away is not a fault of the app."""
    with (
        pytest.raises(WebSocketDisconnect),
        TestClient(shop()).websocket_connect("/ws/open"),
    ):
        pass
    assert only_span(http).status.status_code is StatusCode.UNSET


# The end of the lifespan


@contextmanager
def observed(**more: Any) -> Iterator[None]:
    HTTPInstrumentor().instrument(options=options(**more), skip_dep_check=True)
    try:
        yield
    finally:
        HTTPInstrumentor().uninstrument()


def test_flushed_before_the_lifespan_ends(telemetry: Telemetry) -> None:
    """What is left is delivered before the server hears that the app has stopped."""
    flushed: list[str] = []
    with observed(flush=lambda: flushed.append("flushed")), TestClient(shop()):
        assert flushed == []
    assert flushed == ["flushed"]


def test_a_failing_flush_does_not_hold_up_the_stop(telemetry: Telemetry) -> None:
    """A flush that raises is counted, and the app stops as it would."""

    def flush() -> None:
        raise OurFault

    _guard.faults.clear()
    with observed(flush=flush), TestClient(shop()) as client:
        assert client.get("/items/1").status_code == 200
    assert dict(_guard.faults) == {"meeting the beginning or the end of a lifespan": 1}


# No harm

OURS = [
    (http_module, "find_request_id"),
    (echo_module, "_lacks"),
    (echo_module.Echo, "_missing"),
    (http_module, "Exchange"),
    (http_module, "extracted"),
    (asked_module, "mask_query"),
    (exchange_module.Passage, "enter"),
    (exchange_module, "type_name"),
    (exchange_module.Exchange, "begin"),
    (exchange_module.Exchange, "answered"),
    (exchange_module.Exchange, "_end"),
    (exchange_module.Exchange, "_error_type"),
    (outcome_module, "Outcome"),
    (RequestContext, "attributes"),
]


@pytest.mark.parametrize(("owner", "name"), OURS, ids=[name for _, name in OURS])
@pytest.mark.parametrize("path", ["/api/r/5?q=1", "/fails", "/stream", "/nowhere"])
def test_a_fault_of_ours_changes_no_answer(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, path: str
) -> None:
    """Whatever of ours raises, the app answers and fails as it does without us."""
    bare = ask(shop(), path)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault of ours")

    with observed():
        monkeypatch.setattr(owner, name, broken)
        seen = ask(shop(), path)
        monkeypatch.undo()
    assert (seen.status, without_ids(seen)) == (bare.status, without_ids(bare))
    assert type(seen.error) is type(bare.error)


def without_ids(answer: Answer) -> tuple[list[tuple[str, str]], bytes]:
    return [(name, value) for name, value in answer.headers if name != HEADER], answer.body


def test_a_scope_of_another_kind_is_passed_on(http: Telemetry) -> None:
    """A scope that is no request, or has no headers, is the app's own affair."""
    seen: list[str] = []

    class Plain(Starlette):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def serve() -> None:
        plain = Plain()
        plain.middleware_stack = app
        for scope in ({"type": "odd"}, {"type": "websocket", "path": "/"}):
            await plain(scope, None, None)  # type: ignore[arg-type]

    asyncio.run(serve())
    assert seen == ["odd", "websocket"]


def test_the_box_is_in_the_scope(http: Telemetry) -> None:
    """The scope carries the box, by which a nested layer knows its request."""
    scope = scope_of("/items/1", x_request_id="known")
    asyncio.run(converse(shop(), scope))
    assert scope[SCOPE_KEY].request_id == "known"
