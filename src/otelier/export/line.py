"""One sink and what waits for it: when it is tried again, and what has become of every record.

    recorded = delivered + spooled + queued + in flight + dropped

All of it runs under the books' lock of `deliver`, but for the sending itself: so the numbers agree
whenever that lock is held, and nobody waits for a receiver to read or to change them.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import groupby
from typing import Any

from otelier import _guard
from otelier.export.answer import Answer, Fate
from otelier.export.backlog import Backlog, Parcel, Room
from otelier.export.holding import Holding
from otelier.export.queue import QUEUE_FULL, STOPPED
from otelier.export.rank import Rank, rank_of
from otelier.export.sinks import Sink
from otelier.export.spool import Entry, Unreadable

UNENCODABLE = "cannot be encoded"
REFUSED = "refused by the receiver"
REJECTED = "rejected by the receiver"
TOO_LARGE = "too large for the receiver"
POISON = "the receiver fails over it"
UNREADABLE = "unreadable in the spool"

_SHORTEST, _LONGEST = 0.5, 30.0
_SUSPICIONS = 3
_STUBBORN_TRIES = 2


class Line:
    """Delivers the batches of one signal to one sink, in order, and again where it failed.

    failures: attempts since the last success. due: when the next may be made (monotonic clock).
    was_there: whether there has ever been a receiver. is_troubled: whether the last attempt
    failed; what waits then is held small, and by rank. adopted: records that an earlier process
    left in the spool. bytes: of what was packed so far.
    """

    def __init__(
        self,
        sink: Sink,
        room: Room,
        *,
        holding: Holding | None = None,
        records: int | None = None,
        parcels: int | None = None,
    ) -> None:
        self.sink = sink
        self._holding = holding or Holding()
        self._backlog = Backlog(room, self._drop_for_room, records, parcels)
        self.reset()

    def reset(self) -> None:
        """Be as new: a forked child sends nothing of its parent's."""
        self._backlog.clear()
        self.sink.forget()
        self.packed = self.delivered = self.adopted = self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self.failures = self._passed = 0
        self.due = 0.0
        self.was_there = self.is_troubled = False
        self._is_stuck = False

    @property
    def in_flight(self) -> int:
        sending = self._backlog.sending
        return sending.count if sending is not None and sending.entry is None else 0

    @property
    def waiting(self) -> int:
        """In memory, and not in flight."""
        return self._backlog.count - self._backlog.stored - self.in_flight

    @property
    def spooled(self) -> int:
        return self._backlog.stored

    @property
    def is_empty(self) -> bool:
        return len(self._backlog) == 0

    def accept(self, batch: Sequence[Any], count: int) -> None:
        """Pack a batch and keep it, as far as there is room. count: records in it."""
        for rank, part in self._by_rank(batch):
            parcels, refused = self._pack(part, count if part is batch else len(part))
            self.packed += sum(parcel.count for parcel in parcels) + refused
            self._drop(UNENCODABLE, refused)
            for parcel in parcels:
                self.bytes += parcel.plain_size
                parcel.rank = rank
                self._add(parcel)

    def take_over(self, entries: Iterable[Entry], unreadable: int) -> None:
        """What an earlier process left behind."""
        for entry in entries:
            self.adopted += entry.count
            parcel = Parcel(b"", entry.count, 0, entry=entry)
            parcel.encoding, parcel.rank = entry.encoding, entry.rank
            parcel.batch_id = entry.batch_id
            self._backlog.add(parcel)
        self.adopted += unreadable
        self._drop(UNREADABLE, unreadable)

    def attempt(self, seconds: float, books: AbstractContextManager[Any]) -> Answer:
        """Send the head once, and settle what becomes of it. books: not held while it is sent."""
        with books:
            if self.is_empty:
                return Answer(Fate.DELIVERED)  # dropped meanwhile, to make room
            parcel = self._backlog.sending = self._backlog.head
            sent = self._unfolded(parcel)
        answer = self._send(sent, seconds) if sent else Answer(Fate.REFUSED, UNREADABLE)
        with books:
            self._backlog.sending = None
            self.was_there = self.was_there or (sent is not None and answer.is_there)
            if sent is None:
                self._lose(UNREADABLE, parcel)
            else:
                _SETTLE[answer.fate](self, parcel, answer)
        return answer

    def put_away(self) -> None:
        """Keep what waits where it takes no memory, or little; with a spool, past our own end."""
        for parcel in self._backlog:
            self._put_away(parcel)

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
        """Drop all that waits in memory, and as many records that were not packed yet.

        What is in the spool stays there for who comes next.
        """
        self._drop(STOPPED, unpacked)
        for parcel in self._backlog:
            if parcel.entry is None:
                self._lose(STOPPED, parcel)

    def _by_rank(self, batch: Sequence[Any]) -> Iterable[tuple[Rank, Sequence[Any]]]:
        """In one piece while all is well: ranks cost a third of a microsecond a record."""
        if self.sink.signal == "metrics":
            return [(Rank.MEASURED, batch)]
        if not self.is_troubled:
            return [(Rank.ERROR, batch)]
        ranked = sorted(batch, key=rank_of)  # stable: the order of each rank stays
        return [(rank, list(part)) for rank, part in groupby(ranked, rank_of)]

    def _pack(self, batch: Sequence[Any], count: int) -> tuple[list[Parcel], int]:
        try:
            return self.sink.pack(batch)
        except Exception as error:
            _guard.fault(f"packing {self.sink.signal}", error)
            return [], count

    def _add(self, parcel: Parcel) -> None:
        if self.is_troubled:
            self._hold(parcel)
        if not self._backlog.add(parcel):
            self._drop(QUEUE_FULL, parcel.count)
            self._holding.discard(parcel)

    def _put_away(self, parcel: Parcel) -> None:
        if parcel.entry is None:
            self._backlog.change(parcel, self._hold)

    def _hold(self, parcel: Parcel) -> None:
        try:
            self._holding.put_away(self.sink.signal, parcel)
        except Exception as error:
            _guard.fault("keeping a batch", error)

    def _unfolded(self, parcel: Parcel) -> Parcel | None:
        """As it is sent; None if the spool has lost it."""
        if not isinstance(parcel.content, bytes):
            return parcel
        try:
            return replace(parcel, content=self._holding.content(parcel))
        except Unreadable:
            return None

    def _send(self, parcel: Parcel, seconds: float) -> Answer:
        try:
            return self.sink.send(parcel, seconds)
        except Exception as error:
            _guard.fault(f"sending {self.sink.signal}", error)
            return Answer(Fate.AGAIN, type(error).__name__, is_there=False)

    def _settle_delivered(self, parcel: Parcel, answer: Answer) -> None:
        self._settle(parcel)
        rejected = min(answer.rejected, parcel.count)
        self._drop(REJECTED, rejected)
        self.delivered += parcel.count - rejected
        self._passed += 1
        self.is_troubled = False
        self.hurry()

    def _settle_again(self, parcel: Parcel, answer: Answer) -> None:
        self._is_stuck = False
        backoff = min(_LONGEST, _SHORTEST * 2.0 ** min(self.failures, 10))
        self._fail(answer, backoff)

    def _settle_slowly(self, parcel: Parcel, answer: Answer) -> None:
        self._is_stuck = True
        self._fail(answer, _LONGEST)

    def _settle_suspect(self, parcel: Parcel, answer: Answer) -> None:
        if parcel.passed_before is not None and self._passed > parcel.passed_before:
            parcel.suspected += 1
        if parcel.suspected >= _SUSPICIONS:
            self._lose(POISON, parcel)
            return
        parcel.passed_before = self._passed
        self._backlog.move_back(parcel)
        self._settle_again(parcel, answer)

    def _settle_too_large(self, parcel: Parcel, answer: Answer) -> None:
        try:
            content = self._holding.content(parcel)
            halves = self.sink.halve(replace(parcel, content=content))
        except Exception as error:
            _guard.fault(f"halving {self.sink.signal}", error)
            halves = []
        if len(halves) < 2:
            self._lose(TOO_LARGE, parcel)
            return
        for half in halves:
            half.rank = parcel.rank
            if parcel.entry is not None:
                self._hold(half)
        self._backlog.replace(parcel, halves)
        self._holding.discard(parcel)

    def _settle_refused(self, parcel: Parcel, answer: Answer) -> None:
        self._lose(REFUSED, parcel)

    def _settle(self, parcel: Parcel) -> None:
        self._backlog.remove(parcel)
        self._holding.discard(parcel)

    def _lose(self, reason: str, parcel: Parcel) -> None:
        self._settle(parcel)
        self._drop(reason, parcel.count)

    def _drop(self, reason: str, count: int) -> None:
        if count:
            self.dropped[reason] += count

    def _drop_for_room(self, count: int) -> None:
        self._drop(QUEUE_FULL, count)

    def _fail(self, answer: Answer, seconds: float) -> None:
        self.failures += 1
        self.is_troubled = True
        self.put_away()
        jittered = seconds * random.uniform(0.5, 1.0)  # noqa: S311
        self.due = time.monotonic() + max(jittered, answer.wait or 0.0)


_SETTLE: Mapping[Fate, Callable[[Line, Parcel, Answer], None]] = {
    Fate.DELIVERED: Line._settle_delivered,
    Fate.AGAIN: Line._settle_again,
    Fate.SLOWLY: Line._settle_slowly,
    Fate.SUSPECT: Line._settle_suspect,
    Fate.TOO_LARGE: Line._settle_too_large,
    Fate.REFUSED: Line._settle_refused,
}
