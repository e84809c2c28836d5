"""Which server a client talks to, and what is kept of it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.sentinel

from otelier.instrumentation.cache_servers import Servers, of_pool


def no_series(attributes: dict[str, Any]) -> Any:
    return lambda value, span: None


@pytest.mark.parametrize(
    ("url", "about"),
    [
        ("redis://a.example:7000/2", ("a.example", 7000, 2)),
        ("redis://", ("localhost", 6379, 0)),
        ("rediss://user:secret@a.example", ("a.example", 6379, 0)),
        ("unix:///run/redis.sock?db=3", ("/run/redis.sock", None, 3)),
    ],
)
@pytest.mark.parametrize("package", [redis, redis.asyncio], ids=["sync", "async"])
def test_addresses(package: Any, url: str, about: tuple[Any, ...]) -> None:
    """The address is that of the configuration, and holds no secret."""
    assert of_pool(package.Redis.from_url(url).connection_pool) == about


def test_sentinel() -> None:
    """Who is looked up by name is called by it."""
    sentinel = redis.sentinel.Sentinel([("localhost", 1)])
    assert of_pool(sentinel.master_for("orders").connection_pool) == ("orders", None, 0)
    server = Servers(no_series).of(sentinel.master_for("orders").connection_pool, of_pool)
    assert server.about["server.address"] == "orders"
    assert "server.port" not in server.about


def test_clients_are_not_kept() -> None:
    """A client that is gone leaves nothing, and its successor shares what was made for it."""
    servers = Servers(no_series)
    kept = []
    for _ in range(100):
        client = redis.Redis(port=7)
        kept.append(servers.of(client.connection_pool, of_pool))
        del client
        gc.collect(0)
    gc.collect()
    assert len(set(map(id, kept))) == 1
    assert servers.by_owner == {}


def test_what_is_made_of_names_is_bounded() -> None:
    """Command names out of data, and servers by the thousand, cost no memory."""
    servers = Servers(no_series)
    server = servers.of(redis.Redis(port=7).connection_pool, of_pool)
    for n in range(2000):
        made = server.command((f"NAME{n}", "x"))
        assert made is not None
        assert made.name == f"NAME{n}"
        assert server.batch("MULTI", f"NAME{n}", 2).name == f"MULTI NAME{n}"
        server.failure("GET", f"KIND{n}")
        servers.of(redis.Redis(port=n).connection_pool, of_pool)
    assert sum(map(len, server.ready)) <= 1000
    held = (server._known, server._batches, server._failures)
    assert all(len(each) <= 1000 for each in held)
    assert len(servers._by_address) <= 200


def test_a_command_without_a_name() -> None:
    """It is observed under the system's name, and its arguments are not sent."""
    server = Servers(no_series).of(redis.Redis().connection_pool, of_pool)
    made = server.command(("secret:key", "swordfish"))
    assert made is not None
    assert made.name == "redis"
    assert not {"db.operation.name", "db.query.text"} & set(made.preset)
