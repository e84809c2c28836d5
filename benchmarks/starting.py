"""How long each contender's server takes from its start to its first answer, and its CPU time.

Every round starts and stops each of them once, one after the other. They have been up before, so
that the byte-code is written and the files are in memory. CPU time is that of the server's process
until its first answer, and the launching process is in it: it becomes the server's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.contenders import Contender
from benchmarks.serving import Serving

STARTS = 5

Serve = Callable[[Contender], AbstractContextManager[Serving]]


@dataclass(frozen=True)
class Start:
    """seconds: to the first answer; cpu: seconds of CPU time until then."""

    seconds: float
    cpu: float


def rounds(contenders: Sequence[Contender], serve: Serve, several: int) -> Iterator[list[Start]]:
    """One start of each contender, in their order; who begins changes."""
    for number in range(several):
        begin = number % len(contenders)
        found = {}
        for contender in (*contenders[begin:], *contenders[:begin]):
            with serve(contender) as serving:
                found[contender.name] = Start(serving.seconds_to_answer, serving.cpu_to_answer)
        yield [found[contender.name] for contender in contenders]


def start_seconds(contenders: Sequence[Contender], serve: Serve) -> dict[str, list[float]]:
    """By contender."""
    found = defaultdict(list)
    for starts in rounds(contenders, serve, STARTS):
        for contender, start in zip(contenders, starts, strict=True):
            found[contender.name].append(start.seconds)
    return dict(found)
