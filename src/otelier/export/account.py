"""What has become of every record: for each signal and sink, numbers that add up.

    recorded = delivered + spooled + queued + in flight + dropped

Read under the books' lock of `deliver`, so they agree at any time. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from otelier.export.line import Line
from otelier.export.queue import Queue
from otelier.fixed import fixed

_OBJECTS = 3  # a record takes 1.7 to 2.5 times the room of its bytes (measured, lean ones)
_FIRST_GUESS = 1_500  # bytes of a record as an object, before any was packed
_FEWEST = 256


@fixed
class Channel:
    """One signal: its queue (metrics have none) and the line to each of its sinks."""

    signal: str
    lines: Sequence[Line]
    queue: Queue | None = None

    @property
    def waiting(self) -> int:
        """Records that are in memory, or in flight."""
        return self.packed + (len(self.queue) if self.queue is not None else 0)

    @property
    def packed(self) -> int:
        """Those of them that are in batches."""
        return max((line.waiting + line.in_flight for line in self.lines), default=0)

    @property
    def spooled(self) -> int:
        return max((line.spooled for line in self.lines), default=0)

    @property
    def delivered(self) -> int:
        return min((line.delivered for line in self.lines), default=0)

    @property
    def dropped(self) -> Counter[str]:
        total = Counter(self.queue.dropped) if self.queue is not None else Counter[str]()
        for line in self.lines:
            total.update(dict(line.dropped))
        return +total

    @property
    def has_recorded(self) -> bool:
        queue = self.queue
        return queue is not None and bool(queue.taken or len(queue) or queue.dropped.total())

    def make_room(self, bytes_left: int, capacity: int | None) -> None:
        """Let the queue hold as many records as fit into these bytes, by the size of those so far.

        capacity: records that may wait in all, or None.
        """
        if self.queue is None:
            return
        packed = sum(line.packed for line in self.lines)
        size = sum(line.bytes for line in self.lines)
        each = _OBJECTS * size // packed + 1 if packed and size else _FIRST_GUESS
        room = max(_FEWEST, bytes_left // each)
        if capacity is not None:
            held = min((line.waiting for line in self.lines), default=0)
            room = min(room, max(0, capacity - held))
        self.queue.leave(room)


@fixed
class Balance:
    """What has become of the records of one signal, for one sink.

    recorded: by this process, and what it has taken over from an earlier one (adopted). component:
    kind of exporter, as the conventions name it.
    recorded == delivered + spooled + queued + in_flight + sum(dropped.values())
    """

    signal: str
    sink: str
    recorded: int
    delivered: int
    spooled: int
    queued: int
    in_flight: int
    component: str = ""
    adopted: int = 0
    dropped: Mapping[str, int] = MappingProxyType({})


def balance(channel: Channel, line: Line) -> Balance:
    queue = channel.queue
    dropped = Counter(dict(line.dropped))
    recorded, unpacked = line.packed, 0
    if queue is not None:
        # Each number is read once: records come meanwhile, and must be in both or in neither.
        unpacked, refused = len(queue), queue.dropped
        recorded = queue.taken + unpacked + refused.total()
        dropped.update(refused)
    return Balance(
        signal=channel.signal,
        sink=line.sink.shown,
        recorded=recorded + line.adopted,
        delivered=line.delivered,
        spooled=line.spooled,
        queued=line.waiting + unpacked,
        in_flight=line.in_flight,
        component=line.sink.component,
        adopted=line.adopted,
        dropped=dict(+dropped),
    )
