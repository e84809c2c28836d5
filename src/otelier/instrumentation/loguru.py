"""Records of loguru, which never pass `logging`.

Hooks `Handler.emit`, which loguru calls for each of the app's handlers, in the thread that logs: a
record is sent at the first handler that takes its level, so the app's own levels decide. No handler
of ours is added: the numbers of the app's handlers, `logger.remove()` and copies of the logger are
as they were. Filters of single handlers are not asked (asking twice may count twice), but for the
levels by module that loguru makes filters of.

A record that the app hands from `logging` to loguru, or from loguru to `logging`, is sent once.
"""

from __future__ import annotations

import threading
from functools import partial
from types import ModuleType
from typing import Any

from opentelemetry._logs import get_logger_provider

from otelier import _guard
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.outputs import is_standard
from otelier.instrumentation.printed import Printed
from otelier.instrumentation.records import Handed, Records, handed
from otelier.sdk.logs import writer

_SINKS = ("StreamSink", "StandardSink", "CallableSink")


class LoguruInstrumentor(Instrumentor):
    """Does nothing unless our distro says `on`."""

    def _instrument(self, *, on: bool = False, **_: Any) -> None:
        self._patches = Patches()
        if on:
            self._patches.after_import("loguru", self._put_in)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        Handed.is_on = False

    def _put_in(self, loguru: ModuleType) -> None:
        from importlib import import_module

        handler, sinks = (import_module(f"loguru.{n}") for n in ("_handler", "_simple_sinks"))
        sent = Sent(Records(writer(get_logger_provider())))
        self._patches.replace(handler.Handler, "emit", sent.emitting)
        self._patches.replace(sinks.StreamSink, "write", _writing)
        for name in _SINKS:
            self._patches.replace(getattr(sinks, name), "write", _handing)
        Handed.is_on = True
        self._patches.after_import("logging.handlers", self._put_into_queues)

    def _put_into_queues(self, module: ModuleType) -> None:
        self._patches.replace(module.QueueListener, "handle", _handing_from_queue)


class Sent:
    """Sends each record at the first handler that takes it."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._last = threading.local()

    def emitting(self, original: Any) -> Any:
        take = self._take

        def emit(handler: Any, record: dict[str, Any], *args: Any, **more: Any) -> None:
            try:
                take(handler, record)
            except Exception as error:
                _guard.fault("recording a log record of loguru", error)
            original(handler, record, *args, **more)

        return emit

    def _take(self, handler: Any, record: dict[str, Any]) -> None:
        if handler.levelno > record["level"].no or handed.has(record["message"]):
            return
        # Made anew for each record. The record itself must not be kept: it holds an exception.
        number, file = id(record), record["file"]
        if getattr(self._last, "seen", None) == number and self._last.file is file:
            return
        if not _is_wanted(handler, record):
            return
        self._last.seen, self._last.file = number, file
        self._send(record)

    def _send(self, record: dict[str, Any]) -> None:
        level, exception = record["level"], record["exception"]
        self._records.send(
            record["name"] or "loguru",
            (level.no, level.name),
            record["message"],
            (record["file"].path, record["function"], record["line"]),
            record["extra"],
            nanoseconds=int(record["time"].timestamp() * 1e9),
            error=exception.value if exception is not None else None,
        )


def _is_wanted(handler: Any, record: dict[str, Any]) -> bool:
    """Whether the levels by module say so: `add(…, filter={"httpx": "WARNING"})`."""
    found: Any = getattr(handler, "_filter", None)
    is_of_loguru = isinstance(found, partial) and found.func.__module__ == "loguru._filters"
    return not is_of_loguru or bool(found(record))


def _writing(original: Any) -> Any:
    """A sink on stdout or stderr writes our line, where that is asked for."""

    def write(sink: Any, message: Any) -> None:
        line = None
        try:
            printed = Printed.current
            if printed is not None and printed.is_asked_for and is_standard(sink._stream):
                line = f"{_line(printed, message.record)}\n"
        except Exception as error:
            _guard.fault("formatting a log record of loguru", error)
        original(sink, message if line is None else line)

    return write


def _line(printed: Printed, record: dict[str, Any]) -> str:
    level, exception = record["level"].name, record["exception"]
    error = exception.value if exception is not None else None
    source = record["name"], record["module"], record["function"], record["line"]
    return printed.line(level, record["message"], source, record["extra"], error)


def _handing(original: Any) -> Any:
    """A sink of the app may give the record to `logging`."""

    def write(sink: Any, message: Any) -> None:
        before = handed.text
        try:
            handed.text = message.record["message"]
        except Exception as error:
            _guard.fault("handing a record of loguru on", error)
        try:
            original(sink, message)
        finally:
            handed.text = before

    return write


def _handing_from_queue(original: Any) -> Any:
    """A handler behind a queue, in the queue's thread, may give the record to loguru."""

    def handle(listener: Any, record: Any) -> None:
        before = handed.text
        try:
            handed.text = record.getMessage()
        except Exception as error:
            _guard.fault("handing a record from a queue on", error)
        try:
            original(listener, record)
        finally:
            handed.text = before

    return handle
