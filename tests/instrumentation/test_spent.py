"""What a request has asked of Redis, on its span and access record; against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from redis.exceptions import ResponseError

from tests.conftest import Telemetry
from tests.instrumentation.asking import ask

NAMES = tuple(f"otelier.cache.{name}" for name in ("operations", "hit_count", "miss_count"))


@pytest.fixture
def app(http: Telemetry, cache: Telemetry, redis_url: str) -> FastAPI:
    app = FastAPI()

    @app.get("/sync")
    def sync() -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
            client.mset({"a": "1", "b": "2"})
            client.get("a")
            client.mget("a", "b", "none")
            with client.pipeline() as pipe:
                pipe.get("a").get("none").set("c", "3").execute()
            with pytest.raises(ResponseError):
                client.incr("a", 1 << 70)

    @app.get("/async")
    async def asynchronous() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await asyncio.gather(*(client.get("none") for _ in range(5)))
            async with client.pipeline() as pipe:
                pipe.get("none")
                await pipe.execute()

    @app.get("/writes")
    def writes() -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.set("a", "1")

    @app.get("/none")
    def none() -> None: ...

    return app


def spent(telemetry: Telemetry) -> tuple[Any, ...]:
    """Operations, hits and misses of the last request; its span and access record agree."""
    span = [each for each in telemetry.spans if each.kind is SpanKind.SERVER][-1]
    record = [
        each.log_record
        for each in telemetry.records
        if each.instrumentation_scope.name == "otelier.access"
    ][-1]
    of_span, of_record = (
        tuple((about or {}).get(name) for name in NAMES)
        for about in (span.attributes, record.attributes)
    )
    assert of_span == of_record
    return of_span


def test_commands_of_a_request(app: FastAPI, http: Telemetry) -> None:
    """A pipeline is one operation, whatever it reads; one that fails counts too."""
    assert ask(app, "/sync").status == 200
    assert spent(http) == (6, 4, 2)
    assert ask(app, "/async").status == 200
    assert spent(http) == (6, 0, 6)


def test_requests_that_read_nothing(app: FastAPI, http: Telemetry) -> None:
    """They have no hits and no misses, not even none of them."""
    assert ask(app, "/writes").status == 200
    assert spent(http) == (1, None, None)
    assert ask(app, "/none").status == 200
    assert spent(http) == (None, None, None)
