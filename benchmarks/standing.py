"""A contender that is up, warm, and known: what it sends for a request, what it takes when idle.

How many records a request makes is each contender's own affair. It is counted once at leisure, a
few hundred requests a second with time to send them all, and expected of every later request. At
least the request, Redis, and SQL must have a span, and every log line a record: or else it is not
compared (`Incomplete`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.contenders import LEAST_LOGS, LEAST_SPANS, Contender
from benchmarks.counting import Counts
from benchmarks.load import Client, Order
from benchmarks.results import End
from benchmarks.serving import Serving
from benchmarks.sink import Sink

WARM_REQUESTS = 320
CALM_REQUESTS, CALM_RATE = 40, 200.0
IDLE_SECONDS = 6.0
# Beyond the longest time that a record waits by a contender's defaults.
MARGIN_SECONDS = 1.5
# Less than half a record in all: the counts are whole, their mean need not be.
TOLERANCE = 0.5


class Incomplete(Exception):
    """What is missing of what a request should leave behind, in one line."""


@dataclass
class Standing:
    """expected: of all blocks so far; first: what had arrived when the first one began."""

    contender: Contender
    serving: Serving
    sink: Sink
    calm: dict[str, Counts] = field(default_factory=dict)
    idle: float = 0.0
    expected: Counts = field(default_factory=Counts)
    first: Counts = field(default_factory=Counts)

    @property
    def patience(self) -> float:
        """Seconds after which what has not arrived will not."""
        return self.contender.flush_seconds + MARGIN_SECONDS if self.contender.environ else 0.0

    def expects(self, turn: str, requests: int) -> Counts:
        return self.calm.get(turn, Counts()) * requests

    def check(self, turn: str) -> None:
        """Raises Incomplete."""
        if not self.contender.environ:
            return
        calm = self.calm[turn]
        if calm.spans < LEAST_SPANS[turn]:
            raise Incomplete(f"{calm.spans:.2f} spans of {LEAST_SPANS[turn]} a request, {turn}")
        if self.contender.logs and calm.logs < LEAST_LOGS[turn]:
            raise Incomplete(f"{calm.logs:.2f} log records of {LEAST_LOGS[turn]}, {turn}")

    def end(self, routes: int) -> End:
        """Stop it and count once more."""
        resident = self.serving.resident_mib()
        self.serving.stop()
        sent = self.sink.counts() - self.first
        return End(
            self.contender.name,
            routes,
            sent,
            self.expected,
            self.calm,
            resident,
            self.idle * 1000,
        )


def has_arrived(sent: Counts, expected: Counts) -> bool:
    return sent.spans > expected.spans - TOLERANCE and sent.logs > expected.logs - TOLERANCE


def prepare(standing: Sequence[Standing], client: Client, turns: Sequence[str]) -> None:
    """Warm all of them, see what each sends in each turn, and what it takes when idle."""
    for one in standing:
        for turn in turns:
            client.run(Order(one.serving.port, turn, WARM_REQUESTS))
    _rest(standing)
    for turn in turns:
        _see(standing, client, turn)
    _idle(standing)
    for one in standing:
        one.first = one.sink.counts()


def _see(standing: Sequence[Standing], client: Client, turn: str) -> None:
    before = [one.sink.counts() for one in standing]
    for one in standing:
        client.run(Order(one.serving.port, turn, CALM_REQUESTS, CALM_RATE))
    _rest(standing)
    for one, had in zip(standing, before, strict=True):
        one.calm[turn] = (one.sink.counts() - had) * (1 / CALM_REQUESTS)


def _idle(standing: Sequence[Standing]) -> None:
    before = [one.serving.cpu_seconds() for one in standing]
    time.sleep(IDLE_SECONDS)
    for one, had in zip(standing, before, strict=True):
        one.idle = (one.serving.cpu_seconds() - had) / IDLE_SECONDS


def _rest(standing: Sequence[Standing]) -> None:
    time.sleep(max(one.patience for one in standing))
