"""How requests end: what all those that ended alike have in common, put together once.

A method, a route and a status come again and again. Their attributes, the series of their metrics
and the constant part of the access record are found under one key; the number of keys is bounded by
what the app defines (routes, statuses, its exceptions), never by what a client sends.

Source: semantic conventions, HTTP server spans and HTTP server metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer

from otelier import signals
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from otelier.instrumentation.failures import Failures
from otelier.instrumentation.spent import Spent
from otelier.privacy import keeps_texts, mask_text
from otelier.sdk import metrics
from otelier.sdk.tracer import starter

# Buckets that the convention advises for http.server.request.duration, in seconds.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_BYTES = (0, 128, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)

Key = tuple[str, str, str | None, str | None, int | None, str | None]
"""Method, scheme, protocol version, route, status and error type."""

CLIENT_LEFT = "client_disconnected"


_MOST_ENDINGS = 64

Counts = tuple[int, int, int, int]
"""As in `Spent`."""


class Outcome:
    """One way to end.

    endings: by what was spent, attributes of the span beyond those it began with, and of the access
    record; as many as come often, the rest are made each time.
    record, record_request, record_response: seconds, and bytes of the two bodies. is_masked:
    whether what is `said` needs no look any more.
    """

    __slots__ = (
        "_ended",
        "_method",
        "_shown",
        "endings",
        "is_failure",
        "is_masked",
        "record",
        "record_request",
        "record_response",
        "title",
    )

    def __init__(self, instruments: Instruments, key: Key) -> None:
        method, scheme, version, route, status, error = key
        ended = {signals.ROUTE: route, signals.STATUS_CODE: status, signals.ERROR_TYPE: error}
        self._method = method
        self._ended = {name: value for name, value in ended.items() if value is not None}
        self.endings: dict[Counts, tuple[Preset, Preset]] = {}
        begun = {signals.METHOD: method, signals.URL_SCHEME: scheme}
        if version:
            begun[signals.PROTOCOL_VERSION] = version
        series = {**begun, **self._ended}
        self.record = instruments.duration.series(series)
        self.record_request = instruments.request_size.series(series)
        self.record_response = instruments.response_size.series(series)
        self.is_failure = error is not None and error != CLIENT_LEFT
        self.title = f"{method if method != '_OTHER' else 'HTTP'} {route}" if route else None
        shown_status = "no answer" if status is None else status
        self._shown = mask_text(f"{method} {route or '(no route)'} {shown_status}")
        self.is_masked = keeps_texts()

    def said(self, milliseconds: float) -> str:
        """What the access record says."""
        return f"{self._shown} in {milliseconds:.1f} ms"

    def ending(self, spent: Counts) -> tuple[Preset, Preset]:
        """Those that are not among the `endings` yet."""
        about = {**self._ended, **Spent(*spent).attributes()}
        made = Preset(about), Preset({signals.METHOD: self._method, **about})
        if len(self.endings) < _MOST_ENDINGS:
            self.endings[spent] = made
        return made


class Instruments:
    """What an exchange writes to. write: takes log records. outcomes: by their keys."""

    def __init__(self, tracer: Tracer, meter: Meter, write: Callable[[LeanLog], Any]) -> None:
        self.start = starter(tracer)
        self.write = write
        self.failures = Failures(meter, write)
        self.duration = _histogram(meter, signals.REQUEST_DURATION, "s", "Duration of", _SECONDS)
        self.request_size = _histogram(
            meter, signals.REQUEST_SIZE, "By", "Size of the bodies of", _BYTES
        )
        self.response_size = _histogram(
            meter, signals.RESPONSE_SIZE, "By", "Size of the answers to", _BYTES
        )
        self._active = metrics.level(
            meter, signals.ACTIVE_REQUESTS, "{request}", "Number of active HTTP server requests."
        )
        self._levels: dict[tuple[str, str], metrics.Add] = {}
        self.outcomes: dict[Key, Outcome] = {}

    def level(self, method: str, scheme: str) -> metrics.Add:
        """What counts the requests in progress."""
        key = (method, scheme)
        found = self._levels.get(key)
        if found is None:
            about = {signals.METHOD: method, signals.URL_SCHEME: scheme}
            found = self._levels[key] = self._active.series(about)
        return found

    def outcome(self, key: Key) -> Outcome:
        """One that is not among the `outcomes` yet."""
        found = self.outcomes[key] = Outcome(self, key)
        return found


def _histogram(
    meter: Meter, name: str, unit: str, what: str, boundaries: tuple[float, ...]
) -> metrics.Distribution:
    return metrics.distribution(meter, name, unit, f"{what} HTTP server requests.", boundaries)
