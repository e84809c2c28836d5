"""What a record of `logging` says: its text, its extra fields and its exception.

Pure, and shared by what is sent and what is printed. Nothing here raises an `Exception`, whatever
the record holds: arguments that do not fit their text, objects without words, causes in a circle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, ClassVar, Final

from otelier.context import RequestContext
from otelier.errors import message, type_name
from otelier.logformat.plain import LONGEST_MESSAGE, said, sound
from otelier.tracebacks import stack_of

PROMOTED: Final = "otelier_promoted"
SAID_WITHIN: Final = "otelier_said_within"
"""On a record that another handler or process may write: whose it is."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# uvicorn's message once more, with colours; what structlog's formatter finds its event by.
_NOISE: Final = frozenset(("color_message", "_logger", "_name", "_from_structlog", "_record"))
_NOT_EXTRA: Final = _STANDARD | _NOISE | {PROMOTED, SAID_WITHIN}

where_of: Final = attrgetter("name", "levelno", "levelname", "pathname", "lineno", "funcName")
"""What all records of one line of code have in common."""

_MOST_CAUSES: Final = 8

_EXCEPTION_OF_STRUCTLOG: Final = ("exc_info", "stack_info", "exception", "stack")
_NOT_EXTRA_OF_EVENT: Final = frozenset(
    ("event", "level", "logger", "timestamp", "positional_args", *_EXCEPTION_OF_STRUCTLOG, *_NOISE)
)


class Rendered:
    """event: gives the event dict that structlog made this very text of, where it is observed."""

    event: ClassVar[Callable[[str], Mapping[str, Any] | None] | None] = None


class Entry:
    """What a record says, read once for all that write it.

    extra: what the app has added, as it is. event: what structlog made the record of. ids, box:
    trace id, span id and flags, and the request, for which it was made; no ids where nobody has
    looked. where: as `where_of`, once somebody has. is_masked: whether nothing is left to be masked
    in the text.
    """

    # Of the class until they are set: most records have few of them.

    text: str
    extra: Mapping[Any, Any] | None = None
    event: Mapping[str, Any] | None = None
    ids: tuple[int, ...] | None = None
    box: RequestContext | None = None
    where: tuple[Any, ...] | None = None
    is_masked = False


def read(record: logging.LogRecord) -> Entry:
    entry = Entry()
    if (Rendered.event is not None or type(record.msg) is dict) and (event := event_of(record)):
        entry.text = event_text(event) or text_of(record)
        entry.extra, entry.event = event_extra(event), event
        return entry
    entry.text = text_of(record)
    # 0.3 microseconds where nothing is added; the difference of two sets takes 1.3.
    if not _NOT_EXTRA.issuperset(record.__dict__):
        entry.extra = extra_of(record)
    return entry


def text_of(record: logging.LogRecord) -> str:
    """The message, its arguments filled in; text and arguments side by side if they do not fit."""
    try:
        text = record.msg
        if record.args or type(text) is not str:
            text = record.getMessage()
        if type(text) is str and len(text) <= LONGEST_MESSAGE and text.isascii():
            return text  # `sound` has nothing to do, and is a call
        return sound(text)
    except Exception:
        with suppress(Exception):
            return sound(f"{said(record.msg)} {_listed(record.args)}")
        return ""


def _listed(args: Any) -> str:
    given = args if isinstance(args, tuple) else (args,)
    return f"({', '.join(said(each) for each in given[:20])})"


def event_of(record: logging.LogRecord) -> Mapping[str, Any] | None:
    """The event dict of a record that came through structlog, else None."""
    if type(record.msg) is dict and "_logger" in record.__dict__:
        return record.msg
    return Rendered.event(record.msg) if Rendered.event is not None else None


def event_text(event: Mapping[str, Any]) -> str:
    for name in ("event", "message", "msg"):
        if name in event:
            return said(event[name], LONGEST_MESSAGE)
    return ""


def event_extra(event: Mapping[str, Any]) -> dict[Any, Any]:
    """Its fields without those that say what the record says itself."""
    found = {name: event[name] for name in event.keys() - _NOT_EXTRA_OF_EVENT}
    if "event" not in event:
        found.pop("message" if "message" in event else "msg", None)
    return found


def extra_of(record: logging.LogRecord) -> dict[Any, Any] | None:
    """What the app has added to the record; None where it has added nothing."""
    values = record.__dict__
    names = values.keys() - _NOT_EXTRA
    # In the app's order, which a set does not keep.
    return {name: values[name] for name in values if name in names} or None


def exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that is logged."""
    info: Any = record.exc_info
    if not info:
        return None
    error = info[1] if isinstance(info, tuple) and len(info) > 1 else info
    return error if isinstance(error, BaseException) else None


def described(error: BaseException, shown: Callable[[str, Any], Any]) -> dict[str, Any]:
    """`type`, `message` and `stack` of an exception, then the chain of its `cause`s.

    Of a group, its members are under `exceptions`. At most eight are described altogether.
    shown: a name and a text to what may be shown of it.
    """
    found = _described(error, shown, set())
    stack = shown("exception.stacktrace", stack_of(error))
    return {"type": found["type"], "message": found["message"], "stack": stack, **found}


def _described(
    error: BaseException, shown: Callable[[str, Any], Any], seen: set[int]
) -> dict[str, Any]:
    seen.add(id(error))
    text = shown("exception.message", sound(message(error)))
    found: dict[str, Any] = {"type": sound(type_name(error)), "message": text}
    if isinstance(error, BaseExceptionGroup):
        members = (each for each in error.exceptions if id(each) not in seen)
        found["exceptions"] = [
            _described(each, shown, seen) for each in members if len(seen) < _MOST_CAUSES
        ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen and len(seen) < _MOST_CAUSES:
        found["cause"] = _described(cause, shown, seen)
    return found
