"""One span a Redis command or pipeline, against a real server, with no key and no value in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import redis.asyncio
from opentelemetry.trace import SpanKind, StatusCode

from otelier.instrumentation.cache import CacheInstrumentor
from tests.conftest import Telemetry


@pytest.fixture
def url(part: Callable[[Any], Any]) -> str:
    from parts import redis as server

    return str(part(server.redis).url)


@pytest.fixture
def cache(telemetry: Telemetry) -> Iterator[Telemetry]:
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    yield telemetry
    CacheInstrumentor().uninstrument()


def test_commands(url: str, cache: Telemetry) -> None:
    """Each command is a CLIENT span with its name, where it went, and `?` for what it was given."""
    with redis.Redis.from_url(url) as client:
        client.set("secret-key", "swordfish")
        assert client.get("secret-key") == b"swordfish"
    wrote, read = cache.spans
    assert [wrote.name, read.name] == ["SET", "GET"]
    assert {wrote.kind, read.kind} == {SpanKind.CLIENT}
    found = dict(wrote.attributes or {})
    assert (found["db.system.name"], found["db.operation.name"]) == ("redis", "SET")
    assert found["db.query.text"] == "SET ? ?"
    assert (found["server.address"], found["server.port"]) == ("127.0.0.1", urlsplit(url).port)
    assert not any(
        word in span.to_json() for word in ("secret", "swordfish") for span in cache.spans
    )


def test_a_pipeline(url: str, cache: Telemetry) -> None:
    """A pipeline is one span with one short name, however many commands it has."""
    with redis.Redis.from_url(url) as client, client.pipeline() as pipe:
        for number in range(5):
            pipe.set(f"key-{number}", number)
        pipe.execute()
    (span,) = cache.spans
    assert span.name == "PIPELINE"
    assert (span.attributes or {})["db.operation.name"] == "PIPELINE"


def test_async_commands(url: str, cache: Telemetry) -> None:
    """The async client goes the same way."""

    async def serve() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.set("k", "swordfish")

    asyncio.run(serve())
    assert [span.name for span in cache.spans] == ["SET"]
    assert "swordfish" not in cache.spans[0].to_json()


def test_a_failed_command(url: str, cache: Telemetry) -> None:
    """A refused command is a failed span, and the app gets Redis's own error."""
    with redis.Redis.from_url(url) as client:
        client.set("k", "text")
        with pytest.raises(redis.ResponseError):
            client.incr("k")
    failed = cache.spans[-1]
    assert failed.status.status_code is StatusCode.ERROR


def test_uninstrument(url: str, cache: Telemetry) -> None:
    """Afterwards a command makes no span."""
    CacheInstrumentor().uninstrument()
    with redis.Redis.from_url(url) as client:
        client.set("k", "v")
    assert list(cache.spans) == []


def test_without_a_word_of_the_distro_nothing_happens() -> None:
    """Under another distro the instrumentor is called bare, and does nothing."""
    before = redis.Redis.execute_command
    CacheInstrumentor().instrument(skip_dep_check=True)
    after = redis.Redis.execute_command
    CacheInstrumentor().uninstrument()
    assert after is before
