"""What is asked of every contender, one phase after another, and for how long.

A round of a phase is a block of requests to each contender, in slices, so small that all of them
meet the same machine. A slice's requests are a multiple of ten: whole turns of `load.TURNS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

FEW_ROUTES, MANY_ROUTES = 10, 1_000
ROUNDS, SHORT_ROUNDS = 8, 5
SLICES = 6
ROUNDS_OF_A_SERVER = 2


@dataclass(frozen=True)
class Phase:
    """turn: of `load.TURNS`; requests: in a round; rate: requests a second, none for saturated;
    routes: that stand before the asked ones. share: of the rounds that are asked for.
    """

    name: str
    title: str
    turn: str
    requests: int
    rate: float | None = None
    routes: int = FEW_ROUTES
    share: float = 1.0

    def rounds(self, asked: int) -> int:
        return max(1, round(asked * self.share))


ITEM = Phase("item", "GET /item, saturated", "item", 1_500)
PING = Phase("ping", "GET /ping, saturated", "ping", 3_000)
MANY = Phase(
    "routes",
    f"GET /ping behind {MANY_ROUTES:,} routes, saturated",
    "ping",
    900,
    routes=MANY_ROUTES,
    share=0.5,
)

PHASES: Sequence[Phase] = (
    ITEM,
    Phase("item-paced", "GET /item at 300 requests a second", "item", 900, 300.0, share=0.25),
    PING,
    Phase("ping-paced", "GET /ping at 1,000 requests a second", "ping", 1_500, 1_000.0, share=0.25),
    Phase(
        "mix",
        "60 % GET /item, 30 % POST /items, 10 % GET /error, saturated",
        "mix",
        600,
        share=0.25,
    ),
    MANY,
)
SHORT: Sequence[Phase] = (replace(ITEM, requests=600),)

Sitting = Mapping[Phase, Sequence[int]]
"""What servers go through from their start to their stop: phases, and numbers of rounds."""


def sittings(phases: Sequence[Phase], rounds: int) -> Iterator[Sitting]:
    """Servers are started anew for every second round.

    Of two processes that do the same, one can take a tenth more than the other for as long as they
    live: what lies where in memory is chance.
    """
    most = max(phase.rounds(rounds) for phase in phases)
    for first in range(0, most, ROUNDS_OF_A_SERVER):
        numbers = range(first, first + ROUNDS_OF_A_SERVER)
        left = {phase: [n for n in numbers if n < phase.rounds(rounds)] for phase in phases}
        yield {phase: several for phase, several in left.items() if several}
