"""One span a command or pipeline of a Redis Cluster of three real masters, wherever it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import StatusCode

from parts.redis_cluster import RedisCluster, redis_cluster
from tests.conftest import Telemetry
from tests.instrumentation.test_cache import attributes, durations, names

pytestmark = pytest.mark.usefixtures("parent")

# The first releases look at each node with an INFO, which is like one of the app's own.
VERSION = tuple(int(part) for part in redis.__version__.split(".")[:3])
ASKS_INFO = VERSION < (5, 0, 8)

# One key for each third of the slots.
KEYS = ("b", "c", "a")


@pytest.fixture(scope="module")
def cluster(part: Callable[[Any], Any]) -> RedisCluster:
    made: RedisCluster = part(redis_cluster)
    return made


@pytest.fixture
def client(cluster: RedisCluster, cache: Telemetry) -> Iterator[redis.RedisCluster]:
    """A client that knows the cluster already, and is observed."""
    with suppress_instrumentation():
        made = redis.RedisCluster.from_url(cluster.url)
    yield made
    made.close()


def test_commands(cluster: RedisCluster, client: redis.RedisCluster, cache: Telemetry) -> None:
    """The server is the one of the configuration, the peer is the node that the key belongs to."""
    for key in KEYS:
        client.set(key, "swordfish")
        assert client.get(key) == b"swordfish"
    assert names(cache) == ["SET", "GET"] * 3
    about = [attributes(span) for span in cache.spans]
    assert {(a["server.address"], a["server.port"]) for a in about} == {
        ("127.0.0.1", cluster.ports[0])
    }
    assert [a["network.peer.port"] for a in about[::2]] == list(cluster.ports)
    assert {a["network.peer.address"] for a in about} == {"127.0.0.1"}
    assert {a["db.namespace"] for a in about} == {"0"}
    assert {a["db.query.text"] for a in about} == {"SET ? ?", "GET ?"}
    assert durations(cache) == {"SET": 3, "GET": 3}


def test_a_command_to_all_nodes(client: redis.RedisCluster, cache: Telemetry) -> None:
    """A command that the client sends to every node is one."""
    client.dbsize()
    assert names(cache) == ["DBSIZE"]
    assert durations(cache) == {"DBSIZE": 1}


def test_pipelines(client: redis.RedisCluster, cache: Telemetry) -> None:
    """A pipeline to several nodes is one span, with the number of its commands."""
    with client.pipeline() as pipe:
        for key in KEYS:
            pipe.set(key, 1)
        assert pipe.execute() == [True] * 3
        for key in KEYS:
            pipe.get(key).incr(key)
        assert pipe.execute() == [b"1", 2] * 3
    assert [(s.name, attributes(s)["db.operation.batch.size"]) for s in cache.spans] == [
        ("PIPELINE SET", 3),
        ("PIPELINE", 6),
    ]
    assert durations(cache) == {"PIPELINE SET": 1, "PIPELINE": 1}


def test_a_failed_command(client: redis.RedisCluster, cache: Telemetry) -> None:
    """The server's word for an error arrives, of commands and of pipelines."""
    client.set("a", "text")
    with pytest.raises(redis.ResponseError):
        client.lpush("a", 1)
    with pytest.raises(redis.ResponseError):
        client.pipeline().lpush("a", 1).get("b").execute()
    _, *failed = cache.spans
    assert [span.name for span in failed] == ["LPUSH", "PIPELINE"]
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}
    assert [attributes(span)["error.type"] for span in failed] == ["WRONGTYPE"] * 2


def test_a_moved_slot(cluster: RedisCluster, client: redis.RedisCluster, cache: Telemetry) -> None:
    """A command that was sent to the wrong node first is one; the peer is the one that answered."""
    nodes = client.nodes_manager
    wrong = nodes.get_node("127.0.0.1", cluster.ports[1])
    nodes.slots_cache[client.keyslot("b")] = [wrong]
    client.set("b", 1)
    (span,) = cache.spans
    assert span.name == "SET"
    assert attributes(span)["network.peer.port"] == cluster.ports[0]
    assert "error.type" not in attributes(span)


def test_connecting(cluster: RedisCluster, cache: Telemetry) -> None:
    """A client that finds its way through the cluster makes no span for it."""
    with redis.RedisCluster.from_url(cluster.url) as made:
        made.get("a")
    assert names(cache) == [*(["INFO"] if ASKS_INFO else []), "GET"]


@pytest.mark.skipif(VERSION < (6, 0, 0), reason="no transactions on clusters before")
def test_transactions(client: redis.RedisCluster, cache: Telemetry) -> None:
    """A transaction is one span; what it watches before is not observed."""
    with client.pipeline(transaction=True) as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.set("a", 1).incr("a")
        assert pipe.execute()[-1] == 2
    assert names(cache) == ["MULTI"]
    assert attributes(cache.spans[0])["db.operation.batch.size"] == 2


def test_async(cluster: RedisCluster, cache: Telemetry) -> None:
    """The async client goes the same way."""

    async def serve() -> None:
        async with redis.asyncio.RedisCluster.from_url(cluster.url) as client:
            for key in KEYS:
                await client.set(key, 1)
            await client.dbsize()
            pipe = client.pipeline()
            for key in KEYS:
                pipe.get(key)
            assert await pipe.execute() == [b"1"] * 3
            with pytest.raises(redis.ResponseError):
                await client.lpush("a", 1)
            await client.blpop("nothing", 0.01)

    asyncio.run(serve())
    assert names(cache) == [*["SET"] * 3, "DBSIZE", "PIPELINE GET", "LPUSH", "BLPOP"]
    about = [attributes(span) for span in cache.spans]
    assert [a["network.peer.port"] for a in about[:3]] == list(cluster.ports)
    assert {a["server.port"] for a in about} == {cluster.ports[0]}
    assert about[5]["error.type"] == "WRONGTYPE"
    assert durations(cache) == {"SET": 3, "DBSIZE": 1, "PIPELINE GET": 1, "LPUSH WRONGTYPE": 1}


def test_async_in_many_tasks(cluster: RedisCluster, cache: Telemetry) -> None:
    """Calls at the same time do not take each other's nodes."""

    async def serve() -> None:
        async with redis.asyncio.RedisCluster.from_url(cluster.url) as client:
            await asyncio.gather(*(client.get(key) for key in KEYS * 10))

    asyncio.run(serve())
    ports = [attributes(span)["network.peer.port"] for span in cache.spans]
    assert {port: ports.count(port) for port in ports} == dict.fromkeys(cluster.ports, 10)
