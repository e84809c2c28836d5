"""What waits: nothing is lost uncounted, and room is bounded."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from otelier.export.queue import QUEUE_FULL, STOPPED, Bell, Queue, Tally


class Waking:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def queue_of(room: int, threshold: int = 4) -> tuple[Queue, Waking]:
    waking = Waking()
    return Queue(room, threshold, waking), waking


def recorded(queue: Queue) -> int:
    return queue.taken + len(queue) + queue.dropped.total()


@dataclass
class Record:
    """A log record of a level, in the logs data model's numbers."""

    severity_number: int


def test_first_in_first_out() -> None:
    """Records leave in their order, and no more than asked for."""
    queue, _ = queue_of(100)
    for n in range(5):
        queue.put(n)
    assert [queue.take(3), queue.take(3), queue.take(3)] == [[0, 1, 2], [3, 4], []]
    assert recorded(queue) == 5


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
    assert (recorded(queue), queue.dropped) == (15, {QUEUE_FULL: 5})


def test_errors_have_more_room() -> None:
    """A full queue takes a quarter more of them, and no more."""
    queue, _ = queue_of(100)
    for _ in range(150):
        queue.put(Record(9))
    for _ in range(150):
        queue.put(Record(17))
    levels = [record.severity_number for record in queue.take(999)]
    assert (levels.count(9), levels.count(17)) == (100, 25)
    assert queue.dropped == {QUEUE_FULL: 175}


def test_full_wakes_nobody() -> None:
    """Dropping is no work for the thread that delivers: a full queue must not keep it busy."""
    queue, waking = queue_of(10)
    queue.leave(0)
    for n in range(50):
        queue.put(n)
    assert (waking.times, len(queue)) == (0, 0)


def test_what_is_held_elsewhere_takes_room() -> None:
    """The room is set while it is used."""
    queue, _ = queue_of(10)
    queue.leave(3)
    for n in range(5):
        queue.put(n)
    assert (len(queue), queue.dropped[QUEUE_FULL]) == (3, 2)


def test_closed() -> None:
    """Nothing is taken any more, and the reason is another."""
    queue, _ = queue_of(10)
    queue.close()
    queue.put(1)
    assert (len(queue), recorded(queue), queue.dropped) == (0, 1, {STOPPED: 1})


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
    assert len(taken) + queue.dropped[QUEUE_FULL] == 8 * each == recorded(queue)


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
