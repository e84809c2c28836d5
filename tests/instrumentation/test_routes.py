"""Route templates, as far as a request's answers do not show them."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from otelier import _guard
from otelier.instrumentation import routes
from otelier.instrumentation.http import HTTPInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.asking import ask
from tests.instrumentation.conftest import options


async def ok(request: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


def name_of(telemetry: Telemetry, app: Any, path: str) -> str:
    ask(app, path)
    (name,) = [span.name for span in telemetry.spans if span.kind is SpanKind.SERVER]
    return name


def prefixed(depth: int) -> FastAPI:
    """A route under as many included routers."""
    router = APIRouter()
    router.add_api_route("/{leaf}", lambda leaf: leaf)
    for level in range(depth):
        outer = APIRouter()
        outer.include_router(router, prefix=f"/p{level}/{{x{level}}}")
        router = outer
    app = FastAPI()
    app.include_router(router, prefix="/api")
    return app


@pytest.mark.parametrize(
    ("app", "path", "name"),
    [
        (Starlette(routes=[Route("/a/{n:int}", ok)]), "/a/5", "/a/{n}"),
        (Starlette(routes=[Route("/f/{p:path}", ok)]), "/f/a/b", "/f/{p}"),
        (Starlette(routes=[Mount("/m", Router([Route("/", ok)]))]), "/m/", "/m/"),
        (Starlette(routes=[Mount("", routes=[Route("/x", ok)])]), "/x", "/x"),
        (
            Starlette(routes=[Mount("/a/{b}", routes=[Mount("/c", routes=[Route("/{d}", ok)])])]),
            "/a/1/c/2",
            "/a/{b}/c/{d}",
        ),
        (
            Starlette(routes=[Host("{sub}.example:8000", Router([Route("/h/{i}", ok)]))]),
            "/h/1",
            "/h/{i}",
        ),
        (prefixed(1), "/api/p0/1/z", "/api/p0/{x0}/{leaf}"),
        (prefixed(3), "/api/p2/1/p1/2/p0/3/z", "/api/p2/{x2}/p1/{x1}/p0/{x0}/{leaf}"),
    ],
)
def test_the_template(http: Telemetry, app: Any, path: str, name: str) -> None:
    """Converters are left out, prefixes of mounts and of included routers are there."""
    assert name_of(http, app, path) == f"GET {name}"


def test_one_router_included_twice(http: Telemetry) -> None:
    """A route that is reached by two prefixes is named by the one that was asked for."""
    router, app = APIRouter(), FastAPI()
    router.add_api_route("/{z}", lambda z: z)
    app.include_router(router, prefix="/one")
    app.include_router(router, prefix="/two")
    ask(app, "/two/5")
    ask(app, "/one/5")
    assert [span.name for span in http.spans] == ["GET /two/{z}", "GET /one/{z}"]


def test_an_included_router_in_a_mounted_app(http: Telemetry) -> None:
    """Both kinds of prefix, together."""
    outer = FastAPI()
    outer.mount("/v1", prefixed(1))
    assert name_of(http, outer, "/v1/api/p0/1/z") == "GET /v1/api/p0/{x0}/{leaf}"


def test_the_docs_pages(http: Telemetry) -> None:
    """FastAPI's own pages are plain routes."""
    assert name_of(http, FastAPI(), "/openapi.json") == "GET /openapi.json"


def test_a_fault_in_naming(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that cannot be named is served without one; the fault is counted."""
    _guard.faults.clear()
    monkeypatch.setattr(routes, "_template", lambda *_: 1 / 0)
    HTTPInstrumentor().instrument(options=options(), skip_dep_check=True)
    try:
        assert ask(prefixed(1), "/api/p0/1/z").status == 200
    finally:
        HTTPInstrumentor().uninstrument()
    assert dict(_guard.faults) == {"naming a route": 1}
