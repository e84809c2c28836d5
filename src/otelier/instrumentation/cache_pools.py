"""redis-py's connection pools: how many connections are open, read when metrics are collected.

The pools are those that a command was seen to go through, those of a cluster's nodes included; none
is kept alive. Nothing runs when a connection is taken or given back: redis-py has no hooks for it,
and what it keeps can be read. Who waits, and for how long, is not known.

Runs in the thread that delivers, which takes none of redis-py's locks: what it keeps is copied at
once, and a connection that changes hands meanwhile may be seen on neither side.

Source: semantic conventions, database client metrics, connection pools.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import ref

from otelier import signals
from otelier.instrumentation.cache_servers import Servers
from otelier.instrumentation.connections import Bounds, Names, named_after

# What redis-py 5 and 6 say where nothing bounds a pool.
_UNBOUNDED = 2**31


class RedisPool:
    """A pool of redis-py as it is now; of an asyncio cluster each node is one."""

    pending = None

    def __init__(self, name: str, pool: Any) -> None:
        self.about: Mapping[str, Any] = {signals.POOL_NAME: name}
        most = getattr(pool, "max_connections", None)
        bound = most if isinstance(most, int) and 0 < most < _UNBOUNDED else None
        self.bounds = Bounds(bound, bound)
        self._pool = pool

    def counted(self) -> tuple[int, int]:
        if getattr(self._pool, "pid", os.getpid()) != os.getpid():
            return 0, 0  # it will notice that it was forked, and begin anew
        idle, others = _connections(self._pool)
        free = {id(connection) for connection in idle}
        used = [connection for connection in others if id(connection) not in free]
        return sum(map(_is_open, idle)), sum(map(_is_open, used))


class RedisPools:
    """The pools that there are now. servers: what was seen of servers."""

    def __init__(self, servers: Servers) -> None:
        self._servers: Servers | None = servers
        self._names = Names()
        self._given: dict[int, tuple[ref[Any], dict[str, str]]] = {}

    def __call__(self) -> list[RedisPool]:
        found: dict[int, RedisPool] = {}
        for owner, server in self._servers.seen() if self._servers is not None else ():
            names = self._names_of(owner)
            for pool, about in _pools(owner, server.about):
                if id(pool) not in found:
                    wanted = named_after(about)
                    if wanted not in names:
                        names[wanted] = self._names.take(wanted)
                    found[id(pool)] = RedisPool(names[wanted], pool)
        return list(found.values())

    def stop(self) -> None:
        """From now on somebody else says it."""
        self._servers = None

    def _names_of(self, owner: Any) -> dict[str, str]:
        """The names that the pools of an owner have got, by those that they wanted."""
        if id(owner) not in self._given:
            self._given[id(owner)] = ref(owner, self._forgetting(id(owner))), {}
        return self._given[id(owner)][1]

    def _forgetting(self, key: int) -> Callable[[object], None]:
        def forget(_: object) -> None:
            _, names = self._given.pop(key, (None, {}))
            for name in names.values():
                self._names.give_back(name)

        return forget


def _pools(owner: Any, about: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The pool that clients hold on to, or those of a cluster's nodes, and where each leads."""
    nodes = getattr(getattr(owner, "nodes_manager", owner), "nodes_cache", None)
    if nodes is None:
        yield owner, about
        return
    for node in list(nodes.values()):
        where = {signals.SERVER_ADDRESS: node.host, signals.SERVER_PORT: node.port}
        client = getattr(node, "redis_connection", None)
        if client is not None:
            yield client.connection_pool, {**about, **where}
        elif hasattr(node, "_free"):  # of asyncio, which has no pool beside it
            yield node, {**about, **where}


def _connections(pool: Any) -> tuple[list[Any], list[Any]]:
    """Those that wait to be used, and the others or all of them."""
    if hasattr(pool, "_free"):
        return list(pool._free), list(pool._connections)
    if hasattr(pool, "_available_connections"):
        return list(pool._available_connections), _copied(pool._in_use_connections)
    waiting = [connection for connection in list(pool.pool.queue) if connection is not None]
    return waiting, list(pool._connections)  # `BlockingConnectionPool`


def _copied(connections: Iterable[Any]) -> list[Any]:
    """A `WeakSet` may not change while it is walked through; the set inside of it is copied at
    once."""
    data = getattr(connections, "data", None)
    if data is None:
        return list(connections)
    return [found for each in list(data) if (found := each()) is not None]


def _is_open(connection: Any) -> bool:
    """One that was disconnected stays in its pool, and connects again when it is used."""
    connection = getattr(connection, "_conn", connection)  # behind client-side caching
    is_connected = getattr(connection, "is_connected", None)
    return bool(getattr(connection, "_sock", None) if is_connected is None else is_connected)
