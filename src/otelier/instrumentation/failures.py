"""What is told of a request that failed: one record of level ERROR, and one more in the counter.

A request fails with an exception that nobody handles, whenever it comes (a background task's after
the answer too), or with an answer of 500 and above; the exception that such an answer was made of
is told with it where Starlette has looked a handler up for it. Not failures: 4xx, a client that has
left, a task that is cancelled, a process that is told to end. Costs nothing where nothing fails.

Runs on the event loop, inside the request's own task; the caller guards it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span

from otelier import error_signals, signals
from otelier.categories import of_status
from otelier.context import RequestContext
from otelier.error_attributes import attributes_of
from otelier.errors import mark_recorded, message, type_name
from otelier.export.record import LeanLog
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.sdk import metrics
from otelier.version import __version__

About = tuple[RequestContext, int, int, int]
"""Whose record it is: the request; trace id, span id and flags of its span."""

_ERROR = 17
_HTTP = InstrumentationScope("otelier.http", __version__, SCHEMA_URL)
_EXPECTED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
_LEFT = frozenset(("ClientDisconnect", "WebSocketDisconnect"))


class Failures:
    """write: takes log records."""

    def __init__(self, meter: Meter, write: Callable[[LeanLog], Any]) -> None:
        self._write = write
        self._count = metrics.counter(
            meter, error_signals.ERRORS, "{error}", "Requests that failed."
        )

    def unhandled(self, error: BaseException, span: Span, about: About) -> None:
        """An exception that passes all of the app, as an event of the span too."""
        found = attributes_of(error, about[0].route or "")
        if span.is_recording() and not _has(span, error):
            span.add_event("exception", found)  # `record_exception` would format it again
        self._tell(f"unhandled {type_name(error)}", found, type_name(error), about)
        mark_recorded(error)

    def answered(self, status: int, about: About) -> None:
        """A server error that the app has answered with, of its own accord or for an exception."""
        request = about[0]
        error, route = request.handled, request.route or ""
        if error is not None:
            found: dict[str, Any] = {**attributes_of(error, route)}
            text = f"answered {status} for {type_name(error)}"
        else:
            known = sha256(f"answered {status} {route}".encode()).hexdigest()[:32]
            found = {
                error_signals.ERROR_FINGERPRINT: known,
                error_signals.ERROR_CATEGORY: of_status(status),
            }
            text = f"answered {status}"
        found[signals.STATUS_CODE] = status
        kind = str(status) if error is None else type_name(error)
        self._tell(text, found, kind, about)

    def _tell(self, text: str, found: dict[str, Any], kind: str, about: About) -> None:
        route, now = about[0].route, time.time_ns()
        series = {
            error_signals.ERROR_CATEGORY: found[error_signals.ERROR_CATEGORY],
            signals.ERROR_TYPE: kind,
        }
        if route:
            found[signals.ROUTE] = series[signals.ROUTE] = route
        self._write(LeanLog(_HTTP, now, now, _ERROR, "ERROR", text, None, found, *about))
        self._count.series(series)(1)


def is_expected(error: BaseException) -> bool:
    """Whether it is the end of a request, and no failure."""
    return isinstance(error, _EXPECTED) or is_departure(error)


def is_departure(error: BaseException) -> bool:
    """Whether it says that the client has left."""
    return type(error).__name__ in _LEFT


def _has(span: Any, error: BaseException) -> bool:
    """Somebody in the app has recorded it already: the current span is ours."""
    known = (type_name(error), message(error))
    names = (error_signals.EXCEPTION_TYPE, error_signals.EXCEPTION_MESSAGE)
    events = (event.attributes or {} for event in getattr(span, "events", ()))
    return any(tuple(event.get(name) for name in names) == known for event in events)
