"""One request and its answer, from the first header to the last byte.

Owns the SERVER span, the metrics and the access record of one request. Each is written once,
whatever the order in which the answer ends, the app returns and an exception passes. Runs on the
event loop, inside the request's own task; nothing in here raises into the app.

Source: semantic conventions, HTTP server spans and HTTP server metrics.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter_ns as _clock
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode

from otelier import _guard
from otelier._upstream import attach, context_with, detach
from otelier.context import RequestContext, current_request
from otelier.errors import is_recorded, type_name
from otelier.export.record import whole
from otelier.instrumentation.asked import Asked
from otelier.instrumentation.echo import Echo, Message
from otelier.instrumentation.failures import About, is_departure, is_expected
from otelier.instrumentation.headers import Headers
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.instrumentation.outcome import CLIENT_LEFT, Instruments, Outcome
from otelier.instrumentation.spent import seconds_spent
from otelier.sdk.lean_span import conclude, give, ids
from otelier.version import __version__

Send = Callable[[Message], Awaitable[None]]

_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403
_INFO = 9
_SERVER = SpanKind.SERVER
_CARRIES_HEADERS = frozenset(
    ("http.response.start", "websocket.http.response.start", "websocket.accept")
)
_ACCESS = InstrumentationScope("otelier.access", __version__, SCHEMA_URL)


class Passage:
    """A request that passes through the outermost layer, observed or not.

    It is known by its box, of which the answer carries the id. receive: the server's own.
    """

    stand_in: Any = None
    """Who answers in the app's place."""

    __slots__ = ("_around", "_before", "_cycle", "_echo", "_send", "request")

    def __init__(
        self, request: RequestContext, echo: Echo, send: Send, receive: Any = None
    ) -> None:
        self.request = request
        self._echo = echo
        self._send = send
        # uvicorn's own state of the request: nothing else tells that the client has left.
        self._cycle = getattr(receive, "__self__", None)
        # What was there before, to be put back.
        self._before: Any = current_request.set(request)
        self._around: Any = None

    def enter(self, context: Context) -> None:
        """Put the context where the app's code finds it; the box is there already."""
        self._around = attach(context)

    def leave(self) -> None:
        """Take both away again."""
        before, around = self._before, self._around
        self._before = self._around = None
        try:
            if around is not None:
                detach(around)
            if before is not None:
                current_request.reset(before)
        except ValueError:
            pass  # the app was not run to its end, and is closed by somebody else
        except Exception as error:
            _guard.fault("leaving a request", error)

    async def send(self, message: Message) -> None:
        """In place of the server's."""
        if message["type"] in _CARRIES_HEADERS:
            message = self._echo.onto(message, self.request)
        await self._send(message)

    def failed(self, error: BaseException) -> None:
        """An exception passes."""

    def finish(self) -> None:
        """The app has returned or raised."""
        self._echo.leave_to(self._cycle, self.request)
        self.leave()


class Exchange(Passage):
    """Ends with `finish`, at the latest when the app returns.

    asked: what does not depend on the path or the client.
    """

    # Of the class until they are set: most requests set few of them.

    _captured: Headers | None = None
    _status: int | None = None
    _error: BaseException | None = None
    _answered_at: int | None = None
    _began = _started_at = 0
    _cut_short = _ended = _expects_trailers = _is_late = False
    _request_bytes: int | None = None
    _response_bytes: int | None = 0
    _received_bytes: int | None = 0
    _response_headers: Any = ()

    def __init__(
        self,
        instruments: Instruments,
        request: RequestContext,
        asked: Asked,
        send: Send,
        echo: Echo,
        receive: Any = None,
    ) -> None:
        super().__init__(request, echo, send, receive)
        self._instruments = instruments
        self._asked = asked
        self._is_websocket = asked.is_websocket

    def begin(
        self,
        parent: Context,
        attributes: dict[str, Any],
        request_bytes: int | None = None,
        captured: Headers | None = None,
    ) -> None:
        """Start the SERVER span under the context `parent`, and enter.

        attributes: those of this one request. captured: which headers of the answer are wanted.
        """
        self._captured = captured
        self._request_bytes = request_bytes
        asked, instruments = self._asked, self._instruments
        self._started_at = started_at = time_ns()
        self._began = _clock()
        self.request.server_span = span = instruments.start(
            asked.title, parent, _SERVER, asked.preset, attributes, started_at
        )
        self._count = count = instruments.level(asked.method, asked.scheme)
        self._around = attach(context_with(span, parent))
        count(1)

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in _CARRIES_HEADERS:
            message = self._echo.onto(message, self.request, self._began)
        await self._send(message)
        try:
            step = _STEPS.get(kind)
            if step is not None:
                step(self, message)
        except Exception as error:
            _guard.fault("watching an answer", error)

    def _starts(self, message: Mapping[str, Any]) -> None:
        self._status = message["status"]
        self._response_headers = message.get("headers") or ()
        if message.get("trailers"):
            self._expects_trailers = True
        if self._captured is not None:
            give(self.request.server_span, self._captured.of_response(message.get("headers") or ()))

    def _accepts(self, message: Mapping[str, Any]) -> None:
        self._status = _SWITCHING_PROTOCOLS

    def _closes(self, message: Mapping[str, Any]) -> None:
        # Closed before it was accepted, a websocket is refused.
        self._status = self._status or _FORBIDDEN

    def _body(self, message: Mapping[str, Any]) -> None:
        body = message.get("body")
        if body and self._response_bytes is not None:
            self._response_bytes += len(body)
        if message.get("more_body"):
            if not getattr(self._cycle, "disconnected", False):
                self._received_bytes = self._response_bytes
        elif not self._expects_trailers:
            self.answered()

    def _file(self, message: Mapping[str, Any]) -> None:
        self._response_bytes = None  # the server alone knows
        self._body({**message, "body": b""})

    def _trailers(self, message: Mapping[str, Any]) -> None:
        if not message.get("more_trailers"):
            self.answered()

    def answered(self) -> None:
        """The last byte has been sent.

        A server error is left open until the app returns: the exception behind it comes after
        the answer that `ServerErrorMiddleware` makes of it.
        """
        if self._answered_at is None:
            self._answered_at = _clock()
            self._error = self.request.broken_by
            if self._status is None or self._status < 500:
                self._end()

    def failed(self, error: BaseException) -> None:
        if is_departure(error):
            self.request.handled = error
        else:
            self._is_late = self._ended
            self._error = error

    def finish(self) -> None:
        if self._is_late:
            self._tell_late()
        if not self._ended:
            if self._answered_at is None:
                self._answered_at = _clock()
                self._cut_short = not self._is_websocket and self._error is None
            try:
                self._end()
            except Exception as error:
                _guard.fault("ending a request", error)
        request = self.request
        if self._status is None and not self._is_websocket:
            self._echo.leave_to(self._cycle, request, self._began)
        if request.notice is not None:
            request.notice.tell(request)
        # The span keeps the box: without this they would keep each other until the collector runs,
        # and what nobody reads any more would wait with it until it is sent.
        request.server_span = INVALID_SPAN
        request.handled = request.state = request.as_fields = request.db_shapes = None
        self.leave()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._count(-1)
        asked, request, instruments = self._asked, self.request, self._instruments
        span, status = request.server_span, self._status
        elapsed = (self._answered_at or self._began) - self._began
        error = self._error_type()
        key = asked.method, asked.scheme, asked.version, request.route, status, error
        outcome = instruments.outcomes.get(key) or instruments.outcome(key)
        if not self._is_websocket:
            self._measure(outcome, elapsed, span)
        ended_at = self._started_at + elapsed
        trace_id, span_id, flags = ids(span)
        if self._error is not None or (status or 0) >= 500:
            self._tell_failure(span, (request, trace_id, span_id, flags))
        spent = (
            request.db_statements,
            request.cache_operations,
            request.cache_hits,
            request.cache_misses,
        )
        closing, preset = outcome.endings.get(spent) or outcome.ending(spent)
        seconds = seconds_spent(request)
        text = outcome.said(elapsed / 1e6)
        said = _ACCESS, ended_at, ended_at, _INFO, "INFO", text, preset, seconds
        about = request, trace_id, span_id, flags, "", False, outcome.is_masked
        instruments.write(whole((*said, *about)))
        if outcome.is_failure:
            span.set_status(StatusCode.ERROR)
        conclude(span, closing, seconds, (asked.title, outcome.title or asked.title), ended_at)

    def _measure(self, outcome: Outcome, elapsed: int, span: Span) -> None:
        outcome.record(elapsed / 1e9, span)
        if self._request_bytes is not None:
            outcome.record_request(self._request_bytes, span)
        if self._response_bytes is not None:
            outcome.record_response(self._response_bytes, span)

    def _tell_failure(self, span: Span, about: About) -> None:
        if self._error is None:
            if self.request.handled is None or not is_departure(self.request.handled):
                self._instruments.failures.answered(self._status or 0, about)
        elif not is_expected(self._error):
            self._instruments.failures.unhandled(self._error, span, about)

    def _tell_late(self) -> None:
        """A background task has failed, when span and access record were gone."""
        request, error = self.request, self._error
        try:
            if error is not None and not (is_recorded(error) or is_expected(error)):
                span = request.server_span
                self._instruments.failures.unhandled(error, span, (request, *ids(span)))
        except Exception as failure:
            _guard.fault("telling of an error", failure)

    def _error_type(self) -> str | None:
        if self._error is not None:
            return type_name(self._error)
        if self._status is not None and self._status >= 500:
            return str(self._status)
        # Where the server does not tell, an answer that was not finished is the only sign.
        left = getattr(self._cycle, "disconnected", self._cut_short)
        return CLIENT_LEFT if left and not self._is_whole() else None

    def _is_whole(self) -> bool:
        """Whether all bytes that were promised went out while the client was there: it may leave.

        `BaseHTTPMiddleware` ends an answer with an empty body, some time after its last byte.
        """
        for name, value in self._response_headers:
            if bytes(name).lower() == b"content-length":
                return self._received_bytes is not None and self._received_bytes >= int(value)
        return False


_STEPS: Mapping[str, Callable[[Exchange, Mapping[str, Any]], None]] = {
    "http.response.start": Exchange._starts,
    "http.response.body": Exchange._body,
    "http.response.zerocopysend": Exchange._file,
    "http.response.pathsend": Exchange._file,
    "http.response.trailers": Exchange._trailers,
    "websocket.http.response.start": Exchange._starts,
    "websocket.http.response.body": Exchange._body,
    "websocket.accept": Exchange._accepts,
    "websocket.close": Exchange._closes,
}
