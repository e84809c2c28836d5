"""Access lines that nobody would read are not made; whoever might see one be made still does."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation.unread import Unread
from tests.instrumentation.test_logs import Keeping
from tests.instrumentation.test_printed import printed

ACCESS, REQUESTS = "uvicorn.access", 5


@contextmanager
def asked() -> Iterator[logging.Logger]:
    """A server that has said one access line within a request that is observed."""
    with printed("json"):
        logger = logging.getLogger(ACCESS)
        logger.setLevel(logging.INFO)
        token = current_request.set(RequestContext("r-1"))
        try:
            logger.info("first")
            yield logger
        finally:
            current_request.reset(token)
    assert "isEnabledFor" not in vars(logger)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of the records that are made."""
    messages: list[str] = []

    class Record(logging.LogRecord):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            messages.append(self.getMessage())

    monkeypatch.setattr(logging, "LogRecord", Record)
    monkeypatch.setattr(logging, "_logRecordFactory", Record)
    return messages


def test_none_is_made(made: list[str]) -> None:
    """But for the first, by which the logger is known."""
    with asked() as logger:
        for number in range(REQUESTS):
            logger.info("line %d", number)
        assert not logger.isEnabledFor(logging.INFO)
    assert made == ["first"]


def test_a_request_that_nobody_observes(made: list[str]) -> None:
    """Of an app that is none of ours: its line is all that is said of it."""
    with asked() as logger:
        token = current_request.set(None)
        assert logger.isEnabledFor(logging.INFO)
        assert not logger.isEnabledFor(logging.DEBUG)
        logger.info("unobserved")
        current_request.reset(token)
        logger.info("observed")
    assert made == ["first", "unobserved"]


def test_other_loggers(made: list[str]) -> None:
    with asked():
        logging.getLogger("uvicorn.error").info("said")
        logging.getLogger("shop").info("said too")
    assert made == ["first", "said", "said too"]


def _handler(logger: logging.Logger) -> None:
    logger.addHandler(Keeping())


def _elsewhere(logger: logging.Logger) -> None:
    logger.addHandler(logging.handlers.BufferingHandler(100))


def _above(logger: logging.Logger) -> None:
    logging.root.addHandler(logging.handlers.BufferingHandler(100))


def _in_the_list(logger: logging.Logger) -> None:
    logger.handlers.append(Keeping())


def _filter(logger: logging.Logger) -> None:
    logger.addFilter(lambda record: True)


def _own(logger: logging.Logger) -> None:
    logger.isEnabledFor = lambda level: True  # type: ignore[method-assign]


@pytest.mark.parametrize("put", [_handler, _elsewhere, _above, _in_the_list, _filter, _own])
def test_whoever_wants_them(put: Callable[[logging.Logger], None], made: list[str]) -> None:
    """From the next line on."""
    with asked() as logger:
        logger.info("unread")
        put(logger)
        logger.info("read")
        vars(logger).pop("isEnabledFor", None)
    assert made == ["first", "read"]


@pytest.mark.parametrize("name", ["_log", "makeRecord", "handle", "callHandlers"])
def test_another_hook(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another product, which was there before us or has come since."""
    original = getattr(logging.Logger, name)

    def hook(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    monkeypatch.setattr(logging.Logger, name, hook)
    with asked() as logger:
        assert logger.isEnabledFor(logging.INFO)
    monkeypatch.undo()
    unread = Unread(lambda logger: True)
    assert unread.may_spare(logging.getLogger(ACCESS))
    monkeypatch.setattr(logging.Logger, name, hook)
    assert not unread.may_spare(logging.getLogger(ACCESS))


def test_records_and_loggers_of_the_apps_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    unread = Unread(lambda logger: True)

    class Handling(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            super().handle(record)

    class Finding(logging.Logger):
        """Like structlog's, which only says another line of code."""

        def findCaller(self, *args: Any, **kwargs: Any) -> Any:
            return super().findCaller(*args, **kwargs)

    assert not unread.may_spare(Handling(ACCESS))
    assert unread.may_spare(Finding(ACCESS))
    monkeypatch.setattr(logging, "_logRecordFactory", lambda *args: logging.LogRecord(*args))
    assert not unread.may_spare(logging.getLogger(ACCESS))


def test_a_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """Costs nothing but the line that says so."""
    logger = logging.Logger(ACCESS, logging.INFO)
    unread = Unread(lambda logger: logger.nothing)  # type: ignore[attr-defined]
    _guard.faults.clear()
    unread.watch(logger)
    assert logger.isEnabledFor(logging.INFO)
    assert sum(_guard.faults.values()) == 1
    unread.leave()
    assert "isEnabledFor" not in vars(logger)
