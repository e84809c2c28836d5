"""Poison: what a client or a bug puts into telemetry costs the app and its neighbours nothing.

Through both lanes as an app has them: `logging`, an SDK tracer, a lean tracer, the logs API. The
receiver is a real one, and decodes with the official classes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Status, StatusCode

from otelier import loading, pipeline
from otelier.cli.receiver import Log, Receiver, Span
from otelier.export.anyvalue import shown
from otelier.instrumentation.logs import Capture, Records
from otelier.sdk.logs import writer


class Mute:
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class MuteError(Exception):
    """Cannot either."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


POISON: dict[str, Any] = {
    "surrogate": "a\ud800b",
    "2**70": 2**70,
    "4300 digits": 10**5000,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "NUL": "a\x00b",
    "nested 400": nested(400),
    "nested 100000": nested(100_000),
    "mute": Mute(),
    "5 MB": "x" * 5_000_000,
    "5 MB of bytes": b"\xff" * 5_000_000,
    "cyclic": cyclic(),
    "odd keys": {1: "a", None: "b", Mute(): "c", "\ud800": "d"},
}

VALUE_LIMIT, BODY_LIMIT = 4096, 16384
NEIGHBOURS = [f"neighbour {number}" for number in range(len(POISON) + 1)]


class Sent:
    """A whole pipeline on a receiver; the tracers of both lanes and a logger under capture."""

    def __init__(self, receiver: Receiver) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        self.receiver = receiver
        self.made = pipeline.build(loading.load(environ), environ, Resource({"service.name": "p"}))
        self.lean = self.made.providers.tracer.get_tracer("otelier.tests")
        self.standard = self.made.providers.tracer.get_tracer("app")
        self.logs = self.made.providers.logger.get_logger("app")
        self.capture = Records(writer(self.made.providers.logger))

    def log(self, message: Any, *args: Any, **more: Any) -> None:
        """As `Logger.info` would, with `Capture` around: whatever the app's handlers do."""
        logger = logging.Logger("app")
        logger.addHandler(logging.NullHandler())
        hook = Capture(logging.INFO, self.capture).capturing(logging.Logger.callHandlers)
        record = logger.makeRecord(
            "app", 20, __file__, 1, message, args, more.get("exc_info"), extra=more.get("extra")
        )
        hook(logger, record)

    def arrived(self) -> tuple[list[Span], list[Log]]:
        assert self.made.delivery.flush(20)
        return self.receiver.spans, self.receiver.logs


@pytest.fixture(scope="module")
def sent() -> Iterator[Sent]:
    with pytest.MonkeyPatch.context() as patch, Receiver() as receiver:
        patch.setattr("otelier.sdk.providers.Providers.install", lambda self: None)
        patch.setattr("otelier.export.lifecycle.Lifecycle.install", lambda self: None)
        made = Sent(receiver)
        yield made
        made.made.delivery.shutdown(5)


def raised(value: Any) -> BaseException:
    try:
        raise ValueError(value)
    except ValueError as error:
        return error


def exc_info(value: Any) -> Any:
    error = raised(value)
    return (type(error), error, error.__traceback__)


LOGS: dict[str, Callable[[Sent, Any], None]] = {
    "message": lambda sent, value: sent.log(value),
    "args": lambda sent, value: sent.log("got %s", value),
    "args by repr": lambda sent, value: sent.log("got %r", value),
    "args by name": lambda sent, value: sent.log("got %(a)s", {"a": value}),
    "args that do not fit": lambda sent, value: sent.log("got %d %d", value),
    "extra": lambda sent, value: sent.log("text", extra={"poison": value, "b": [value]}),
    "key of extra": lambda sent, value: sent.log("text", extra={shown(value, 9000): 1}),
    "exception": lambda sent, value: sent.log("text", exc_info=exc_info(value)),
    "body of the API": lambda sent, value: sent.logs.emit(LogRecord(body=value)),
    "attribute of the API": lambda sent, value: sent.logs.emit(
        LogRecord(
            body="text", severity_number=SeverityNumber.INFO, attributes={"poison": value, "b": 1}
        )
    ),
    "event name of the API": lambda sent, value: sent.logs.emit(
        LogRecord(body="text", event_name=value)
    ),
    "exception of the API": lambda sent, value: sent.logs.emit(
        LogRecord(body="text", exception=raised(value))
    ),
}


def spanned(what: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def record(tracer: Any, value: Any) -> None:
        with tracer.start_as_current_span("poisoned") as span:
            what(span, value)

    return record


SPANS: dict[str, Callable[[Any, Any], None]] = {
    "name": lambda tracer, value: tracer.start_span(value).end(),
    "renamed": spanned(lambda span, value: span.update_name(value)),
    "attribute": spanned(lambda span, value: span.set_attribute("poison", value)),
    "attributes": spanned(lambda span, value: span.set_attributes({"poison": [value, value]})),
    "attribute at start": lambda tracer, value: tracer.start_span(
        "poisoned", attributes={"poison": value}
    ).end(),
    "event": spanned(lambda span, value: span.add_event(value)),
    "attribute of an event": spanned(lambda span, value: span.add_event("e", {"poison": value})),
    "status": spanned(lambda span, value: span.set_status(Status(StatusCode.ERROR, value))),
    "recorded exception": spanned(lambda span, value: span.record_exception(raised(value))),
    "mute exception": spanned(lambda span, value: span.record_exception(MuteError(value))),
    "mute exception by name": spanned(
        lambda span, value: span.record_exception(exception=MuteError(value), escaped=True)
    ),
}


def size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else len(str(value))


def check_sizes(attributes: Any, limit: int = VALUE_LIMIT) -> None:
    for value in attributes.values():
        assert size(value) <= (limit if isinstance(value, str) else 4 * BODY_LIMIT)


def record_all(record: Callable[[Any], object], neighbour: Callable[[int], object]) -> list[str]:
    """Each poison between two neighbours; which of them raised into the app."""
    raised = []
    neighbour(0)
    for number, (name, value) in enumerate(POISON.items(), 1):
        try:
            record(value)
        except Exception as error:
            raised.append(f"{name}: {type(error).__name__}")
        neighbour(number)
    return raised


@pytest.mark.parametrize("place", LOGS)
def test_log_records(place: str, sent: Sent) -> None:
    """The app sees no exception, and all of them arrive, with their neighbours, bounded."""
    before = len(sent.receiver.logs)
    raised = record_all(
        lambda value: LOGS[place](sent, value), lambda number: sent.log("neighbour %d", number)
    )
    logs = sent.arrived()[1][before:]
    bodies = [log.body for log in logs]
    assert [b for b in bodies if str(b).startswith("neighbour ")] == NEIGHBOURS
    assert raised == []
    for log in logs:
        assert size(log.body) <= BODY_LIMIT
        check_sizes(log.attributes, BODY_LIMIT)
    assert len(logs) == len(NEIGHBOURS) + len(POISON)


@pytest.mark.parametrize("lane", ["lean", "standard"])
@pytest.mark.parametrize("place", SPANS)
def test_spans(place: str, lane: str, sent: Sent) -> None:
    """The same for spans, made by us or by the app."""
    tracer = getattr(sent, lane)
    before = len(sent.receiver.spans)
    raised = record_all(
        lambda value: SPANS[place](tracer, value),
        lambda number: tracer.start_span(f"neighbour {number}").end(),
    )
    spans = sent.arrived()[0][before:]
    assert [s.name for s in spans if s.name.startswith("neighbour ")] == NEIGHBOURS
    assert raised == []
    for span in spans:
        assert len(span.name) <= VALUE_LIMIT
        check_sizes(span.attributes)
        for name, attributes in span.events:
            assert len(name) <= VALUE_LIMIT
            check_sizes(attributes)
    assert len(spans) == len(NEIGHBOURS) + len(POISON)


def test_many_extras(sent: Sent) -> None:
    """128 of them are sent, the first ones."""
    before = len(sent.receiver.logs)
    sent.log("many", extra={f"key {number}": number for number in range(1000)})
    (log,) = sent.arrived()[1][before:]
    assert [name for name in log.attributes if name.startswith("key ")] == [
        f"key {number}" for number in range(128)
    ]
