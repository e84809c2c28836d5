"""Threads that a request starts belong to it: they get its box and the current span.

`threading.Thread.start` and `ThreadPoolExecutor.submit`, as upstream's instrumentation of threads
has them. No other context variable is handed over: an app that relies on threads beginning without
them is not changed. Workers of pools, which live on for other requests, start with nothing; what is
given to a pool of the standard library carries its own request (`asyncio.to_thread` and AnyIO copy
the context themselves). A thread that a library or the app starts in a request and keeps for ever
keeps that request: start it before, or with `contextvars.Context().run(thread.start)`.

Outside of a request a start costs one look at a context variable. Runs in the starting thread and
in the started one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from opentelemetry.context import Context

from otelier import _guard
from otelier._upstream import attach, current_context, detach
from otelier.context import RequestContext, current_request
from otelier.instrumentation.observe import Patches

# Whose threads serve many requests.
_POOLS = frozenset(
    (
        "anyio",
        "apscheduler",
        "asyncio",
        "concurrent",
        "gunicorn",
        "ddtrace",
        "elasticapm",
        "kafka",
        "logging",
        "multiprocessing",
        "newrelic",
        "opentelemetry",
        "otelier",
        "psycopg_pool",
        "pymongo",
        "redis",
        "sentry_sdk",
        "uvicorn",
    )
)


def watch_threads(patches: Patches) -> None:
    patches.replace(threading.Thread, "start", _starting)
    patches.replace(ThreadPoolExecutor, "submit", _submitting)


def _starting(original: Any) -> Any:
    def start(thread: threading.Thread) -> None:
        try:
            request = current_request.get()
            if request is not None and not _is_of_a_pool(thread):
                _load(thread, request)
        except Exception as error:
            _guard.fault("starting a thread", error)
        original(thread)

    return start


def _submitting(original: Any) -> Any:
    def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            request = current_request.get()
            if request is not None:
                function = partial(_within, request, current_context(), function)
        except Exception as error:
            _guard.fault("handing a task to a pool", error)
        return original(executor, function, *args, **kwargs)

    return submit


def _load(thread: threading.Thread, request: RequestContext) -> None:
    """Let it run within the request. The instance loses this again: they would keep each other."""
    run, context = thread.run, current_context()

    def run_within() -> None:
        try:
            vars(thread).pop("run", None)
        except Exception as error:
            _guard.fault("starting a thread", error)
        _within(request, context, run)

    thread.run = run_within  # type: ignore[method-assign]


def _within(
    request: RequestContext, context: Context, original: Callable[..., Any], *args: Any, **kw: Any
) -> Any:
    entered: list[Callable[[], object]] = []
    try:
        box, around = current_request.set(request), attach(context)
        entered += (partial(detach, around), partial(current_request.reset, box))
    except Exception as error:
        _guard.fault("entering a thread's request", error)
    try:
        return original(*args, **kw)
    finally:
        try:
            for leave in entered:
                leave()
        except Exception as error:
            _guard.fault("leaving a thread's request", error)


def _is_of_a_pool(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    modules = (type(thread).__module__, getattr(target, "__module__", None) or "")
    return any(module.partition(".")[0] in _POOLS for module in modules)
