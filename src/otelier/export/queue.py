"""What waits: records as they were recorded (`Queue`), then batches ready to be sent (`Backlog`).

All rules about room and about what is dropped when there is none are in this file. Today: a queue
holds a number of records, a backlog a number of records and of bytes, and the newest is dropped;
a backlog of metrics keeps its newest batches, as an old measurement is worth less than a new one.

`Queue.put` runs inside requests, in any thread, a signal handler among them: no lock, no wake-up
and no counter for each record. Everything else here runs in the one thread that delivers.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

QUEUE_FULL = "queue full"
STOPPED = "stopped"


class Tally:
    """A number that any thread may raise by one, without a lock and without losing any."""

    def __init__(self) -> None:
        self._next = count()

    def add(self) -> None:
        next(self._next)  # one step in C: no other thread and no signal handler comes between

    def __int__(self) -> int:
        return int(repr(self._next)[len("count(") : -1])  # the only look at it that does not count


class Bell:
    """Wakes one waiting thread; may be rung from a signal handler, where an `Event` may hang."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        with suppress(RuntimeError):  # it is ringing already
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        return self._lock.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))


class Queue:
    """Records of one signal, from the threads of the app to the one that delivers.

    put: takes one record (0.09 microseconds).
    wake: called at the first record, then each time that `threshold` more have come.
    room: records that it may hold; the thread that delivers lowers it for what it holds itself.
    """

    def __init__(self, capacity: int, threshold: int, wake: Callable[[], object]) -> None:
        self.capacity = self.room = capacity
        records: deque[Any] = deque()
        self.put, self._set_mark = _hot_path(records, self._at_mark)
        self.packing = 0
        self._records = records
        self._threshold = max(1, min(threshold, capacity // 2))
        self._wake = wake
        self._taken = 0
        self._refused = Tally()
        self._closed = False

    def __len__(self) -> int:
        return len(self._records)

    @property
    def recorded(self) -> int:
        return self._taken + len(self._records) + int(self._refused)

    @property
    def dropped(self) -> Counter[str]:
        return Counter({STOPPED if self._closed else QUEUE_FULL: int(self._refused)})

    def take(self, most: int) -> list[Any]:
        """Up to `most` records, the oldest first."""
        taken: list[Any] = []
        try:
            for _ in range(most):
                taken.append(self._records.popleft())
        except IndexError:
            pass  # a full queue may have lost its newest record meanwhile
        self._taken += len(taken)
        self.packing = len(taken)
        self._mark_after(0)
        return taken

    def leave(self, held: int) -> None:
        """Make room for what is `held` elsewhere."""
        self.room = 0 if self._closed else max(0, self.capacity - held)
        self._mark_after(0)

    def reset(self) -> None:
        """Be as new: a forked child sends nothing of its parent's."""
        self._records.clear()
        self.packing = self._taken = 0
        self._refused = Tally()
        self.leave(0)
        self._set_mark(1)

    def abandon(self) -> int:
        """Empty it; returns how many records it held."""
        left = len(self.take(len(self)))
        self.packing = 0
        return left

    def ignore(self) -> None:
        """Nobody wants these records."""
        self.put = lambda record: None

    def close(self) -> None:
        """Take no more; what comes is dropped, and counted."""
        self._closed = True
        self.leave(0)

    def _at_mark(self) -> None:
        if len(self._records) > self.room:
            try:
                self._records.pop()
            except IndexError:
                return  # the other thread has just taken all of them
            self._refused.add()
            return  # the thread that delivers knows: it set the room
        self._mark_after(len(self._records))
        self._wake()

    def _mark_after(self, size: int) -> None:
        self._set_mark(min(size + self._threshold, self.room + 1))


def _hot_path(
    records: deque[Any], at_mark: Callable[[], None]
) -> tuple[Callable[[Any], None], Callable[[int], None]]:
    # A closure: 0.09 microseconds, where a method takes 0.11.
    append = records.append
    mark = 1

    def put(record: Any) -> None:
        append(record)
        if len(records) >= mark:
            at_mark()

    def set_mark(size: int) -> None:
        nonlocal mark
        mark = size

    return put, set_mark


@dataclass(slots=True, eq=False)
class Parcel:
    """A batch ready to be sent.

    count: records in it, for metrics data points. size: bytes, or a guess.
    suspected: how often it failed again after others had passed; passed_before: how many had, at
    its last failure. failed_at: when it first failed.
    """

    content: Any
    count: int
    size: int
    suspected: int = 0
    passed_before: int | None = None
    failed_at: float | None = None


@dataclass(frozen=True)
class Limit:
    """Room of a backlog. parcels: keeps only so many of the newest; None keeps the oldest."""

    records: int
    bytes: int
    parcels: int | None = None


class Backlog:
    """Parcels for one receiver; the head stays in place until its fate is known."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.clear()

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def head(self) -> Parcel:
        return self._parcels[0]

    @property
    def is_full(self) -> bool:
        full = self.count >= self._limit.records or self.size >= self._limit.bytes
        return full and self._limit.parcels is None

    def add(self, parcel: Parcel) -> int:
        """Put it last; returns how many records were dropped for it, its own among them."""
        if self.is_full or self.count + parcel.count > max(self._limit.records, parcel.count):
            return parcel.count
        self._parcels.append(parcel)
        self._account(parcel, 1)
        if self._limit.parcels is not None and len(self._parcels) > self._limit.parcels:
            return self.remove().count
        return 0

    def remove(self) -> Parcel:
        """Take the head away."""
        parcel = self._parcels.popleft()
        self._account(parcel, -1)
        return parcel

    def move_back(self) -> None:
        """Let the others pass the head."""
        self._parcels.rotate(-1)

    def replace(self, parts: Sequence[Parcel]) -> None:
        """Put the parts of the head in its place."""
        self.remove()
        for part in reversed(parts):
            self._parcels.appendleft(part)
            self._account(part, 1)

    def clear(self) -> None:
        self._parcels: deque[Parcel] = deque()
        self.count = self.size = 0

    def _account(self, parcel: Parcel, sign: int) -> None:
        self.count += sign * parcel.count
        self.size += sign * parcel.size
