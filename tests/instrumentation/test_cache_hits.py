"""Hits and misses of a known sequence of commands, against real servers; no key and no value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.trace import get_tracer

from otelier import _guard
from otelier.instrumentation.cache import CacheInstrumentor
from parts.redis_cluster import RedisCluster, redis_cluster
from tests.conftest import Telemetry

SECRET = "swordfish"
HITS, MISSES = "otelier.cache.hits", "otelier.cache.misses"


@pytest.fixture
def client(redis_url: str, cache: Telemetry) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        client.set(f"{SECRET}:1", SECRET)
        client.hset(f"{SECRET}:h", mapping={"a": SECRET, "b": "2"})
        cache.clear()
        yield client


def found(telemetry: Telemetry) -> dict[str, tuple[int, int]]:
    """Hits and misses since this was last asked, by command; nothing that was kept is said."""
    points = telemetry.points()
    assert SECRET not in repr(points)
    counted = {}
    for place, name in enumerate((HITS, MISSES)):
        for point in points.get(name, ()):
            if point.value:
                operation = point.attributes["db.operation.name"]
                pair = list(counted.get(operation, (0, 0)))
                pair[place] += point.value
                counted[operation] = (pair[0], pair[1])
    return counted


KEY, HASH = f"{SECRET}:1", f"{SECRET}:h"

# What is sent, and how many of what it asks for are there and are not: thirty operations with
# those of the pipelines below.
COMMANDS: list[tuple[tuple[str, ...], tuple[int, int]]] = [
    (("GET", KEY), (1, 0)),
    (("get", KEY), (1, 0)),
    (("GET", "none"), (0, 1)),
    (("GETEX", KEY, "EX", "100"), (1, 0)),
    (("GETEX", "none"), (0, 1)),
    (("MGET", KEY, "none", KEY, "nothing"), (2, 2)),
    (("MGET", "none"), (0, 1)),
    (("HGET", HASH, "a"), (1, 0)),
    (("HGET", HASH, "c"), (0, 1)),
    (("HMGET", HASH, "a", "c", "b"), (2, 1)),
    (("HMGET", "none", "a", "b"), (0, 2)),
    (("HGETALL", HASH), (1, 0)),
    (("HGETALL", "none"), (0, 1)),
    (("GETDEL", "none"), (0, 1)),
    (("SET", "k", "v"), (0, 0)),
    (("DEL", "k"), (0, 0)),
    (("EXISTS", "none"), (0, 0)),
    (("INCR", "n"), (0, 0)),
]
PIPED: list[tuple[tuple[str, ...], tuple[int, int]]] = [
    (("GET", KEY), (1, 0)),
    (("SET", "k", "v"), (0, 0)),
    (("GET", "none"), (0, 1)),
    (("MGET", KEY, "none"), (1, 1)),
    (("HGETALL", HASH), (1, 0)),
    (("INCR", "n"), (0, 0)),
]
TWICE = ("GET", "get")


def expected(*sequences: list[tuple[tuple[str, ...], tuple[int, int]]]) -> dict[str, Any]:
    counted: dict[str, tuple[int, int]] = {}
    for (name, *_), (there, missing) in (each for some in sequences for each in some):
        if there or missing:
            before = counted.get(name, (0, 0))
            counted[name] = (before[0] + there, before[1] + missing)
    return counted


def test_a_known_sequence(client: redis.Redis, cache: Telemetry) -> None:
    """Thirty operations: one by one, in a pipeline and in a transaction."""
    for command, _ in COMMANDS:
        client.execute_command(*command)
    for transaction in (True, False):
        with client.pipeline(transaction=transaction) as pipe:
            for command, _ in PIPED:
                pipe.execute_command(*command)
            pipe.execute()
    assert len(COMMANDS) + 2 * len(PIPED) == 30
    assert found(cache) == expected(COMMANDS, PIPED, PIPED)


def test_a_known_sequence_async(client: redis.Redis, cache: Telemetry, redis_url: str) -> None:
    """The same by asyncio's."""

    async def run() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as other:
            for command, _ in COMMANDS:
                await other.execute_command(*command)
            for transaction in (True, False):
                async with other.pipeline(transaction=transaction) as pipe:
                    for command, _ in PIPED:
                        pipe.execute_command(*command)
                    await pipe.execute()

    asyncio.run(run())
    assert found(cache) == expected(COMMANDS, PIPED, PIPED)


def test_what_fails_is_neither(client: redis.Redis, cache: Telemetry) -> None:
    """A command that Redis refuses, alone or in a pipeline whose other commands count."""
    with pytest.raises(redis.ResponseError):
        client.get(HASH)
    with client.pipeline(transaction=False) as pipe:
        pipe.get(HASH).get(KEY).get("none")
        replies = pipe.execute(raise_on_error=False)
    assert isinstance(replies[0], redis.ResponseError)
    assert found(cache) == {"GET": (1, 1)}


def test_an_optimistic_transaction(client: redis.Redis, cache: Telemetry) -> None:
    """What is read while a key is watched counts, and so does what its transaction reads."""
    with client.pipeline() as pipe:
        pipe.watch(KEY)
        assert pipe.get(KEY) == SECRET.encode()
        pipe.multi()
        pipe.get("none")
        pipe.execute()
    assert found(cache) == {"GET": (1, 1)}


def test_patterns(redis_url: str, telemetry: Telemetry) -> None:
    """Where patterns of keys may be said, each has its own numbers."""
    _guard.faults.clear()
    CacheInstrumentor().instrument(on=True, key_patterns=True, skip_dep_check=True)
    try:
        with redis.Redis.from_url(redis_url) as client, get_tracer("t").start_as_current_span("r"):
            client.set("user:1:name", "x")
            for key in ("user:1:name", "user:2:name", "cart:1"):
                client.get(key)
    finally:
        CacheInstrumentor().uninstrument()
    points = telemetry.points()
    about = "otelier.cache.key_pattern"
    hits, misses = (
        {p.attributes.get(about): p.value for p in points[name] if p.value}
        for name in (HITS, MISSES)
    )
    assert (hits, misses) == ({"user:?:name": 1}, {"user:?:name": 1, "cart:?": 1})
    assert dict(_guard.faults) == {}


def test_client_side_cache(
    redis_url: str, cache: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What redis-py has kept itself is a hit as well."""
    cached = pytest.importorskip("redis.cache", reason="redis-py from 5.1 on")
    # Redis tells of changes from 6.0 on; redis-py believes it from 7.4 on, and no Valkey.
    proxy = "redis.connection.CacheProxyConnection"
    monkeypatch.setattr(f"{proxy}.MIN_ALLOWED_VERSION", "6.0.0")
    with redis.Redis.from_url(redis_url, protocol=3) as client:
        name = client.execute_command("HELLO")[b"server"]
    monkeypatch.setattr(f"{proxy}.DEFAULT_SERVER_NAME", name.decode())
    with redis.Redis.from_url(redis_url, protocol=3, cache_config=cached.CacheConfig()) as client:
        client.set("k", "v")
        cache.clear()
        for _ in range(3):
            assert client.get("k") == b"v"
    assert found(cache) == {"GET": (3, 0)}


@pytest.fixture(scope="module")
def cluster(part: Callable[[Any], Any]) -> RedisCluster:
    made: RedisCluster = part(redis_cluster)
    return made


def test_a_cluster(cluster: RedisCluster, cache: Telemetry) -> None:
    """Commands, a pipeline to several nodes and an MGET over all of them count once each."""
    client = redis.RedisCluster.from_url(cluster.url)
    for key in ("b", "c", "a"):
        client.set(key, SECRET)
    cache.clear()
    client.get("a")
    client.get("none")
    with client.pipeline() as pipe:
        pipe.get("b").get("c").get("none").hgetall("nothing")
        pipe.execute()
    assert found(cache) == {"GET": (3, 2), "HGETALL": (0, 1)}
    assert client.mget_nonatomic("a", "b", "none") == [SECRET.encode(), SECRET.encode(), None]
    assert found(cache) == {"MGET": (2, 1)}
    client.close()
