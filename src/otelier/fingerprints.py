"""The fingerprint of an exception: the same for one bug, whenever and wherever it strikes.

SHA-256, 32 digits, of what it is and which calls of the app led to it: of the exception, what it
was raised from and, of a group, its members, the qualified class and for each frame of the app
module, function and the text of the line. Not in it: messages, numbers of lines, paths, the frames
of Python's library and of frameworks, the rounds of a recursion, and comprehensions, which are
functions of their own up to Python 3.11 only. Where in all of them no frame is the app's, all
frames count, without their lines, and the place that the caller gives: a cause that was raised
within a driver adds its class alone, so that a new release of the driver makes no new bug.

Pure; any thread may call; some 20 microseconds beside those of the traceback's text. Nothing here
raises an `Exception`.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import Final

from otelier.errors import type_name
from otelier.tracebacks import chain_of

_MOST_EXCEPTIONS: Final = 8
_MOST_FRAMES: Final = 30
_MOST_ROUNDS: Final = 2000

# Known by their names, so that a copy in another place is known as well. `sys` knows Python's own.
_LIBRARIES: Final = sys.stdlib_module_names | {
    *("aiohttp", "aiomysql", "aiosqlite", "anyio", "asgiref", "asyncmy", "asyncpg", "botocore"),
    *("celery", "click", "ddtrace", "elasticapm", "exceptiongroup", "fastapi", "flask", "greenlet"),
    *("gunicorn", "h11", "httpcore", "httptools", "httpx", "hypercorn", "jinja2", "kombu"),
    *("logfire", "newrelic", "opentelemetry", "otelier", "pg8000", "psycopg", "psycopg2"),
    *("psycopg_pool", "pydantic", "pydantic_core", "pymysql", "redis", "requests", "sentry_sdk"),
    *("sniffio", "sqlalchemy", "sqlmodel", "starlette", "tenacity", "urllib3", "uvicorn", "uvloop"),
    *("watchfiles", "websockets", "werkzeug", "wrapt"),
}  # fmt: skip
_INLINED: Final = frozenset(("<listcomp>", "<dictcomp>", "<setcomp>"))
_MAIN: Final = "__main__"


def fingerprint(error: BaseException, place: str = "") -> str:
    """place: the route, for what has no frame of the app."""
    classes: list[str] = []
    own: list[str] = []
    others: list[str] = []
    with suppress(Exception):  # of the app's own class: what is known by then is all that counts
        for one in _all_of(error):
            classes.append(type_name(one))
            mine, theirs = _frames(one.__traceback__)
            own += mine and [f"of {len(classes)}", *mine]
            others += theirs
    parts = classes + (own or [*others, place])
    return sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _all_of(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MOST_EXCEPTIONS:
        for one, _ in chain_of(waiting.pop(0)):
            if id(one) in seen or len(seen) == _MOST_EXCEPTIONS:
                continue
            members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            if members and all(id(member) in seen for member in members):
                continue  # a task group's, from which a framework took the exception out again
            seen.add(id(one))
            yield one
            waiting += members


def _frames(trace: TracebackType | None) -> tuple[list[str], list[str]]:
    """The app's and the others', each once, as they came first; of many the last."""
    own: dict[str, None] = {}
    others: dict[str, None] = {}
    for frame, line in _walked(trace):
        module = str(frame.f_globals.get("__name__", ""))
        file, name = frame.f_code.co_filename, frame.f_code.co_qualname
        if frame.f_code.co_name in _INLINED:
            continue
        if module == _MAIN:
            module = PurePath(file).stem
        if module.partition(".")[0] in _LIBRARIES or file.startswith("<"):
            others.setdefault(f"{module} {name}")
        else:
            own.setdefault(f"{module}\t{name}\t{_source(frame, line)}")
    return list(own)[-_MOST_FRAMES:], list(others)[-_MOST_FRAMES:]


def _walked(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    for _ in range(_MOST_ROUNDS):
        if trace is None:
            return
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _source(frame: FrameType, line: int) -> str:
    """Two calls of one function on lines of their own are two places; blanks do not count."""
    file = frame.f_code.co_filename
    linecache.lazycache(file, frame.f_globals)
    return "".join(linecache.getline(file, line).split())
