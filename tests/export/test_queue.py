"""What waits: nothing is lost uncounted, and room is bounded."""

from __future__ import annotations

import threading
import time

from otelier.export.queue import QUEUE_FULL, STOPPED, Backlog, Bell, Limit, Parcel, Queue, Tally


class Waking:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def queue_of(capacity: int, threshold: int = 4) -> tuple[Queue, Waking]:
    waking = Waking()
    return Queue(capacity, threshold, waking), waking


def test_first_in_first_out() -> None:
    """Records leave in their order, and no more than asked for."""
    queue, _ = queue_of(100)
    for n in range(5):
        queue.put(n)
    assert [queue.take(3), queue.take(3), queue.take(3)] == [[0, 1, 2], [3, 4], []]
    assert queue.recorded == 5


def test_woken_seldom() -> None:
    """The first record wakes, to start the thread; then only each so many."""
    queue, waking = queue_of(100)
    woken = [waking.times for n in range(10) if queue.put(n) is None]
    assert woken == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]


def test_full() -> None:
    """The newest is dropped, and counted by reason."""
    queue, _ = queue_of(10)
    for n in range(15):
        queue.put(n)
    assert queue.take(99) == list(range(10))
    assert (queue.recorded, queue.dropped) == (15, {QUEUE_FULL: 5})


def test_full_wakes_nobody() -> None:
    """Dropping is no work for the thread that delivers: a full queue must not keep it busy."""
    queue, waking = queue_of(10)
    queue.leave(10)
    for n in range(50):
        queue.put(n)
    assert (waking.times, len(queue)) == (0, 0)


def test_what_is_held_elsewhere_takes_room() -> None:
    """Queue and backlog share the capacity."""
    queue, _ = queue_of(10)
    queue.leave(held=7)
    for n in range(5):
        queue.put(n)
    assert (len(queue), queue.dropped[QUEUE_FULL]) == (3, 2)


def test_closed() -> None:
    """Nothing is taken any more, and the reason is another."""
    queue, _ = queue_of(10)
    queue.close()
    queue.put(1)
    assert (len(queue), queue.recorded, queue.dropped) == (0, 1, {STOPPED: 1})


def test_many_threads() -> None:
    """Eight threads put while one takes from a queue that overflows: every record is accounted."""
    queue, _ = queue_of(500)
    taken: list[int] = []
    each = 20_000

    def work() -> None:
        for n in range(each):
            queue.put(n)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += queue.take(50)
        time.sleep(0.001)
    taken += queue.take(1000)
    assert queue.dropped[QUEUE_FULL] > 0
    assert len(taken) + queue.dropped[QUEUE_FULL] == 8 * each == queue.recorded


def test_a_tally_loses_none() -> None:
    """Raised by several threads at once, it is exact, and looking at it does not raise it."""
    tally = Tally()
    add = [threading.Thread(target=lambda: [tally.add() for _ in range(50_000)]) for _ in range(4)]
    for thread in add:
        thread.start()
    for thread in add:
        thread.join()
    assert [int(tally), int(tally)] == [200_000, 200_000]


def test_a_bell() -> None:
    """However often it is rung, it wakes once; unrung, the time passes."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert [bell.wait(0.01), bell.wait(0.01), bell.wait(-1)] == [True, False, False]


def parcel(count: int, size: int = 10) -> Parcel:
    return Parcel("x", count, size)


def test_a_backlog_keeps_the_oldest() -> None:
    """A record too many, or a byte, and the new parcel is dropped."""
    backlog = Backlog(Limit(records=10, bytes=100))
    lost = [backlog.add(parcel(6)), backlog.add(parcel(5)), backlog.add(parcel(4))]
    assert (lost, backlog.count, backlog.is_full) == ([0, 5, 0], 10, True)
    heavy = Backlog(Limit(records=10, bytes=100))
    assert [heavy.add(parcel(1, 150)), heavy.add(parcel(1))] == [0, 1]


def test_a_backlog_of_metrics_keeps_the_newest() -> None:
    """The oldest batch makes room."""
    backlog = Backlog(Limit(records=10**6, bytes=10**6, parcels=2))
    assert [backlog.add(parcel(n)) for n in (1, 2, 3, 4)] == [0, 0, 1, 2]
    assert (backlog.head.count, backlog.count) == (3, 7)


def test_the_parts_of_a_parcel_take_its_place() -> None:
    """Counts and sizes follow."""
    backlog = Backlog(Limit(records=10, bytes=100))
    backlog.add(parcel(4, 40))
    backlog.add(parcel(1))
    backlog.replace([parcel(2, 22), parcel(2, 23)])
    sizes = [backlog.remove().size for _ in range(3)]
    assert (sizes, backlog.count, backlog.size) == ([22, 23, 10], 0, 0)
