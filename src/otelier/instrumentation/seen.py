"""The engines and Redis clients that an app has made, for those who want to ask how they are.

Noted as they are made, so that an app that has not asked its database yet is known to have one.
What a cluster's or Sentinel's client makes for its own use is left out. Nothing is kept alive.

Runs in whatever thread makes one. A fault of ours is counted, and the app has what it made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import ref

from otelier import _guard
from otelier.instrumentation.observe import Patches

Note = Callable[[Any, str, Any], None]
"""Takes what is made, the module that makes it, and the arguments by name."""


class Seen:
    """Objects of one kind, oldest first."""

    def __init__(self) -> None:
        self._refs: dict[int, ref[Any]] = {}

    def add(self, made: Any) -> None:
        key = id(made)
        # One step in C: the collector runs it in the midst of whatever runs then.
        self._refs[key] = ref(made, partial(self._refs.pop, key))

    def __iter__(self) -> Iterator[Any]:
        # `list` at once: another thread may make one meanwhile.
        living = (kept() for kept in list(self._refs.values()))
        return (made for made in living if made is not None)


engines, pools, async_pools, clusters, async_clusters = (Seen() for _ in range(5))

_OF_REDIS_ITSELF = ("redis.cluster", "redis.asyncio.cluster")
_SENTINELS = ("redis.sentinel", "redis.asyncio.sentinel")


def watch_engines(patches: Patches) -> None:
    """Sync ones, and those that async ones are made of."""
    patches.after_import("sqlalchemy.engine.base", partial(_watch, patches, "Engine", _engine))


def watch_clients(patches: Patches) -> None:
    """Of redis-py: by their pools, as many clients may share one, and clusters' by themselves."""
    for module, name, note in (
        ("redis.client", "Redis", _client(pools)),
        ("redis.asyncio.client", "Redis", _client(async_pools)),
        ("redis.cluster", "RedisCluster", _cluster(clusters)),
        ("redis.asyncio.cluster", "RedisCluster", _cluster(async_clusters)),
    ):
        patches.after_import(module, partial(_watch, patches, name, note))


def _engine(engine: Any, maker: str, given: Any) -> None:
    engines.add(engine)


# Functions, no partials: fakeredis walks through the closures of `Redis.__init__`, ours too.


def _client(kept: Seen) -> Note:
    def note(client: Any, maker: str, given: Any) -> None:
        is_inner = maker in _OF_REDIS_ITSELF
        if not is_inner and (maker not in _SENTINELS or "connection_pool" in given):
            kept.add(client.connection_pool)

    return note


def _cluster(kept: Seen) -> Note:
    def note(client: Any, maker: str, given: Any) -> None:
        kept.add(client)

    return note


def _watch(patches: Patches, name: str, note: Note, module: ModuleType) -> None:
    def make(original: Any) -> Any:
        @wraps(original)
        def init(made: Any, *args: Any, **given: Any) -> None:
            original(made, *args, **given)
            try:
                note(made, sys._getframe(1).f_globals.get("__name__", ""), given)
            except Exception as error:
                _guard.fault("noting what an app has made", error)

        return init

    patches.replace(getattr(module, name), "__init__", make)
