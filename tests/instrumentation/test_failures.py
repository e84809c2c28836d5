"""What is told of requests that fail: one record, one count, and nothing of those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from opentelemetry.sdk._logs import ReadableLogRecord
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.testclient import TestClient

from tests.conftest import Telemetry

ERRORS = "otelier.errors"
OURS = "tests.instrumentation.test_failures"


class Broken(Exception):
    """Handled by nobody."""


class Refused(Exception):
    """Handled by the app."""


def price(order: dict[str, int]) -> int:
    raise Broken(f"no price in {order}")


def failing_app() -> FastAPI:
    app = FastAPI()
    _add_unhandled(app)
    _add_lasting(app)
    _add_answers(app)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"why": str(error)}, status_code=int(str(error)))

    return app


def _add_unhandled(app: FastAPI) -> None:
    @app.get("/broken/{order}")
    async def broken(order: int) -> int:
        return price({"id": order})

    @app.get("/again")
    async def again() -> int:
        return price({})

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield b"x"
            price({})

        return StreamingResponse(parts())

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(price, {})
        return "done"

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        price({})


def _add_lasting(app: FastAPI) -> None:
    @app.get("/cancelled")
    async def cancelled() -> None:
        raise asyncio.CancelledError

    @app.get("/left")
    async def left() -> None:
        raise ClientDisconnect


def _add_answers(app: FastAPI) -> None:
    @app.get("/http/{status}")
    async def http(status: int) -> None:
        raise HTTPException(status)

    @app.get("/away")
    async def away() -> None:
        try:
            raise ConnectionRefusedError
        except OSError as error:
            raise HTTPException(503, "later") from error

    @app.get("/plain/{status}")
    async def plain(status: int) -> PlainTextResponse:
        return PlainTextResponse("no", status)

    @app.get("/refused/{status}")
    async def refused(status: int) -> None:
        raise Refused(str(status))


def of_errors(telemetry: Telemetry) -> list[ReadableLogRecord]:
    return [each for each in telemetry.records if (each.log_record.severity_text or "") == "ERROR"]


def counted(telemetry: Telemetry) -> dict[tuple[Any, ...], Any]:
    names = ("otelier.error.category", "error.type", "http.route")
    return {
        tuple((point.attributes or {}).get(name) for name in names): point.value
        for point in telemetry.points().get(ERRORS, ())
    }


def told(telemetry: Telemetry) -> Mapping[str, Any]:
    (found,) = of_errors(telemetry)
    return {**(found.log_record.attributes or {}), "body": found.log_record.body}


def ask(path: str, app: Any = None) -> int:
    client = TestClient(app or failing_app(), raise_server_exceptions=False)
    return client.get(path).status_code


@pytest.mark.parametrize("path", ["/broken/7", "/stream", "/background"])
def test_an_unhandled_exception(http: Telemetry, path: str) -> None:
    """Before the answer, in the midst of it and after it: with ids, route and all of the rest."""
    with suppress(Broken):  # Starlette's client hands on what breaks a stream off
        ask(path)
    found = told(http)
    assert found["body"] == f"unhandled {OURS}.Broken"
    assert found["exception.type"] == f"{OURS}.Broken"
    assert "no price in" in found["exception.message"]
    assert "in price" in found["exception.stacktrace"]
    assert found["otelier.error.category"] == "application"
    assert len(found["otelier.error.fingerprint"]) == 32
    route = {"/broken/7": "/broken/{order}"}.get(path, path)
    assert found["http.route"] == route
    assert found["http.request.id"]
    (record,) = of_errors(http)
    (server,) = [span for span in http.spans if span.kind.name == "SERVER"]
    assert record.log_record.span_id == server.context.span_id
    assert counted(http) == {("application", f"{OURS}.Broken", route): 1}


def test_the_event_says_the_same(http: Telemetry) -> None:
    ask("/broken/7")
    found = told(http)
    (event,) = http.spans[-1].events
    assert {**(event.attributes or {})} == {
        name: value
        for name, value in found.items()
        if name.startswith(("exception.", "otelier.error."))
    }


def test_a_websocket_that_fails(http: Telemetry) -> None:
    client = TestClient(failing_app())
    with pytest.raises(Broken), client.websocket_connect("/ws") as socket:
        socket.receive_text()
    assert told(http)["exception.type"] == f"{OURS}.Broken"
    assert counted(http) == {("application", f"{OURS}.Broken", "/ws"): 1}


def test_behind_middleware(http: Telemetry) -> None:
    app = failing_app()

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    for _ in range(3):
        app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    assert ask("/broken/7", app) == 500
    assert told(http)["exception.type"] == f"{OURS}.Broken"


def test_a_handler_of_the_app_for_everything(http: Telemetry) -> None:
    """It answers, and Starlette raises the exception all the same: one record."""
    app = failing_app()

    @app.exception_handler(Exception)
    async def everything(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({}, status_code=500)

    assert ask("/broken/7", app) == 500
    assert told(http)["body"] == f"unhandled {OURS}.Broken"


@pytest.mark.parametrize(
    ("path", "body", "kind", "category"),
    [
        ("/http/500", "answered 500 for fastapi.exceptions.HTTPException", None, "application"),
        ("/away", "answered 503 for fastapi.exceptions.HTTPException", None, "infrastructure"),
        ("/plain/500", "answered 500", "500", "application"),
        ("/plain/503", "answered 503", "503", "infrastructure"),
        ("/plain/502", "answered 502", "502", "integration"),
        ("/refused/500", f"answered 500 for {OURS}.Refused", None, "application"),
    ],
)
def test_an_answer(http: Telemetry, path: str, body: str, kind: str | None, category: str) -> None:
    ask(path)
    found = told(http)
    assert found["body"] == body
    assert found["otelier.error.category"] == category
    assert len(found["otelier.error.fingerprint"]) == 32
    assert found["http.response.status_code"] == int(body.split()[1])
    assert ("exception.stacktrace" in found) is (kind is None)
    ((counted_category, counted_kind, _),) = counted(http)
    assert (counted_category, counted_kind) == (category, kind or body.split()[-1])


@pytest.mark.parametrize(
    "path",
    ["/http/404", "/refused/409", "/plain/429", "/plain/204", "/nowhere", "/broken/x", "/left"],
)
def test_what_is_expected(http: Telemetry, path: str) -> None:
    ask(path)
    assert of_errors(http) == []
    assert counted(http) == {}


def test_a_cancelled_request(http: Telemetry) -> None:
    with suppress(BaseException):
        ask("/cancelled")
    assert of_errors(http) == []
    assert counted(http) == {}


def test_two_places_two_fingerprints(http: Telemetry) -> None:
    for path in ("/broken/1", "/broken/2", "/again"):
        ask(path)
    first, second, other = [
        (each.log_record.attributes or {})["otelier.error.fingerprint"] for each in of_errors(http)
    ]
    assert first == second != other
    assert counted(http)["application", f"{OURS}.Broken", "/broken/{order}"] == 2


def test_what_a_request_handled_is_not_kept(http: Telemetry) -> None:
    """The exception holds the frames, and with them the request."""
    from otelier.context import RequestContext

    kept: list[RequestContext] = []
    app = failing_app()

    @app.middleware("http")
    async def keep(request: Request, call_next: Any) -> Any:
        kept.append(request.scope["otelier.request"])
        return await call_next(request)

    ask("/refused/500", app)
    assert kept[0].handled is None
