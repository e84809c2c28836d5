"""Log records, once each, whatever handlers the app has.

Hooks `Logger.callHandlers`, through which every record passes exactly once: no handler of ours is
attached anywhere, so `dictConfig`, `basicConfig(force=True)`, `--log-config` and loggers that do
not propagate change nothing. INFO records of an app that never set a level are sent as well; its
own handlers still see only what they would have seen without us. Runs in the logging thread.

Not sent: the SDK's own records (said on stderr instead), the servers' access lines, for which
there is one access record a request, what servers log in a process that only watches over others
(`servers`), and what a server logs of an exception that has a record with its request's ids.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from opentelemetry._logs import get_logger_provider

from otelier import _guard
from otelier.instrumentation.echoed import entry_of
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.origins import ORIGINS
from otelier.instrumentation.printed import Printed
from otelier.instrumentation.records import Handed, Records, handed
from otelier.instrumentation.servers import role
from otelier.logformat.entry import PROMOTED, Entry, text_of
from otelier.pattern import pattern
from otelier.privacy import mask_field
from otelier.sdk.logs import Echo, writer

# The exporter's words for a receiver that is away, from its HTTP client.
_UNREACHABLE = pattern(
    r"host='([^']+)', port=(\d+).*?(Connection refused|Name or service not known|timed out)"
)


class LogsInstrumentor(Instrumentor):
    """Stands in for contrib's `logging`; does nothing unless our distro gives it a `level`.

    output: how records are printed, `auto`, `json`, `console` or `off`. fields: see `Printed`.
    """

    def _instrument(
        self,
        *,
        level: int | None = None,
        output: str = "off",
        fields: str = "otelier",
        **_: Any,
    ) -> None:
        self._patches = Patches()
        if level is not None:
            provider = get_logger_provider()
            if output != "off":
                self._print(output, fields, provider)
            records = Records(writer(provider), masks=Printed.current is not None)
            capture = Capture(level, records, Printed.current, self._promote_no_more)
            self._patches.replace(logging.Logger, "isEnabledFor", capture.enabling)
            self._patches.replace(logging.Logger, "makeRecord", capture.marking)
            self._patches.replace(logging.Logger, "callHandlers", capture.capturing)
            self._patches.replace(logging.Logger, "setLevel", capture.noticing)
            if Printed.current is not None:
                Printed.current.unread.begin()

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        if Printed.current is not None:
            Printed.current.unread.leave()
        Printed.current = Echo.show = None

    def _promote_no_more(self) -> None:
        for name in ("isEnabledFor", "makeRecord"):
            self._patches.withdraw(logging.Logger, name)

    def _print(self, output: str, fields: str, provider: Any) -> None:
        resource = getattr(getattr(provider, "resource", None), "attributes", None)
        printed = Printed.current = Printed(output, fields, resource, mask_field)
        Echo.show = printed.show
        self._patches.replace(logging.Logger, "addHandler", printed.adding)
        if printed.is_asked_for:
            self._patches.replace(logging.Handler, "format", printed.formatting)


class Capture:
    """Wraps the methods of `logging.Logger`.

    level: the lowest that is sent for loggers whose level nobody has set. printed: where records
    are lines of ours as well. settled: called once the app has set the level of the root logger,
    from when on no record is more than the app has asked for.
    """

    def __init__(
        self,
        level: int,
        records: Records,
        printed: Printed | None = None,
        settled: Callable[[], object] = lambda: None,
    ) -> None:
        self._level = level
        self._settled = settled
        self._printed = printed
        self._records = records
        self._root_is_set = logging.root.level != logging.WARNING
        self._enabled: Any = logging.Logger.isEnabledFor

    def noticing(self, original: Any) -> Any:
        def setLevel(logger: logging.Logger, level: int | str) -> None:
            original(logger, level)
            if logger is logging.root and not self._root_is_set:
                self._root_is_set = True
                self._settled()

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
        emit, takes = self._records.emit, self._printed.takes if self._printed else _takes_none
        hand = partial(_hand, original)

        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            is_sdk, entry = False, None
            try:
                origin = ORIGINS[record.name]
                if is_sdk := origin.is_sdk:
                    _say(record)
                elif not (origin.is_access or (role.hides_servers and origin.is_supervisor)):
                    entry = entry_of(record, origin)
                    emit(record, entry)
            except Exception as error:
                _guard.fault("recording a log record", error)
                with suppress(Exception):
                    self._emit_least(record, is_sdk)
            try:
                if is_sdk or takes(logger, record, entry):
                    return
            except Exception as error:
                _guard.fault("printing a log record", error)
            if PROMOTED not in record.__dict__:
                hand(logger, record) if Handed.is_on else original(logger, record)

        return callHandlers

    def _emit_least(self, record: logging.LogRecord, is_sdk: bool) -> None:
        """Of a record that others have made (`makeLogRecord`), with no name or time in it."""
        if not is_sdk:
            self._records.emit_least(record)

    def _mark(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        if not self._enabled(logger, record.levelno):
            setattr(record, PROMOTED, True)

    def _promotes(self, logger: logging.Logger, level: int) -> bool:
        if level < self._level or self._root_is_set or logger.manager.disable >= level:
            return False
        above: logging.Logger | None = logger
        while above is not None and above is not logging.root:
            if above.level or above.disabled:
                return False
            above = above.parent
        return not logger.disabled


def _takes_none(logger: logging.Logger, record: logging.LogRecord, entry: Entry | None) -> bool:
    return False


def _hand(original: Any, logger: logging.Logger, record: logging.LogRecord) -> None:
    """Let the app's handlers have the record; one of them may give it to loguru."""
    before = handed.text
    try:
        handed.text = text_of(record)
    except Exception as error:
        _guard.fault("handing a log record on", error)
    try:
        original(logger, record)
    finally:
        handed.text = before


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
