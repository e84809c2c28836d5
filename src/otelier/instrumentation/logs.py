"""Log records, once each, whatever handlers the app has.

Hooks `Logger.callHandlers`, through which every record passes exactly once: no handler of ours is
attached anywhere, so `dictConfig`, `basicConfig(force=True)`, `--log-config` and loggers that do
not propagate change nothing. INFO records of an app that never set a level are sent as well; its
own handlers still see only what they would have seen without us. Runs in the logging thread.

Not sent: the SDK's own records (said on stderr instead), the servers' access lines, for which
there is one access record a request, and what a server logs of an exception that has a record with
its request's ids already.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Collection
from typing import Any

from opentelemetry._logs import get_logger_provider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import _guard, signals
from otelier._upstream import current_span
from otelier.context import current_request
from otelier.errors import is_recorded, message, type_name
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.privacy import mask_statement
from otelier.sdk.lean_span import ids
from otelier.sdk.logs import Write, writer

_ACCESS = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
_ECHO = "sqlalchemy.engine"
_VERB = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|REPLACE|CALL|CREATE|ALTER|DROP|SET|PRAGMA|EXPLAIN|GRANT)\b",
    re.IGNORECASE,
)
_SDK = "opentelemetry"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOISE = {"color_message"}  # uvicorn's message once more, with terminal colours
_PROMOTED = "otelier_promoted"
_NOT_EXTRA = _STANDARD | _NOISE | {_PROMOTED}
_LONGEST = 16_384
_MOST_KEPT = 4096

# The exporter's words for a receiver that is away, from its HTTP client.
_UNREACHABLE = re.compile(
    r"host='([^']+)', port=(\d+).*?(Connection refused|Name or service not known|timed out)"
)


class LogsInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Stands in for contrib's `logging`; does nothing unless our distro gives it a `level`."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, *, level: int | None = None, **_: Any) -> None:
        self._patches = Patches()
        if level is not None:
            capture = Capture(level, Records(writer(get_logger_provider())))
            self._patches.replace(logging.Logger, "isEnabledFor", capture.enabling)
            self._patches.replace(logging.Logger, "makeRecord", capture.marking)
            self._patches.replace(logging.Logger, "callHandlers", capture.capturing)
            self._patches.replace(logging.Logger, "setLevel", capture.noticing)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()


class Capture:
    """Wraps the methods of `logging.Logger`.

    level: the lowest that is sent for loggers whose level nobody has set.
    """

    def __init__(self, level: int, records: Records) -> None:
        self._level = level
        self._records = records
        self._root_is_set = logging.root.level != logging.WARNING
        self._enabled: Any = logging.Logger.isEnabledFor

    def noticing(self, original: Any) -> Any:
        def setLevel(logger: logging.Logger, level: int | str) -> None:
            original(logger, level)
            if logger is logging.root:
                self._root_is_set = True

        return setLevel

    def enabling(self, original: Any) -> Any:
        self._enabled = original

        def isEnabledFor(logger: logging.Logger, level: int) -> bool:
            return original(logger, level) or self._promotes(logger, level)

        return isEnabledFor

    def marking(self, original: Any) -> Any:
        def makeRecord(
            logger: logging.Logger, name: str, level: int, *args: Any, **kwargs: Any
        ) -> Any:
            record = original(logger, name, level, *args, **kwargs)
            if not self._root_is_set and level < logging.WARNING:
                self._mark(logger, record)
            return record

        return makeRecord

    def capturing(self, original: Any) -> Any:
        emit = self._records.emit

        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            is_sdk = False
            try:
                if record.name.startswith(_SDK) and _is_of_the_sdk(record.name):
                    is_sdk = True
                    _say(record)
                elif not record.name.startswith(_ACCESS):
                    emit(record)
            except Exception as error:
                _guard.fault("recording a log record", error)
            if not is_sdk and _PROMOTED not in record.__dict__:
                original(logger, record)

        return callHandlers

    def _mark(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        if not self._enabled(logger, record.levelno):
            setattr(record, _PROMOTED, True)

    def _promotes(self, logger: logging.Logger, level: int) -> bool:
        if level < self._level or self._root_is_set or logger.manager.disable >= level:
            return False
        above: logging.Logger | None = logger
        while above is not None and above is not logging.root:
            if above.level or above.disabled:
                return False
            above = above.parent
        return not logger.disabled


class Records:
    """Turns records of `logging` into ours. write: takes them.

    What is the same each time, the logger's scope and the line that logs, is made once.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._scopes: dict[str, InstrumentationScope] = {}
        self._sources: dict[tuple[str, int], Preset] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; its trace context is the current span's."""
        extra, box = _extra(record), current_request.get()
        if extra and box is not None:
            for name in box.attributes():
                extra.pop(name, None)  # no record speaks for another request
        if record.exc_info and (error := record.exc_info[1]) is not None:
            if is_recorded(error):
                return
            extra = {**(extra or {}), **_exception(error)}
        self._write(
            LeanLog(
                self._scopes.get(record.name) or self._scope(record.name),
                int(record.created * 1e9),
                time.time_ns(),
                severity(record.levelno),
                _level_name(record),
                _body(record),
                self._sources.get((record.pathname, record.lineno)) or self._source(record),
                extra,
                box,
                *ids(current_span()),
            )
        )

    def _scope(self, name: str) -> InstrumentationScope:
        found = InstrumentationScope(bounded(name), None, SCHEMA_URL)
        _keep(self._scopes, name, found)
        return found

    def _source(self, record: logging.LogRecord) -> Preset:
        found = Preset(
            {
                signals.CODE_FILE: bounded(record.pathname),
                signals.CODE_FUNCTION: bounded(record.funcName or ""),
                signals.CODE_LINE: record.lineno,
            }
        )
        _keep(self._sources, (record.pathname, record.lineno), found)
        return found


def _is_of_the_sdk(name: str) -> bool:
    return f"{name}.".startswith(f"{_SDK}.")


def severity(level: int) -> int:
    """Python's 10, 20 … 50 are OpenTelemetry's 5, 9 … 21; levels between take the steps between.

    Source: logs data model, `SeverityNumber`.
    """
    if level <= 0:
        return 0
    tens, rest = divmod(min(level, 59), 10)
    return 1 + 4 * tens + min(rest, 3)


def bounded(text: str) -> str:
    """Not longer than what is sent, and fit for UTF-8."""
    text = text[:_LONGEST]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Names and lines come from the app's code; where they do not, the memory stays bounded."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def _level_name(record: logging.LogRecord) -> str:
    return "WARN" if record.levelname == "WARNING" else bounded(record.levelname)


def _body(record: logging.LogRecord) -> str:
    """The text; of what SQLAlchemy echoes, the statement without literals."""
    text = record.getMessage()
    if record.name.startswith(_ECHO) and _VERB.match(text):
        return bounded(str(mask_statement(text, None)))
    return bounded(text)


def _extra(record: logging.LogRecord) -> dict[str, Any] | None:
    values = record.__dict__
    names = values.keys() - _NOT_EXTRA
    if not names:
        return None
    return {
        bounded(name): values[name] if _is_number(values[name]) else bounded(str(values[name]))
        for name in names
        if values[name] is not None
    }


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _exception(error: BaseException) -> dict[str, str]:
    return {
        signals.EXCEPTION_TYPE: type_name(error),
        signals.EXCEPTION_MESSAGE: bounded(message(error)),
        signals.EXCEPTION_STACK: bounded("".join(traceback.format_exception(error))),
    }


def _say(record: logging.LogRecord) -> None:
    """A record of the SDK itself, as one line on stderr."""
    if record.levelno < logging.WARNING:
        return
    text = record.getMessage()
    unreachable = _UNREACHABLE.search(text)
    if unreachable:
        host, port, reason = unreachable.groups()
        text = f"{host}:{port} does not answer ({reason}); what is to be sent waits"
    _guard.say(text[:300], cause=text if unreachable else f"{record.name} {record.msg}"[:200])
