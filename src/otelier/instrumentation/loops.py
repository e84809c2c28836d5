"""How late event loops are: a beat in each, whose delay is the lag.

A loop is met when a request comes in it, or when its app has started. While requests come, a
callback is due each 45 ms: what blocks the loop for 0.3 s delays one by 0.25 s or more. A second
after the last request it is due each 0.5 s, so that an idle process is hardly woken: a beat costs
0.1 ms there, nearly all of it the system's. The first request after that beats at once.

A beat is a plain timer of whatever loop this is, in an empty context. One thread looks after all
loops (see `blocked`) and touches none. A loop that has ended is let go when the next one is met, a
forked child meets its own, and a fault in here ends the beat of that loop alone.
"""

from __future__ import annotations

import sys
import threading
from asyncio import AbstractEventLoop, _get_running_loop
from collections.abc import Callable
from contextvars import Context
from inspect import CO_COROUTINE
from time import monotonic
from types import FrameType
from typing import Any

from opentelemetry.metrics import Meter

from otelier import _guard, runtime_signals
from otelier.instrumentation.blocked import Sight, Watcher
from otelier.sdk import metrics
from otelier.sdk.providers import after_fork

_LIVELY, _CALM = 0.045, 0.5
_MOST_LIVELY = 22
"""Beats after a request: a second."""

# Seconds.
_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Beat:
    """That of one loop. Everything but `pause` is called in the loop.

    due: when the next one is, by `monotonic`. thread: where the loop runs. depth: frames below what
    it runs. left: quick beats still to come. sight: what was seen while this one was late.
    """

    def __init__(self, loop: AbstractEventLoop, record: metrics.Record, watcher: Watcher) -> None:
        self.loop = loop
        self.due = monotonic()
        self.thread = threading.get_ident()
        self.depth = _depth(_driver(sys._getframe(1)))
        self.left = _MOST_LIVELY
        self.is_calm = False
        self.sight: Sight | None = None
        self._is_paused = False
        self._record = record
        self._watcher = watcher
        self._context = Context()
        self._handle: Any = loop.call_soon(self._come, context=self._context)

    def hurry(self) -> None:
        """Come at once, and then quickly."""
        self.is_calm = False
        self._handle.cancel()
        self.due = monotonic()
        self._handle = self.loop.call_soon(self._come, context=self._context)
        self._watcher.wake()

    def pause(self) -> None:
        """The loop does not run: what comes next is not late."""
        self._is_paused = True

    def _come(self) -> None:
        try:
            now = monotonic()
            lag = max(0.0, now - self.due)
            if self._is_paused:
                self._resume()
            else:
                self._record(lag, None)
            if self.sight is not None:
                self._watcher.ended(self.sight, lag if self.sight.due == self.due else 0.0)
                self.sight = None
            self.left -= 1
            self.is_calm = self.left <= 0
            wait = _CALM if self.is_calm else _LIVELY
            self.due = now + wait
            self._handle = self.loop.call_later(wait, self._come, context=self._context)
        except Exception as error:
            _guard.fault("measuring the event loop", error)

    def _resume(self) -> None:
        """Another thread may run the loop now."""
        self._is_paused = False
        self.thread = threading.get_ident()
        self.depth = _depth(sys._getframe(2))
        self._watcher.wake()


class Loops:
    """Those that are met. limit: seconds of lag from which on there is a record; 0 for none.
    tell: is given each loop, in a task of its own."""

    def __init__(
        self, meter: Meter, limit: float, tell: Callable[[AbstractEventLoop], object] = bool
    ) -> None:
        self._told = tell
        lag = metrics.distribution(
            meter, runtime_signals.LOOP_LAG, "s", "Lag of the event loop.", _BUCKETS
        )
        self._record = lag.series({})
        self._beats: dict[int, Beat] = {}
        self._watcher = Watcher(self._beats, limit)
        after_fork(self.forget)

    def meet(self) -> None:
        """In a loop that a request has come to: 0.6 microseconds, 0.4 of them a system call that
        Python 3.11 makes to find the loop."""
        try:
            loop = _get_running_loop()
            beat = self._beats.get(id(loop))
            if beat is not None:
                beat.left = _MOST_LIVELY
                if beat.is_calm:
                    beat.hurry()
            elif loop is not None:  # as under trio
                self._begin(loop)
        except Exception as error:
            _guard.fault("meeting an event loop", error)

    def forget(self) -> None:
        """In a forked child."""
        self._beats.clear()
        self._watcher.forget()

    def _begin(self, loop: AbstractEventLoop) -> None:
        for key, beat in list(self._beats.items()):
            if beat.loop.is_closed():
                self._beats.pop(key, None)
        self._beats[id(loop)] = Beat(loop, self._record, self._watcher)
        self._watcher.start()
        self._told(loop)


def _driver(frame: FrameType | None) -> FrameType | None:
    """What drives the coroutine that this frame is called by: the loop."""
    is_async = False
    while frame is not None and (not is_async or frame.f_code.co_flags & CO_COROUTINE):
        is_async = is_async or bool(frame.f_code.co_flags & CO_COROUTINE)
        frame = frame.f_back
    return frame


def _depth(frame: FrameType | None) -> int:
    """How many frames there are from this one on."""
    count = 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count
