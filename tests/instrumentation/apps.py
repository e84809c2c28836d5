"""The apps that the tests of requests observe: every kind of route, answer and failure."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, WebSocket
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from otelier.context import current_request

log = logging.getLogger("shop")


class OurFault(Exception):
    """Raised by the apps, on purpose."""


def shop() -> FastAPI:
    """A FastAPI app with a bit of everything."""
    app = FastAPI()
    _add_plain(app)
    _add_failing(app)
    _add_lasting(app)
    _add_nested(app)
    return app


def _add_plain(app: FastAPI) -> None:
    @app.get("/items/{item}")
    async def item(item: int) -> dict[str, Any]:
        box = current_request.get()
        return {"item": item, "request": box.request_id if box else None}

    @app.get("/sync/{item}")
    def sync(item: int) -> dict[str, Any]:
        box = current_request.get()
        return {"item": item, "request": box.request_id if box else None}

    @app.get("/own-id")
    async def own_id() -> Response:
        return PlainTextResponse("mine", headers={"X-Request-ID": "set-by-the-app"})

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"


def _add_failing(app: FastAPI) -> None:
    @app.get("/fails")
    async def fails() -> None:
        raise OurFault("on purpose")

    @app.get("/refuses")
    async def refuses() -> None:
        raise HTTPException(503, "not now")


def _add_lasting(app: FastAPI) -> None:
    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(_chunks(fail=False))

    @app.get("/stream-fails")
    async def stream_fails() -> StreamingResponse:
        return StreamingResponse(_chunks(fail=True))

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(log.warning, "in the background")
        return "ok"

    @app.websocket("/ws/{room}")
    async def socket(websocket: WebSocket, room: str) -> None:
        if room == "closed":
            await websocket.close(4001)
            return
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        if room == "broken":
            raise OurFault("on purpose")
        await websocket.close()


async def _chunks(*, fail: bool) -> AsyncIterator[bytes]:
    yield b"one "
    if fail:
        raise OurFault("on purpose")
    yield b"two"


def _add_nested(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/r"), APIRouter(prefix="/api")

    @inner.get("/{z}")
    async def z(z: str) -> str:
        return z

    outer.include_router(inner)
    app.include_router(outer)
    app.mount("/t/{tenant}", starlette_items())
    app.mount("/files", StaticFiles(directory=_folder_with("a.txt", "hello")))


def starlette_items() -> Starlette:
    """A Starlette app with one route, `/items/{i}`."""

    async def item(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.path_params))

    return Starlette(routes=[Route("/items/{i}", item), Mount("/deep", Starlette())])


def behind_middleware() -> FastAPI:
    """A FastAPI app under a `BaseHTTPMiddleware`, which runs it in a task of its own."""
    app = FastAPI()

    async def passes(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    _add_plain(app)
    return app


def _folder_with(name: str, text: str) -> str:
    folder = tempfile.mkdtemp(prefix="otelier-tests-")
    (Path(folder) / name).write_text(text)
    return folder
