"""Connection pools as metrics, whoever's pools they are: their names, and what is read of them.

How many connections are open, and the bounds, are read when metrics are collected, in the thread
that delivers; what lasts (waiting, using) is recorded by whoever hooks the library. A pool that is
gone is not in the next collection. Nothing here keeps a pool alive.

Source: semantic conventions, database client metrics, connection pools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from opentelemetry.metrics import Meter

from otelier import signals
from otelier.fixed import fixed
from otelier.privacy import mask_text
from otelier.sdk.observed import Value, observe

_CONNECTION = "{connection}"
_LONGEST = 256


@fixed
class Bounds:
    """most: connections open at a time; most_idle: of these unused. None where there is none."""

    most: int | None = None
    most_idle: int | None = None


class Pool(Protocol):
    """One pool. about: what its series are known by; pending: None where nobody can know."""

    @property
    def about(self) -> Mapping[str, Any]: ...

    @property
    def bounds(self) -> Bounds: ...

    @property
    def pending(self) -> int | None: ...

    def counted(self) -> tuple[int, int]:
        """Open connections: idle, used."""


class Gauges:
    """What is read of the pools of one library. pools: those that there are just now."""

    def __init__(self, meter: Meter, pools: Callable[[], Iterable[Pool]]) -> None:
        self._pools = pools
        for name, unit, meaning, read in (
            (signals.CONNECTION_COUNT, _CONNECTION, "Open connections.", self._counts),
            (signals.CONNECTION_MAX, _CONNECTION, "Most open connections.", self._most),
            (signals.CONNECTION_IDLE_MAX, _CONNECTION, "Most idle ones.", self._most_idle),
            (signals.CONNECTION_IDLE_MIN, _CONNECTION, "Fewest idle ones.", self._fewest_idle),
            (signals.PENDING_REQUESTS, "{request}", "Who waits for one.", self._pending),
        ):
            observe(meter, name, unit, meaning, read)

    def _counts(self) -> Iterator[Value]:
        for pool in self._pools():
            idle, used = pool.counted()
            yield idle, {**pool.about, signals.CONNECTION_STATE: "idle"}
            yield used, {**pool.about, signals.CONNECTION_STATE: "used"}

    def _most(self) -> Iterator[Value]:
        return self._known(lambda pool: pool.bounds.most)

    def _most_idle(self) -> Iterator[Value]:
        return self._known(lambda pool: pool.bounds.most_idle)

    def _fewest_idle(self) -> Iterator[Value]:
        """None at first, and none is opened before somebody needs it."""
        return self._known(lambda pool: 0)

    def _pending(self) -> Iterator[Value]:
        return self._known(lambda pool: pool.pending)

    def _known(self, read: Callable[[Pool], int | None]) -> Iterator[Value]:
        for pool in self._pools():
            value = read(pool)
            if value is not None:
                yield value, pool.about


class Names:
    """Names of pools, each in use once. A name that is given back is the next one's."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """`wanted`, or with the first number that is free. Two threads must not take at once."""
        first = mask_text(wanted)[:_LONGEST]
        name, number = first, 1
        while name in self._taken:
            number += 1
            name = f"{first}#{number}"
        self._taken.add(name)
        return name

    def give_back(self, name: str) -> None:
        """Any thread, the garbage collector in the midst of `take` too."""
        self._taken.discard(name)


def named_after(about: Mapping[str, Any]) -> str:
    """`host:port/database`, as far as they are known; nothing of users and passwords.

    Source: the conventions, `db.client.connection.pool.name`.
    """
    host = str(about.get(signals.SERVER_ADDRESS) or "")
    port, database = about.get(signals.SERVER_PORT), about.get(signals.DB_NAMESPACE)
    where = f"{host}:{port}" if host and port else host
    parts = [part for part in (where, str(database or "")) if part]
    return "/".join(parts) or str(about[signals.DB_SYSTEM])
