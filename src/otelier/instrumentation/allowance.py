"""How often the same thing is told: so many times a minute, and how often it was held back.

A minute begins with the first time that something is told. What was held back is told with the
next one. Of more than `_MOST_KEYS` things the one that was told first is forgotten, with its
number. Any thread may call, without a lock: between reading and writing a number, CPython with its
global lock changes no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from time import monotonic

_MOST_KEYS = 1024


class _Minute:
    __slots__ = ("began", "held_back", "left")

    def __init__(self, began: float, left: int) -> None:
        self.began = began
        self.left = left
        self.held_back = 0


class Allowance:
    """most: times in a period of so many seconds."""

    def __init__(
        self, most: int, seconds: float = 60.0, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._minutes: dict[Hashable, _Minute] = {}

    def take(self, key: Hashable) -> int | None:
        """How often it was held back since it was last told; None if it is to be held back now."""
        now = self._clock()
        minute = self._minutes.get(key)
        if minute is None:
            minute = self._minutes.setdefault(key, _Minute(now, self._most))
            self._forget()
        elif now - minute.began >= self._seconds:
            minute.began, minute.left = now, self._most
        if minute.left > 0:
            minute.left -= 1
            held_back, minute.held_back = minute.held_back, 0
            return held_back
        minute.held_back += 1
        return None

    def _forget(self) -> None:
        while len(self._minutes) > _MOST_KEYS:
            with suppress(KeyError, StopIteration, RuntimeError):  # another thread was faster
                del self._minutes[next(iter(self._minutes))]
