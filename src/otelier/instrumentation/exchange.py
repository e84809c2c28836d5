"""One request and its answer, from the first header to the last byte.

Owns the SERVER span, the two metrics and the access record of one request. Each is written once,
whatever the order in which the answer ends, the app returns and an exception passes. Runs on the
event loop, inside the request's own task.

Source: semantic conventions, HTTP server spans and HTTP server metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.metrics import Histogram, UpDownCounter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from otelier import _guard, signals
from otelier.context import RequestContext
from otelier.errors import type_name
from otelier.privacy import mask_query

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)

_LONGEST = 4096
_LONGEST_AGENT = 256
_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403


@dataclass(frozen=True)
class Instruments:
    """What an exchange writes to."""

    tracer: Tracer
    duration: Histogram
    active: UpDownCounter
    access: Logger


class Exchange:
    """Begins when it is made; ends with `finish`, at the latest when the app returns."""

    def __init__(
        self,
        instruments: Instruments,
        request: RequestContext,
        scope: Mapping[str, Any],
        headers: Mapping[bytes, bytes],
    ) -> None:
        self._instruments = instruments
        self.request = request
        method = scope.get("method", "GET")
        self._method = method if method in METHODS else "_OTHER"
        self._about = {
            signals.METHOD: self._method,
            signals.URL_SCHEME: scope.get("scheme", "http"),
        }
        self._version = scope.get("http_version")
        self._status: int | None = None
        self._error: BaseException | None = None
        self._answered_at: int | None = None
        self._ended = False
        self._expects_trailers = False
        self._is_websocket = scope["type"] == "websocket"
        self._attributes = _request_attributes(scope, headers)
        if method not in METHODS:
            self._attributes[signals.METHOD_ORIGINAL] = method
        self._started_at = time.time_ns()
        self._clock = time.perf_counter_ns()

    def begin(self, parent: Any) -> Span:
        """Start the SERVER span under the context `parent`."""
        span = self._instruments.tracer.start_span(
            self._method if self._method != "_OTHER" else "HTTP",
            context=parent,
            kind=SpanKind.SERVER,
            attributes={**self._about, **self._attributes},
            start_time=self._started_at,
        )
        self.request.server_span = span
        self._instruments.active.add(1, self._about)
        return span

    def sent(self, message: Mapping[str, Any]) -> None:
        """A step of the answer has gone out."""
        try:
            step = _STEPS.get(message["type"])
            if step is not None:
                step(self, message)
        except Exception as error:
            _guard.fault("watching an answer", error)

    def _starts(self, message: Mapping[str, Any]) -> None:
        self._status = message["status"]
        self._expects_trailers = bool(message.get("trailers"))

    def _accepts(self, message: Mapping[str, Any]) -> None:
        self._status = _SWITCHING_PROTOCOLS

    def _closes(self, message: Mapping[str, Any]) -> None:
        # Closed before it was accepted, a websocket is refused.
        self._status = self._status or _FORBIDDEN

    def _body(self, message: Mapping[str, Any]) -> None:
        if not message.get("more_body") and not self._expects_trailers:
            self.answered()

    def _trailers(self, message: Mapping[str, Any]) -> None:
        if not message.get("more_trailers"):
            self.answered()

    def answered(self) -> None:
        """The last byte has been sent.

        A server error is left open until the app returns: the exception behind it comes after
        the answer that `ServerErrorMiddleware` makes of it.
        """
        if self._answered_at is None:
            self._answered_at = time.perf_counter_ns()
            if self._status is None or self._status < 500:
                self._end()

    def failed(self, error: BaseException) -> None:
        """An exception passes through the outermost layer."""
        if type(error).__name__ != "WebSocketDisconnect":
            self._error = error

    def finish(self) -> None:
        """The app has returned or raised."""
        if self._answered_at is None:
            self._answered_at = time.perf_counter_ns()
        try:
            self._end()
        except Exception as error:
            _guard.fault("ending a request", error)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        instruments = self._instruments
        elapsed = (self._answered_at or self._clock) - self._clock
        outcome = self._outcome()
        instruments.active.add(-1, self._about)
        span = self.request.server_span
        in_span = set_span_in_context(span)
        version = {signals.PROTOCOL_VERSION: self._version} if self._version else {}
        if not self._is_websocket:
            instruments.duration.record(
                elapsed / 1e9, {**self._about, **version, **outcome}, context=in_span
            )
        self._record_access(instruments.access, in_span, elapsed, outcome)
        self._end_span(span, outcome, self._started_at + elapsed)

    def _outcome(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.request.route is not None:
            found[signals.ROUTE] = self.request.route
        if self._status is not None:
            found[signals.STATUS_CODE] = self._status
        if self._error is not None:
            found[signals.ERROR_TYPE] = type_name(self._error)
        elif self._status is not None and self._status >= 500:
            found[signals.ERROR_TYPE] = str(self._status)
        return found

    def _end_span(self, span: Span, outcome: Mapping[str, Any], ended_at: int) -> None:
        if not span.is_recording():
            return
        span.set_attributes(outcome)
        if self.request.route is not None:
            span.update_name(f"{self._method} {self.request.route}")
        if self._error is not None:
            span.record_exception(self._error)
        if signals.ERROR_TYPE in outcome:
            span.set_status(StatusCode.ERROR)
        span.end(ended_at)

    def _record_access(
        self, logger: Logger, context: Any, elapsed: int, outcome: Mapping[str, Any]
    ) -> None:
        where = self.request.route or "(no route)"
        status = self._status if self._status is not None else "no answer"
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                context=context,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=f"{self._method} {where} {status} in {elapsed / 1e6:.1f} ms",
                attributes={
                    signals.METHOD: self._method,
                    **outcome,
                    **self.request.attributes(),
                },
            )
        )


_STEPS: Mapping[str, Callable[[Exchange, Mapping[str, Any]], None]] = {
    "http.response.start": Exchange._starts,
    "http.response.body": Exchange._body,
    "http.response.zerocopysend": Exchange._body,
    "http.response.pathsend": Exchange._body,
    "http.response.trailers": Exchange._trailers,
    "websocket.http.response.start": Exchange._starts,
    "websocket.http.response.body": Exchange._body,
    "websocket.accept": Exchange._accepts,
    "websocket.close": Exchange._closes,
}


def _request_attributes(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {signals.URL_PATH: scope.get("path", "")[:_LONGEST]}
    if scope.get("query_string"):
        found[signals.URL_QUERY] = mask_query(scope["query_string"])[:_LONGEST]
    if scope["type"] == "websocket":
        found[signals.PROTOCOL_NAME] = "websocket"
    if scope.get("http_version"):
        found[signals.PROTOCOL_VERSION] = scope["http_version"]
    if scope.get("client"):
        found[signals.CLIENT_ADDRESS] = scope["client"][0]
    if agent := headers.get(b"user-agent"):
        found[signals.USER_AGENT] = agent[:_LONGEST_AGENT].decode("latin-1")
    return {**found, **_server(scope, headers.get(b"host"))}


def _server(scope: Mapping[str, Any], host: bytes | None) -> dict[str, Any]:
    """Host and port that the client asked for; the socket's where it named none."""
    if host is None:
        address, port = scope.get("server") or (None, None)
    else:
        address, port = _authority(host.decode("latin-1"), scope.get("scheme", "http"))
    found: dict[str, Any] = {}
    if address:
        found[signals.SERVER_ADDRESS] = address[:_LONGEST_AGENT]
        if port is not None:
            found[signals.SERVER_PORT] = port
    return found


def _authority(text: str, scheme: str) -> tuple[str, int | None]:
    """`example.org:8000`, `[::1]:8000` or a bare name, as RFC 3986 section 3.2 has them."""
    address, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return address.strip("[]"), int(port)
    return text.strip("[]"), 443 if scheme in ("https", "wss") else 80
