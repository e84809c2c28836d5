"""The end of an exchange, in every order in which it may come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry._logs import get_logger_provider
from opentelemetry.context import Context
from opentelemetry.metrics import get_meter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode, get_tracer

from otelier import signals
from otelier.context import RequestContext
from otelier.instrumentation.asked import Askings, body_size, of_this_request
from otelier.instrumentation.echo import Echo
from otelier.instrumentation.exchange import Exchange
from otelier.instrumentation.outcome import Instruments
from otelier.sdk.logs import writer
from tests.conftest import Telemetry
from tests.instrumentation.asking import scope_of

START = {"type": "http.response.start", "status": 200}
LAST = {"type": "http.response.body", "body": b"x"}
MORE = {**LAST, "more_body": True}


_task = copy_context()
"""Of a request's own task: what an exchange sets there, nobody else sees."""


class Sending:
    """An exchange, and the steps of the answer put into it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.failed = exchange.failed

    def sent(self, message: dict[str, Any]) -> None:
        asyncio.run(self.exchange.send(message))

    def finish(self) -> None:
        _task.run(self.exchange.finish)


async def _server(message: Any) -> None:
    """Takes an answer."""


def begun(scope: Mapping[str, Any] | None = None, **headers: bytes) -> Sending:
    instruments = Instruments(
        get_tracer("otelier.tests"), get_meter("otelier.tests"), writer(get_logger_provider())
    )
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    scope = scope or scope_of("/x")
    asked = Askings().find(scope, named)
    exchange = _task.run(
        Exchange, instruments, RequestContext("r-1"), asked, _server, Echo("X-Request-ID")
    )
    _task.run(exchange.begin, Context(), of_this_request(scope, asked.method), body_size(named))
    return Sending(exchange)


def spans_of(telemetry: Telemetry) -> list[ReadableSpan]:
    return list(telemetry.spans)


def test_ends_with_the_last_byte(telemetry: Telemetry) -> None:
    """Not with the first, and not once more when the app returns."""
    exchange = begun()
    for message in (START, MORE):
        exchange.sent(message)
    assert spans_of(telemetry) == []
    exchange.sent(LAST)
    assert len(spans_of(telemetry)) == 1
    exchange.finish()
    assert (len(telemetry.spans), len(telemetry.records)) == (1, 1)


@pytest.mark.parametrize("last", ["http.response.pathsend", "http.response.zerocopysend"])
def test_ends_with_a_file(telemetry: Telemetry, last: str) -> None:
    """A file that the server sends by itself is the last of an answer."""
    exchange = begun()
    exchange.sent(START)
    exchange.sent({"type": last})
    assert len(telemetry.spans) == 1


def test_ends_with_the_last_trailer(telemetry: Telemetry) -> None:
    """An answer that announced trailers is over after them."""
    exchange = begun()
    exchange.sent({**START, "trailers": True})
    exchange.sent(LAST)
    exchange.sent({"type": "http.response.trailers", "more_trailers": True})
    assert spans_of(telemetry) == []
    exchange.sent({"type": "http.response.trailers"})
    assert len(telemetry.spans) == 1


def test_a_server_error_waits_for_its_exception(telemetry: Telemetry) -> None:
    """A 500 stays open until the app returns, and lasts as long as its answer."""
    exchange = begun()
    exchange.sent({**START, "status": 500})
    exchange.sent(LAST)
    assert spans_of(telemetry) == []
    exchange.failed(KeyError("k"))
    exchange.finish()
    (span,) = telemetry.spans
    assert (span.attributes or {})["error.type"] == "KeyError"
    assert [event.name for event in span.events] == ["exception"]


def test_without_an_answer(telemetry: Telemetry) -> None:
    """An app that returns without one leaves a span without a status, and no active request."""
    begun().finish()
    (span,) = telemetry.spans
    (record,) = telemetry.records
    assert "http.response.status_code" not in (span.attributes or {})
    assert "no answer" in str(record.log_record.body)
    assert [point.value for point in telemetry.points()[signals.ACTIVE_REQUESTS]] == [0]


def test_a_client_error_is_no_error(telemetry: Telemetry) -> None:
    """4xx is the client's doing, 5xx the server's."""
    for status, code in ((404, StatusCode.UNSET), (503, StatusCode.ERROR)):
        telemetry.clear()
        exchange = begun()
        exchange.sent({**START, "status": status})
        exchange.finish()
        (span,) = telemetry.spans
        assert span.status.status_code is code


def test_duration_in_seconds(telemetry: Telemetry) -> None:
    """The histogram's unit is seconds; the span's times agree with it."""
    exchange = begun()
    exchange.sent(START)
    exchange.sent(LAST)
    (span,) = telemetry.spans
    (point,) = telemetry.points()[signals.REQUEST_DURATION]
    assert point.sum == pytest.approx(((span.end_time or 0) - (span.start_time or 0)) / 1e9)
    assert 0 < point.sum < 5


@pytest.mark.parametrize(
    ("host", "scheme", "address", "port"),
    [
        (b"example.org", "http", "example.org", 80),
        (b"example.org", "https", "example.org", 443),
        (b"example.org:8443", "https", "example.org", 8443),
        (b"[2001:db8::1]:81", "http", "2001:db8::1", 81),
        (b"[2001:db8::1]", "http", "2001:db8::1", 80),
        (b"example.org:port", "http", "example.org:port", 80),
        (b"x" * 9999, "http", "x" * 256, 80),
        (None, "http", "127.0.0.1", 8000),
    ],
)
def test_the_server(
    telemetry: Telemetry, host: bytes | None, scheme: str, address: str, port: int
) -> None:
    """Host and port are what the client asked for, bounded; the socket's if it named none."""
    begun({**scope_of("/x"), "scheme": scheme}, **({"host": host} if host else {})).finish()
    attributes = dict(telemetry.spans[0].attributes or {})
    assert (attributes["server.address"], attributes["server.port"]) == (address, port)


def test_a_scope_with_the_least(telemetry: Telemetry) -> None:
    """Nothing that ASGI calls optional is needed."""
    begun({"type": "http", "method": "GET", "path": "/x"}).finish()
    assert dict(telemetry.spans[0].attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/x",
        "http.request.id": "r-1",
        "error.type": "client_disconnected",
    }


@pytest.mark.parametrize(
    ("length", "error"),
    [(b"1", None), (b"2", "client_disconnected"), (None, "client_disconnected")],
)
def test_a_client_that_has_all_may_leave(
    telemetry: Telemetry, length: bytes | None, error: str | None
) -> None:
    """Before middleware sends the empty end of the answer; not before the last byte."""
    exchange = begun()
    cycle = SimpleNamespace(disconnected=False, response_started=True)
    exchange.exchange._cycle = cycle
    headers = [] if length is None else [(b"Content-Length", length)]
    exchange.sent({**START, "headers": headers})
    exchange.sent(MORE)
    cycle.disconnected = True
    exchange.sent({"type": "http.response.body"})
    exchange.finish()
    (span,) = telemetry.spans
    assert span.attributes is not None
    assert span.attributes.get(signals.ERROR_TYPE) == error


def test_what_a_client_sends_is_bounded(telemetry: Telemetry) -> None:
    """Path, query and user agent are cut."""
    scope = scope_of("/" + "p" * 9000)
    begun({**scope, "query_string": b"&".join([b"q=1"] * 900)}, user_agent=b"a" * 900).finish()
    attributes = dict(telemetry.spans[0].attributes or {})
    lengths = [len(str(attributes[n])) for n in ("url.path", "url.query", "user_agent.original")]
    assert lengths == [4096, 4096, 256]
