"""Whether a Redis can be reached: a connection of our own, and PING; a cluster tells how it is.

Sync connections run in a thread and end by the time-outs of their sockets, async ones on the app's
loop. Of a cluster a few nodes are asked,
and one that finds the whole in order will do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from otelier.instrumentation import cache_nodes
from otelier.instrumentation.attempts import SECONDS, Target, in_task, in_thread
from otelier.instrumentation.cache_servers import of_cluster, of_pool
from otelier.instrumentation.seen import async_clusters, async_pools, clusters, pools

_MOST_NODES = 3
_PING, _INFO = ("PING",), ("CLUSTER", "INFO")


class NotReached(Exception):
    """No node has been found, or a node finds its cluster broken."""


def targets() -> list[Target]:
    """Each server once, however many clients there are for it."""
    found: dict[Hashable, Target] = {}
    for target in _every():
        found.setdefault(target.key, target)
    return list(found.values())


def _every() -> Iterator[Target]:
    for kind, kept in ((PoolAttempt, pools), (AsyncPoolAttempt, async_pools)):
        for pool in kept:
            how = pool.connection_kwargs
            who = (how.get("username"), how.get("password"))
            key = (kind, of_pool(pool), *who)
            yield Target("redis", _title(*of_pool(pool)), key, lambda k=kind, p=pool: k([p], _PING))  # type: ignore[misc]
    for kind, kept in ((PoolAttempt, clusters), (AsyncPoolAttempt, async_clusters)):
        for client in kept:
            at = of_cluster(client)
            yield Target(
                "redis",
                f"cluster {_title(*at)}",
                (kind, "cluster", at),
                lambda k=kind, c=client: k(cache_nodes.nodes(c, _MOST_NODES), _INFO),  # type: ignore[misc]
            )


class AsyncPoolAttempt:
    """Connections on the app's loop. nodes: what has a connection's class and arguments."""

    def __init__(self, nodes: Sequence[Any], command: Sequence[str]) -> None:
        self._nodes = nodes
        self._command = command
        self._begun: asyncio.Future[Any] | None = None

    def begin(self) -> asyncio.Future[Any]:
        asked = list(map(self._ask, self._nodes))
        self._begun = asked[0] if len(asked) == 1 else in_task(_any(asked))
        return self._begun

    def abort(self) -> None:
        if isinstance(self._begun, asyncio.Task):
            self._begun.cancel()

    def _ask(self, node: Any) -> asyncio.Future[Any]:
        return in_task(self._asking(node))

    async def _asking(self, node: Any) -> None:
        connection = cache_nodes.connection(node, SECONDS)
        try:
            await connection.connect()
            await connection.send_command(*self._command)
            _check(await connection.read_response())
        except Exception as error:
            _check(error)
        finally:
            await connection.disconnect(nowait=True)


class PoolAttempt(AsyncPoolAttempt):
    """The same in threads."""

    def _ask(self, node: Any) -> asyncio.Future[Any]:
        return in_thread(lambda: self._asking_here(node))

    def _asking_here(self, node: Any) -> None:
        connection = cache_nodes.connection(node, SECONDS)
        try:
            connection.connect()
            connection.send_command(*self._command)
            _check(connection.read_response())
        except Exception as error:
            _check(error)
        finally:
            connection.disconnect()


async def _any(asked: Sequence[asyncio.Future[Any]]) -> None:
    """Until one is done without an exception; the others are given up."""
    waiting = set(asked)
    failure: BaseException = NotReached()
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            errors = [one.exception() for one in done]
            if None in errors:
                return
            failure = next(error for error in errors if error is not None)
        raise failure
    finally:
        for one in waiting:
            one.cancel()


def _check(told: object) -> None:
    """Raise what is no sign of health.

    A user who may not ask (NOPERM) has been let in.
    """
    if isinstance(told, Exception):
        if type(told).__name__ != "NoPermissionError":
            raise told
    elif isinstance(told, str | bytes):
        text = told.decode("latin-1") if isinstance(told, bytes) else told
        if "cluster_state:" in text and "cluster_state:ok" not in text:
            raise NotReached


def _title(host: object, port: object, database: object) -> str:
    return f"{host}/{database}" if port is None else f"{host}:{port}/{database}"
