"""How our own faults are caught, counted and said.

Nothing of ours may leave a hook as an exception, and nothing of ours may flood a terminal: each
cause is said at most once a minute, with the number of times it was held back. Lines go straight
to stderr, never through `logging`, so that they can reach neither the app's handlers nor OTLP. What
they repeat of others, texts of errors above all, is masked.
Any thread may call; a lost race costs one doubled line.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from otelier.privacy import mask_text

_PERIOD = 60.0

faults: Counter[str] = Counter()
"""Faults caught so far, by what we were doing."""

_said_at: dict[str, float] = {}
_held_back: Counter[str] = Counter()


def fault(doing: str, error: BaseException) -> None:
    """Count a fault of ours, and say it; to be called in the `except` of every hook."""
    faults[doing] += 1
    say(f"{doing} failed: {type(error).__name__}{_text(error)}; the app goes on", cause=doing)


def say(message: str, *, cause: str) -> None:
    """One line on stderr, at most once a minute for each cause."""
    now = time.monotonic()
    if now - _said_at.get(cause, -_PERIOD) < _PERIOD:
        _held_back[cause] += 1
        return
    _said_at[cause] = now
    repeats = _held_back.pop(cause, 0)
    write(message + (f" (and {repeats} times since it was last said)" if repeats else ""))


def write(message: str) -> None:
    """One line on stderr, as it is."""
    try:
        sys.stderr.write(f"otelier: {_one_line(_masked(message))}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed or missing: there is nobody to tell


def _masked(message: str) -> str:
    try:
        return mask_text(message)
    except Exception:  # what has failed may be the mask
        return "a line that could not be masked is left out"


def _text(error: BaseException) -> str:
    try:
        return f": {error}"
    except Exception:  # its class is the app's own and cannot say what it is
        return ""


def _one_line(message: str) -> str:
    return (
        message.replace("\r", "\\r")
        .replace("\n", "\\n")
        .encode("ascii", "backslashreplace")
        .decode()
    )
