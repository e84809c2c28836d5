"""Rounds: the contenders get a few requests each in turn, several times, then all are waited for.

What one contender gets in a round is its block, in slices of a fraction of a second, so that a
machine whose speed changes changes it for all of them. A block's cost runs from before its first
request until all its records have arrived, so that sending counts, less what the server takes when
idle in that time. Who begins changes with every pass. What has not arrived when it should have is
missing from that block; the count after the stop (`Standing.end`) has the last word.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.counting import Counts
from benchmarks.load import Client, Order, Outcome
from benchmarks.phases import SLICES, Phase
from benchmarks.results import Block
from benchmarks.standing import Standing, has_arrived

POLL_SECONDS = 0.1


class Open:
    """A block that has begun, and whose records may still be on their way."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._had = standing.sink.counts()
        self._cpu = standing.serving.cpu_seconds()
        self._began = time.perf_counter()
        self._outcomes: list[Outcome] = []
        self._expected = Counts()

    def ask(self, client: Client, phase: Phase) -> None:
        """One slice."""
        port = self._standing.serving.port
        outcome = client.run(Order(port, phase.turn, phase.requests // SLICES, phase.rate))
        expected = self._standing.expects(phase.turn, outcome.answered)
        self._outcomes.append(outcome)
        self._expected += expected
        self._standing.expected += expected
        self._deadline = time.perf_counter() + self._standing.patience

    def is_over(self) -> bool:
        if time.perf_counter() > self._deadline:
            return True
        return has_arrived(self._standing.sink.counts() - self._had, self._expected)

    def close(self, phase: Phase, number: int) -> Block:
        idle = self._standing.idle * (time.perf_counter() - self._began)
        latencies = sorted(late for outcome in self._outcomes for late in outcome.latencies)
        return Block(
            contender=self._standing.contender.name,
            phase=phase.name,
            round=number,
            answered=sum(outcome.answered for outcome in self._outcomes),
            wrong=sum(outcome.wrong for outcome in self._outcomes),
            cpu_seconds=self._standing.serving.cpu_seconds() - self._cpu - idle,
            seconds=sum(outcome.seconds for outcome in self._outcomes),
            p50=latencies[len(latencies) // 2] * 1000,
            p99=latencies[len(latencies) * 99 // 100] * 1000,
            sent=self._standing.sink.counts() - self._had,
            expected=self._expected,
        )


def measure(
    standing: Sequence[Standing], client: Client, phase: Phase, numbers: Sequence[int]
) -> Iterator[tuple[int, list[Block]]]:
    """The rounds of these numbers, each with its blocks."""
    for number in numbers:
        blocks = [Open(one) for one in standing]
        for each in range(SLICES):
            begin = (number + each) % len(blocks)
            for block in (*blocks[begin:], *blocks[:begin]):
                block.ask(client, phase)
        yield number, list(_closed(blocks, phase, number))


def _closed(blocks: list[Open], phase: Phase, number: int) -> Iterator[Block]:
    while blocks:
        time.sleep(POLL_SECONDS)
        over = [block for block in blocks if block.is_over()]
        yield from (block.close(phase, number) for block in over)
        blocks = [block for block in blocks if block not in over]
