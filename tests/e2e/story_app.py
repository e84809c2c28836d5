"""Requests with a user each, for `test_story.py`: bound in every way, told by every kind of route.

The token of a request, `Bearer N`, says who asks: user `user-N`. `app` binds in code or has
dependencies that know nothing of Otelier; what it mounts, and all of `behind`, is the same under
`BaseHTTPMiddleware`; `authenticated` leaves it to Starlette's AuthenticationMiddleware.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, Response, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse
from opentelemetry import baggage, propagate
from opentelemetry.trace import get_tracer
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection

import otelier

log = logging.getLogger("story")
tracer = get_tracer("story")
routes = APIRouter()
pool = ThreadPoolExecutor(4)


@dataclass
class User:
    id: str


class OnPurpose(Exception):
    """An exception that nobody handles."""


def number_of(connection: HTTPConnection) -> str:
    return connection.headers.get("authorization", "Bearer none").removeprefix("Bearer ")


def current_user(connection: HTTPConnection) -> User:
    """Knows nothing of Otelier."""
    return User(f"user-{number_of(connection)}")


async def current_user_async(connection: HTTPConnection) -> User:
    await asyncio.sleep(0)
    return User(f"user-{number_of(connection)}")


async def current_user_yielded(connection: HTTPConnection) -> AsyncIterator[User]:
    yield User(f"user-{number_of(connection)}")


def binds(connection: HTTPConnection) -> None:
    number = number_of(connection)
    otelier.bind_user(f"user-{number}", session=f"session-{number}")
    otelier.bind(tenant=f"tenant-{number}")


async def binds_async(connection: HTTPConnection) -> None:
    binds(connection)


def binds_and_yields(connection: HTTPConnection) -> Iterator[None]:
    binds(connection)
    yield


def say(word: str, number: str) -> None:
    """A log record and a span of the SDK."""
    with tracer.start_as_current_span(f"{word} {number}"):
        log.info("%s %s", word, number)


BINDING = {"sync": binds, "async": binds_async, "yield": binds_and_yields}
NAMED = {
    "named": current_user,
    "named-async": current_user_async,
    "named-yield": current_user_yielded,
}
for name, dependency in {**BINDING, **NAMED}.items():
    inner = APIRouter(prefix=f"/{name}", dependencies=[Depends(dependency)])

    @inner.get("/plain/{number}")
    async def plain(number: str, tasks: BackgroundTasks) -> int:
        say("said", number)
        await asyncio.to_thread(say, "to_thread", number)
        tasks.add_task(say, "task", number)
        return int(number)

    @inner.get("/threads/{number}")
    def threads(number: str) -> int:
        thread = threading.Thread(target=say, args=("thread", number))
        thread.start()
        pool.submit(say, "submitted", number).result()
        thread.join()
        return int(number)

    @inner.get("/stream/{number}")
    async def stream(number: str) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            say("streamed", number)
            yield number

        return StreamingResponse(parts(), headers={"content-length": str(len(number))})

    @inner.get("/fails/{number}")
    async def fails(number: str) -> None:
        say("said", number)
        raise OnPurpose(number)

    @inner.websocket("/socket/{number}")
    async def socket(websocket: WebSocket, number: str) -> None:
        await websocket.accept()
        say("socket", number)
        await websocket.send_text(number)
        await websocket.close()

    routes.include_router(inner)


@routes.get("/open/{number}")
async def nobody(number: str) -> int:
    """Says nothing of a user."""
    say("open", number)
    return int(number)


@routes.get("/carried")
async def carried() -> dict[str, object]:
    """What goes out with a request to another service, and what baggage there is."""
    carrier: dict[str, object] = {}
    propagate.inject(carrier)
    return {**carrier, **baggage.get_all()}


@routes.get("/moved")
async def moved() -> RedirectResponse:
    return RedirectResponse("/open/1")


@routes.get("/child")
def child() -> str:
    environ = {**os.environ, **otelier.environ()}
    program = "import logging; logging.getLogger('child').warning('from the child')"
    command = ["opentelemetry-instrument", sys.executable, "-c", program]
    subprocess.run(command, env=environ, check=True, timeout=50)
    return "done"


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> Any:
        if "authorization" not in conn.headers:
            return None
        return AuthCredentials(), SimpleUser(f"user-{number_of(conn)}")


async def passes(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Any:
    return await call_next(request)


def create_app() -> FastAPI:
    made = FastAPI()
    made.include_router(routes)
    mounted = FastAPI()
    mounted.include_router(routes)
    mounted.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    made.mount("/mounted", mounted)

    @made.exception_handler(Exception)
    async def answer(request: Request, error: Exception) -> Response:
        log.error("handler %s", error)
        if request.query_params.get("handler") == "fails":
            raise error
        return Response("sorry", 500)

    return made


app = create_app()
behind = create_app()
for _ in range(2):
    behind.add_middleware(BaseHTTPMiddleware, dispatch=passes)
authenticated = create_app()
authenticated.add_middleware(AuthenticationMiddleware, backend=Backend())
