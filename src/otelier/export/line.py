"""One sink and what waits for it: when it is tried again, and what has become of every record.

    recorded = delivered + waiting + in flight + dropped

All of it runs in the thread that delivers; the counters may be read from any, and agree whenever
that thread is idle.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from otelier import _guard
from otelier.export.answer import Answer, Fate
from otelier.export.queue import QUEUE_FULL, STOPPED, Backlog, Limit
from otelier.export.sinks import Sink

UNENCODABLE = "cannot be encoded"
REFUSED = "refused by the receiver"
REJECTED = "rejected by the receiver"
TOO_LARGE = "too large for the receiver"
POISON = "the receiver fails over it"

_SHORTEST, _LONGEST = 0.5, 30.0
_SUSPICIONS = 3
_STUBBORN_TRIES = 2


class Line:
    """Delivers the batches of one signal to one sink, in order, and again where it failed.

    failures: attempts since the last success. due: when the next may be made (monotonic clock).
    was_there: whether there has ever been a receiver.
    """

    def __init__(self, sink: Sink, limit: Limit) -> None:
        self.sink = sink
        self._backlog = Backlog(limit)
        self.reset()

    def reset(self) -> None:
        """Be as new: a forked child sends nothing of its parent's."""
        self._backlog.clear()
        self.sink.forget()
        self.recorded = self.delivered = self.in_flight = 0
        self.dropped: Counter[str] = Counter()
        self.failures = self._passed = 0
        self.due = 0.0
        self.was_there = False
        self._is_stuck = False

    @property
    def waiting(self) -> int:
        return self._backlog.count - self.in_flight

    @property
    def is_empty(self) -> bool:
        return len(self._backlog) == 0

    def accept(self, batch: Sequence[Any], count: int) -> None:
        """Pack a batch and keep it, as far as there is room."""
        if self._backlog.is_full:  # before the work of packing it
            self._drop(QUEUE_FULL, count)
            self.recorded += count
            return
        try:
            parcels, refused = self.sink.pack(batch)
        except Exception as error:
            _guard.fault(f"packing {self.sink.signal}", error)
            parcels, refused = [], count
        self.recorded += sum(parcel.count for parcel in parcels) + refused
        self._drop(UNENCODABLE, refused)
        for parcel in parcels:
            self._drop(QUEUE_FULL, self._backlog.add(parcel))

    def attempt(self, seconds: float) -> Answer:
        """Send the head once, and settle what becomes of it."""
        parcel = self._backlog.head
        self.in_flight = parcel.count
        try:
            answer = self.sink.send(parcel, seconds)
        except Exception as error:
            _guard.fault(f"sending {self.sink.signal}", error)
            answer = Answer(Fate.AGAIN, type(error).__name__, is_there=False)
        self.in_flight = 0
        self.was_there = self.was_there or answer.is_there
        _SETTLE[answer.fate](self, answer)
        return answer

    def hurry(self) -> None:
        """Forget how long it has failed: the next attempts count."""
        self.failures = 0
        self.due = 0.0
        self._is_stuck = False

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting some seconds will not help: nobody was ever there, or it says no."""
        nobody = not self.was_there and self.failures >= _STUBBORN_TRIES
        return self._is_stuck or nobody

    def give_up(self, unpacked: int) -> None:
        """Drop all that waits, and as many records that were not packed yet."""
        self._drop(STOPPED, unpacked)
        while not self.is_empty:
            self._drop(STOPPED, self._backlog.remove().count)

    def _settle_delivered(self, answer: Answer) -> None:
        count = self._backlog.remove().count
        rejected = min(answer.rejected, count)
        self._drop(REJECTED, rejected)
        self.delivered += count - rejected
        self._passed += 1
        self.hurry()

    def _settle_again(self, answer: Answer) -> None:
        self.failures += 1
        self._is_stuck = False
        backoff = min(_LONGEST, _SHORTEST * 2.0 ** min(self.failures - 1, 10))
        self._delay(answer, backoff)

    def _settle_slowly(self, answer: Answer) -> None:
        self.failures += 1
        self._is_stuck = True
        self._delay(answer, _LONGEST)

    def _settle_suspect(self, answer: Answer) -> None:
        parcel = self._backlog.head
        if parcel.passed_before is not None and self._passed > parcel.passed_before:
            parcel.suspected += 1
        if parcel.suspected >= _SUSPICIONS:
            self._drop(POISON, self._backlog.remove().count)
            return
        parcel.passed_before = self._passed
        self._backlog.move_back()
        self._settle_again(answer)

    def _settle_too_large(self, answer: Answer) -> None:
        try:
            halves = self.sink.halve(self._backlog.head)
        except Exception as error:
            _guard.fault(f"halving {self.sink.signal}", error)
            halves = []
        if len(halves) < 2:
            self._drop(TOO_LARGE, self._backlog.remove().count)
        else:
            self._backlog.replace(halves)

    def _settle_refused(self, answer: Answer) -> None:
        self._drop(REFUSED, self._backlog.remove().count)

    def _drop(self, reason: str, count: int) -> None:
        if count:
            self.dropped[reason] += count

    def _delay(self, answer: Answer, seconds: float) -> None:
        jittered = seconds * random.uniform(0.5, 1.0)  # noqa: S311
        self.due = time.monotonic() + max(jittered, answer.wait or 0.0)


_SETTLE: Mapping[Fate, Callable[[Line, Answer], None]] = {
    Fate.DELIVERED: Line._settle_delivered,
    Fate.AGAIN: Line._settle_again,
    Fate.SLOWLY: Line._settle_slowly,
    Fate.SUSPECT: Line._settle_suspect,
    Fate.TOO_LARGE: Line._settle_too_large,
    Fate.REFUSED: Line._settle_refused,
}
