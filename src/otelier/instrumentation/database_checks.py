"""Whether a database can be reached: a connection of our own, asked as SQLAlchemy's pre-ping asks.

The connection is made by what makes the engine's (its arguments, `do_connect` listeners, creator),
and is closed again; the app's pool and the events of engines and pools know nothing of it. A sync
driver runs in a thread, an async one on the app's loop, where the app uses it.

A hung server: the drivers of `_LIMITS` give up connecting by themselves. A connection that answers
no more is taken away from its driver: cancelling would have asyncpg and psycopg ask the server, by
one more connection, to cancel.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any

from otelier.instrumentation.attempts import Target, in_task, in_thread
from otelier.instrumentation.engines import named
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.seen import engines

# Seconds; libpq takes less than 2 for 2.
_LIMITS: Mapping[str, Mapping[str, Any]] = {
    "psycopg2": {"connect_timeout": 2},
    "psycopg": {"connect_timeout": 2},
    "pg8000": {"timeout": 1},
    "pymysql": {"connect_timeout": 1, "read_timeout": 1},
    "mysqldb": {"connect_timeout": 1, "read_timeout": 1},
    "mysqlconnector": {"connection_timeout": 1},
    "pyodbc": {"timeout": 1},
    "pysqlite": {"timeout": 1},
}

_is_ours: ContextVar[bool] = ContextVar("otelier_own_connection", default=False)


class NotReached(Exception):
    """The driver has said so without an exception."""


def targets() -> list[Target]:
    """Each database once, however many engines there are for it."""
    found = {_key(engine): engine for engine in reversed(list(engines))}
    return [
        Target("database", named(engine), key, lambda engine=engine: EngineAttempt(engine))  # type: ignore[misc]
        for key, engine in reversed(found.items())
    ]


def watch(patches: Patches) -> None:
    """Put time-outs into connections of ours."""
    patches.after_import("sqlalchemy.engine.default", lambda module: _watch(patches, module))


class EngineAttempt:
    """A connection, a ping, and the end of the connection.

    ask: what is done with the connection in place of the ping.
    """

    def __init__(self, engine: Any, ask: Callable[[Any], None] | None = None) -> None:
        self._engine = engine
        self._ask = ask
        self._connection: Any = None
        self._task: asyncio.Task[Any] | None = None

    def begin(self) -> asyncio.Future[Any]:
        if not self._engine.dialect.is_async:
            return in_thread(self._run)
        from sqlalchemy.util import greenlet_spawn

        self._task = in_task(greenlet_spawn(self._run))
        return self._task

    def abort(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(Exception):  # it has ended by itself meanwhile
                _cut(connection)
        elif self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        engine = self._engine
        token = _is_ours.set(True)
        try:
            self._connection = engine.pool._invoke_creator(None)
        finally:
            _is_ours.reset(token)
        try:
            (self._ask or self._ping)(self._connection)
        finally:
            connection, self._connection = self._connection, None
            engine.dialect.do_close(connection)

    def _ping(self, connection: Any) -> None:
        if self._engine.dialect.do_ping(connection) is False:
            raise NotReached


def _cut(connection: Any) -> None:
    """What waits on it fails at once: by its socket, or where that is hidden, by the driver."""
    for owner in (connection, getattr(connection, "driver_connection", None)):
        fileno = getattr(owner, "fileno", None)
        if fileno is not None:
            with socket.socket(fileno=os.dup(fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)
            return
    connection.terminate()


def _key(engine: Any) -> Hashable:
    """Its URL, with user and password; a URL that names no server says nothing."""
    url = engine.url
    return (url, engine.dialect.is_async) if url.host or url.database else id(engine)


def _watch(patches: Patches, module: ModuleType) -> None:
    def make(original: Any) -> Any:
        @wraps(original)
        def connect(dialect: Any, *args: Any, **given: Any) -> Any:
            if _is_ours.get() and not dialect.is_async:
                given = {**_LIMITS.get(dialect.driver, {}), **given}
            return original(dialect, *args, **given)

        return connect

    patches.replace(module.DefaultDialect, "connect", make)
