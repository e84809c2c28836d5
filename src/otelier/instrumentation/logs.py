"""Log records, once each, whatever handlers the app has.

Hooks `Logger.callHandlers`, through which every record passes exactly once: no handler of ours is
attached anywhere, so `dictConfig`, `basicConfig(force=True)`, `--log-config` and loggers that do
not propagate change nothing. INFO records of an app that never set a level are sent as well; its
own handlers still see only what they would have seen without us. Runs in the logging thread.

Not sent: the SDK's own records (said on stderr instead) and the servers' access lines, for which
there is one access record a request.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Collection, Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelier import _guard, signals
from otelier.context import current_request
from otelier.errors import type_name
from otelier.instrumentation.observe import SCHEMA_URL, Patches

_ACCESS = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOISE = {"color_message"}  # uvicorn's message once more, with terminal colours
_PROMOTED = "otelier_promoted"
_NOT_EXTRA = _STANDARD | _NOISE | {_PROMOTED}
_LONGEST = 16_384

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
            capture = Capture(level)
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

    def __init__(self, level: int) -> None:
        self._level = level
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
            if level < logging.WARNING and not self._enabled(logger, level):
                setattr(record, _PROMOTED, True)
            return record

        return makeRecord

    def capturing(self, original: Any) -> Any:
        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            is_sdk = f"{record.name}.".startswith("opentelemetry.")
            try:
                if is_sdk:
                    _say(record)
                elif not record.name.startswith(_ACCESS):
                    emit(record)
            except Exception as error:
                _guard.fault("recording a log record", error)
            if not is_sdk and not hasattr(record, _PROMOTED):
                original(logger, record)

        return callHandlers

    def _promotes(self, logger: logging.Logger, level: int) -> bool:
        if level < self._level or self._root_is_set or logger.manager.disable >= level:
            return False
        above: logging.Logger | None = logger
        while above is not None and above is not logging.root:
            if above.level or above.disabled:
                return False
            above = above.parent
        return not logger.disabled


def emit(record: logging.LogRecord) -> None:
    """Send one record; its trace context is the current span's."""
    get_logger(_clean(record.name), schema_url=SCHEMA_URL).emit(
        LogRecord(
            timestamp=int(record.created * 1e9),
            observed_timestamp=time.time_ns(),
            severity_text="WARN" if record.levelname == "WARNING" else _clean(record.levelname),
            severity_number=severity(record.levelno),
            body=_clean(record.getMessage()),
            attributes={**_extra(record), **_source(record), **_exception(record), **_ids()},
        )
    )


def severity(level: int) -> SeverityNumber:
    """Python's 10, 20 … 50 are OpenTelemetry's 5, 9 … 21; levels between take the steps between.

    Source: logs data model, `SeverityNumber`.
    """
    tens, rest = divmod(min(max(level, 0), 59), 10)
    return SeverityNumber(1 + 4 * tens + min(rest, 3)) if level > 0 else SeverityNumber.UNSPECIFIED


def _ids() -> Mapping[str, str]:
    request = current_request.get()
    return request.attributes() if request is not None else {}


def _source(record: logging.LogRecord) -> Mapping[str, Any]:
    return {
        signals.CODE_FILE: _clean(record.pathname),
        signals.CODE_FUNCTION: _clean(record.funcName or ""),
        signals.CODE_LINE: record.lineno,
    }


def _extra(record: logging.LogRecord) -> Mapping[str, Any]:
    return {
        _clean(name): value if _is_number(value) else _clean(str(value))
        for name, value in vars(record).items()
        if name not in _NOT_EXTRA and value is not None
    }


def _is_number(value: object) -> bool:
    # An int that OTLP has no room for would cost its neighbours in a batch.
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _exception(record: logging.LogRecord) -> Mapping[str, str]:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    return {
        signals.EXCEPTION_TYPE: type_name(error),
        signals.EXCEPTION_MESSAGE: _clean(str(error)),
        signals.EXCEPTION_STACK: _clean("".join(traceback.format_exception(error))),
    }


def _clean(text: str) -> str:
    """Bounded, and fit for UTF-8: a lone surrogate would cost its neighbours in a batch."""
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")


def _say(record: logging.LogRecord) -> None:
    """A record of the SDK itself, as one line on stderr."""
    if record.levelno < logging.WARNING:
        return
    message = record.getMessage()
    unreachable = _UNREACHABLE.search(message)
    if unreachable:
        host, port, reason = unreachable.groups()
        message = f"{host}:{port} does not answer ({reason}); what is to be sent waits"
    _guard.say(message[:300], cause=message if unreachable else f"{record.name} {record.msg}"[:200])
