"""The books: all that waits, and what has become of the rest, under one lock.

Who holds the lock moves records from one place to another, so that the account is even whenever it
is free; it is never held while anything is sent. The app's threads and its event loop never take
it: recording is a matter of `Queue.put`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from otelier.export.account import Balance, Channel, balance
from otelier.export.answer import Answer
from otelier.export.backlog import Room
from otelier.export.holding import Holding
from otelier.export.line import Line
from otelier.export.queue import Queue
from otelier.export.sinks import Sink, data_points
from otelier.export.spool import Spool

BATCH = 2_048
"""Records a batch, at most."""

_WAKING = 512
"""So many waiting wake the thread: they are in the processor's caches still, where those of a busy
second are not, and hold less memory meanwhile."""

_MOST_METRICS = 16  # batches in memory; while all receivers are away none is made at all
_ADOPTION = 60.0  # seconds between two looks for what processes that ended have left in the spool


class Books:
    """Queues, and a line to each sink.

    room: bytes that all that waits may take, as well as they can be known; three quarters for
    packed batches, the rest and what is free of these for records as objects. capacity: records of
    one signal that may wait, if that is to be bounded as well. spool: for what does not get
    through.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        wake: Callable[[], object],
        room: int,
        capacity: int | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._room, self._bytes = Room(room * 3 // 4), room
        self._capacity = capacity
        self._spool = spool
        self.spans, self.logs = (Queue(capacity or BATCH, _WAKING, wake) for _ in range(2))
        self.metrics = Channel("metrics", self._lines(sinks, "metrics"))
        self.channels = (
            Channel("traces", self._lines(sinks, "traces"), self.spans),
            Channel("logs", self._lines(sinks, "logs"), self.logs),
            self.metrics,
        )
        for channel in self.channels:
            if channel.queue is not None and not channel.lines:
                channel.queue.ignore()
        self.lines = [line for channel in self.channels for line in channel.lines]
        self.begin()

    def begin(self) -> None:
        """Empty queues and a fresh lock: a parent's may be held for ever in its forked child."""
        self._lock = threading.Lock()
        self._next_adoption = 0.0
        self.make_room()
        for queue in (self.spans, self.logs):
            queue.reset()

    def reset(self) -> None:
        """Be as new: a forked child sends nothing of its parent's."""
        for line in self.lines:
            line.reset()
        if self._spool is not None:
            self._spool.begin()
        self.begin()

    @property
    def account(self) -> list[Balance]:
        with self._lock:
            return [balance(channel, line) for channel in self.channels for line in channel.lines]

    @property
    def is_empty(self) -> bool:
        return all(line.is_empty for line in self.lines)

    @property
    def outlives_us(self) -> bool:
        return self._spool is not None

    def take_in(self, channel: Channel, most: int) -> int:
        """Pack so many records of a queue; returns how many there were."""
        if channel.queue is None:
            return 0
        with self._lock:
            batch = channel.queue.take(min(most, BATCH))
            for line in channel.lines:
                line.accept(batch, len(batch))
        return len(batch)

    def take_in_all(self) -> None:
        for channel in self.channels:
            left = len(channel.queue) if channel.queue is not None else 0
            while left > 0 and (taken := self.take_in(channel, left)):
                left -= taken

    def take_measured(self, gathered: Sequence[Any]) -> None:
        """Pack what the meters have said."""
        with self._lock:
            for data in gathered:
                count = data_points(data)
                for line in self.metrics.lines:
                    if count:
                        line.accept([data], count)

    def attempt(self, line: Line, seconds: float) -> Answer:
        """Send the first batch of a line, once."""
        return line.attempt(seconds, self._lock)

    def adopt(self) -> dict[str, int]:
        """Take over what processes that have ended left in the spool; records of it, by signal.

        Once there is something of our own: a supervisor or a reloader, which records nothing,
        sends nothing either.
        """
        now = time.monotonic()
        if self._spool is None or now < self._next_adoption or not self._has_recorded:
            return {}
        self._next_adoption = now + _ADOPTION
        lines = {line.sink.signal: line for line in self.lines if line.sink.takes_bytes}
        return self._take_over(self._spool, lines)

    def put_away(self, seconds: float = 5.0) -> bool:
        """Keep what waits where it takes least memory and lives longest; False without the time."""
        if not self._lock.acquire(timeout=max(0.01, seconds)):
            return False
        try:
            for line in self.lines:
                line.put_away()
        finally:
            self._lock.release()
        return True

    def make_room(self) -> None:
        """What batches do not take, the two queues share."""
        left = max(self._bytes - self._room.used, self._bytes // 4) // 2
        for channel in self.channels:
            channel.make_room(left, self._capacity)

    def close(self) -> None:
        """Count as lost what is not on disk."""
        self.put_away()
        with self._lock:
            for channel in self.channels:
                unpacked = channel.queue.abandon() if channel.queue is not None else 0
                for line in channel.lines:
                    line.give_up(unpacked)

    @property
    def _has_recorded(self) -> bool:
        return any(channel.has_recorded for channel in self.channels)

    def _take_over(self, spool: Spool, lines: dict[str, Line]) -> dict[str, int]:
        with self._lock:
            found = spool.adopt(lines.keys())
            for signal, (entries, unreadable) in found.items():
                lines[signal].take_over(entries, unreadable)
        return {signal: sum(entry.count for entry in found[signal][0]) for signal in found}

    def _lines(self, sinks: Sequence[Sink], signal: str) -> list[Line]:
        is_metrics = signal == "metrics"
        holding = Holding(self._spool)
        return [
            Line(
                sink,
                self._room,
                holding=holding,
                records=None if is_metrics else self._capacity,
                parcels=_MOST_METRICS if is_metrics else None,
            )
            for sink in sinks
            if sink.signal == signal
        ]
