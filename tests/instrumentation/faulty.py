"""The app that the tests of faults compare with itself, observed and bare, and its requests."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from starlette.responses import PlainTextResponse, Response

from tests.instrumentation.apps import OurFault, shop
from tests.instrumentation.asking import scope_of

log = logging.getLogger("faulty")

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String, unique=True),
)


@dataclass
class Told:
    """Everything that a client sees of one request, and what the app raised on top."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def is_as(self, bare: Told) -> bool:
        """Whether it is what the bare app tells, but for the one header that the settings page
        lists, where the app has not set it itself."""
        pairs = zip(self.messages, bare.messages, strict=False)
        expected = [_with_id(theirs, ours) for ours, theirs in pairs]
        return (self.messages, self.error) == (expected, bare.error)


def _with_id(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    if any(name == b"x-request-id" for name, _ in theirs.get("headers", ())):
        return theirs
    added = [pair for pair in ours.get("headers", ()) if pair[0] == b"x-request-id"]
    return {**theirs, "headers": [*theirs.get("headers", ()), *added[:1]]} if added else theirs


def app(redis_url: str) -> FastAPI:
    """Every kind of route of `shop`, and some that query, cache and log."""
    made = shop()
    _add_queries(made)
    _add_cache(made, redis_url)
    _add_logging(made)
    return made


def _add_queries(made: FastAPI) -> None:
    file = Path(tempfile.mkdtemp(prefix="otelier-tests-")) / "things.db"
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    THINGS.create(engine)

    @made.get("/sql/{name}")
    def sql(name: str) -> list[str]:
        return _query(engine, name)

    @made.get("/sql-fails")
    def sql_fails() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT nothing FROM nowhere"))

    @made.get("/sql-conflicts")
    def sql_conflicts() -> None:
        with engine.begin() as connection:
            try:
                rows = [{"id": 7, "name": "same"}, {"id": 8, "name": "same"}]
                connection.execute(THINGS.insert(), rows)
            except IntegrityError:
                raise HTTPException(409, "there already") from None

    @made.get("/sql-async")
    async def sql_async() -> list[int]:
        other = create_async_engine("sqlite+aiosqlite://", poolclass=NullPool)
        try:
            async with other.connect() as connection:
                first = await connection.execute(text("SELECT 1"))
                try:
                    await connection.execute(text("SELECT nothing FROM nowhere"))
                except OperationalError:
                    return [first.scalar_one()]
        finally:
            await other.dispose()
        return []


def _query(engine: Engine, name: str) -> list[str]:
    with engine.begin() as connection:
        connection.execute(THINGS.delete())
        connection.execute(THINGS.insert(), [{"name": name}, {"name": f"{name} again"}])
        return list(connection.execute(THINGS.select().order_by("id")).scalars(1))


def _add_cache(made: FastAPI, url: str) -> None:
    import redis
    import redis.asyncio

    @made.get("/cache")
    def cache() -> list[Any]:
        with redis.Redis.from_url(url, decode_responses=True) as client:
            client.set("otelier-faults", "7")
            with client.pipeline() as pipe:
                pipe.incr("otelier-faults").get("otelier-faults")
                return list(pipe.execute())

    @made.get("/cache-async")
    async def cache_async() -> list[Any]:
        async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
            await client.set("otelier-faults-too", "7")
            async with client.pipeline() as pipe:
                pipe.incr("otelier-faults-too")
                return [*await pipe.execute(), await client.get("otelier-faults-too")]

    @made.get("/cache-fails")
    def cache_fails() -> None:
        with redis.Redis.from_url(url) as client:
            client.set("otelier-faults", "7")
            client.lpush("otelier-faults", "1")


def _add_logging(made: FastAPI) -> None:
    @made.get("/logs")
    def logs() -> str:
        log.info("to %s", "whom", extra={"order": 7, "what": [1]})
        log.warning("plain")
        try:
            raise OurFault("on purpose")
        except OurFault:
            log.exception("failed")
        return "logged"

    @made.get("/handled")
    async def handled() -> Response:
        log.error("in a coroutine")
        return PlainTextResponse("handled", 418, {"x-own": "1"})


PATHS = (
    ("GET", "/nowhere"),
    ("DELETE", "/own-id"),
    ("BREW", "/own-id?pot=1&milk"),
    ("GET", "/items/seven"),
    ("GET", "/fails"),
    ("GET", "/refuses"),
    ("GET", "/stream"),
    ("GET", "/stream-fails"),
    ("GET", "/background"),
    ("GET", "/healthz"),
    ("GET", "/t/acme/items/3"),
    ("GET", "/t/acme/nowhere"),
    ("GET", "/t/acme/deep/x"),
    ("GET", "/api/r/5"),
    ("GET", "/files/a.txt"),
    ("GET", "/files/b.txt"),
    ("GET", "/own-id"),
    ("GET", "/sql/ada"),
    ("GET", "/sql-fails"),
    ("GET", "/sql-conflicts"),
    ("GET", "/sql-async"),
    ("GET", "/cache"),
    ("GET", "/cache-async"),
    ("GET", "/cache-fails"),
    ("GET", "/logs"),
    ("GET", "/handled"),
)
SOCKETS = ("/ws/open", "/ws/closed", "/ws/broken", "/ws-nowhere")

HEADERS = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x_request_id": "given-7",
    "user_agent": "tests",
}

Asking = Callable[[Any], Awaitable[Told]]


def requests() -> Mapping[str, Asking]:
    """Every request by its name: with headers and without, and websockets."""
    found: dict[str, Asking] = {}
    for number, (method, path) in enumerate(PATHS):
        scope = scope_of(path, method, **(HEADERS if number % 2 else {}))
        found[f"{method} {path}"] = _asking(scope, [{"type": "http.request"}])
    for path in SOCKETS:
        scope = {**scope_of(path), "type": "websocket", "scheme": "ws", "subprotocols": []}
        del scope["method"]
        said = [{"type": "websocket.receive", "text": "hello"}, {"type": "websocket.connect"}]
        found[f"socket {path}"] = _asking(scope, said)
    lifespan = {"type": "lifespan", "asgi": {"version": "3.0"}}
    stages = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    return {**found, "lifespan": _asking(lifespan, stages)}


def _asking(scope: dict[str, Any], said: list[dict[str, Any]]) -> Asking:
    async def ask(app: Any) -> Told:
        told, waiting = Told(), list(said)

        async def receive() -> dict[str, Any]:
            if waiting:
                return dict(waiting.pop())
            await asyncio.sleep(3600)  # the client stays connected
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            told.messages.append(dict(message))

        try:
            await app({**scope, "state": {}}, receive, send)
        except Exception as error:
            told.error = f"{type(error).__name__}: {error}"
        return told

    return ask
