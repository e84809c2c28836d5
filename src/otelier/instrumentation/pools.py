"""SQLAlchemy's connection pools: one tally for each engine.

`Engine.raw_connection` is wrapped, since nothing public tells that somebody waits, for how long and
in vain; the listeners of `Pool` tell of what is made and what is given back. What is open and what
is used is asked of the pool's own entries when metrics are collected, so that no count can go
astray: not by overflow, invalidation, a cancelled task, nor by a pool that was disposed of while
its connections were out. A connection made before we were put in is counted once it is replaced.

An engine is known by its dialect, which those that `execution_options` derives from it share, and
which stays when the engine disposes of its pool. Neither engines nor entries are kept alive, and
the series of an engine go with it. Runs in whatever thread or greenlet asks for a connection; a
forked child begins at zero. Nothing of ours leaves the wrapper or a listener as an exception.

Source: semantic conventions, database client metrics, connection pools.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter, time
from typing import Any
from weakref import WeakValueDictionary, ref

from opentelemetry.metrics import Meter

from otelier import _guard, signals
from otelier._upstream import SUPPRESSIONS, current_context
from otelier.context import current_request
from otelier.instrumentation.connections import Bounds, Gauges, Names, named_after
from otelier.instrumentation.engines import about_engine
from otelier.instrumentation.observe import Patches
from otelier.sdk import metrics
from otelier.sdk.providers import after_fork

KEY = "otelier"
"""Under which the entry of a pool keeps its slot: in `record_info`, which is there for such things
and lasts as long as the entry."""

_ASKING, _GETTING, _RETURNING = (
    "asking a pool for a connection",
    "getting a connection from a pool",
    "giving a connection back to its pool",
)

# Seconds. The conventions advise none.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30)


class Slot:
    """What we know of one entry of a pool.

    since: when its connection was taken. created: seconds that it took to make one, until it is
    known for whom. takers: who has it, where a pool gives one connection to many.
    """

    __slots__ = ("__weakref__", "created", "entry", "since", "takers", "tally")

    def __init__(self, entry: Any) -> None:
        self.entry = ref(entry)
        self.tally: Tally | None = None
        self.since: float | None = None
        self.created: float | None = None
        self.takers: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def state(self) -> str:
        """`idle`, `used`, or empty while no connection is open."""
        entry = self.entry()
        if entry is None or not _is_open(entry):
            return ""
        # `StaticPool` takes its entry for returned once the first of several has given it back.
        shared = any((taker := found()) and taker.is_valid for found in self.takers.valuerefs())
        return "used" if shared or entry.in_use else "idle"


class Tally:
    """The pool of one engine: the present one, and those it has disposed of that are in use."""

    def __init__(self, name: str, pool: Any, series: Series) -> None:
        self.name = name
        self.about: Mapping[str, Any] = {signals.POOL_NAME: name}
        self.bounds = bounds(pool)
        self.shares = _shares(pool)
        self.waiting: deque[None] = deque()
        """As many as there are who wait: appending and popping needs no lock."""
        self._slots: WeakValueDictionary[int, Slot] = WeakValueDictionary()
        self._series = series
        self.created = series.created.series(self.about)
        self.waited = series.waited.series(self.about)
        self.used = series.used.series(self.about)
        self.timed_out = series.timeouts.series(self.about)

    @property
    def pending(self) -> int:
        return len(self.waiting)

    def counted(self) -> tuple[int, int]:
        slots = [slot for found in self._slots.valuerefs() if (slot := found()) is not None]
        states = [slot.state() for slot in slots]
        return states.count("idle"), states.count("used")

    def adopt(self, slot: Slot) -> None:
        slot.tally = self
        self._slots[id(slot)] = slot
        if slot.created is not None:
            self.created(slot.created, None)
            slot.created = None

    def forget(self) -> None:
        """After a fork: the connections are the parent's."""
        for found in self._slots.valuerefs():
            if (slot := found()) is not None:
                slot.tally = slot.since = None
        self._slots.clear()
        self.waiting.clear()

    def release(self) -> None:
        for instrument in self._series.all():
            instrument.release(self.about)


class Series:
    """The instruments into which is recorded."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, meaning: str) -> metrics.Distribution:
            return metrics.distribution(meter, name, "s", meaning, _BUCKETS)

        self.created = seconds(signals.CREATE_TIME, "Time to open a connection.")
        self.waited = seconds(signals.WAIT_TIME, "Time to get a connection from the pool.")
        self.used = seconds(signals.USE_TIME, "Time until a connection was given back.")
        self.timeouts = metrics.counter(
            meter, signals.CONNECTION_TIMEOUTS, "{timeout}", "Who has waited in vain."
        )

    def all(self) -> tuple[Any, ...]:
        return self.created, self.waited, self.used, self.timeouts


class Pools:
    """Puts the hooks in, and finds the tally of an engine."""

    def __init__(self, meter: Meter) -> None:
        self._series = Series(meter)
        self._names = Names()
        self._tallies: dict[int, Tally] = {}
        self._dialects: dict[int, ref[Any]] = {}
        self._making = threading.Lock()
        self._timeout: type[BaseException] = TimeoutError
        self._listeners: Mapping[str, Callable[..., None]] = {
            "connect": self._connected,
            "checkin": self._returned,
            "detach": self._detached,
        }
        Gauges(meter, lambda: list(self._tallies.values()))
        after_fork(self.forget)

    def put_in(self, patches: Patches) -> None:
        from sqlalchemy import event, exc
        from sqlalchemy.engine import Engine
        from sqlalchemy.pool import Pool

        self._timeout = exc.TimeoutError
        for name, listener in self._listeners.items():
            event.listen(Pool, name, listener)
        patches.replace(Engine, "raw_connection", self._watched)

    def leave(self) -> None:
        """The patches are restored by whoever gave them."""
        from sqlalchemy import event
        from sqlalchemy.pool import Pool

        for name, listener in self._listeners.items():
            if event.contains(Pool, name, listener):
                event.remove(Pool, name, listener)
        for key in list(self._dialects):
            self._forget_engine(key)

    def forget(self) -> None:
        """In a forked child."""
        self._making = threading.Lock()
        for tally in list(self._tallies.values()):
            tally.forget()

    def _watched(self, original: Any) -> Any:
        """3 microseconds with what follows when the connection is given back."""
        begin, ended, failed = self._begin, self._ended, self._failed

        @wraps(original)
        def raw_connection(engine: Any, *args: Any, **options: Any) -> Any:
            tally = begin(engine)
            if tally is None:
                return original(engine, *args, **options)
            began = perf_counter()
            try:
                connection = original(engine, *args, **options)
            except BaseException as error:
                failed(tally, error)
                raise
            ended(tally, began, connection)
            return connection

        return raw_connection

    def _begin(self, engine: Any) -> Tally | None:
        try:
            tally = self._tallies.get(id(engine.dialect)) or self._made(engine)
            if tally is not None:
                tally.waiting.append(None)
            return tally
        except Exception as error:
            _guard.fault(_ASKING, error)
            return None

    def _ended(self, tally: Tally, began: float, connection: Any) -> None:
        try:
            now = perf_counter()
            tally.waiting.pop()
            request = current_request.get()
            tally.waited(now - began, None if request is None else request.server_span)
            slot = connection.record_info.get(KEY)
            if slot is not None:
                if slot.tally is not tally:
                    tally.adopt(slot)
                if tally.shares:
                    slot.takers[id(connection)] = connection
                    now = slot.since or now
                slot.since = now
        except Exception as error:
            _guard.fault(_GETTING, error)

    def _failed(self, tally: Tally, failure: BaseException) -> None:
        try:
            tally.waiting.pop()
            if isinstance(failure, self._timeout):
                tally.timed_out(1)
        except Exception as error:
            _guard.fault(_GETTING, error)

    def _connected(self, _: Any, entry: Any) -> None:
        """The first of all listeners: what the others do is not part of opening a connection."""
        try:
            elapsed = max(0.0, time() - entry.starttime)
            slot = entry.record_info.get(KEY)
            if slot is None:
                slot = entry.record_info[KEY] = Slot(entry)
            if slot.tally is None:
                slot.created = elapsed
            else:
                slot.tally.created(elapsed, None)
        except Exception as error:
            _guard.fault("opening a connection", error)

    def _returned(self, _: Any, entry: Any) -> None:
        try:
            slot = entry.record_info.get(KEY)
            if slot is not None and slot.since is not None:
                elapsed = perf_counter() - slot.since
                slot.since = None
                slot.tally.used(elapsed, None)
        except Exception as error:
            _guard.fault(_RETURNING, error)

    def _detached(self, _: Any, entry: Any) -> None:
        """It will never be given back."""
        try:
            slot = entry.record_info.get(KEY)
            if slot is not None:
                slot.since = None
        except Exception as error:
            _guard.fault(_RETURNING, error)

    def _made(self, engine: Any) -> Tally | None:
        """Once for an engine; nobody waits in here for anything but another one's name.

        None where nothing is to be observed: an engine that is used nowhere else is left out.
        """
        if any(map(current_context().get, SUPPRESSIONS)):
            return None
        dialect, key = engine.dialect, id(engine.dialect)
        with self._making:
            found = self._tallies.get(key)
            if found is None:
                pool = engine.pool
                name = self._names.take(_wanted_name(engine, pool))
                found = Tally(name, pool, self._series)
                self._dialects[key] = ref(dialect, self._forgetting(key))
                self._tallies[key] = found
            return found

    def _forgetting(self, key: int) -> Callable[[object], None]:
        """Called when a dialect is gone and before its id can be another's."""

        def forget(_: object) -> None:
            self._forget_engine(key)

        return forget

    def _forget_engine(self, key: int) -> None:
        self._dialects.pop(key, None)
        tally = self._tallies.pop(key, None)
        if tally is not None:
            tally.release()
            self._names.give_back(tally.name)


def bounds(pool: Any) -> Bounds:
    """What a pool is limited to; nothing for a kind that is not SQLAlchemy's own."""
    from sqlalchemy import pool as kinds

    if isinstance(pool, kinds.QueuePool):
        size, overflow = pool.size(), getattr(pool, "_max_overflow", -1)
        return Bounds(size + overflow if overflow >= 0 else None, size or None)
    if isinstance(pool, kinds.NullPool):
        return Bounds(None, 0)
    if isinstance(pool, kinds.SingletonThreadPool):
        return Bounds(pool.size, pool.size)
    if isinstance(pool, kinds.StaticPool | kinds.AssertionPool):
        return Bounds(1, 1)
    return Bounds()


def _shares(pool: Any) -> bool:
    """Does it give one connection to several at a time?"""
    from sqlalchemy import pool as kinds

    return isinstance(pool, kinds.StaticPool | kinds.SingletonThreadPool)


def _is_open(entry: Any) -> bool:
    name = "dbapi_connection" if hasattr(entry, "dbapi_connection") else "connection"
    return getattr(entry, name) is not None  # the latter before SQLAlchemy 1.4.24


def _wanted_name(engine: Any, pool: Any) -> str:
    given = getattr(pool, "logging_name", None) or getattr(engine, "logging_name", None)
    return str(given) if given else named_after(about_engine(engine))
