"""Delivery of what is left at a stop, under one deadline for all signals together.

A stop reaches a process in up to three ways, and every server takes another of them: the end of
the ASGI lifespan (gunicorn's workers die by the default action of SIGTERM after it), SIGTERM
itself (uvicorn puts the handlers back that it found and raises the signal again) and the normal
end of the interpreter. Each calls `flush`; the budget is shared, so that a collector that does
not answer costs the time-out once.

`deliver` keeps to its time and runs in the calling thread, a signal handler included. Other flushes
run in daemon threads, which the interpreter abandons: the SDK's own `force_flush` knows no
time-out. From Python 3.12 on no thread can be started once the interpreter is ending; `deliver`
needs none.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from otelier import _guard


class Lifecycle:
    """Knows how to flush, and when a process stops.

    flushes: each may block for as long as it likes.
    timeout: seconds for all of them together, over the whole stop.
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
        self._deadline: float | None = None

    def install(self) -> None:
        """Hook the interpreter's end and SIGTERM; the handlers of app and server stay in charge."""
        atexit.register(self.flush)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def remove(self) -> None:
        """Undo `install`."""
        atexit.unregister(self.flush)
        if signal.getsignal(signal.SIGTERM) == self._on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def flush(self) -> bool:
        """Deliver what is queued; False when the deadline came first. Never raises."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._timeout
        threads = self._start_flushes()
        delivered = self._deliver_rest(self._deadline)
        for thread in threads:
            thread.join(max(0.0, self._deadline - time.monotonic()))
        finished = [thread for thread in threads if not thread.is_alive()]
        if delivered and len(finished) == len(self._flushes):
            self._deadline = None
            return True
        return False

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


def _quietly(flush: Callable[[], object]) -> None:
    try:
        flush()
    except Exception as error:
        _guard.fault("delivering what was left", error)
