"""Log records as lines of our own on stdout.

`auto`: only where the app has no output of its own, and in a process that serves. What a server has
put there by itself counts as none and stays silent: its records are among ours. A process that
serves nothing keeps its stdout; what Python would have said on stderr for want of a handler is said
there, as a line of ours. `json` and `console`: always; handlers of the app on stdout or stderr stay
where they are, in place of ours, and their formatters are replaced.

Each record is one line, whatever the logging configuration: no handler of ours is attached, and
handlers that write elsewhere are given what they would have been given without us. In place of a
server's access line is our access record. Runs in the thread that logs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic, time
from typing import Any, ClassVar

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otelier import _guard, signals
from otelier._upstream import attach, context_with, detach
from otelier.context import RequestContext, current_request
from otelier.errors import is_recorded
from otelier.export.record import LeanLog
from otelier.instrumentation import outputs
from otelier.instrumentation.echoed import entry_of
from otelier.instrumentation.origins import ORIGINS, Origin
from otelier.instrumentation.outputs import Place, Way, place
from otelier.instrumentation.unread import Unread
from otelier.logformat.console import ConsoleLines
from otelier.logformat.entry import PROMOTED, SAID_WITHIN, Entry, described, exception_of
from otelier.logformat.lines import Lines, Mask
from otelier.sdk.lean_span import current_ids

_LOOKED_AT = 1.0
"""Seconds for which it is remembered where handlers write; another handler is seen at once."""

_EXCEPTION = {
    signals.EXCEPTION_TYPE: "type",
    signals.EXCEPTION_MESSAGE: "message",
    signals.EXCEPTION_STACK: "stack",
}
# What has a place of its own on a line.
_KNOWN = _EXCEPTION.keys() | {signals.USER_ID}


class Printed:
    """how: `auto`, `json` or `console`. fields: `otelier`, `datadog` or `ecs`.

    service: attributes of the resource. mask: as for `JSONFormatter`.
    """

    current: ClassVar[Printed | None] = None
    """The one of this process, where there is one."""

    def __init__(
        self,
        how: str,
        fields: str = "otelier",
        service: Mapping[str, Any] | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.is_asked_for = how != "auto"
        self._how = how
        self._fields, self._service, self._mask = fields, service, mask
        self._made: Lines | ConsoleLines | None = None
        self._serves = False
        self._app_prints = False
        self._look_again = float("-inf")
        self._ways: dict[logging.Logger, Way] = {}
        self.unread = Unread(self._is_unread)
        # For its lock, which a fork renews.
        self._holder: Any = logging.Handler()

    # Records of `logging`

    def takes(
        self, logger: logging.Logger, record: logging.LogRecord, entry: Entry | None = None
    ) -> bool:
        """Print the record, and give it to the handlers that write elsewhere.

        False where all is to be as it is without us. entry: what the record says, if it is known.
        """
        if monotonic() > self._look_again:
            self._look()
        way = self._ways.get(logger)
        if way is None or way.now(logger) != way.then:
            way = self._way(logger)
        if way.is_ours and record.name == logger.name and not record.exc_info:
            line = (self._made or self.lines).of(record, entry or entry_of(record))
            self._write(line, sys.stdout)
        elif not self._settles(record, entry, way):
            return False
        if way.elsewhere and PROMOTED not in record.__dict__:
            for handler in way.elsewhere:
                if record.levelno >= handler.level:
                    handler.handle(record)
        return True

    def _settles(self, record: logging.LogRecord, entry: Entry | None, way: Way) -> bool:
        """Print any record that is ours to print, unless it has been said; False if it is not."""
        origin = ORIGINS[record.name]
        if self._is_the_apps(record, origin, way):
            return False
        if not (self.is_asked_for or self._is_server(origin)):
            return self._is_said_at_last(record, entry, way)
        if not ((origin.is_access or record.exc_info) and _has_been_said(record, origin)):
            self._write(self.lines.of(record, entry or entry_of(record)), sys.stdout)
        return True

    def _is_the_apps(self, record: logging.LogRecord, origin: Origin, way: Way) -> bool:
        """Whether a handler of the app prints it, or is all the output that there is to be."""
        is_asked_for = self.is_asked_for
        if way.has_own:
            is_it = not (is_asked_for and _is_access(origin))
        else:
            is_it = not is_asked_for and self._app_prints
        is_it = is_it or origin.is_command
        if is_it and is_asked_for and way.has_other_own:
            record.__dict__[SAID_WITHIN] = _about()
        return is_it

    def _is_said_at_last(self, record: logging.LogRecord, entry: Entry | None, way: Way) -> bool:
        """Say on stderr what Python would say there for want of a handler."""
        last: Any = logging.lastResort
        is_said = way.is_bare and last is not None and record.levelno >= last.level
        if not is_said or PROMOTED in record.__dict__:
            return False
        self._write(self.lines.of(record, entry or entry_of(record)), sys.stderr)
        return True

    def _is_server(self, origin: Origin | None = None) -> bool:
        """origin: of a record that comes just now."""
        if not self._serves:
            self._serves = (origin is not None and origin.is_server) or outputs.serves()
        return self._serves

    def _way(self, logger: logging.Logger) -> Way:
        """Where its records go from now on, until that is looked at again."""
        way, origin = Way(logger), ORIGINS[logger.name]
        has_output = way.has_own or self._app_prints or origin.is_command
        if not has_output and (self.is_asked_for or self._is_server(origin)):
            way.is_ours = not origin.is_access
            if origin.is_access and not way.elsewhere and self.unread.may_spare(logger):
                way.is_unread = True
                self.unread.watch(logger)
        self._ways[logger] = way
        return way

    def _is_unread(self, logger: logging.Logger) -> bool:
        """Whether an access line of this logger would be thrown away."""
        way = self._ways.get(logger)
        return (
            way is not None
            and way.is_unread
            and current_request.get() is not None
            and not logger.filters
            and monotonic() <= self._look_again
            and way.now(logger) == way.then
        )

    def _look(self) -> None:
        self._ways.clear()
        self._app_prints = not self.is_asked_for and outputs.app_prints()
        self._look_again = monotonic() + _LOOKED_AT

    # Other records

    def show(self, log: LeanLog) -> None:
        """Print a record of our own: of an access, an unhandled exception, an event."""
        try:
            # A script that asks an app within its own process keeps its stdout.
            if monotonic() > self._look_again:
                self._look()
            serves = self._serves or self._is_server()
            if self.is_asked_for or (serves and not self._app_prints):
                self._write(self._line(log), sys.stdout)
        except Exception as error:
            _guard.fault("printing a log record", error)

    def _line(self, log: LeanLog) -> str:
        (scope, at, _, _, level, text, preset, given, box,
            trace_id, span_id, flags, event, _, is_masked) = log  # fmt: skip
        level = "WARNING" if level == "WARN" else level
        source, about = (scope.name, None, None, None), (trace_id, span_id, flags)
        if not (event or (given and not _KNOWN.isdisjoint(given))):
            return (self._made or self.lines).of_values(
                at / 1e9, level, text, source, about, box, given, None, preset, is_masked
            )
        extra = {**(preset or {}), **(given or {})}
        exception = {part: extra.pop(name) for name, part in _EXCEPTION.items() if name in extra}
        if event:
            extra["event.name"] = event
        if signals.USER_ID in extra:
            box = _of_user(extra.pop(signals.USER_ID), box)
        return self.lines.of_values(
            at / 1e9, level, text, source, about, box, extra, exception or None
        )

    def line(
        self,
        level: str,
        text: str,
        source: tuple[Any, Any, Any, Any],
        extra: Mapping[Any, Any],
        error: BaseException | None,
        stack: object = None,
    ) -> str:
        """What another library logs now, in place of its own line."""
        box = current_request.get()
        exception: Mapping[str, Any] | None = {"stack": stack} if stack else None
        if error is not None:
            exception = described(error, lambda name, value: value)
        return self.lines.of_values(
            time(), level, text, source, current_ids(), box, extra, exception
        )

    # Lines

    @property
    def lines(self) -> Lines | ConsoleLines:
        if self._made is None:
            is_terminal = _is_terminal(sys.stdout)
            if self._how == "console" or (self._how == "auto" and is_terminal):
                self._made = ConsoleLines(colours=is_terminal, mask=self._mask, ids=current_ids)
            else:
                self._made = Lines(self._fields, self._service, self._mask, current_ids)
        return self._made

    def _write(self, line: str, stream: Any) -> None:
        """At once: a process that dies loses none of its lines."""
        with self._holder.lock:
            try:
                try:
                    stream.write(f"{line}\n")
                except UnicodeEncodeError:
                    encoding = stream.encoding or "ascii"
                    stream.write(f"{line.encode(encoding, 'replace').decode(encoding)}\n")
                stream.flush()
            except (OSError, ValueError, RuntimeError, AttributeError):
                pass  # closed, or none

    # Hooks

    def formatting(self, original: Any) -> Any:
        """`Handler.format`: a handler of the app on stdout or stderr writes our line."""

        def format_(handler: logging.Handler, record: logging.LogRecord) -> Any:
            try:
                if isinstance(handler, logging.StreamHandler) and (
                    place(handler) is not Place.ELSEWHERE
                ):
                    return self._of(record)
            except Exception as error:
                _guard.fault("formatting a log record", error)
            return original(handler, record)

        return format_

    def _of(self, record: logging.LogRecord) -> str:
        """Our line. A record that a handler has kept belongs to where it was made, not to here."""
        about = record.__dict__.get(SAID_WITHIN)
        if about is None:
            return self.lines.of(record, entry_of(record))
        (trace_id, span_id, _), request_id, user_id, session_id, bound = about
        request = None
        if request_id is not None:
            request = RequestContext(request_id)
            request.user_id, request.session_id, request.bound = user_id, session_id, bound
        span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False))
        before, around = current_request.set(request), attach(context_with(span, Context()))
        try:
            return self.lines.of(record, entry_of(record))
        finally:
            detach(around)
            current_request.reset(before)

    def adding(self, original: Any) -> Any:
        """`Logger.addHandler`: the app may have output of its own from now on."""

        def addHandler(logger: logging.Logger, handler: logging.Handler) -> None:
            with suppress(Exception):
                outputs.note_unasked(logger, handler, sys._getframe(1))
            original(logger, handler)
            self._look_again = float("-inf")

        return addHandler


def _about() -> tuple[Any, ...]:
    """Whose record is made now; plain values, which a queue can hand to another process."""
    box = current_request.get()
    if box is None:
        return current_ids(), None, None, None, None
    bound = dict(box.bound) if box.bound else None
    return current_ids(), box.request_id, box.user_id, box.session_id, bound


def _of_user(user: Any, box: RequestContext | None) -> RequestContext:
    """For a record about somebody else than the user of its request."""
    made = RequestContext(box.request_id if box is not None else "")
    made.user_id = user
    made.session_id = box.session_id if box is not None else None
    return made


def _is_access(origin: Origin) -> bool:
    """A server's line about a request that has a record of ours, or is to have none."""
    return origin.is_access and current_request.get() is not None


def _has_been_said(record: logging.LogRecord, origin: Origin) -> bool:
    """By a record of ours: of the access, or of the exception."""
    error = exception_of(record)
    return _is_access(origin) or (error is not None and is_recorded(error))


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # missing, or closed
        return False
    except Exception as error:  # the app's own
        _guard.fault("looking at stdout", error)
        return False
