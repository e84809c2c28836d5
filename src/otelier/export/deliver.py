"""Delivery: one thread that takes what was recorded and sees to it that it arrives.

Queues are emptied once a second, or when many records have come; batches are packed at once, as
bytes take a third of the room of objects and cost the garbage collector nothing, and are sent
until they are taken. One thread serves all signals and sinks: a receiver that hangs holds the
others up for its time-out. It starts at the first record and again in a forked child, which sends
nothing of its parent's. Nothing is imported in this thread but on rare occasions: a process that
forks meanwhile leaves half a module to its children. A fault in here is counted and said, and
delivery goes on.

`flush` may be called from any thread and from a signal handler: it takes no lock that the thread
it interrupts may hold. Where no thread can be started any more (the interpreter is ending, or the
process may have no more of them) it does the work itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from contextvars import Context
from typing import Any
from weakref import WeakSet

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otelier import _guard
from otelier.export.line import Line
from otelier.export.queue import Bell, Limit, Queue
from otelier.export.report import Balance, Channel, Report, balance
from otelier.export.sinks import Sink, data_points

BATCH = 2_048
"""Records a batch, at most; so many waiting wake the thread."""

_METRICS = Limit(records=10_000_000, bytes=64 * 1024 * 1024, parcels=16)
_FOREVER = 30.0  # what a flush without a time-out is given, as by the SDK


class Delivery:
    """Delivers spans, log records and metrics to sinks.

    spans.put, logs.put: take a record. collect: gives what the meters have to say, and is called
    every `metric_interval` seconds and at each flush. interval: seconds between two looks at the
    queues. capacity: records of one signal that may wait; capacity_bytes: bytes of them, packed.
    tick: called at each of these looks.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        collect: Callable[[], Sequence[Any]] | None = None,
        *,
        interval: float = 1.0,
        metric_interval: float = 60.0,
        capacity: int = 65_536,
        capacity_bytes: int = 64 * 1024 * 1024,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        limits = Limit(capacity, capacity_bytes)
        self.spans = Queue(capacity, BATCH, self._wake)
        self.logs = Queue(capacity, BATCH, self._wake)
        self._channels = (
            Channel("traces", _lines(sinks, "traces", limits), self.spans),
            Channel("logs", _lines(sinks, "logs", limits), self.logs),
            Channel("metrics", _lines(sinks, "metrics", _METRICS)),
        )
        for channel in self._channels:
            if channel.queue is not None and not channel.lines:
                channel.queue.ignore()
        self._lines = [line for channel in self._channels for line in channel.lines]
        self._collect = collect if self._channels[-1].lines else None
        self._interval = interval
        self._tick = tick
        self._metric_interval = metric_interval
        self._report = Report(self._channels)
        self._ended = self._is_closed = False
        self._thread: threading.Thread | None = None
        self._requests: deque[_Request] = deque()
        self._begin()
        _deliveries.add(self)

    @property
    def account(self) -> list[Balance]:
        """What has become of all records, for each signal and sink."""
        return [balance(channel, line) for channel in self._channels for line in channel.lines]

    @property
    def dropped(self) -> Counter[tuple[str, str]]:
        """Records lost so far, by signal and reason."""
        return Counter(
            {
                (channel.signal, reason): count
                for channel in self._channels
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

        Waits for a receiver that is away, but not for one that was never there or says no.
        """
        deadline = time.monotonic() + (_FOREVER if timeout is None else timeout)
        if self._ended or threading.get_ident() == self._working:
            # The second: called by an exporter, or by a signal that came while we flush.
            return self._ended and self._is_empty
        request = _Request(deadline)
        self._requests.append(request)
        self._bell.ring()
        self.start()
        if self._is_running:
            return request.bell.wait(deadline - time.monotonic()) and request.is_delivered
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
    def _is_empty(self) -> bool:
        return all(line.is_empty for line in self._lines)

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
        for queue in (self.spans, self.logs):
            queue.reset()
        for line in self._lines:
            line.reset()
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
        with _unobserved():
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
                while self._requests:
                    self._serve(self._requests.popleft())
                for channel in self._channels:
                    self._drain(channel)
                if self._collect and time.monotonic() >= self._next_metrics:
                    self._gather()
                self._send(self._lines)
                self._report.losses()
            finally:
                self._working = 0

    def _work_here(self, deadline: float) -> bool:
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        self._working = threading.get_ident()
        try:
            with _unobserved():
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
        for channel in self._channels:
            self._drain(channel, deadline)
        if self._collect:
            self._gather()
        self._insist(deadline)
        if not self._is_empty:
            self._report.undelivered(time.monotonic() - began)
        self._report.losses(at_once=True)
        return self._is_empty

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
        queue = channel.queue
        left = len(queue) if queue is not None else 0
        while queue is not None and left > 0 and (batch := queue.take(min(left, BATCH))):
            left -= len(batch)
            for line in channel.lines:
                line.accept(batch, len(batch))
            queue.packing = 0
            batch.clear()
            self._send(channel.lines, deadline)

    def _gather(self) -> None:
        """Ask the meters."""
        self._next_metrics = time.monotonic() + self._metric_interval
        try:
            gathered = self._collect() if self._collect else ()
        except Exception as error:
            _guard.fault("collecting metrics", error)
            return
        for data in gathered:
            count = data_points(data)
            for line in self._channels[-1].lines:
                if count:
                    line.accept([data], count)

    def _send(self, lines: Sequence[Line], deadline: float = float("inf")) -> None:
        """Send what is due. The healthy go first: a receiver that hangs may take all the time."""
        for line in sorted(lines, key=lambda line: line.failures):
            while not (line.is_empty or self._ended):
                now = time.monotonic()
                if line.due > now or now >= deadline:
                    break
                answer = line.attempt(deadline - now)
                self._report.answered(line, answer)
        for channel in self._channels:
            channel.make_room()

    def _end(self) -> None:
        """Count what is left as lost, and close the sinks, once."""
        if self._is_closed:
            return
        self._is_closed = True
        for channel in self._channels:
            unpacked = channel.queue.abandon() if channel.queue is not None else 0
            for line in channel.lines:
                line.give_up(unpacked)
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


def _lines(sinks: Sequence[Sink], signal: str, limit: Limit) -> list[Line]:
    return [Line(sink, limit) for sink in sinks if sink.signal == signal]


def _unobserved() -> AbstractContextManager[None]:
    """What exporters do in here is traced by nobody."""
    return suppress_instrumentation()


_deliveries: WeakSet[Delivery] = WeakSet()


def _after_fork() -> None:
    for delivery in list(_deliveries):
        delivery._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
