"""Requests of every shape, for `test_shapes.py`. `app` is bare, `wrapped` is under middleware."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, BackgroundTasks, FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

log = logging.getLogger("shapes")
routes = APIRouter()

CROWD = 1000
arrived = 0
everybody = asyncio.Event()


class Handled(Exception):
    """An exception that the app answers with 503."""


class OnPurpose(Exception):
    """An exception that nobody handles."""


@routes.get("/ok/{number}")
async def ok(number: int) -> int:
    log.info("number %d", number)
    return number


@routes.get("/sync/{number}")
def sync(number: int) -> int:
    log.info("number %d", number)
    return number


@routes.get("/unhandled")
async def unhandled() -> None:
    log.info("before")
    raise OnPurpose("unhandled")


@routes.get("/handled")
async def handled() -> None:
    log.info("before")
    raise Handled("busy")


@routes.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(chunks(3))


@routes.get("/stream-breaks")
async def stream_breaks() -> StreamingResponse:
    return StreamingResponse(chunks(2, then=OnPurpose("half-way")))


@routes.get("/stream-on")
async def stream_on() -> StreamingResponse:
    """For ever, or until the client leaves."""
    return StreamingResponse(chunks(2000, pause=0.02))


async def chunks(
    count: int, then: Exception | None = None, pause: float = 0.0
) -> AsyncIterator[bytes]:
    log.info("streaming")
    for number in range(count):
        yield b"chunk %d\n" % number
        await asyncio.sleep(pause)
    if then is not None:
        raise then


@routes.get("/slow")
async def slow() -> str:
    log.info("slow")
    await asyncio.sleep(0.6)
    return "slow"


@routes.get("/for-ever")
async def for_ever() -> None:
    log.info("waiting")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        log.info("cancelled")
        raise


@routes.get("/times-out")
async def times_out() -> None:
    async with asyncio.timeout(0.05):
        await asyncio.sleep(3600)


@routes.get("/background")
async def background(tasks: BackgroundTasks, fail: bool = False) -> str:
    tasks.add_task(afterwards, fail)
    return "later"


async def afterwards(fail: bool) -> None:
    await asyncio.sleep(0.3)
    log.info("afterwards")
    if fail:
        raise OnPurpose("afterwards")


@routes.websocket("/echo/{count}")
async def echo(websocket: WebSocket, count: int) -> None:
    await websocket.accept()
    log.info("open")
    for _ in range(count):
        await websocket.send_text(await websocket.receive_text())
    await websocket.close()


@routes.websocket("/ws-fails")
async def websocket_fails(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()
    raise OnPurpose("websocket")


@routes.get("/crowd/{number}")
async def crowd(number: int) -> int:
    """Answers when all have come: then so many requests are in progress at once."""
    global arrived
    log.info("number %d", number)
    arrived += 1
    if arrived == CROWD:
        everybody.set()
    await asyncio.wait_for(everybody.wait(), 30)
    await asyncio.to_thread(time.sleep, 0)
    log.info("again %d", number)
    return number


def create_app() -> FastAPI:
    made = FastAPI()
    made.include_router(routes)
    mounted = FastAPI()
    mounted.include_router(routes)
    made.mount("/mounted/{tenant}", mounted)

    @made.exception_handler(Handled)
    async def answer(request: Request, error: Handled) -> JSONResponse:
        log.info("handled")
        return JSONResponse({"error": str(error)}, 503)

    return made


async def passes(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Any:
    return await call_next(request)


app = create_app()
wrapped = create_app()
for _ in range(3):
    wrapped.add_middleware(BaseHTTPMiddleware, dispatch=passes)
