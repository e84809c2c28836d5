"""One attempt to reach something, with an end: what has not answered by then is given up.

A task is cancelled; a thread cannot be, so that whoever begins one sees to it that it ends by
itself (by time-outs, or because `abort` takes its connection away). While one that was given up
still goes on, no second one is begun: however long a server hangs, there is one attempt to it.

Runs on the app's event loop and never blocks it.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from otelier.errors import type_name
from otelier.fixed import fixed

SECONDS = 1.0
"""That one attempt may take."""
GRACE = 0.2
"""Seconds after that, in which one that was given up may clean up behind itself."""

_LATE = type_name(TimeoutError())


class Failure(Exception):
    """What an attempt has raised, by the name of its class alone."""

    def __init__(self, error: BaseException) -> None:
        self.name = type_name(error)
        _let_go(error)


class Attempt(Protocol):
    """begin: called once, in a running loop. abort: makes it end soon, successful or not."""

    def begin(self) -> asyncio.Future[Any]: ...

    def abort(self) -> None: ...


@fixed
class Target:
    """Something that can be reached or not.

    kind: `database`, `redis` or the name of an own check. title: which of its kind, without
    secrets. key: the same for the same thing.
    """

    kind: str
    title: str
    key: Hashable
    attempt: Callable[[], Attempt]


@fixed
class Finding:
    """How an attempt went. error: class of the exception, None if all is well.

    Kept for a while, so that it holds nothing of the app's: it knows of its target only the names.
    """

    kind: str
    title: str
    error: str | None
    seconds: float


_going: dict[Hashable, asyncio.Future[Any]] = {}


async def look(target: Target) -> Finding:
    """Try it; takes at most `SECONDS`."""
    began = perf_counter()
    error = await _failure(target)
    return Finding(target.kind, target.title, error, perf_counter() - began)


async def _failure(target: Target) -> str | None:
    if _still_goes(target.key):
        return _LATE
    began, attempt = perf_counter(), target.attempt()
    try:
        future = attempt.begin()
    except Exception as error:
        return type_name(error)
    _going[target.key] = future
    future.add_done_callback(partial(_over, target.key))
    try:
        await asyncio.wait((future,), timeout=SECONDS)
        failure = _told(future) if future.done() else _LATE
        # A client's own limit may be over a moment before ours: late is late.
        return _LATE if failure and perf_counter() - began >= SECONDS else failure
    finally:
        if not future.done():
            attempt.abort()
            if isinstance(future, asyncio.Task):
                asyncio.get_running_loop().call_later(GRACE, future.cancel)


def _still_goes(key: Hashable) -> bool:
    before = _going.get(key)
    return not (before is None or before.done() or before.get_loop().is_closed())


def _over(key: Hashable, future: asyncio.Future[Any]) -> None:
    if _going.get(key) is future:
        del _going[key]
    if not future.cancelled():
        future.exception()  # else asyncio complains that nobody has asked for it, in the app's log


def _told(future: asyncio.Future[Any]) -> str | None:
    if future.cancelled():
        return _LATE
    failure = future.exception()
    return failure.name if isinstance(failure, Failure) else None


def _let_go(error: BaseException) -> None:
    """Of the frames that it came through: they hold a driver's half-made connection.

    psycopg's, which a time-out ends, stayed open until the garbage collector came: its frame has a
    list of errors that have come through that frame.
    """
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += (one.__context__, one.__cause__)
            traceback.clear_frames(one.__traceback__)


def in_task(work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
    """Done on the app's loop."""

    async def run() -> None:
        failure = None
        try:
            await work
        except asyncio.CancelledError as error:
            _let_go(error)
            raise
        except Exception as error:
            failure = Failure(error)
        if failure is not None:
            raise failure

    return asyncio.get_running_loop().create_task(run())


def in_thread(work: Callable[[], object]) -> asyncio.Future[Any]:
    """Done in a thread of its own: those of the app's pools may all be waiting for that server."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(failure: Failure | None) -> None:
        if future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(None)

    def run() -> None:
        failure = None
        try:
            work()
        except Exception as error:
            failure = Failure(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, failure)

    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="otelier-health", daemon=True).start()
    return future
