"""The traceback of an exception as text: the standard library's, without the marks under lines.

`traceback.format_exception` looks after each file on the disk and parses each line of source for
the place of those marks, at every call. Here the text of a frame is kept, for a minute and for so
many lines of code, which changes nothing else: chains, circles and repeated frames read as they do
there. Groups, and what sets a limit of its own, are left to the standard library, as is whatever
raises here. Pure; any thread may call, and a lost race costs one more look at a line. Nothing here
raises an `Exception`.

Source: `traceback`, CPython 3.11 to 3.13.
"""

from __future__ import annotations

import linecache
import sys
import time
from collections.abc import Iterator
from traceback import TracebackException, format_exception
from types import FrameType, TracebackType
from typing import Any, Final

from otelier.errors import message, type_name
from otelier.torn import cut

LONGEST: Final = 16_384
_HEAD: Final = 4096
_MOST_KEPT, _LONGEST_KEPT, _SECONDS_KEPT = 4096, 1024, 60.0
_MOST_REPEATED: Final = 3
_FRAME: Final = '\n  File "'
_BEGINNING: Final = "Traceback (most recent call last):\n"
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"
# Of these the library says more than their text: a place in a source, names that may be meant.
_SAYS_MORE: Final = (SyntaxError, NameError, AttributeError, ImportError)


class _Frames(dict[tuple[str, int, str], str]):
    """Texts by file, line and function."""

    until = 0.0


_frames = _Frames()


def stack_of(error: BaseException) -> str:
    """Its traceback, causes included, fit for UTF-8; of one over 16 KiB without the middle."""
    try:
        text = _chained(error)
    except Exception:  # of the app's own class, or deep in a recursion
        text = _of_library(error)
    if len(text) > LONGEST:
        text = _without_middle(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _without_middle(text: str) -> str:
    """What is left begins with a frame: half of a message would not say what its values are of."""
    room = LONGEST - _HEAD - 3
    start = text.find(_FRAME, len(text) - room)
    if start < 0:
        start = text.rfind(_FRAME)
    if start < _HEAD:
        return cut(text, LONGEST)
    return f"{cut(text, _HEAD)}\n…\n{cut(text[start + 1 :], room)}"


def _of_library(error: BaseException) -> str:
    try:
        return "".join(format_exception(error))
    except Exception:
        return f"{type_name(error)}: {message(error)}\n"


def _chained(error: BaseException) -> str:
    """What led to it comes first."""
    chain = list(chain_of(error))
    if hasattr(sys, "tracebacklimit") or any(
        isinstance(one, BaseExceptionGroup) for one, _ in chain
    ):
        return _of_library(error)
    now = time.monotonic()
    if now > _frames.until:  # a file may have been edited
        _frames.clear()
        _frames.until = now + _SECONDS_KEPT
    parts: list[str] = []
    for one, before in reversed(chain):
        parts.append(before)
        if (trace := one.__traceback__) is not None:
            parts.append(_stack(trace))
        parts.append(_last_line(one))
    return "".join(parts)


def chain_of(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """It, and what led to it; each with what is said between it and what comes before it."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None:
        seen.add(id(one))
        cause, context = one.__cause__, one.__context__
        if cause is not None and id(cause) not in seen:
            yield one, _CAUSE
            one = cause
        elif not (context is None or one.__suppress_context__ or id(context) in seen):
            yield one, _CONTEXT
            one = context
        else:
            yield one, ""
            one = None


def _stack(trace: TracebackType) -> str:
    parts = [_BEGINNING]
    last: Any = None
    count = 0
    at: TracebackType | None = trace
    while at is not None:
        frame = at.tb_frame
        code = frame.f_code
        key = (code.co_filename, at.tb_lineno, code.co_name)
        if key != last:
            if count > _MOST_REPEATED:
                parts.append(_repeated(count))
            last, count = key, 0
        count += 1
        if count <= _MOST_REPEATED:
            parts.append(_frames.get(key) or _frame(frame, key))
        at = at.tb_next
    if count > _MOST_REPEATED:
        parts.append(_repeated(count))
    return "".join(parts)


def _repeated(count: int) -> str:
    more = count - _MOST_REPEATED
    return f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n"


def _frame(frame: FrameType, key: tuple[str, int, str]) -> str:
    """Two lines, or one where there is no source."""
    file, line, name = key
    linecache.lazycache(file, frame.f_globals)
    linecache.checkcache(file)
    source = linecache.getline(file, line).strip()
    made = f'  File "{file}", line {line}, in {name}\n'
    if source:
        made = f"{made}    {source}\n"
    # Code that is in no file may be other code the next time.
    if not file.startswith("<") and len(made) <= _LONGEST_KEPT:
        if len(_frames) >= _MOST_KEPT:
            _frames.clear()
        _frames[key] = made
    return made


def _last_line(error: BaseException) -> str:
    """Its class and what it says, which may be several lines."""
    kind = type(error)
    if isinstance(error, _SAYS_MORE) or getattr(error, "__notes__", None) is not None:
        # No frames, which are what costs.
        told = TracebackException(kind, error, error.__traceback__, limit=0, compact=True)
        return "".join(told.format_exception_only())
    name, module = kind.__qualname__, kind.__module__
    if module not in ("__main__", "builtins"):
        name = f"{module if isinstance(module, str) else '<unknown>'}.{name}"
    try:
        text = str(error)
    except BaseException:  # as there
        text = "<exception str() failed>"
    return f"{name}: {text!s}\n" if text else f"{name}\n"
