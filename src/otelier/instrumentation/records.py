"""From what an app logs to the records that are sent, whichever library it logs with.

Runs in the thread that logs. A record holds nothing of the app that could change later: numbers
stay numbers, all else becomes text. What a record says, whatever is in it, is `logformat`'s.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from time import time_ns
from typing import Any, ClassVar

from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import signals
from otelier.context import RequestContext, current_request
from otelier.error_attributes import attributes_of
from otelier.errors import is_recorded
from otelier.export.preset import Preset
from otelier.export.record import LeanLog, whole
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.logformat.entry import Entry, exception_of, text_of, where_of
from otelier.logformat.plain import LONGEST_MESSAGE, said, sound
from otelier.privacy import keeps_texts, mask_text
from otelier.sdk.lean_span import current_ids
from otelier.sdk.logs import Write

_SHORT = 256  # characters; a look at a text takes a microsecond
_MOST_KEPT = 4096
_MOST_EXTRAS = 128
_NO_SPAN = (0, 0, 0)


class Records:
    """Makes records and hands them to `write`.

    What is the same each time, the logger's scope and the line that logs, is made once. masks:
    whether texts are masked at once, as they are printed as well; long ones are not.
    """

    def __init__(self, write: Write, *, masks: bool = False) -> None:
        self._write = write
        self._masks = masks
        self._scopes: dict[str, InstrumentationScope] = {}
        self._sources: dict[tuple[Any, Any], Preset] = {}
        self._levels: dict[tuple[int, str], tuple[int, str]] = {}
        self._sites: dict[tuple[Any, ...], tuple[InstrumentationScope, int, str, Preset]] = {}

    def emit(self, record: logging.LogRecord, entry: Entry) -> None:
        """Send a record of `logging`, which says `entry`, unless loguru has had it sent."""
        if Handed.is_on and handed.has(entry.text):
            return
        if self._masks and len(entry.text) <= _SHORT and keeps_texts():
            entry.text, entry.is_masked = mask_text(entry.text), True
        box, extra = entry.box, None
        if entry.extra or entry.event or record.exc_info:
            error = exception_of(record)
            if error is not None and is_recorded(error):
                return
            stack = entry.event.get("exception") if entry.event else None
            extra = _attributes(entry.extra, box, error, stack)
        trace_id, span_id, flags = entry.ids or _NO_SPAN
        entry.where = where = where_of(record)
        scope, number, level, source = self._sites.get(where) or self._site(where)
        at = int(record.created * 1e9)
        about = trace_id, span_id, flags, "", False, entry.is_masked
        self._write(
            whole((scope, at, time_ns(), number, level, entry.text, source, extra, box, *about))
        )

    def emit_least(self, record: logging.LogRecord) -> None:
        """Send what can be said of a record that is none any more: its text, name and level."""
        values = vars(record)
        number, level = values.get("levelno"), values.get("levelname")
        self.send(
            said(values.get("name", "")),
            (number if isinstance(number, int) else 0, said(level or "")),
            text_of(record),
            None,
            None,
        )

    def send(
        self,
        name: str,
        level: tuple[int, str],
        text: str,
        code: tuple[str, str, int] | None,
        extra: Mapping[Any, Any] | None,
        *,
        nanoseconds: int | None = None,
        error: BaseException | None = None,
        stack: object = None,
    ) -> None:
        """Send what another library logs.

        code: file, function and line. stack: a traceback as text, where that is all there is.
        """
        if error is not None and is_recorded(error):
            return
        file, function, line = code or ("", "", 0)
        source = self._sources.get((file, line)) or self._source(file, function, line)
        box, now = current_request.get(), time_ns()
        self._write(
            LeanLog(
                self._scopes.get(name) or self._scope(name),
                now if nanoseconds is None else nanoseconds,
                now,
                *(self._levels.get(level) or self._level(level)),
                sound(text),
                source if code else None,
                _attributes(extra, box, error, stack),
                box,
                *current_ids(),
            )
        )

    def _site(self, where: tuple[Any, ...]) -> tuple[InstrumentationScope, int, str, Preset]:
        """What all records of one line of code have in common. where: as `where_of`."""
        name, number, level_name, file, line, function = where
        level = number, level_name
        found = (
            self._scopes.get(name) or self._scope(name),
            *(self._levels.get(level) or self._level(level)),
            self._sources.get((file, line)) or self._source(file, function, line),
        )
        _keep(self._sites, where, found)
        return found

    def _level(self, level: tuple[int, str]) -> tuple[int, str]:
        number, name = level
        found = severity(number), "WARN" if name == "WARNING" else sound(name)
        _keep(self._levels, level, found)
        return found

    def _scope(self, name: str) -> InstrumentationScope:
        found = InstrumentationScope(sound(name), None, SCHEMA_URL)
        _keep(self._scopes, name, found)
        return found

    def _source(self, file: str, function: str | None, line: int) -> Preset:
        found = Preset(
            {
                signals.CODE_FILE: sound(file),
                signals.CODE_FUNCTION: sound(function or ""),
                signals.CODE_LINE: line,
            }
        )
        _keep(self._sources, (file, line), found)
        return found


def severity(level: int) -> int:
    """Python's 10, 20 … 50 are OpenTelemetry's 5, 9 … 21; levels between take the steps between.

    Source: logs data model, `SeverityNumber`.
    """
    if level <= 0:
        return 0
    tens, rest = divmod(min(level, 59), 10)
    return 1 + 4 * tens + min(rest, 3)


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Names and lines come from the app's code; where they do not, the memory stays bounded."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def _attributes(
    extra: Mapping[Any, Any] | None,
    box: RequestContext | None,
    error: BaseException | None,
    stack: object,
) -> dict[str, Any] | None:
    found = _plain(extra) if extra else {}
    if box is not None:
        for key in box.ids():
            found.pop(key, None)  # no record speaks for another request
    if error is not None:
        found.update(_exception(error))
    elif stack:
        found[signals.EXCEPTION_STACK] = said(stack, LONGEST_MESSAGE)
    return found or None


def _plain(extra: Mapping[Any, Any]) -> dict[str, Any]:
    """Numbers and truth values as they are, all else as text, without what is None."""
    found: dict[str, Any] = {}
    for name, value in extra.items():
        if value is None:
            continue
        if len(found) >= _MOST_EXTRAS:
            break
        if type(name) is not str or not name.isascii():
            name = said(name)
        if type(value) is str:
            found[name] = sound(value)
        else:
            found[name] = value if _is_number(value) else said(value, LONGEST_MESSAGE)
    return found


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
    except Exception:  # its class, the app's own, does not say what it is
        return False


def _exception(error: BaseException) -> dict[str, str]:
    return {name: sound(text) for name, text in attributes_of(error).items()}


class Handed(threading.local):
    """What this thread is handing from one logging library to another, so that it is sent once.

    text: the message of a record that was sent, while a handler or sink has it. The other library
    is then given the same message, perhaps with more around it. is_on: whether there is another
    library.
    """

    is_on: ClassVar[bool] = False
    text: str | None = None

    def has(self, text: str) -> bool:
        """Whether it is the record that is being handed over."""
        return self.text is not None and self.text in text


handed = Handed()
