"""What Redis servers say of themselves: all of it, right, from one process, at nobody's expense.

Real parts: Redis, a Redis Cluster; one that hangs is stopped by a signal.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from opentelemetry.sdk.metrics.export import AggregationTemporality
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel

from otelier import _guard, redis_signals
from otelier.instrumentation import cache_info, seen
from otelier.instrumentation.cache_info import Address, Elections, Servers
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.seen import Seen
from otelier.sdk.observed import LeanCounted
from parts import free_ports
from parts.redis import program, wait_for_answer
from parts.redis_cluster import redis_cluster
from parts.redis_sentinel import NAME, PASSWORD, redis_sentinel

_DELTA = AggregationTemporality.DELTA


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test makes is seen, and nothing of another one; locks are a test's own."""
    for name in ("pools", "async_pools", "clusters", "async_clusters"):
        monkeypatch.setattr(seen, name, Seen())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    patches = Patches()
    seen.watch_clients(patches)
    yield
    patches.restore()


@contextmanager
def own_redis(*options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Its port and its process."""
    (port,) = free_ports(1)
    line = [program()[0], "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for_answer(server, port)
            yield port, server
        finally:
            server.send_signal(signal.SIGCONT)
            server.terminate()


def servers() -> Servers:
    return Servers(cache_info._servers, Elections().is_won)


def said(told: Servers, name: str) -> dict[str, float]:
    """Values by port, and database where there is one."""
    found = {}
    for value, about in told.reads[name]():
        assert about["db.system.name"] == "redis"
        assert about["server.address"] == "127.0.0.1"
        database = about.get("db.namespace")
        found[f"{about['server.port']}" + (f"/{database}" if database else "")] = value
    return found


@pytest.mark.parametrize("of", [redis.Redis, redis.asyncio.Redis])
@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}])
def test_all_of_it(of: Any, options: dict[str, Any]) -> None:
    """Memory with its limit, clients, keys by database, evictions, hits of all clients."""
    with own_redis("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru") as (port, _):
        client = of(host="127.0.0.1", port=port, db=1, **options)
        told = servers()
        other = redis.Redis(host="127.0.0.1", port=port)
        for number in range(2000):
            other.set(f"key {number}", "x" * 1000)
        other.config_set("maxmemory", "64mb")  # from here on nothing is evicted
        other.set("last", "x")
        redis.Redis(host="127.0.0.1", port=port, db=3).set("one", "1")
        assert [other.get(key) for key in ("last", "none", "nothing")] == [b"x", None, None]
        info = other.info()
        at = str(port)
        assert said(told, redis_signals.MEMORY_MAX) == {at: 64 << 20}
        assert said(told, redis_signals.MEMORY_USED)[at] == pytest.approx(info["used_memory"], 0.1)
        assert said(told, redis_signals.MEMORY_RESIDENT)[at] > 1 << 20
        assert said(told, redis_signals.EVICTED) == {at: info["evicted_keys"]}
        assert info["evicted_keys"] > 0
        assert said(told, redis_signals.KEYS) == {f"{at}/0": other.dbsize(), f"{at}/3": 1}
        assert said(told, redis_signals.FOUND) == {at: 1}
        assert said(told, redis_signals.MISSED) == {at: 2}
        assert said(told, redis_signals.CLIENTS)[at] >= 2
        assert said(told, redis_signals.COMMANDS)[at] >= 2003
        rest = (redis_signals.BLOCKED_CLIENTS, redis_signals.REJECTED, redis_signals.EXPIRED)
        assert [said(told, name) for name in rest] == [{at: 0}] * 3
        assert client.connection_pool._available_connections == []  # ours was none of the pool's


def test_no_limit_is_none() -> None:
    with own_redis() as (port, _):
        client = redis.Redis(host="127.0.0.1", port=port)
        told = servers()
        assert said(told, redis_signals.MEMORY_MAX) == {}
        assert said(told, redis_signals.KEYS) == {}
        assert said(told, redis_signals.CLIENTS)
        client.close()


def test_one_answer_for_all_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """One INFO a collection and server, however many clients, databases and metrics there are."""
    with own_redis() as (port, _):
        clients = [redis.Redis(host="127.0.0.1", port=port, db=number) for number in range(3)]
        clients += [redis.asyncio.Redis(host="127.0.0.1", port=port)]  # type: ignore[list-item]
        told = servers()
        for read in told.reads.values():
            list(read())
        before = redis.Redis(host="127.0.0.1", port=port).info("commandstats")["cmdstat_info"][
            "calls"
        ]
        assert before == 1
        del clients


@pytest.mark.parametrize("of", [redis.RedisCluster, redis.asyncio.RedisCluster])
def test_each_node_of_a_cluster(of: Any) -> None:
    with redis_cluster() as cluster:
        client = of.from_url(cluster.url)
        told = servers()
        if of is redis.asyncio.RedisCluster:
            asyncio.run(_closed(client))  # it has asked its nodes for the others
        assert set(said(told, redis_signals.CLIENTS)) == {str(port) for port in cluster.ports}
        del client


async def _closed(client: Any) -> None:
    await client.initialize()
    await client.aclose()


def test_one_process_asks(tmp_path: Path) -> None:
    """For each server: whoever is first. Another one has it when that ends."""
    one, other, elsewhere = Elections(), Elections(), ("127.0.0.1", 1)
    address: Address = ("127.0.0.1", 6379)
    assert one.is_won(address)
    assert not other.is_won(address)
    assert other.is_won(elsewhere)
    assert not one.is_won(elsewhere)
    for election in one._by_address.values():
        election.forget()
    assert other.is_won(address)


@pytest.mark.parametrize("of", [redis.Redis, redis.asyncio.Redis])
def test_a_server_that_hangs(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs half a second once, others are told of, and no second thread waits for it."""
    monkeypatch.setattr(cache_info, "_TIMEOUT", 3.0)
    with own_redis() as (hung, process), own_redis() as (well, _):
        clients = [of(host="127.0.0.1", port=port) for port in (hung, well)]
        told = servers()
        process.send_signal(signal.SIGSTOP)
        for _ in range(2):
            began = time.monotonic()
            assert set(said(told, redis_signals.CLIENTS)) == {str(well)}
            assert time.monotonic() - began < 0.9
            time.sleep(cache_info._AT_ONCE)
        assert len([one for one in told._asked.values() if one.is_alive()]) == 1
        process.send_signal(signal.SIGCONT)
        told._asked["127.0.0.1", hung].join(5)
        time.sleep(cache_info._AT_ONCE)
        assert set(said(told, redis_signals.CLIENTS)) == {str(hung), str(well)}
        del clients


def test_a_server_that_is_gone(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is told and nothing said: that Redis is away the app's own errors tell."""
    (port,) = free_ports(1)
    client = redis.Redis(host="127.0.0.1", port=port)
    assert said(servers(), redis_signals.CLIENTS) == {}
    assert capfd.readouterr().err == ""
    del client


def test_a_user_who_may_not(capfd: pytest.CaptureFixture[str]) -> None:
    """Said in one line, without the password."""
    _guard._said_at.clear()
    with own_redis() as (port, _):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"ACL SETUSER app on >swordfish +@read ~*\r\n")
            assert connection.recv(16) == b"+OK\r\n"
        client = redis.Redis(host="127.0.0.1", port=port, username="app", password="swordfish")
        told = servers()
        assert said(told, redis_signals.CLIENTS) == {}
        time.sleep(cache_info._AT_ONCE)
        assert said(told, redis_signals.CLIENTS) == {}
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1
        assert f"Redis 127.0.0.1:{port} does not let its INFO be read" in lines[0]
        assert "swordfish" not in lines[0]
        del client


def test_a_forked_child_asks_anew() -> None:
    """Of the parent's threads it has none; the parent goes on to be the one that asks."""
    with own_redis() as (port, _):
        client = redis.Redis(host="127.0.0.1", port=port)
        told = servers()
        assert said(told, redis_signals.CLIENTS)
        child = os.fork()
        if not child:
            try:
                os._exit(len(said(told, redis_signals.CLIENTS)))
            finally:
                os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        time.sleep(cache_info._AT_ONCE)
        assert said(told, redis_signals.CLIENTS)
        del client


def test_a_restart_is_no_negative_number() -> None:
    """Counters of a server that has begun again are told from there on."""
    from otelier.sdk.metrics import Reading

    values = iter([100, 130, 5, 9])
    counted = LeanCounted("n", "1", "", lambda: [(next(values), {})], False)
    reading = Reading(_DELTA, _DELTA, _DELTA)
    made = [counted.metric(0, reading, now) for now in (1, 2, 3, 4)]
    changes = [one.data.data_points[0].value for one in made if one is not None]  # type: ignore[union-attr]
    assert changes == [30, 4]


def test_at_the_end_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread begins then: nothing is told, and nothing raised."""

    def refuse(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(cache_info.Asking, "start", refuse)
    client = redis.Redis(host="127.0.0.1")
    assert said(servers(), redis_signals.CLIENTS) == {}
    del client


def test_by_sentinels(part: Callable[[Any], Any]) -> None:
    """A sync client's server is told of, by the name that the client knows. An async one is passed
    over: whom it would ask for the address belongs to the app's loop."""
    sentinel = part(redis_sentinel)
    for make, expected in ((Sentinel, {NAME}), (AsyncSentinel, set())):
        known = make([("127.0.0.1", sentinel.port)])
        client = known.master_for(NAME, password=PASSWORD)
        told = list(servers().reads[redis_signals.CLIENTS]())
        assert {about["server.address"] for _, about in told} - {"127.0.0.1"} == expected
        del client, known
        gc.collect()
