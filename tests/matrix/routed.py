"""An app with every kind of route, and what a request to each of them must be called.

Needs FastAPI and nothing else, so that it can be served with every release of it. `TABLE` is what
`test_route_table.py` and each cell of the matrix go by.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles


@dataclass(frozen=True)
class Row:
    """A request, the status of its answer, and its template; empty where nothing matched.

    method: `WS` for a websocket. host: of its `Host` header.
    """

    path: str
    template: str
    method: str = "GET"
    status: int = 200
    host: str = "shop.example"


TABLE = (
    # FastAPI's own
    Row("/items/5", "/items/{item}"),
    Row("/items/5?q=1", "/items/{item}"),
    Row("/items/five", "/items/{item}", status=422),
    Row("/items/5", "/items/{item}", method="DELETE", status=405),
    Row("/items/5/", "", status=307),
    Row("/nowhere", "", status=404),
    Row("/docs", "/docs"),
    Row("/openapi.json", "/openapi.json"),
    # include_router, up to three deep; one router at two places
    Row("/api/5", "/api/{leaf}"),
    Row("/api/p/1/5", "/api/p/{x}/{leaf}"),
    Row("/api/q/1/p/2/5", "/api/q/{y}/p/{x}/{leaf}"),
    Row("/api/q/1/p/2/5", "/api/q/{y}/p/{x}/{leaf}", method="PUT", status=405),
    Row("/one/5", "/one/{twice}"),
    Row("/two/5", "/two/{twice}"),
    Row("/two/plain/5", "/two/plain/{starlette}"),
    Row("/two/ws/5", "/two/ws/{socket}", method="WS", status=101),
    # mounted apps, of FastAPI and of Starlette, in each other
    Row("/t/acme/items/3", "/t/{tenant}/items/{i}"),
    Row("/t/acme/r/s/3", "/t/{tenant}/r/s/{deep}"),
    Row("/t/acme/items/3", "/t/{tenant}/items/{i}", method="PUT", status=405),
    Row("/t/acme/nowhere", "/t/{tenant}/{path}", status=404),
    Row("/outer/1/inner/2", "/outer/{a}/inner/{b}"),
    Row("/outer/1/inner/2/3", "/outer/{a}/inner/{path}", status=404),
    Row("/outer/1/app/items/3", "/outer/{a}/app/items/{i}"),
    Row("/outer/1/ws/2", "/outer/{a}/ws/{c}", method="WS", status=101),
    Row("/files/a.txt", "/files/{path}"),
    Row("/files/b.txt", "/files/{path}", status=404),
    # Starlette's own
    Row("/plain/3", "/plain/{q}"),
    Row("/plain/3", "/plain/{q}", method="POST", status=405),
    Row("/path/a/b/c", "/path/{rest}"),
    Row("/class/7", "/class/{n}"),
    Row("/class/7", "/class/{n}", method="POST"),
    Row("/bare/7", "/bare/{n}"),
    # websockets
    Row("/ws/5", "/ws/{room}", method="WS", status=101),
    Row("/ws/closed", "/ws/{room}", method="WS", status=403),
    Row("/nowhere", "", method="WS", status=403),
    # by host
    Row("/h/5", "/h/{i}", host="acme.hosts.example"),
    Row("/nowhere", "", status=404, host="acme.hosts.example"),
    # not there at the start
    Row("/late/5", "", status=404),
    Row("/late", "/late", method="POST"),
    Row("/late/5", "/late/{n}"),
)


async def ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def accept(websocket: WebSocket) -> None:
    if websocket.path_params.get("room") != "closed":
        await websocket.accept()
    await websocket.close()


class Endpoint(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("got")

    async def post(self, request: Request) -> Response:
        return PlainTextResponse("posted")


def add_included(app: FastAPI) -> None:
    leaf, middle, outer, twice = APIRouter(), APIRouter(), APIRouter(), APIRouter()
    leaf.add_api_route("/{leaf}", lambda leaf: leaf)
    middle.include_router(leaf, prefix="/p/{x}")
    outer.include_router(middle)
    outer.include_router(middle, prefix="/q/{y}")
    app.include_router(outer, prefix="/api")
    app.include_router(leaf, prefix="/api")
    twice.add_api_route("/{twice}", lambda twice: twice)
    twice.add_route("/plain/{starlette}", ok)
    twice.add_api_websocket_route("/ws/{socket}", accept)
    app.include_router(twice, prefix="/one")
    app.include_router(twice, prefix="/two")


def add_mounted(app: FastAPI, files: Path) -> None:
    tenant, deep = items(), APIRouter()
    deep.add_api_route("/s/{deep}", lambda deep: deep)
    tenant.include_router(deep, prefix="/r")
    app.mount("/t/{tenant}", tenant)
    inner = Mount("/inner", routes=[Route("/{b}", ok)])
    nested = [inner, Mount("/app", items()), WebSocketRoute("/ws/{c}", accept)]
    app.mount("/outer/{a}", Starlette(routes=nested))
    app.mount("/files", StaticFiles(directory=files))


def items() -> FastAPI:
    """An app of its own, `/items/{i}`."""
    app = FastAPI()
    app.add_api_route("/items/{i}", lambda i: i)
    return app


def add_starlette(app: FastAPI) -> None:
    app.add_route("/plain/{q}", ok)
    app.add_route("/path/{rest:path}", ok)
    app.add_route("/class/{n:int}", Endpoint)
    app.mount("/bare", Router([Route("/{n}", ok)]))


def create_app(**more: Any) -> FastAPI:
    """more: arguments of `FastAPI`."""
    files = Path(tempfile.mkdtemp(prefix="otelier-routes-"))
    (files / "a.txt").write_text("hello")
    app = FastAPI(**more)
    app.router.routes.append(Host("{sub}.hosts.example", Router([Route("/h/{i}", ok)])))

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    @app.post("/late")
    def late() -> None:
        app.add_api_route("/late/{n}", lambda n: n)

    app.add_api_websocket_route("/ws/{room}", accept)
    add_included(app)
    add_mounted(app, files)
    add_starlette(app)
    return app
