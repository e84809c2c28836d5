"""Delivery: one thread that takes what was recorded and sees to it that it arrives.

Queues are emptied each 0.75 seconds, so that a kill costs less than one, or when many records have
come; batches are packed at once, as bytes take a third of the room of objects and cost the garbage
collector nothing, and are sent until they are taken. One thread serves all signals and sinks: a
receiver that hangs holds the others up for its time-out. It starts at the first record and again in
a forked child, which sends nothing of its parent's. Nothing is imported in this thread but on rare
occasions: a process that forks meanwhile leaves half a module to its children. A fault in here is
counted and said, and delivery goes on.

Two locks: who holds `_turn` sends, for as long as a receiver hangs; that of the books is held for
an instant. The app's threads and its event loop take neither.

`flush` may be called from any thread and from a signal handler. Where the worker hangs in a request
until the time is up, it keeps what is left in the spool, or says how much that is. Where no thread
can be started any more (the interpreter is ending, or the process may have no more of them) it does
the work itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any
from weakref import WeakSet

from otelier import _guard
from otelier._upstream import unobserved
from otelier.export.account import Balance, Channel
from otelier.export.books import Books
from otelier.export.line import Line
from otelier.export.queue import Bell
from otelier.export.report import Report
from otelier.export.sinks import Sink
from otelier.export.spool import Spool

_SPARE = 0.1  # of a flush's time, for what is to be done once sending has to end
_FOREVER = 30.0  # what a flush without a time-out is given, as by the SDK


class Delivery:
    """Delivers spans, log records and metrics to sinks.

    spans.put, logs.put: take a record. collect: gives what the meters have to say, and is called
    every `metric_interval` seconds and at each flush. interval: seconds between two looks at the
    queues. room, capacity, spool: as for `Books`. tick: called at each look.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        collect: Callable[[], Sequence[Any]] | None = None,
        *,
        interval: float = 0.75,
        metric_interval: float = 60.0,
        room: int = 64 * 1024 * 1024,
        capacity: int | None = None,
        spool: Spool | None = None,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        self._books = Books(sinks, self._wake, room, capacity, spool)
        self.spans, self.logs = self._books.spans, self._books.logs
        self._lines = self._books.lines
        self._collect = collect if self._books.metrics.lines else None
        self._interval = interval
        self._tick = tick
        self._metric_interval = metric_interval
        self._report = Report(self._books.channels)
        self._ended = self._is_closed = False
        self._thread: threading.Thread | None = None
        self._requests: deque[_Request] = deque()
        self._begin()
        _deliveries.add(self)

    @property
    def account(self) -> list[Balance]:
        """What has become of all records, for each signal and sink; even at any time."""
        return self._books.account

    @property
    def dropped(self) -> Counter[tuple[str, str]]:
        """Records lost so far, by signal and reason."""
        return Counter(
            {
                (channel.signal, reason): count
                for channel in self._books.channels
                for reason, count in channel.dropped.items()
            }
        )

    def start(self) -> None:
        """Start the thread, if it does not run; else it starts at the first record."""
        if self._is_running or self._ended or not self._starting.acquire(blocking=False):
            return
        try:
            # A context of its own: the first record may come from within a request.
            thread = threading.Thread(
                target=Context().run, args=(self._run,), name="otelier-delivery", daemon=True
            )
            thread.start()
            self._thread = thread
        except RuntimeError as error:
            _guard.say(f"no thread to deliver with: {error}", cause="starting to deliver")
        finally:
            self._starting.release()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver all that was recorded before; False if the time came first or it was no use.

        Waits for a receiver that is away, but not for one that was never there or says no. What is
        not delivered then is in the spool, if there is one.
        """
        began = time.monotonic()
        deadline = began + (_FOREVER if timeout is None else timeout)
        spare = (deadline - began) * _SPARE
        if self._ended or threading.get_ident() == self._working:
            # The second: called by an exporter, or by a signal that came while we flush.
            return self._ended and self._books.is_empty
        request = _Request(deadline - spare)
        self._requests.append(request)
        self._bell.ring()
        self.start()
        if self._is_running:
            if request.bell.wait(deadline - spare / 2 - time.monotonic()):
                return request.is_delivered
            self._put_away(began, deadline)
            return False
        with suppress(ValueError):  # a thread that has just been started may have it already
            self._requests.remove(request)
        return self._work_here(deadline)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Flush, and take no more; what could not be delivered is lost, and counted."""
        deadline = time.monotonic() + (_FOREVER if timeout is None else timeout)
        delivered = self.flush(timeout)
        for queue in (self.spans, self.logs):
            queue.close()
        self._ended = True
        self._bell.ring()
        if self._thread is not None and threading.get_ident() != self._working:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._is_running:
            self._end()
        return delivered

    @property
    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(self) -> None:
        self._starting, self._turn = threading.Lock(), threading.Lock()
        self._working = 0  # identifier of the thread that delivers at this moment
        self._bell = Bell()
        self._requests.clear()
        self._next_metrics = time.monotonic() + self._metric_interval

    def _after_fork(self) -> None:
        was_started = self._thread is not None
        self._thread = None
        self._begin()
        self._books.reset()
        self._report.reset()
        if was_started and self._collect:
            self.start()  # a child may measure for long before it records anything

    def _wake(self) -> None:
        """Many records wait, or the first one: that one may wait for others."""
        if self._is_running:
            self._bell.ring()
        else:
            self.start()

    def _run(self) -> None:
        with unobserved():
            while not self._ended:
                self._bell.wait(self._pause())
                try:
                    self._cycle()
                except Exception as error:
                    _guard.fault("delivering", error)
                    time.sleep(self._interval)
            self._end()

    def _pause(self) -> float:
        """Seconds until there is something to do."""
        now = time.monotonic()
        moments = [line.due for line in self._lines if not line.is_empty]
        if self._collect:
            moments.append(self._next_metrics)
        return min([self._interval, *(moment - now for moment in moments)])

    def _cycle(self) -> None:
        with self._turn:
            self._working = threading.get_ident()
            try:
                self._tick()
                self._report.taken_over(self._books.adopt())
                while self._requests:
                    self._serve(self._requests.popleft())
                for channel in self._books.channels:
                    self._drain(channel)
                if self._collect and time.monotonic() >= self._next_metrics:
                    self._gather_unless_away()
                self._send(self._lines)
                self._report.losses()
            finally:
                self._working = 0

    def _work_here(self, deadline: float) -> bool:
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        self._working = threading.get_ident()
        try:
            with unobserved():
                return self._flush(deadline)
        except Exception as error:
            _guard.fault("delivering", error)
            return False
        finally:
            self._working = 0
            self._turn.release()

    def _serve(self, request: _Request) -> None:
        try:
            if time.monotonic() < request.deadline:
                request.is_delivered = self._flush(request.deadline)
        finally:
            request.bell.ring()

    def _flush(self, deadline: float) -> bool:
        began = time.monotonic()
        for line in self._lines:
            line.hurry()
        for channel in self._books.channels:
            self._drain(channel, deadline)
        if self._collect:
            self._gather()
        self._insist(deadline)
        if not self._books.is_empty:
            self._leave(began, deadline)
        self._report.losses(at_once=True)
        return self._books.is_empty

    def _put_away(self, began: float, deadline: float) -> None:
        """The worker hangs in a request, and the time is up."""
        self._books.take_in_all()
        if self._collect and self._books.outlives_us:
            self._gather()
        self._leave(began, deadline)
        self._report.losses(at_once=True)

    def _leave(self, began: float, deadline: float) -> None:
        """What could not be delivered is kept on disk if possible, and said."""
        self._books.put_away(deadline - time.monotonic())
        self._report.undelivered(time.monotonic() - began)

    def _insist(self, deadline: float) -> None:
        """Send until all is sent, nothing is left to hope for, or the time is up."""
        while True:
            self._send(self._lines, deadline)
            hopeful = [line for line in self._lines if not (line.is_empty or line.is_hopeless)]
            moment = min((line.due for line in hopeful), default=deadline)
            now = time.monotonic()
            if max(now, moment) >= deadline or self._ended:
                return
            time.sleep(max(0.0, moment - now))

    def _drain(self, channel: Channel, deadline: float = float("inf")) -> None:
        """Pack and send what is in the queue now; what comes meanwhile has to wait."""
        left = len(channel.queue) if channel.queue is not None else 0
        while left > 0 and (taken := self._books.take_in(channel, left)):
            left -= taken
            self._send(channel.lines, deadline)

    def _gather_unless_away(self) -> None:
        """Who is not asked goes on adding up: an outage becomes one long interval."""
        if all(line.is_troubled for line in self._books.metrics.lines):
            self._next_metrics = time.monotonic() + min(1.0, self._metric_interval)
        else:
            self._gather()

    def _gather(self) -> None:
        """Ask the meters."""
        self._next_metrics = time.monotonic() + self._metric_interval
        try:
            gathered = self._collect() if self._collect else ()
        except Exception as error:
            _guard.fault("collecting metrics", error)
            return
        self._books.take_measured(gathered)

    def _send(self, lines: Sequence[Line], deadline: float = float("inf")) -> None:
        """Send what is due. The healthy go first: a receiver that hangs may take all the time."""
        for line in sorted(lines, key=lambda line: line.failures):
            while not (line.is_empty or self._ended):
                now = time.monotonic()
                if line.due > now or now >= deadline:
                    break
                answer = self._books.attempt(line, deadline - now)
                self._report.answered(line, answer)
        self._books.make_room()

    def _end(self) -> None:
        """Count what is left as lost, and close the sinks, once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._books.close()
        for line in self._lines:
            try:
                line.sink.close()
            except Exception as error:
                _guard.fault("closing an exporter", error)
        while self._requests:
            self._requests.popleft().bell.ring()
        self._report.losses(at_once=True)


class _Request:
    """Somebody waits for a flush."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.bell = Bell()
        self.is_delivered = False


_deliveries: WeakSet[Delivery] = WeakSet()


def _after_fork() -> None:
    for delivery in list(_deliveries):
        delivery._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
