"""Records of structlog: as fields instead of a rendered text, and those that never pass `logging`.

Hooks `BoundLoggerBase._process_event`, where a bound logger runs the app's processors: what the
last one is given is what is sent, so that what the app's processors drop or mask stays dropped and
masked. Where structlog writes through `logging`, the record is sent there, with these fields;
where it prints or writes itself it is sent here. The app's processors and loggers stay what they
are: a copy of the bound logger runs for one event. Runs in the thread that logs.

structlog looks for the app's frame by leaving out frames of modules whose names begin with its own:
the hook's frames are of such a module by name.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from opentelemetry._logs import get_logger_provider

from otelier import _guard
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.outputs import is_standard
from otelier.instrumentation.printed import Printed
from otelier.instrumentation.records import Records
from otelier.logformat.entry import Rendered, event_extra, event_text
from otelier.logformat.plain import said
from otelier.sdk.logs import writer

_LEVELS: Mapping[str, tuple[int, str]] = {
    "debug": (10, "DEBUG"),
    "warning": (30, "WARNING"),
    "warn": (30, "WARNING"),
    "error": (40, "ERROR"),
    "err": (40, "ERROR"),
    "exception": (40, "ERROR"),
    "failure": (40, "ERROR"),
    "critical": (50, "CRITICAL"),
    "fatal": (50, "CRITICAL"),
}
_INFO = (20, "INFO")

# Whose output is somebody else's: `logging` and loguru have hooks of their own, the rest is
# structlog's for tests, and loggers that are handed on to.
_ELSEWHERE = ("loguru.", "structlog.")
_OUTPUTS = ("PrintLogger", "WriteLogger", "BytesLogger")


class StructlogInstrumentor(Instrumentor):
    """Does nothing unless our distro says `on`."""

    def _instrument(self, *, on: bool = False, **_: Any) -> None:
        self._patches = Patches()
        if on:
            self._patches.after_import("structlog", self._put_in)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        Rendered.event = None

    def _put_in(self, structlog: ModuleType) -> None:
        events = Events(Records(writer(get_logger_provider())))
        owner = sys.modules[f"{structlog.__name__}._base"].BoundLoggerBase
        self._patches.replace(owner, "_process_event", events.processing)
        Rendered.event = events.of


class Events:
    """What the bound loggers of this process log."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._last = threading.local()

    def of(self, text: str) -> Mapping[str, Any] | None:
        """The event that this very text was made of, in this thread, just now."""
        return self._last.event if getattr(self._last, "text", None) is text else None

    def processing(self, original: Any) -> Any:
        copied, taken = _copied, self._take

        def _process_event(bound: Any, method: str, event: Any, values: dict[str, Any]) -> Any:
            seen: list[dict[str, Any]] = []
            made = original(copied(bound, seen), method, event, values)
            if seen:
                return taken(bound, method, values, seen[0], made)
            return made

        return _as_of_structlog(_process_event)

    def _take(
        self,
        bound: Any,
        method: str,
        given: Mapping[str, Any],
        event: dict[str, Any],
        made: Any,
    ) -> Any:
        """What is to be written: `made`, or our line."""
        try:
            args, kwargs = made
            if isinstance(bound._logger, logging.Logger | logging.LoggerAdapter):
                if not kwargs and len(args) == 1:
                    self._last.event, self._last.text = _lasting(event), args[0]
            elif _is_output(bound._logger):
                return self._send(bound._logger, method, given, event, args) or made
        except Exception as error:
            _guard.fault("recording a log record of structlog", error)
        return made

    def _send(
        self, logger: Any, method: str, given: Mapping[str, Any], event: dict[str, Any], args: Any
    ) -> Any:
        """Send it; returns our line for stdout or stderr, where that is asked for."""
        code, module = _caller()
        name, level = said(event.get("logger") or module), _LEVELS.get(method, _INFO)
        text, extra = event_text(event) or said(args[0] if args else ""), event_extra(event)
        error = _exception(given) if _shows_exception(event) else None
        stack = event.get("exception")
        self._records.send(name, level, text, code, extra, error=error, stack=stack)
        printed = Printed.current
        if printed is None or not printed.is_asked_for or not _is_standard(logger):
            return None
        source = (name, None, code and code[1], code and code[2])
        line: Any = printed.line(level[1], text, source, extra, error, stack)
        return ((line if isinstance(args[0], str) else line.encode(),), {}) if args else None


def _copied(bound: Any, seen: list[dict[str, Any]]) -> Any:
    """The bound logger, once more, to run for one event; what its last processor gets is `seen`."""
    try:
        *first, last = bound._processors
        copied = object.__new__(type(bound))
        copied.__dict__.update(bound.__dict__)
        copied._processors = [*first, _seeing(last, seen)]
    except Exception:  # a class of the app's own, or no processors
        return bound
    return copied


def _seeing(last: Callable[..., Any], seen: list[dict[str, Any]]) -> Any:
    def see(logger: Any, method: str, event: Any) -> Any:
        copy = dict(event) if isinstance(event, dict) else None  # some renderers take things out
        made = last(logger, method, event)
        if copy is not None:
            seen.append(copy)
        return made

    return _as_of_structlog(see)


def _as_of_structlog(function: Any) -> Any:
    """The function, in a module by another name."""
    places = _places.setdefault(id(function.__globals__), {})
    if not places:
        places.update(function.__globals__, __name__="structlog.otelier")
    return FunctionType(function.__code__, places, function.__name__, None, function.__closure__)


_places: dict[int, dict[str, Any]] = {}


def _lasting(event: dict[str, Any]) -> dict[str, Any]:
    """Without what must not be kept until the next event: an exception holds its frames."""
    return {name: value for name, value in event.items() if name not in ("exc_info", "_record")}


def _is_output(logger: Any) -> bool:
    kind = type(logger)
    if kind.__name__ in _OUTPUTS:
        return True
    return not f"{kind.__module__}.".startswith(_ELSEWHERE)


def _is_standard(logger: Any) -> bool:
    file = getattr(logger, "_file", None)
    return type(logger).__name__ in _OUTPUTS and is_standard(getattr(file, "raw", file))


def _shows_exception(event: Mapping[str, Any]) -> bool:
    return bool(event.get("exc_info") or event.get("exception"))


def _exception(given: Mapping[str, Any]) -> BaseException | None:
    """What `exc_info` of the call means, here where the exception is in flight."""
    info = given.get("exc_info")
    if isinstance(info, tuple) and len(info) > 1:
        info = info[1]
    elif info and not isinstance(info, BaseException):
        info = sys.exc_info()[1]
    return info if isinstance(info, BaseException) else None


def _caller() -> tuple[tuple[str, str, int] | None, str]:
    """File, function and line of the app's code that logs, and the name of its module."""
    calling = sys.modules["structlog.contextvars"]._ASYNC_CALLING_STACK
    frame: Any = calling.get(sys._getframe())
    while frame is not None:
        name = str(frame.f_globals.get("__name__") or "?")
        if not name.startswith(("structlog", "otelier.")):
            code = frame.f_code
            return (code.co_filename, code.co_name, frame.f_lineno), name
        frame = frame.f_back
    return None, "structlog"
