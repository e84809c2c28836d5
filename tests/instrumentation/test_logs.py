"""Every log record once, whatever handlers the app has; these see what they always saw.

pytest has handlers of its own on the root logger, so each test runs with a root of its own.
"""

from __future__ import annotations

import enum
import logging
import logging.config
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import ReadWriteLogRecord

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation import records
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.instrumentation.records import severity
from tests.conftest import Telemetry


class Keeping(logging.Handler):
    """A handler of the app."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


@contextmanager
def bare_logging() -> Iterator[Keeping]:
    """`logging` as it is in a new process; yields what stands in for `logging.lastResort`."""
    last = Keeping()
    last.setLevel(logging.WARNING)
    root = logging.RootLogger(logging.WARNING)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(logging, "root", root)
        monkeypatch.setattr(logging.Logger, "root", root)
        monkeypatch.setattr(logging.Logger, "manager", logging.Manager(root))
        monkeypatch.setattr(logging, "lastResort", last)
        yield last


@contextmanager
def captured(level: int = logging.INFO) -> Iterator[Keeping]:
    """The same, observed."""
    with bare_logging() as last:
        LogsInstrumentor().instrument(level=level, skip_dep_check=True)
        try:
            yield last
        finally:
            LogsInstrumentor().uninstrument()


def sent(telemetry: Telemetry) -> list[str]:
    return [str(record.log_record.body) for record in telemetry.records]


def only(telemetry: Telemetry) -> ReadWriteLogRecord | Any:
    (record,) = telemetry.records
    return record.log_record


# Once each


def test_under_dict_config(telemetry: Telemetry) -> None:
    """Handlers on several levels, and a configuration that replaces the root's, change nothing."""
    keeping = {"()": Keeping}
    with captured():
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"one": keeping, "two": keeping},
                "root": {"handlers": ["one"], "level": "INFO"},
                "loggers": {"shop": {"handlers": ["one", "two"]}},
            }
        )
        logging.getLogger("shop.cart").info("once")
        seen = [handler.seen for handler in logging.getLogger("shop").handlers]  # type: ignore[attr-defined]
    assert sent(telemetry) == ["once"]
    assert seen == [["once", "once"], ["once"]]


def test_under_basic_config(telemetry: Telemetry) -> None:
    """`basicConfig(force=True)` throws every handler out; ours is none."""
    with captured():
        for _ in range(2):
            handler = Keeping()
            logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
            logging.getLogger("shop").info("each")
    assert sent(telemetry) == ["each", "each"]
    assert handler.seen == ["each"]


def test_a_logger_that_does_not_propagate(telemetry: Telemetry) -> None:
    """A record that never reaches the root is sent, once."""
    with captured() as last:
        logger = logging.getLogger("alone")
        logger.propagate = False
        logger.error("once")
    assert (sent(telemetry), last.seen) == (["once"], ["once"])


# Levels


def test_info_of_an_app_that_sets_no_level(telemetry: Telemetry) -> None:
    """INFO is sent, DEBUG is not; the app's handlers and the last resort see nothing of either."""
    with captured() as last:
        handler = Keeping()
        logging.getLogger("shop").addHandler(handler)
        for logger in (logging.getLogger("shop"), logging.getLogger("other")):
            logger.info("info")
            logger.debug("debug")
            logger.warning("warning")
    assert sent(telemetry) == ["info", "warning"] * 2
    assert (handler.seen, last.seen) == (["warning"], ["warning"])


def test_an_own_lowest_level(telemetry: Telemetry) -> None:
    """With `OTELIER_LOG_LEVEL=error` nothing is sent that the app does not log itself."""
    with captured(logging.ERROR):
        logging.getLogger("shop").info("info")
        logging.getLogger("shop").warning("warning")
    assert sent(telemetry) == ["warning"]


@pytest.mark.parametrize("who", ["shop", "shop.cart"])
def test_a_level_of_the_logger_is_respected(telemetry: Telemetry, who: str) -> None:
    """A level that the app has set, on the logger or above it, is the app's decision."""
    with captured():
        logging.getLogger("shop").setLevel(logging.ERROR)
        logging.getLogger(who).info("info")
        logging.getLogger(who).warning("warning")
        logging.getLogger(who).error("error")
        enabled = logging.getLogger(who).isEnabledFor(logging.INFO)
    assert sent(telemetry) == ["error"]
    assert not enabled


def test_a_level_of_the_root_is_respected(telemetry: Telemetry) -> None:
    """`root.setLevel(WARNING)` says what was so anyway, and from then on it is meant."""
    with captured():
        logging.getLogger("shop").info("before")
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("shop").info("after")
    assert sent(telemetry) == ["before"]


def test_a_root_that_was_set_before(telemetry: Telemetry) -> None:
    """A level that was set before we came counts as well."""
    with bare_logging():
        logging.getLogger().setLevel(logging.ERROR)
        LogsInstrumentor().instrument(level=logging.INFO, skip_dep_check=True)
        try:
            logging.getLogger("shop").warning("warning")
        finally:
            LogsInstrumentor().uninstrument()
    assert sent(telemetry) == []


def test_a_more_talkative_app(telemetry: Telemetry) -> None:
    """DEBUG that the app logs is sent and handled."""
    with captured():
        handler = Keeping()
        logging.basicConfig(level=logging.DEBUG, handlers=[handler])
        logging.getLogger("shop").debug("debug")
    assert (sent(telemetry), handler.seen) == (["debug"], ["debug"])


def test_disabled(telemetry: Telemetry) -> None:
    """A disabled logger, and `logging.disable`, silence us too."""
    with captured():
        logging.getLogger("shop").disabled = True
        logging.getLogger("shop").error("disabled")
        logging.disable(logging.INFO)
        logging.getLogger("other").info("below")
        logging.disable(logging.NOTSET)
        logging.getLogger("other").info("again")
    assert sent(telemetry) == ["again"]


def test_a_filter_of_the_app(telemetry: Telemetry) -> None:
    """A record that a filter of its logger throws away is not sent."""
    with captured():
        logging.getLogger("shop").addFilter(lambda record: "secret" not in record.getMessage())
        logging.getLogger("shop").error("secret")
        logging.getLogger("shop").error("public")
    assert sent(telemetry) == ["public"]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR])
def test_a_record_handled_directly(telemetry: Telemetry, level: int) -> None:
    """`logger.handle(record)`, as queue listeners call it, reaches the app's handlers."""
    with captured():
        handler = Keeping()
        logging.getLogger("shop").addHandler(handler)
        record = logging.makeLogRecord({"name": "shop", "levelno": level, "msg": "direct"})
        logging.getLogger("shop").handle(record)
    assert (sent(telemetry), handler.seen) == (["direct"], ["direct"])


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (0, SeverityNumber.UNSPECIFIED),
        (5, SeverityNumber.TRACE4),
        (10, SeverityNumber.DEBUG),
        (20, SeverityNumber.INFO),
        (25, SeverityNumber.INFO4),
        (30, SeverityNumber.WARN),
        (40, SeverityNumber.ERROR),
        (50, SeverityNumber.FATAL),
        (10**6, SeverityNumber.FATAL4),
        (-5, SeverityNumber.UNSPECIFIED),
    ],
)
def test_severity(level: int, number: SeverityNumber) -> None:
    """Python's levels, and those between and beyond them."""
    assert severity(level) == number.value


# What is in a record


class Colour(enum.IntEnum):
    RED = 3


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_the_fields(telemetry: Telemetry) -> None:
    """Message, severity, logger and source."""
    with captured():
        logging.getLogger("shop.cart").warning("%s items", 3)
    (record,) = telemetry.records
    found = dict(record.log_record.attributes or {})
    assert (record.log_record.body, record.log_record.severity_text) == ("3 items", "WARN")
    assert record.instrumentation_scope is not None
    assert record.instrumentation_scope.name == "shop.cart"
    assert found.pop("code.file.path") == __file__
    assert isinstance(found.pop("code.line.number"), int)
    assert found == {"code.function.name": "test_the_fields"}


def test_ids_of_the_request(telemetry: Telemetry) -> None:
    """A record of a request carries its ids and its span, and no `extra` can forge them."""
    box = RequestContext("r-1")
    box.user_id = "u-1"
    token = current_request.set(box)
    try:
        with captured(), telemetry.providers.tracer.get_tracer("t").start_as_current_span("s"):
            logging.getLogger("shop").error("x", extra={"http.request.id": "forged"})
    finally:
        current_request.reset(token)
    record = only(telemetry)
    assert (record.attributes["http.request.id"], record.attributes["user.id"]) == ("r-1", "u-1")
    assert record.span_id == telemetry.spans[0].context.span_id


def test_extra_fields(telemetry: Telemetry) -> None:
    """Numbers and truth values stay what they are, all else becomes text; None is left out."""
    extra = {
        "whole": 3,
        "share": 0.5,
        "yes": True,
        "colour": Colour.RED,
        "nothing": None,
        "things": ["a", 1],
        "bytes": b"b",
        "huge": 2**63,
        "tiny": -(2**63),
    }
    with captured():
        logging.getLogger("shop").error("x", extra=extra)
    found = {name: only(telemetry).attributes.get(name, "left out") for name in extra}
    assert found == {
        "whole": 3,
        "share": 0.5,
        "yes": True,
        "colour": 3,
        "nothing": "left out",
        "things": "['a', 1]",
        "bytes": "b'b'",
        "huge": "9223372036854775808",
        "tiny": -(2**63),
    }


class Classless:
    @property
    def __class__(self) -> type:
        raise RuntimeError("no class")

    def __repr__(self) -> str:
        return "classless"


def test_a_value_that_does_not_say_what_it_is(telemetry: Telemetry) -> None:
    """It is text like any other."""
    with captured():
        logging.getLogger("shop").error("x", extra={"odd": Classless()})
    assert only(telemetry).attributes["odd"] == "classless"


def test_every_record_can_be_encoded(telemetry: Telemetry) -> None:
    """Nothing that a log call may hold costs its neighbours in a batch."""
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

    lone = "lone \ud800 surrogate"
    with captured():
        logging.addLevelName(33, lone)
        logger = logging.getLogger(lone)
        logger.log(33, lone, extra={lone: lone, "huge": 10**30, "nan": float("nan")})
        source = {"pathname": lone, "funcName": lone}
        logger.handle(logging.makeLogRecord({"name": "shop", "levelno": 30, **source}))
        try:
            raise RuntimeError(lone)
        except RuntimeError:
            logger.exception("caught")
    assert len(telemetry.records) == 3
    assert encode_logs(telemetry.records).ByteSize() > 0


def test_an_exception(telemetry: Telemetry) -> None:
    """Class, text and traceback."""
    with captured():
        try:
            raise KeyError("k")
        except KeyError:
            logging.getLogger("shop").exception("caught")
    found = only(telemetry).attributes
    assert (found["exception.type"], found["exception.message"]) == ("KeyError", "'k'")
    assert "test_an_exception" in found["exception.stacktrace"]


def test_exc_info_without_an_exception(telemetry: Telemetry) -> None:
    """`exc_info=True` outside of a handler adds nothing."""
    with captured():
        logging.getLogger("shop").error("x", exc_info=True)
    assert "exception.type" not in only(telemetry).attributes


def test_a_long_message(telemetry: Telemetry) -> None:
    """Text is bounded."""
    with captured():
        logging.getLogger("shop").error("x" * 100_000)
    assert len(only(telemetry).body) == 16_384


def test_an_argument_without_words(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument that cannot be printed fails in the app's handler as it does without us; what
    can be said of the record is sent."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    _guard.faults.clear()
    with captured():
        handler = logging.StreamHandler(sys.stderr)
        logging.getLogger("shop").addHandler(handler)
        logging.getLogger("shop").error("%s", Silent())
        logging.getLogger("shop").error("%d", "not a number")
        logging.getLogger("shop").error("x", extra={"silent": Silent()})
        logging.getLogger("shop").error("good")
    assert dict(_guard.faults) == {}
    assert sent(telemetry) == ["%s (<Silent>)", "%d (not a number)", "x", "good"]


# Whose records are not sent


@pytest.mark.parametrize("name", ["uvicorn.access", "gunicorn.access", "hypercorn.access"])
def test_access_lines_of_servers(telemetry: Telemetry, name: str) -> None:
    """They are printed as ever; what is sent is our own access record."""
    with captured():
        handler = Keeping()
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).warning("GET / 200")
    assert (sent(telemetry), handler.seen) == ([], ["GET / 200"])


def test_records_of_the_sdk(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are said on stderr, never sent: a failing export must not feed itself."""
    monkeypatch.setattr(_guard, "_said_at", {})
    with captured() as last:
        logging.getLogger("opentelemetry.sdk").error("export failed")
        logging.getLogger("opentelemetry.sdk").info("chatter")
        logging.getLogger("opentelemetry.sdk").error("%d", "cannot be printed")
    assert (sent(telemetry), last.seen) == ([], [])
    assert "otelier: export failed\n" in capsys.readouterr().err
    _guard.faults.clear()


def test_an_absent_receiver_in_one_line(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exporter's many words for it become host, port and reason, once for all signals."""
    monkeypatch.setattr(_guard, "_said_at", {})
    words = "HTTPConnectionPool(host='c', port=4318): Max … [Errno 111] Connection refused"
    with captured():
        for signal in ("traces", "metrics"):
            logging.getLogger(f"opentelemetry.{signal}").warning("%s: %s", signal, words)
    line = "otelier: c:4318 does not answer (Connection refused); what is to be sent waits\n"
    assert capsys.readouterr().err == line


def test_an_app_with_a_similar_name(telemetry: Telemetry) -> None:
    """A logger of the app that only begins like the SDK's is the app's."""
    with captured() as last:
        logging.getLogger("opentelemetry_demo").error("mine")
    assert (sent(telemetry), last.seen) == (["mine"], ["mine"])


# In and out


def test_uninstrument_restores() -> None:
    """`logging.Logger` is exactly what it was."""
    before = dict(vars(logging.Logger))
    LogsInstrumentor().instrument(level=logging.INFO, skip_dep_check=True)
    during = dict(vars(logging.Logger))
    LogsInstrumentor().uninstrument()
    assert {name for name in before if during[name] is not before[name]} == {
        "isEnabledFor",
        "makeRecord",
        "callHandlers",
        "setLevel",
    }
    assert dict(vars(logging.Logger)) == before


def test_without_a_level_nothing_happens() -> None:
    """Under another distro the instrumentor is called without a level, and does nothing."""
    before = dict(vars(logging.Logger))
    LogsInstrumentor().instrument(skip_dep_check=True)
    after = dict(vars(logging.Logger))
    LogsInstrumentor().uninstrument()
    assert after == before


@pytest.mark.parametrize(
    "about",
    [
        {"name": None},
        {"levelname": None},
        {"created": None},
        {"created": float("inf")},
        {"pathname": []},
        {"exc_info": ("a", "b", "c")},
    ],
)
def test_a_record_that_others_have_made(telemetry: Telemetry, about: dict[str, Any]) -> None:
    """What `makeLogRecord` was given from elsewhere is sent, with what can be said of it."""
    record = logging.makeLogRecord({"msg": "from %s", "args": ("afar",), "name": "shop"})
    vars(record).update({"levelno": logging.WARNING, **about})
    with captured():
        logging.getLogger("shop").callHandlers(record)
    (found,) = telemetry.records
    assert found.log_record.body == "from afar"
    assert found.log_record.severity_number == SeverityNumber.WARN


def test_a_fault_of_ours_changes_no_log_call(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be sent is handled by the app as ever."""
    monkeypatch.setattr(records, "severity", lambda level: 1 / 0)
    _guard.faults.clear()
    with captured() as last:
        logging.getLogger("shop").error("x")
    assert last.seen == ["x"]
    assert dict(_guard.faults) == {"recording a log record": 1}


def test_the_caller_is_the_app(telemetry: Telemetry) -> None:
    """Hooks of ours are not taken for the place that logged, `stacklevel` included."""
    seen: list[tuple[str, str]] = []

    class Naming(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.funcName, record.filename))

    def inner() -> None:
        logging.getLogger("shop").error("x", stacklevel=2)

    with captured():
        logging.getLogger("shop").addHandler(Naming())
        logging.getLogger("shop").error("x")
        inner()
    assert seen == [("test_the_caller_is_the_app", "test_logs.py")] * 2
