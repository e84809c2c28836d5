"""Records of structlog with their fields, whether they pass `logging` or are printed."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from opentelemetry._logs import SeverityNumber
from structlog import _base

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.instrumentation.structlog import StructlogInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.test_logs import Keeping, bare_logging, only, sent

STDLIB: dict[str, Any] = {
    "logger_factory": structlog.stdlib.LoggerFactory(),
    "wrapper_class": structlog.stdlib.BoundLogger,
}


@contextmanager
def observed(**configured: Any) -> Iterator[Keeping]:
    """Both observed, structlog configured; yields a handler of the app on the root logger."""
    with bare_logging():
        structlog.configure(**configured)
        LogsInstrumentor().instrument(level=logging.INFO, skip_dep_check=True)
        StructlogInstrumentor().instrument(on=True, skip_dep_check=True)
        kept = Keeping()
        logging.basicConfig(handlers=[kept], level=logging.INFO)
        _guard.faults.clear()
        try:
            yield kept
        finally:
            StructlogInstrumentor().uninstrument()
            LogsInstrumentor().uninstrument()
            structlog.reset_defaults()
    assert dict(_guard.faults) == {}


def fields(telemetry: Telemetry) -> dict[str, Any]:
    found = dict(only(telemetry).attributes or {})
    return {name: found[name] for name in found if not name.startswith("code.")}


Renderer = Callable[..., Any]
RENDERERS: dict[str, tuple[list[Renderer], Renderer]] = {
    "json": ([structlog.stdlib.add_log_level], structlog.processors.JSONRenderer()),
    "console": ([], structlog.dev.ConsoleRenderer(colors=False)),
    "logfmt": ([structlog.processors.TimeStamper()], structlog.processors.LogfmtRenderer()),
    "own": ([], lambda logger, method, event: repr(sorted(event.items()))),
    "formatter": ([], structlog.stdlib.ProcessorFormatter.wrap_for_formatter),
    "kwargs": ([], structlog.stdlib.render_to_log_kwargs),
}


@pytest.mark.parametrize("how", RENDERERS)
def test_through_logging(telemetry: Telemetry, how: str) -> None:
    """The event is the text and its values are attributes, however the app renders it."""
    first, last = RENDERERS[how]
    with observed(processors=[*first, last], **STDLIB) as kept:
        structlog.get_logger("shop").bind(cart=7).warning("paid", amount=1.5, who="ann")
    assert sent(telemetry) == ["paid"]
    assert fields(telemetry) == {"cart": 7, "amount": 1.5, "who": "ann"}
    assert only(telemetry).severity_number == SeverityNumber.WARN
    assert len(kept.seen) == 1
    assert "paid" in kept.seen[0]


@pytest.mark.parametrize("how", ["print", "write", "bytes"])
def test_printed(telemetry: Telemetry, how: str) -> None:
    """Loggers that write themselves: text, severity, fields, source, ids; the line is the app's."""
    out: Any = io.BytesIO() if how == "bytes" else io.StringIO()
    factories = {
        "print": structlog.PrintLoggerFactory,
        "write": structlog.WriteLoggerFactory,
        "bytes": structlog.BytesLoggerFactory,
    }
    dumps = {"bytes": lambda value, **_: json.dumps(value).encode()}
    renderer = structlog.processors.JSONRenderer(
        **({"serializer": dumps[how]} if how in dumps else {})
    )
    token = current_request.set(RequestContext("r-1"))
    try:
        with (
            observed(processors=[renderer], logger_factory=factories[how](file=out)),
            telemetry.providers.tracer.get_tracer("t").start_as_current_span("s"),
        ):
            structlog.get_logger().bind(cart=7).error("failed", who="ann")
    finally:
        current_request.reset(token)
    (found,) = telemetry.records
    record: Any = found.log_record
    assert (record.body, record.severity_number) == ("failed", SeverityNumber.ERROR)
    assert fields(telemetry) == {"cart": 7, "who": "ann", "http.request.id": "r-1"}
    assert record.attributes["code.function.name"] == "test_printed"
    assert record.attributes["code.file.path"] == __file__
    assert record.span_id == telemetry.spans[0].context.span_id
    assert found.instrumentation_scope is not None
    assert found.instrumentation_scope.name == __name__
    assert json.loads(out.getvalue()) == {"cart": 7, "event": "failed", "who": "ann"}


def test_as_it_comes(telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
    """An app that configures nothing: structlog's own defaults."""
    with observed():
        structlog.get_logger().info("plain", n=1)
    assert sent(telemetry) == ["plain"]
    assert fields(telemetry) == {"n": 1}


@pytest.mark.parametrize("through", ["logging", "print"])
def test_an_exception(telemetry: Telemetry, through: str) -> None:
    """Its traceback; its class and text too where structlog prints itself."""
    more = (
        STDLIB
        if through == "logging"
        else {"logger_factory": structlog.PrintLoggerFactory(io.StringIO())}
    )
    processors = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    with observed(processors=processors, **more):
        try:
            raise KeyError("k")
        except KeyError:
            structlog.get_logger().exception("caught")
    found = fields(telemetry)
    assert "test_an_exception" in found["exception.stacktrace"]
    if through == "print":
        assert (found["exception.type"], found["exception.message"]) == ("KeyError", "'k'")


def test_what_the_app_takes_out(telemetry: Telemetry) -> None:
    """What a processor of the app masks or drops is masked or dropped for us."""

    def mask(logger: Any, method: str, event: Any) -> Any:
        if event["event"] == "noise":
            raise structlog.DropEvent
        event.pop("password")
        return event

    out = io.StringIO()
    with observed(
        processors=[mask, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
    ):
        structlog.get_logger().info("login", password="hunter2", who="ann")
        structlog.get_logger().info("noise", password="hunter2")
    assert sent(telemetry) == ["login"]
    assert fields(telemetry) == {"who": "ann"}


def test_levels(telemetry: Telemetry) -> None:
    """What the app's filter leaves out is not sent, through `logging` or not."""
    with observed(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(io.StringIO()),
    ):
        structlog.get_logger().info("below")
        structlog.get_logger().critical("above")
    assert sent(telemetry) == ["above"]
    assert only(telemetry).severity_text == "CRITICAL"


async def _asynchronously() -> None:
    await structlog.get_logger().ainfo("async", n=1)


def test_asynchronous_methods(telemetry: Telemetry) -> None:
    """`ainfo` logs in another thread: the source is the coroutine that awaits it."""
    import asyncio

    with observed(logger_factory=structlog.PrintLoggerFactory(io.StringIO())):
        asyncio.run(_asynchronously())
    assert sent(telemetry) == ["async"]
    attributes: Any = only(telemetry).attributes
    assert attributes["code.function.name"] == "_asynchronously"


def test_the_caller_is_the_app(telemetry: Telemetry) -> None:
    """No frame of ours is taken for the place that logs."""
    out = io.StringIO()
    adder = structlog.processors.CallsiteParameterAdder(
        {
            structlog.processors.CallsiteParameter.FUNC_NAME,
            structlog.processors.CallsiteParameter.MODULE,
        }
    )
    with observed(
        processors=[adder, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
    ):
        structlog.get_logger().info("x")
    found = json.loads(out.getvalue())
    assert (found["func_name"], found["module"]) == ("test_the_caller_is_the_app", "test_structlog")


def test_captured_for_a_test(telemetry: Telemetry) -> None:
    """`structlog.testing.capture_logs` works as ever, and nothing of it is sent."""
    with observed():
        log = structlog.get_logger()
        with structlog.testing.capture_logs() as events:
            log.info("seen", n=1)
    assert events == [{"event": "seen", "n": 1, "log_level": "info"}]
    assert sent(telemetry) == []


def test_uninstrument_restores(telemetry: Telemetry) -> None:
    """The class is exactly what it was; without `on` it is never touched."""
    before = dict(vars(_base.BoundLoggerBase))
    StructlogInstrumentor().instrument(skip_dep_check=True)
    assert dict(vars(_base.BoundLoggerBase)) == before
    StructlogInstrumentor().uninstrument()
    with observed():
        assert dict(vars(_base.BoundLoggerBase)) != before
    assert dict(vars(_base.BoundLoggerBase)) == before
    assert sys.modules["structlog"] is structlog
