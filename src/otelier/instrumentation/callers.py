"""The line of the app that has asked for what runs now: file, function and line number.

The nearest frame outside of Python's own library, of installed packages and of Otelier; of an app
that is itself installed, the nearest frame of a package that is no framework. SQLAlchemy runs async
engines in a greenlet of their own: the app's frames are those of the greenlet that waits for it.
Where a task has been made of a call of SQLAlchemy itself (`wait_for`, `gather`, `TaskGroup`), they
are those of the task that waits for that one, and so where a thread has been given such a call
(`run_in_threadpool(session.execute, …)`). What lies beyond the event loop has asked for nothing.

Runs where the statement ended, in some 10 microseconds: for what is told, and nothing else.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from enum import Enum, auto
from functools import lru_cache, partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from itertools import chain
from types import FrameType, FunctionType
from typing import Any, NamedTuple

from otelier import _guard

_MOST_FILES = 2048
_MOST_FRAMES = 500
_MOST_TASKS = 4
"""That wait for each other, and are looked through."""

_ASYNC = CO_COROUTINE | CO_ASYNC_GENERATOR
_DRIVEN = _ASYNC | CO_GENERATOR | CO_ITERABLE_COROUTINE

_INSTALLED = ("/site-packages/", "/dist-packages/")
_INNER = tuple(
    f"{folder}/"
    for folder in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        sysconfig.get_path("scripts"),
    )
)
# Packages through which an app talks to its database, or is talked to.
_FRAMEWORKS = frozenset(
    (
        *("otelier", "opentelemetry", "wrapt", "sqlalchemy", "sqlmodel", "greenlet"),
        *(
            "aiomysql",
            "aiosqlite",
            "asyncmy",
            "asyncpg",
            "pg8000",
            "psycopg",
            "psycopg2",
            "pymysql",
        ),
        *("anyio", "asgiref", "fastapi", "gunicorn", "hypercorn", "starlette", "uvicorn", "uvloop"),
    )
)


class Line(NamedTuple):
    """Where in the app's code."""

    file: str
    function: str
    number: int


class _Place(Enum):
    APP = auto()
    PACKAGE = auto()
    INNER = auto()


def calling_line() -> Line | None:
    """Of the app, outward from whoever calls this; None where nothing says. Never raises."""
    try:
        return _found(sys._getframe(1))
    except Exception as error:  # what is told of a statement can do without
        _guard.fault("looking for a line of the app", error)
        return None


def _found(start: FrameType) -> Line | None:
    return nearest_line(chain(_stack(start), _waiting_frames()))


def nearest_line(frames: Iterable[FrameType]) -> Line | None:
    """Of the app, as above; frames: innermost first."""
    second = None
    for frame in frames:
        place = _place(frame.f_code.co_filename, str(frame.f_globals.get("__name__")))
        if place is _Place.APP:
            return _line(frame)
        if place is _Place.PACKAGE and second is None:
            second = _line(frame)
    return second


def _line(frame: FrameType) -> Line:
    return Line(frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno or 0)


@lru_cache(maxsize=_MOST_FILES)
def _place(file: str, module: str) -> _Place:
    """By the module's name too: `pip install --target` puts frameworks beside an app."""
    if module.partition(".")[0] in _FRAMEWORKS:
        return _Place.INNER
    file = file.replace("\\", "/")
    if any(folder in file for folder in _INSTALLED):
        return _Place.PACKAGE
    # `<string>`: what libraries make of templates, decorators of SQLAlchemy above all.
    return _Place.INNER if file.startswith(("<", *_INNER)) else _Place.APP


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """From this frame outward, through the greenlets that wait for this one."""
    yield from _outward(frame)
    greenlet = sys.modules.get("greenlet")
    waiting = greenlet.getcurrent().parent if greenlet is not None else None
    for _ in range(_MOST_TASKS):
        if waiting is None:
            return
        yield from _outward(waiting.gr_frame)
        waiting = waiting.parent


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    """Up to what drives a coroutine: behind that is the event loop."""
    is_async = False
    for _ in range(_MOST_FRAMES):
        if frame is None or (is_async and not frame.f_code.co_flags & _DRIVEN):
            return
        is_async = is_async or bool(frame.f_code.co_flags & _ASYNC)
        yield frame
        frame = frame.f_back


def _waiting_frames() -> Iterator[FrameType]:
    """Of the tasks that wait for this one, innermost first."""
    ends = _ends()
    for _ in range(_MOST_TASKS):
        task = _waiting_for(ends)
        if task is None:
            return
        ends = [task, *_settled_by(task)]
        coroutine = task.get_coro()
        if isinstance(coroutine, Coroutine):
            yield from reversed(list(_awaited(coroutine)))


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """A suspended coroutine's frame, that of what it awaits, and so on."""
    for _ in range(_MOST_FRAMES):
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                inner = "gi_yieldfrom" if kind == "gi" else f"{kind}_await"
                coroutine = getattr(coroutine, inner)
                break
        else:
            return


def _ends() -> list[Any]:
    """What somebody may wait for: the task that runs here, or what this thread was given to do."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return _given_to_thread()
    return [] if task is None else [task, *_settled_by(task)]


def _given_to_thread() -> list[Any]:
    """By an executor of Python's or a worker of anyio's."""
    for frame in _outward(sys._getframe(1)):
        file, name = frame.f_code.co_filename.replace("\\", "/"), frame.f_code.co_name
        if name == "run" and file.endswith("/concurrent/futures/thread.py"):
            return _settled_by(getattr(frame.f_locals.get("self"), "future", None))
        if name == "run" and file.endswith("/anyio/_backends/_asyncio.py"):
            return [frame.f_locals.get("future")]
    return []


def _waiting_for(ends: Sequence[Any]) -> asyncio.Task[Any] | None:
    """The task that waits for one of them, or is one: the last one that was found is no answer."""
    futures = [end for end in ends if isinstance(end, asyncio.Future)]
    if not futures:
        return None
    for other in asyncio.all_tasks(futures[0].get_loop()):
        waits_for = getattr(other, "_fut_waiter", None)
        if other is not ends[0] and any(end is other or end is waits_for for end in futures):
            return other
    return None


def _settled_by(future: Any) -> list[Any]:
    """What its end is to settle, as callbacks of asyncio's own know it; the task of a group."""
    found: list[Any] = []
    callbacks = getattr(future, "_callbacks", None) or getattr(future, "_done_callbacks", None)
    for entry in callbacks or ():
        called = entry[0] if isinstance(entry, tuple) else entry
        if isinstance(called, partial):
            found += called.args
        elif isinstance(called, FunctionType):
            found += (cell.cell_contents for cell in called.__closure__ or () if _is_full(cell))
        else:
            found.append(getattr(getattr(called, "__self__", None), "_parent_task", None))
    return found


def _is_full(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, asyncio.Future)
    except ValueError:
        return False
