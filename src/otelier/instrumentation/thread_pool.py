"""The threads that sync routes run in: how many are in use, and who waits for one.

anyio's, forty for each event loop unless the app has changed that. Its limiter is found in the loop
when that is met, and only looked at when metrics are collected, in the thread that delivers. Of
several loops the numbers are added up; a loop that has ended is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from otelier import runtime_signals as names
from otelier.sdk.observed import Read, Value


class ThreadPools:
    def __init__(self) -> None:
        self._limiters: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        return {
            names.POOL_USED: lambda: self._sum(lambda one: int(one.borrowed_tokens)),
            names.POOL_MAX: lambda: self._sum(lambda one: int(one.total_tokens)),
            names.POOL_WAITING: lambda: self._sum(lambda one: one.statistics().tasks_waiting),
        }

    def meet(self, loop: Any) -> None:
        """In a task of this loop; nothing where anyio is not used."""
        to_thread = sys.modules.get("anyio.to_thread")
        if to_thread is not None:
            self._limiters[loop] = to_thread.current_default_thread_limiter()

    def _sum(self, read: Any) -> Iterator[Value]:
        alive = [one for loop, one in list(self._limiters.items()) if not loop.is_closed()]
        if alive:
            yield sum(map(read, alive)), {}
