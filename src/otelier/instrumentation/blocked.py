"""What blocks an event loop: one record with the stack, taken while it is blocked.

A thread sleeps until the next beat of a loop (see `loops`) is late by half of the limit, and then
looks at what the loop's thread runs; in an idle process it wakes twice a second. Once the loop goes
on, or after `_LONG` seconds, there is a WARNING with the nearest line of the app and the stack, in
the trace of the request that is found on it. A loop that is late while it runs nothing has been
kept from running (a stopped process, a throttled container): that is in its lag and no record.

A call that holds the interpreter's lock, a long regular expression say, is seen as it returns.
At most `_MOST_A_MINUTE` records for one line; the next one tells how many had none. The thread
starts with the first loop, and again in a forked child. A fault in here is counted and said.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextvars import Context
from time import monotonic
from traceback import FrameSummary, format_list
from types import FrameType
from typing import Any, Final, Protocol

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import _guard, runtime_signals, signals
from otelier._upstream import unobserved
from otelier.context import SCOPE_KEY, RequestContext
from otelier.export.queue import Bell
from otelier.export.record import LeanLog
from otelier.instrumentation.allowance import Allowance
from otelier.instrumentation.callers import Line, nearest_line
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.sdk.lean_span import ids
from otelier.sdk.logs import telling
from otelier.version import __version__

EVENT: Final = "otelier.event_loop.blocked"

_LONG: Final = 5.0
_MOST_A_MINUTE: Final = 6
_MOST_FRAMES, _MOST_TOLD, _LONGEST = 1000, 50, 8192
_FOREVER: Final = 3600.0

# Whose frames have the scope of a request.
_ASGI: Final = frozenset(("fastapi", "otelier", "starlette"))
_SCOPE = InstrumentationScope("otelier.runtime", __version__, SCHEMA_URL)


class Sight:
    """What a loop ran when its beat was late. due: when that should have come."""

    __slots__ = ("due", "ids", "is_told", "line", "request", "stack")

    def __init__(self, due: float, frames: list[FrameType]) -> None:
        """frames: innermost first. They go on: everything is read at once."""
        self.due = due
        self.is_told = False
        self.line = nearest_line(frames) if frames else None
        self.stack = [
            FrameSummary(code.co_filename, frame.f_lineno, code.co_name, lookup_line=False)
            for frame in reversed(frames[:_MOST_TOLD])
            if (code := frame.f_code)
        ]
        self.request = request = _request(frames)
        self.ids = ids(request.server_span) if request is not None else (0, 0, 0)


class Watched(Protocol):
    """A loop's beat, as `loops.Beat`."""

    loop: Any
    due: float
    thread: int
    depth: int
    sight: Sight | None

    def pause(self) -> None: ...


class Watcher:
    """The thread. beats: of all loops; limit: seconds of lag, 0 for no thread and no record."""

    def __init__(self, beats: Mapping[int, Watched], limit: float) -> None:
        self._beats = beats
        self._limit = limit
        self._allowance = Allowance(_MOST_A_MINUTE)
        self._ended: deque[tuple[Sight, float]] = deque()
        self.forget()

    def forget(self) -> None:
        """In a forked child, too."""
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._bell = Bell()
        self._ended.clear()

    def start(self) -> None:
        """Unless it runs."""
        if not self._limit or self._thread is not None:
            return
        if self._starting.acquire(blocking=False):
            thread = threading.Thread(
                target=Context().run, args=(self._run,), name="otelier-loops", daemon=True
            )
            thread.start()
            self._thread = thread

    def wake(self) -> None:
        self._bell.ring()

    def ended(self, sight: Sight, lag: float) -> None:
        """Called by the loop, as soon as it goes on."""
        if lag >= self._limit and not sight.is_told:
            self._ended.append((sight, lag))
        self._bell.ring()

    def _run(self) -> None:
        with unobserved():
            while True:
                self._bell.wait(self._pause())
                try:
                    self._look_after_all()
                except Exception as error:
                    _guard.fault("watching event loops", error)
                    time.sleep(1)

    def _pause(self) -> float:
        moments = [self._next_look(beat) for beat in list(self._beats.values())]
        return max(0.005, min([*moments, monotonic() + _FOREVER]) - monotonic())

    def _next_look(self, beat: Watched) -> float:
        if not beat.depth or not beat.loop.is_running():
            return monotonic() + _FOREVER  # it rings when it goes on
        sight = beat.sight
        if sight is None:
            return beat.due + self._limit / 2
        return monotonic() + _FOREVER if sight.is_told else sight.due + _LONG

    def _look_after_all(self) -> None:
        for beat in list(self._beats.values()):
            if not beat.loop.is_running():
                beat.pause()
            elif beat.depth:
                self._look_after(beat)
        while self._ended:
            self._tell(*self._ended.popleft(), "")

    def _look_after(self, beat: Watched) -> None:
        due, sight = beat.due, beat.sight
        late = monotonic() - due
        if sight is None and late >= self._limit / 2:
            beat.sight = Sight(due, _running(beat))
        elif sight is not None and sight.due == due and late >= _LONG and not sight.is_told:
            self._tell(sight, late, " so far")

    def _tell(self, sight: Sight, lag: float, so_far: str) -> None:
        sight.is_told = True
        line = sight.line
        if line is None:
            return
        held_back = self._allowance.take((line.file, line.function, line.number))
        if held_back is None:
            return
        text = (
            f"event loop blocked, {lag * 1e3:.0f} ms{so_far}: "
            f"{line.function} at {line.file}:{line.number}"
        )
        now = time.time_ns()
        about = _about(line, sight.stack, lag, held_back)
        where = sight.request, *sight.ids
        log = LeanLog(_SCOPE, now, now, 13, "WARN", text, None, about, *where, event_name=EVENT)
        telling(get_logger_provider())(log)


def _about(line: Line, stack: list[FrameSummary], lag: float, held_back: int) -> dict[str, Any]:
    text = "".join(format_list(stack))
    found = {
        signals.CODE_FILE: line.file,
        signals.CODE_FUNCTION: line.function,
        signals.CODE_LINE: line.number,
        runtime_signals.STACK: text[-_LONGEST:].encode("utf-8", "replace").decode("utf-8"),
        runtime_signals.LOOP_BLOCKED: lag,
    }
    return {**found, runtime_signals.LOOP_HELD_BACK: held_back} if held_back else found


def _running(beat: Watched) -> list[FrameType]:
    """What the loop runs, innermost first; nothing while it waits."""
    frames: list[FrameType] = []
    frame = sys._current_frames().get(beat.thread)
    while frame is not None and len(frames) < _MOST_FRAMES:
        frames.append(frame)
        frame = frame.f_back
    return frames if frame is not None else frames[: -beat.depth]


def _request(frames: list[FrameType]) -> RequestContext | None:
    """That which is served there: frames of ASGI layers have its scope."""
    for frame in frames:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in _ASGI and "scope" in frame.f_code.co_varnames:
            scope = frame.f_locals.get("scope")
            found = scope.get(SCOPE_KEY) if isinstance(scope, dict) else None
            if isinstance(found, RequestContext):
                return found
    return None
