"""`FastAPIInstrumentor` and `OpenTelemetryMiddleware` in an app's code: once each, as asked for.

Real parts: contrib's packages, behind Otelier's layer as the distro puts it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation import asgi, fastapi
from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    set_global_response_propagator,
)
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanKind
from starlette.testclient import TestClient

from otelier.instrumentation import standin, standin_http
from otelier.instrumentation.observe import Patches
from tests.conftest import Telemetry
from tests.instrumentation.conftest import options

DURATION = "http.server.request.duration"


@pytest.fixture(autouse=True)
def stand_ins(http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put in as by the distro; the stable names are in force."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: kind)
    patches = Patches()
    standin_http.put_in(patches, options())
    yield
    patches.restore()


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    return app


def only_span(telemetry: Telemetry) -> ReadableSpan:
    """The one of the one request, which is measured once."""
    (span,) = (span for span in telemetry.spans if span.kind is SpanKind.SERVER)
    assert sum(point.count for point in telemetry.points()[DURATION]) == 1
    return span


def seeing(span: Span, scope: Any) -> None:
    """A hook; one that would run twice would count two."""
    seen = getattr(span, "attributes", {}).get("app.seen", 0)
    span.set_attribute("app.seen", seen + 1)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_app_with_a_hook(http: Telemetry) -> None:
    """Its hook runs once for the request, which is recorded as all others are."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, server_request_hook=seeing)
    assert TestClient(app).get("/items/1").headers["x-request-id"]
    span = only_span(http)
    assert span.name == "GET /items/{item}"
    assert attributes(span)["app.seen"] == 1
    assert attributes(span)["http.route"] == "/items/{item}"


def test_nothing_is_added(http: Telemetry) -> None:
    """The habit alone, without arguments, changes nothing."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app)
    TestClient(app).get("/items/1")
    assert [span.name for span in http.spans] == ["GET /items/{item}"]
    only_span(http)


def test_the_first_call_counts(http: Telemetry) -> None:
    """As contrib has it: an app that is instrumented already stays so."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, server_request_hook=seeing)
    fastapi.FastAPIInstrumentor.instrument_app(app)
    TestClient(app).get("/items/1")
    assert attributes(only_span(http))["app.seen"] == 1


def test_other_apps_are_untouched(http: Telemetry) -> None:
    """A hook is for the app that it was given for."""
    fastapi.FastAPIInstrumentor.instrument_app(shop(), server_request_hook=seeing)
    TestClient(shop()).get("/items/1")
    assert "app.seen" not in attributes(only_span(http))


def test_a_name_of_the_apps_own(http: Telemetry) -> None:
    """What a hook calls the span, it is called."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(
        app, server_request_hook=lambda span, scope: span.update_name("mine")
    )
    TestClient(app).get("/items/1")
    assert only_span(http).name == "mine"


def test_a_hook_that_fails(http: Telemetry) -> None:
    """Its exception is on the span, and the app answers."""

    def fails(span: Span, scope: Any) -> None:
        raise ValueError("a mistake in the app")

    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, server_request_hook=fails)
    assert TestClient(app).get("/items/1").status_code == 200
    assert [event.name for event in only_span(http).events] == ["exception"]


def test_all_apps(http: Telemetry) -> None:
    """`instrument` is for every app, those that are mounted in another as part of it."""
    fastapi.FastAPIInstrumentor().instrument(server_request_hook=seeing)
    outer = FastAPI()
    outer.mount("/shop", shop())
    TestClient(outer).get("/shop/items/1")
    span = only_span(http)
    assert span.name == "GET /shop/items/{item}"
    assert attributes(span)["app.seen"] == 1


def test_all_apps_no_more(http: Telemetry) -> None:
    """`uninstrument` takes the hooks out; Otelier observes as before."""
    instrumentor = fastapi.FastAPIInstrumentor()
    instrumentor.instrument(server_request_hook=seeing)
    instrumentor.uninstrument()
    TestClient(shop()).get("/items/1")
    assert "app.seen" not in attributes(only_span(http))


def test_a_mounted_app(http: Telemetry) -> None:
    """Its hook is given the span of the request that it is inside of."""
    inner, outer = shop(), FastAPI()
    fastapi.FastAPIInstrumentor.instrument_app(inner, server_request_hook=seeing)
    outer.mount("/shop", inner)
    TestClient(outer).get("/shop/items/1")
    span = only_span(http)
    assert span.name == "GET /shop/items/{item}"
    assert attributes(span)["app.seen"] == 1


def test_an_app_that_is_left_out(http: Telemetry) -> None:
    """`uninstrument_app` means what it says, also to FastAPI's own telemetry."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app)
    fastapi.FastAPIInstrumentor.uninstrument_app(app)
    TestClient(app).get("/items/1")
    assert list(http.spans) == []
    fastapi.FastAPIInstrumentor.instrument_app(app)
    TestClient(app).get("/items/1")
    only_span(http)


def test_headers(http: Telemetry) -> None:
    """Those that an argument names are under contrib's names, secret ones without a value."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(
        app,
        http_capture_headers_server_request=["x-color", "x-key"],
        http_capture_headers_server_response=["content-type"],
        http_capture_headers_sanitize_fields=["x-key"],
    )
    TestClient(app).get("/items/1", headers={"x-color": "red", "x-key": "swordfish"})
    found = attributes(only_span(http))
    assert found["http.request.header.x_color"] == ("red",)
    assert found["http.request.header.x_key"] == ("[REDACTED]",)
    assert found["http.response.header.content_type"] == ("application/json",)


def test_excluded(http: Telemetry) -> None:
    """What an app excludes is not observed, by nobody."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, excluded_urls="items/1")
    TestClient(app).get("/items/1")
    assert list(http.spans) == []


def test_event_spans(http: Telemetry) -> None:
    """There are none unless they are asked for, by a hook for them or by leaving out the others."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive"])
    TestClient(app).get("/items/1")
    span = only_span(http)
    events = [s for s in http.spans if s.kind is SpanKind.INTERNAL]
    assert [s.name for s in events] == ["GET /items/{item} http send"] * 2
    assert {s.parent.span_id for s in events if s.parent} == {span.context.span_id}


def test_a_middleware(http: Telemetry) -> None:
    """Inside of an observed app: its hook, and no second span."""
    app = shop()
    app.add_middleware(asgi.OpenTelemetryMiddleware, server_request_hook=seeing)
    TestClient(app).get("/items/1")
    assert attributes(only_span(http))["app.seen"] == 1


def test_a_middleware_around(http: Telemetry) -> None:
    """Outermost, it is the one that takes the request."""
    app = asgi.OpenTelemetryMiddleware(shop(), server_request_hook=seeing)
    TestClient(app).get("/items/1")
    assert attributes(only_span(http))["app.seen"] == 1


def test_suppressed(http: Telemetry) -> None:
    """A middleware observes nothing where the app has switched it off."""

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    app = asgi.OpenTelemetryMiddleware(hello)

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        with suppress_http_instrumentation():
            await app(scope, receive, send)

    assert TestClient(quiet).get("/").text == "hello"
    assert list(http.spans) == []
    TestClient(app).get("/")
    only_span(http)


def test_the_trace_in_the_answer(http: Telemetry) -> None:
    """An app that has set a propagator for answers gets its header."""
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app)
    set_global_response_propagator(TraceResponsePropagator())
    try:
        answer = TestClient(app).get("/items/1")
    finally:
        set_global_response_propagator(None)
    span_id = only_span(http).context.span_id
    assert f"-{span_id:016x}-" in answer.headers["traceresponse"]


def test_old_names(http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are asked for, contrib's code observes the app, and neither ours nor FastAPI's."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: f"{kind}/dup")
    app = shop()
    fastapi.FastAPIInstrumentor.instrument_app(app, server_request_hook=seeing)
    TestClient(app).get("/items/1")
    (span,) = (span for span in http.spans if span.kind is SpanKind.SERVER)
    assert span.instrumentation_scope.name == "opentelemetry.instrumentation.fastapi"
    assert attributes(span)["app.seen"] == 1
    assert sum(point.count for point in http.points().get(DURATION, ())) <= 1


def test_old_names_inside(http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside of a request that ours has, contrib's middleware stands down all the same."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: f"{kind}/dup")
    app = shop()
    app.add_middleware(asgi.OpenTelemetryMiddleware)
    TestClient(app).get("/items/1")
    assert only_span(http).instrumentation_scope.name == "otelier.http"
