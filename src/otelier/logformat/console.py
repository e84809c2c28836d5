"""One line for people for each record: time, level, logger, text, fields, ids; a traceback below.

What a record holds cannot pretend to be another line, nor speak to the terminal: control characters
are shown as escapes, and further lines of a text are indented. Nothing here raises an `Exception`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from otelier.context import RequestContext, current_request
from otelier.logformat.entry import Entry, exception_of, read, text_of
from otelier.logformat.lines import Ids, Mask, current_ids
from otelier.logformat.plain import said, sound
from otelier.pattern import pattern
from otelier.privacy import mask_text
from otelier.tracebacks import stack_of

_MOST_FIELDS: Final = 100
# C0 and C1 controls but the end of a line and a tab, and what turns the direction of a text.
_CONTROLS: Final = pattern("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_COLOURS: Final[Mapping[str, str]] = {
    "DEBUG": "\x1b[2m",
    "INFO": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;31m",
}
_FAINT, _PLAIN = "\x1b[2m", "\x1b[0m"


class ConsoleLines:
    """colours: for a terminal. mask, ids: as for `Lines`."""

    def __init__(
        self, *, colours: bool, mask: Mask | None = None, ids: Callable[[], Ids] = current_ids
    ) -> None:
        self._colours = colours
        self._mask = mask
        self._ids = ids

    def of(self, record: logging.LogRecord, entry: Entry | None = None) -> str:
        """The line of a record of `logging`, as in `Lines`."""
        try:
            entry = entry or read(record)
            error = exception_of(record)
            stack = stack_of(error) if error is not None else record.exc_text
            if not stack and entry.event:
                stack = entry.event.get("exception")
            if entry.ids is None:
                entry.ids, entry.box = self._ids(), current_request.get()
            made = self._line(
                record.created,
                record.levelname,
                entry.text,
                record.name,
                entry.ids,
                entry.box,
                entry.extra,
            )
            return made + self._below(stack) + self._below(record.stack_info)
        except Exception as error:
            return f"{_clean(text_of(record))} ({type(error).__name__})"

    def of_values(
        self,
        seconds: float,
        level: str,
        text: str,
        source: tuple[Any, Any, Any, Any],
        ids: Ids,
        box: RequestContext | None,
        extra: Mapping[Any, Any] | None,
        exception: Mapping[str, Any] | None = None,
        preset: Mapping[str, Any] | None = None,
        is_masked: bool = False,
    ) -> str:
        """The line of a record that is none of `logging`, as in `Lines`."""
        if preset:
            extra = {**preset, **(extra or {})}
        made = self._line(seconds, level, text, source[0], ids, box, extra)
        return made + self._below((exception or {}).get("stack"))

    def _line(
        self,
        seconds: float,
        level: str,
        text: str,
        logger: str,
        ids: Ids,
        box: RequestContext | None,
        extra: Mapping[Any, Any] | None,
    ) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(seconds))
        moment = f"{clock}.{int(seconds % 1 * 1000):03d}"
        known = f"{_clean(level):<8}"
        shown = _clean(said(self._shown("message", sound(text)), len(text) + 4096))
        fields = [
            f"{self._called(name)}={_clean(said(self._shown(said(name), said(value))))}"
            for name, value in list((extra or {}).items())[:_MOST_FIELDS]
        ]
        joined = _joined(ids, box)
        if self._colours:
            moment = f"{_FAINT}{moment}{_PLAIN}"
            known = f"{_COLOURS.get(level, '')}{known}{_PLAIN}"
            joined = f"{_FAINT}{joined}{_PLAIN}" if joined else ""
        parts = [moment, known, self._called(logger), shown, *fields, joined]
        return " ".join(part for part in parts if part)

    def _below(self, text: Any) -> str:
        if not text:
            return ""
        shown = said(self._shown("exception.stacktrace", said(text, 16_384)), 20_000)
        return f"\n    {_clean(shown.rstrip())}"

    def _called(self, name: Any) -> str:
        return _clean(said(name) if self._mask is None else mask_text(said(name)))

    def _shown(self, name: str, value: Any) -> Any:
        return value if self._mask is None else self._mask(name, value)


def _joined(ids: Ids, box: RequestContext | None) -> str:
    found = {}
    if box is not None:
        found = {"request_id": box.request_id, "user_id": box.user_id}
    if ids[0]:
        found["trace_id"] = f"{ids[0]:032x}"
    return " ".join(f"{name}={_clean(said(value))}" for name, value in found.items() if value)


def _clean(text: str) -> str:
    text = _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], sound(text))
    return text.replace("\n", "\n    ")
