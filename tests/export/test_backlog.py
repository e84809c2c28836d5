"""Batches that wait: room is bounded, the least useful goes first, and every loss is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otelier.export.backlog import Backlog, Parcel, Room
from otelier.export.rank import Rank, rank_of
from otelier.sdk.lean_span import LeanSpan


class Kept:
    """A backlog and what it has dropped."""

    def __init__(self, room: Room, **limits: int) -> None:
        self.dropped: list[int] = []
        self.backlog = Backlog(room, self.dropped.append, **limits)

    def add(self, count: int, size: int = 10, rank: Rank = Rank.USUAL) -> bool:
        return self.backlog.add(Parcel("x", count, size, rank=rank))

    @property
    def counts(self) -> list[int]:
        return [parcel.count for parcel in self.backlog]


def test_the_oldest_of_equals_are_kept() -> None:
    """A byte too many, or a record, and the new parcel is not taken."""
    kept = Kept(Room(35))
    assert [kept.add(n) for n in (1, 2, 3, 4)] == [True, True, True, False]
    few = Kept(Room(1_000), records=10)
    assert [few.add(6), few.add(5), few.add(4)] == [True, False, True]
    assert (kept.dropped, few.dropped) == ([], [])


def test_the_least_useful_makes_room() -> None:
    """Details go before what is usual, the newest of them first, whatever their signal."""
    room = Room(50)
    logs, spans = Kept(room), Kept(room)
    logs.add(1, rank=Rank.DETAIL)
    logs.add(2, rank=Rank.DETAIL)
    spans.add(3)
    logs.add(4, rank=Rank.WARNING)
    spans.add(5, rank=Rank.ERROR)
    assert spans.add(6, size=15, rank=Rank.ERROR)
    assert (logs.dropped, logs.counts) == ([2, 1], [4])
    assert spans.add(7, rank=Rank.ERROR)
    assert (spans.dropped, spans.counts) == ([3], [5, 6, 7])
    assert not spans.add(8)
    assert room.used <= room.limit


def test_what_is_being_sent_is_not_dropped() -> None:
    """Its fate is the receiver's."""
    room = Room(10)
    kept = Kept(room)
    kept.add(1, rank=Rank.DETAIL)
    kept.backlog.sending = kept.backlog.head
    assert not kept.add(2, rank=Rank.ERROR)
    assert kept.counts == [1]


def test_a_giant_is_sent_where_nothing_waits() -> None:
    """And not kept beside others."""
    kept = Kept(Room(100))
    assert [kept.add(1, 150), kept.add(1)] == [True, False]


def test_metrics_keep_the_newest() -> None:
    """The oldest batch makes room."""
    kept = Kept(Room(10**6), parcels=2)
    for n in (1, 2, 3, 4):
        assert kept.add(n)
    assert (kept.counts, kept.dropped) == ([3, 4], [1, 2])


def test_the_parts_of_a_parcel_take_its_place() -> None:
    """Counts and sizes follow."""
    room = Room(100)
    kept = Kept(room)
    kept.add(4, 40)
    kept.add(1)
    kept.backlog.replace(kept.backlog.head, [Parcel("x", 2, 22), Parcel("x", 2, 23)])
    assert (kept.counts, room.used, kept.backlog.count) == ([2, 2, 1], 55, 5)
    kept.backlog.clear()
    assert (room.used, kept.backlog.count) == (0, 0)


def lean(status: int) -> LeanSpan:
    span = LeanSpan()
    span.status_number = status
    return span


def log(number: int) -> SimpleNamespace:
    return SimpleNamespace(
        log_record=SimpleNamespace(severity_number=SimpleNamespace(value=number))
    )


def sdk_span(status: int) -> SimpleNamespace:
    return SimpleNamespace(status=SimpleNamespace(status_code=SimpleNamespace(value=status)))


@pytest.mark.parametrize(
    ("record", "rank"),
    [
        (lean(0), Rank.USUAL),
        (lean(1), Rank.USUAL),
        (lean(2), Rank.ERROR),
        (sdk_span(1), Rank.USUAL),
        (sdk_span(2), Rank.ERROR),
        (SimpleNamespace(severity_number=5), Rank.DETAIL),
        (SimpleNamespace(severity_number=0), Rank.USUAL),
        (log(9), Rank.USUAL),
        (log(13), Rank.WARNING),
        (log(21), Rank.ERROR),
        (SimpleNamespace(log_record=SimpleNamespace(severity_number=None)), Rank.USUAL),
        (SimpleNamespace(severity_number="loud"), Rank.USUAL),
        (SimpleNamespace(severity_number=13, is_kept=True), Rank.ERROR),
        ("anything else", Rank.USUAL),
    ],
)
def test_rank(record: object, rank: Rank) -> None:
    """Of both lanes' records; nothing is too strange to have one."""
    assert rank_of(record) is rank
