"""What the Redis servers of an app say of themselves, where it is asked for: `INFO`, as metrics.

Each server is asked when metrics are collected, once for all of them, on a connection of our own
and in a thread of its own; of the processes of a host by the one that is elected for it. Who has
not answered within half a second is left out of that collection, and has a thread of ours until its
time-outs are over: the app, and delivery, wait for nothing else.

An async client that asks Sentinels or a provider of credentials is passed over: they belong to the
app's loop. A server that nobody can reach is no fault of ours and is not said; one that refuses
(`NOPERM`, `NOAUTH`) is.

Source: Redis, command `INFO`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from threading import Lock, Thread
from typing import Any

from opentelemetry.metrics import Meter

from otelier import _guard, redis_signals, signals
from otelier.instrumentation import cache_nodes, seen
from otelier.instrumentation.cache_servers import about, of_pool
from otelier.instrumentation.election import Election
from otelier.sdk.observed import Read, Value
from otelier.sdk.observed import observe as observe_values
from otelier.sdk.providers import after_fork

_WAIT, _TIMEOUT = 0.5, 1.0
_AT_ONCE = 0.25  # seconds in which metrics belong to one collection
_MOST = 32
_REFUSALS = ("AuthenticationError", "AuthenticationWrongNumberOfArgsError", "NoPermissionError")

Address = tuple[Any, ...]
"""Host and port, or a socket's path and None."""

Ask = Callable[[], Any]


class Asking(Thread):
    """One server being asked. told: its answer by field, None without one."""

    def __init__(self, address: Address, ask: Ask) -> None:
        super().__init__(name="otelier-redis-info", daemon=True)
        self._address = address
        self._ask = ask
        self.told: Mapping[str, str] | None = None

    def run(self) -> None:
        try:
            self.told = fields(self._ask())
        except Exception as error:
            if type(error).__name__ in _REFUSALS:
                host, port = self._address
                place = host if port is None else f"{host}:{port}"
                line = f"Redis {place} does not let its INFO be read: {error}"
                _guard.say(line, cause=f"INFO of {place}")


class Servers:
    """found: every server that the app has a client for, and how to ask it. is_mine: whether this
    process is to ask a server."""

    def __init__(
        self,
        found: Callable[[], Iterator[tuple[Address, Ask]]],
        is_mine: Callable[[Address], bool],
    ) -> None:
        self._found = found
        self._is_mine = is_mine
        self.forget()
        after_fork(self.forget)

    def forget(self) -> None:
        """In a forked child, which has none of the threads."""
        self._lock = Lock()
        self._asked: dict[Address, Asking] = {}
        self._until = 0.0

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        numbers = {
            name: partial(self._numbers, field) for name, field in redis_signals.FIELDS.items()
        }
        return {**numbers, redis_signals.KEYS: self._keys}

    def _numbers(self, field: str) -> Iterator[Value]:
        for address, told in self._told():
            number = told.get(field, "")
            # A `maxmemory` of 0 is none.
            if number.isdecimal() and (number != "0" or field != "maxmemory"):
                yield int(number), about(*address)

    def _keys(self) -> Iterator[Value]:
        """`db0:keys=5,expires=0,avg_ttl=0`"""
        for address, told in self._told():
            for name, text in told.items():
                number = text.partition(",")[0].removeprefix("keys=")
                if name.startswith("db") and name[2:].isdecimal() and number.isdecimal():
                    yield int(number), {**about(*address), signals.DB_NAMESPACE: name[2:]}

    def _told(self) -> list[tuple[Address, Mapping[str, str]]]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._ask()
                self._until = time.monotonic() + _AT_ONCE
            asked = self._asked.items()
            return [(address, asking.told) for address, asking in asked if asking.told]

    def _ask(self) -> None:
        """Whoever is still being asked has not answered, and is not asked a second time."""
        self._asked = {key: asking for key, asking in self._asked.items() if asking.is_alive()}
        for address, ask in islice(self._found(), _MOST):
            if address not in self._asked and self._is_mine(address):
                asking = Asking(address, ask)
                with suppress(RuntimeError):  # the interpreter ends, and begins no thread any more
                    asking.start()
                    self._asked[address] = asking
        until = time.monotonic() + _WAIT
        for asking in self._asked.values():
            asking.join(max(0.0, until - time.monotonic()))


def observe(meter: Meter) -> None:
    """Begin, with the clients that the app makes from now on."""
    reads = Servers(_servers, Elections().is_won).reads
    for row in redis_signals.ROWS:
        what = meter, row.name, row.unit, row.meaning, reads[row.name]
        observe_values(*what, row.kind, is_own=False)


class Elections:
    """One for each server: another app on the host may have others."""

    def __init__(self) -> None:
        self._by_address: dict[Address, Election] = {}

    def is_won(self, address: Address) -> bool:
        election = self._by_address.get(address)
        if election is None:
            if len(self._by_address) >= _MOST:
                return False
            digest = hashlib.sha256(repr(address).encode("utf-8", "replace")).hexdigest()[:16]
            election = self._by_address[address] = Election(what=f"redis-{digest}")
        return election.is_won()


def fields(told: str | bytes) -> dict[str, str]:
    """The lines of an `INFO`: `key:value`, and headings."""
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, colon, value in pairs if colon}


def _servers() -> Iterator[tuple[Address, Ask]]:
    """Each node of a cluster is one; a server has one `INFO`, whatever database a client uses."""
    for ask, pools, clusters in (
        (_ask, seen.pools, seen.clusters),
        (_ask_async, seen.async_pools, seen.async_clusters),
    ):
        of_clusters = (node for one in clusters for node in cache_nodes.nodes(one, _MOST))
        for node in (*pools, *of_clusters):
            if ask is not _ask_async or not _needs_its_loop(node):
                yield of_pool(node)[:2], partial(ask, node)


def _ask(node: Any) -> Any:
    connection = cache_nodes.connection(node, _TIMEOUT)
    try:
        connection.connect()
        connection.send_command("INFO")
        return connection.read_response()
    finally:
        connection.disconnect()


def _needs_its_loop(node: Any) -> bool:
    """Whether connecting would use what belongs to the app's loop: Sentinels' clients, a provider
    of credentials."""
    return hasattr(node, "sentinel_manager") or bool(
        node.connection_kwargs.get("credential_provider")
    )


def _ask_async(node: Any) -> Any:
    """On a loop of this thread's own."""
    return asyncio.run(_asking(node))


async def _asking(node: Any) -> Any:
    connection = cache_nodes.connection(node, _TIMEOUT)
    try:
        await connection.connect()
        await connection.send_command("INFO")
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)
