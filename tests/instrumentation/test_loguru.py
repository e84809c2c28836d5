"""Records of loguru, once each; its handlers see what they always saw."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from loguru import _handler, _simple_sinks, logger
from opentelemetry._logs import SeverityNumber

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.instrumentation.loguru import LoguruInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.test_logs import Keeping, bare_logging, only, sent


class Intercept(logging.Handler):
    """From `logging` to loguru, as loguru's own documentation has it."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())


class Propagate(logging.Handler):
    """From loguru to `logging`, likewise."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _nothing(message: str) -> None: ...


@contextmanager
def observed() -> Iterator[list[str]]:
    """Both libraries observed; yields what a sink of the app is given."""
    seen: list[str] = []
    with bare_logging():
        logger.remove()
        logger.add(seen.append, format="{message}", level="INFO")
        LogsInstrumentor().instrument(level=logging.INFO, skip_dep_check=True)
        LoguruInstrumentor().instrument(on=True, skip_dep_check=True)
        _guard.faults.clear()
        try:
            yield seen
        finally:
            LoguruInstrumentor().uninstrument()
            LogsInstrumentor().uninstrument()
            logger.remove()
    assert dict(_guard.faults) == {}


def test_a_record(telemetry: Telemetry) -> None:
    """Text, severity, source, what is bound, and the ids of span and request."""
    token = current_request.set(RequestContext("r-1"))
    try:
        with observed(), telemetry.providers.tracer.get_tracer("t").start_as_current_span("s"):
            logger.bind(cart=7, who="ann").warning("{} items", 3, paid=True)
    finally:
        current_request.reset(token)
    (found,) = telemetry.records
    record = found.log_record
    about: dict[str, Any] = dict(record.attributes or {})
    assert (record.body, record.severity_number) == ("3 items", SeverityNumber.WARN)
    assert record.severity_text == "WARN"
    assert found.instrumentation_scope is not None
    assert found.instrumentation_scope.name == __name__
    assert record.span_id == telemetry.spans[0].context.span_id
    assert about.pop("code.file.path") == __file__
    assert isinstance(about.pop("code.line.number"), int)
    assert about == {
        "http.request.id": "r-1",
        "code.function.name": "test_a_record",
        "cart": 7,
        "who": "ann",
        "paid": True,
    }


def test_levels_of_its_own(telemetry: Telemetry) -> None:
    """SUCCESS and TRACE by their numbers; what no handler takes is not sent."""
    with observed():
        logger.success("done")
        logger.debug("no handler takes it")
        logger.add(lambda message: None, level="TRACE")
        logger.trace("taken")
    first, second = (each.log_record for each in telemetry.records)
    assert (first.severity_text, first.severity_number) == ("SUCCESS", SeverityNumber.INFO4)
    assert (second.severity_text, second.severity_number) == ("TRACE", SeverityNumber.TRACE4)


def test_an_exception(telemetry: Telemetry) -> None:
    """Class, text and traceback."""
    with observed():
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("caught")
    about: Any = only(telemetry).attributes
    assert (about["exception.type"], about["exception.message"]) == ("KeyError", "'k'")
    assert "test_an_exception" in about["exception.stacktrace"]


def test_several_handlers(telemetry: Telemetry) -> None:
    """Once, whatever the number of handlers; a filter by module is a level of the app's."""
    with observed() as seen:
        logger.add(seen.append, format="2 {message}")
        logger.info("one")
        logger.info("two")
        logger.remove()
        logger.info("nobody")
        logger.add(seen.append, format="{message}", filter={"": "ERROR"})
        logger.info("below")
    assert sent(telemetry) == ["one", "two"]
    assert [text.strip() for text in seen] == ["one", "2 one", "two", "2 two"]


def test_its_state_is_the_apps(telemetry: Telemetry) -> None:
    """Numbers of handlers, copies and pickles of the logger are what they are without us."""
    with observed():
        first = logger.add(lambda message: None)
        second = logger.add(lambda message: None)
        logger.remove()
        logger.add(_nothing, level="CRITICAL")
        twin = copy.deepcopy(logger)
        twin.critical("of the copy")
        pickle.dumps(logger)
    assert second == first + 1
    assert sent(telemetry) == ["of the copy"]


def test_from_logging_to_loguru(telemetry: Telemetry) -> None:
    """An app that intercepts `logging`: each record once, access lines not at all."""
    with observed() as seen:
        logging.basicConfig(handlers=[Intercept()], level=0, force=True)
        logging.getLogger("shop").info("stdlib %d", 1, extra={"cart": 7})
        logging.getLogger("uvicorn.access").info("GET / 200")
        logger.info("own")
    assert sent(telemetry) == ["stdlib 1", "own"]
    assert [text.strip() for text in seen] == ["stdlib 1", "GET / 200", "own"]


@pytest.mark.parametrize("enqueue", [False, True])
def test_from_loguru_to_logging(telemetry: Telemetry, enqueue: bool) -> None:
    """An app that propagates to `logging`, at once or from a thread: each record once."""
    with observed():
        kept = Keeping()
        logging.basicConfig(handlers=[kept], level=0, force=True)
        logger.add(Propagate(), format="{name} | {message}", enqueue=enqueue)
        logger.info("own")
        logger.complete()
        logging.getLogger("shop").info("stdlib")
    assert sorted(sent(telemetry)) == ["own", "stdlib"]
    assert [text.strip() for text in kept.seen] == [f"{__name__} | own", "stdlib"]


def test_a_sink_that_logs_something_else(telemetry: Telemetry) -> None:
    """What a handler logs of its own is a record of its own."""

    class Chatty(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger.info("handling")

    with observed():
        logging.getLogger("shop").addHandler(Chatty())
        logging.getLogger("shop").error("stdlib")
    assert sent(telemetry) == ["stdlib", "handling"]


def test_a_message_that_cannot_be_formatted(telemetry: Telemetry) -> None:
    """It fails in the app's call, as it does without us."""
    with observed(), pytest.raises(IndexError):
        logger.info("{} {}", 1)
    assert sent(telemetry) == []


def test_uninstrument_restores(telemetry: Telemetry) -> None:
    """Its classes are exactly what they were; without `on` they are never touched."""
    kinds = (_handler.Handler, _simple_sinks.StandardSink, _simple_sinks.CallableSink)
    before = [dict(vars(kind)) for kind in kinds]
    LoguruInstrumentor().instrument(skip_dep_check=True)
    assert [dict(vars(kind)) for kind in kinds] == before
    LoguruInstrumentor().uninstrument()
    with observed():
        assert [dict(vars(kind)) for kind in kinds] != before
    assert [dict(vars(kind)) for kind in kinds] == before
