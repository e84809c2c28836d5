"""redis-py's pools against real servers: open connections, idle and used, and their bounds."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.cluster import RedisCluster as AsyncCluster

from otelier.instrumentation.cache import CacheInstrumentor
from parts.redis_cluster import RedisCluster, redis_cluster
from tests.conftest import Telemetry
from tests.instrumentation.pooled import Pooled

VERSION = int(redis.__version__.split(".")[0])


@pytest.fixture
def pooled(cache: Telemetry) -> Pooled:
    gc.collect()  # clients of other tests
    return Pooled(cache)


@pytest.fixture
def name(redis_url: str) -> str:
    return redis_url.split("//")[1].split("/")[0] + "/0"


def open_ones(pooled: Pooled, name: str) -> tuple[Any, Any]:
    found = pooled.of(name)
    return found.get("idle"), found.get("used")


@pytest.mark.parametrize("kind", [redis.ConnectionPool, redis.BlockingConnectionPool])
def test_connections(pooled: Pooled, redis_url: str, name: str, kind: Any) -> None:
    """One in use while something holds it, idle when it is given back, none once disconnected."""
    pool = kind.from_url(redis_url, max_connections=4)
    client = redis.Redis(connection_pool=pool)
    client.ping()
    assert open_ones(pooled, name) == (1, 0)
    with client.pipeline() as pipe:
        pipe.watch("k")
        assert open_ones(pooled, name) == (0, 1)
        client.ping()
        assert open_ones(pooled, name) == (1, 1)
    found = pooled.of(name)
    assert (found["idle"], found["used"]) == (2, 0)
    assert (found["max"], found["idle.max"], found["idle.min"]) == (4, 4, 0)
    assert "pending_requests" not in found
    pool.disconnect()
    assert open_ones(pooled, name) == (0, 0)
    client.ping()
    assert open_ones(pooled, name) == (1, 0)
    pool.disconnect()


@pytest.mark.parametrize(
    "kind", [redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool]
)
def test_async_connections(pooled: Pooled, redis_url: str, name: str, kind: Any) -> None:
    """The same of asyncio's, while three commands wait at once."""

    async def run() -> None:
        pool = kind.from_url(redis_url, max_connections=4)
        client = redis.asyncio.Redis(connection_pool=pool)
        waiting = [asyncio.ensure_future(client.blpop("empty", timeout=0.2)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert open_ones(pooled, name) == (0, 3)
        await asyncio.gather(*waiting)
        assert open_ones(pooled, name) == (3, 0)
        async with client.pipeline() as pipe:
            await pipe.watch("k")
            assert open_ones(pooled, name) == (2, 1)
        assert pooled.of(name)["max"] == 4
        await pool.disconnect()
        assert open_ones(pooled, name) == (0, 0)

    asyncio.run(run())


def test_unbounded(pooled: Pooled, redis_url: str, name: str) -> None:
    """The oldest releases have no bound unless they are told one, and say none."""
    client = redis.Redis.from_url(redis_url)
    client.ping()
    found = pooled.of(name)
    if VERSION < 8:
        assert "max" not in found
    else:
        assert found["max"] == client.connection_pool.max_connections
    client.close()


def test_names(pooled: Pooled, redis_url: str, name: str) -> None:
    """Address and database; a second pool to the same has a number, until the first is gone."""
    clients = [redis.Redis.from_url(redis_url) for _ in range(2)]
    clients.append(redis.Redis.from_url(redis_url.removesuffix("/0") + "/3"))
    for client in clients:
        client.ping()
    pooled.look()
    assert pooled.names == sorted([name, f"{name}#2", name.removesuffix("0") + "3"])
    clients[0].close()
    del client, clients[0]
    gc.collect()
    other = redis.Redis.from_url(redis_url)
    other.ping()
    pooled.look()
    assert pooled.names == sorted([name, f"{name}#2", name.removesuffix("0") + "3"])


def test_nothing_is_kept_alive(pooled: Pooled, redis_url: str) -> None:
    """A pool that is gone is not said of again."""
    for _ in range(50):
        redis.Redis.from_url(redis_url).ping()
        pooled.look()
    gc.collect()
    pooled.look()
    assert pooled.names == []
    assert CacheInstrumentor()._pools._given == {}


def test_switched_off(pooled: Pooled, redis_url: str) -> None:
    """Taken out, it says nothing more."""
    client = redis.Redis.from_url(redis_url)
    client.ping()
    CacheInstrumentor().uninstrument()
    pooled.look()
    assert pooled.names == []
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)


@pytest.fixture(scope="module")
def cluster(part: Callable[[Any], Any]) -> RedisCluster:
    made: RedisCluster = part(redis_cluster)
    return made


def test_a_cluster(pooled: Pooled, cluster: RedisCluster) -> None:
    """Each node has a pool of its own; the one that was asked for the others has two."""
    client = redis.RedisCluster.from_url(cluster.url)
    for key in ("b", "c", "a"):
        client.set(key, 1)
    pooled.look()
    names = [f"127.0.0.1:{port}/0" for port in sorted(cluster.ports)]
    assert {each.removesuffix("#2") for each in pooled.names} == set(names)
    for each in names:
        found = [open_ones(pooled, n) for n in (each, f"{each}#2")]
        assert sum(idle or 0 for idle, _ in found) >= 1
        assert not any(used for _, used in found)
    client.close()


def test_an_async_cluster(pooled: Pooled, cluster: RedisCluster) -> None:
    """asyncio's nodes are their own pools."""

    async def run() -> None:
        client = AsyncCluster.from_url(cluster.url)
        await client.get("{a}")
        node: Any = client.get_node_from_key("{a}empty")
        where = f"127.0.0.1:{node.port}/0"
        before, _ = open_ones(pooled, where)
        waiting = [asyncio.ensure_future(client.blpop(["{a}empty"], timeout=0.3)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert open_ones(pooled, where) == (max(before - 3, 0), 3)
        await asyncio.gather(*waiting)
        assert open_ones(pooled, where) == (max(before, 3), 0)
        await client.aclose()
        assert open_ones(pooled, where) == (0, 0)

    asyncio.run(run())
