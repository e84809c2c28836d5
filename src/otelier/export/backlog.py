"""Batches that are ready to be sent, and the room that they share.

All rules about what is dropped when there is no room are in this file. `Room` is a number of bytes
for the parcels of all signals and sinks together: a new parcel makes the least useful ones go, the
newest of these first; where nothing less useful is left, it is dropped itself. So the start of an
outage is kept, and its errors to the end. The parcel that is being sent stays in any case.

All of it runs under the books' lock of `deliver`; nothing here blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from otelier.export.rank import Rank

if TYPE_CHECKING:
    from otelier.export.spool import Entry


@dataclass(slots=True, eq=False)
class Parcel:
    """A batch ready to be sent.

    content: what a sink sends; bytes for OTLP. count: records in it, for metrics data points.
    size: bytes in memory, or a guess; plain_size: before any compression. encoding: HTTP's name of
    how the content is compressed. batch_id: the same each time that it is sent. is_squeezed, entry:
    where `holding` keeps it. suspected: how often it failed again after others had passed;
    passed_before: how many had, at its last failure. failed_at: when it first failed.
    """

    content: Any
    count: int
    size: int
    plain_size: int = 0
    encoding: str = ""
    rank: Rank = Rank.ERROR
    batch_id: str = field(default_factory=lambda: uuid4().hex)
    is_squeezed: bool = False
    entry: Entry | None = None
    suspected: int = 0
    passed_before: int | None = None
    failed_at: float | None = None


class Room:
    """Bytes that the parcels of all backlogs may take in memory. used: how many they do."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._backlogs: list[Backlog] = []

    def share(self, backlog: Backlog) -> None:
        self._backlogs.append(backlog)

    def make(self, parcel: Parcel) -> bool:
        """Whether it fits in, when all that is less useful has been dropped for it if need be."""
        if not self.used:
            return True  # a giant is sent alone, where nothing waits
        while self.used + parcel.size > self.limit:
            found = self._least_useful(parcel.rank)
            if found is None:
                return False
            backlog, victim = found
            backlog.drop(victim)
        return True

    def _least_useful(self, below: Rank) -> tuple[Backlog, Parcel] | None:
        candidates = (
            (backlog, parcel)
            for backlog in self._backlogs
            for parcel in backlog.newest_first()
            if parcel.rank < below and parcel.size
        )
        return min(candidates, key=lambda each: each[1].rank, default=None)


class Backlog:
    """Parcels for one receiver, the oldest first.

    records: as many may wait, at most. parcels: keeps only so many of the newest in memory.
    dropped: told how many records went with a parcel that had to make room.
    sending: the parcel whose fate is not known yet; it keeps its place.
    """

    def __init__(
        self,
        room: Room,
        dropped: Callable[[int], object],
        records: int | None = None,
        parcels: int | None = None,
    ) -> None:
        self._room = room
        self._dropped = dropped
        self._records = records
        self._most = parcels
        self._parcels: deque[Parcel] = deque()
        self.sending: Parcel | None = None
        self.count = self.stored = 0
        room.share(self)

    def __len__(self) -> int:
        return len(self._parcels)

    def __iter__(self) -> Iterator[Parcel]:
        return iter(list(self._parcels))

    @property
    def head(self) -> Parcel:
        return self._parcels[0]

    def newest_first(self) -> Iterator[Parcel]:
        return (parcel for parcel in reversed(self._parcels) if parcel is not self.sending)

    def add(self, parcel: Parcel) -> bool:
        """Put it last; False if it is dropped instead. The caller counts that."""
        if self._records is not None and self.count and self.count + parcel.count > self._records:
            return False
        if not self._room.make(parcel):
            return False
        self._parcels.append(parcel)
        self._account(parcel, 1)
        if self._most is not None:
            in_memory = [each for each in self.newest_first() if each.entry is None]
            for oldest in in_memory[self._most :]:
                self.drop(oldest)
        return True

    def remove(self, parcel: Parcel) -> None:
        self._parcels.remove(parcel)
        self._account(parcel, -1)

    def drop(self, parcel: Parcel) -> None:
        """Remove it for want of room."""
        self.remove(parcel)
        self._dropped(parcel.count)

    def move_back(self, parcel: Parcel) -> None:
        """Let the others pass it."""
        self._parcels.remove(parcel)
        self._parcels.append(parcel)

    def replace(self, parcel: Parcel, parts: Sequence[Parcel]) -> None:
        """Put its parts in its place; they are as large as it was, so room is not asked for."""
        place = self._parcels.index(parcel)
        self.remove(parcel)
        for part in reversed(parts):
            self._parcels.insert(place, part)
            self._account(part, 1)

    def change(self, parcel: Parcel, change: Callable[[Parcel], object]) -> None:
        """Let something change where and how large a parcel is."""
        self._account(parcel, -1)
        try:
            change(parcel)
        finally:
            self._account(parcel, 1)

    def clear(self) -> None:
        for parcel in self:
            self.remove(parcel)
        self.sending = None

    def _account(self, parcel: Parcel, sign: int) -> None:
        self.count += sign * parcel.count
        self._room.used += sign * parcel.size
        if parcel.entry is not None:
            self.stored += sign * parcel.count
