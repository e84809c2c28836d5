"""Delivery of what is left at a stop, under one deadline for all signals together.

A stop reaches a process in up to four ways, and every server takes another of them: the end of
the ASGI lifespan, SIGTERM itself (uvicorn puts the handlers back that it found and raises the
signal again), the normal end of the interpreter, and `os._exit`, which ends forked children of
`multiprocessing` and of Celery. Each calls `flush`; the budget is shared, so that a collector that
does not answer costs the time-out once. A server that is told to stop and may be killed before it
has done so (gunicorn's graceful time-out) calls `hasten`, which waits for nothing.

`deliver` keeps to its time and runs in the calling thread, a signal handler included. Other flushes
run in daemon threads, which the interpreter abandons: the SDK's own `force_flush` knows no
time-out. From Python 3.12 on no thread can be started once the interpreter is ending; `deliver`
needs none.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from otelier import _guard

_PAUSE = 10.0
"""Seconds without a flush after which the next one belongs to another stop."""


class Lifecycle:
    """Knows how to flush, and when a process stops.

    flushes: each may block for as long as it likes.
    timeout: seconds for all of them together, over the whole stop; pauses between them not counted.
    deliver: takes the seconds that are left, and tells whether it was done (`Delivery.flush`).
    """

    def __init__(
        self,
        flushes: Sequence[Callable[[], object]],
        timeout: float,
        deliver: Callable[[float], bool] = lambda seconds: True,
    ) -> None:
        self._flushes = flushes
        self._timeout = timeout
        self._deliver = deliver
        self._left = timeout
        self._ended_at = time.monotonic()
        self._exit: Callable[[int], object] | None = None

    def install(self) -> None:
        """Hook the ends of a process; the handlers of app and server stay in charge."""
        atexit.register(self.flush)
        self._exit, os._exit = os._exit, self._on_exit  # type: ignore[assignment]
        self.handle_sigterm()

    def handle_sigterm(self) -> None:
        """Take SIGTERM where nobody handles it: also for a server that has put the default back."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def remove(self) -> None:
        """Undo `install`."""
        atexit.unregister(self.flush)
        if self._exit is not None and os._exit == self._on_exit:
            os._exit, self._exit = self._exit, None  # type: ignore[assignment]
        if signal.getsignal(signal.SIGTERM) == self._on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def hasten(self) -> None:
        """A stop has begun: deliver what there is, beside whatever else goes on. Never raises."""
        try:
            # Not by `threading`, whose locks the code that a signal interrupts may hold.
            _thread.start_new_thread(self._deliver_rest, (time.monotonic() + self._timeout,))
        except Exception as error:
            _guard.fault("delivering at the beginning of a stop", error)

    def flush(self) -> bool:
        """Deliver what is queued; False when the deadline came first. Never raises."""
        began = time.monotonic()
        if began - self._ended_at > _PAUSE:
            self._left = self._timeout
        deadline = began + self._left
        threads = self._start_flushes()
        delivered = self._deliver_rest(deadline)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        finished = [thread for thread in threads if not thread.is_alive()]
        self._ended_at = time.monotonic()
        self._left = max(0.0, deadline - self._ended_at)
        return delivered and len(finished) == len(self._flushes)

    def _start_flushes(self) -> list[threading.Thread]:
        started: list[threading.Thread] = []
        for flush in self._flushes:
            thread = threading.Thread(target=_quietly, args=(flush,), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is too far gone to start a thread
                break
            started.append(thread)
        return started

    def _deliver_rest(self, deadline: float) -> bool:
        try:
            return self._deliver(max(0.0, deadline - time.monotonic()))
        except Exception as error:
            _guard.fault("delivering what was left", error)
            return True

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.flush()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _on_exit(self, status: int) -> None:
        try:
            self.flush()
        finally:
            if self._exit is not None:
                self._exit(status)


def _quietly(flush: Callable[[], object]) -> None:
    try:
        flush()
    except Exception as error:
        _guard.fault("delivering what was left", error)
