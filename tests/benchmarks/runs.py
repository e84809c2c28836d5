"""Results of runs that never were, with figures that can be reckoned in one's head."""

from __future__ import annotations

from benchmarks.counting import Counts
from benchmarks.phases import ITEM
from benchmarks.results import Block, End, Results


def block(contender: str, number: int, micros: float, **other: object) -> Block:
    """One hundred requests of that cost, in half a second."""
    values = {
        "contender": contender,
        "phase": ITEM.name,
        "round": number,
        "answered": 100,
        "wrong": 0,
        "cpu_seconds": micros * 100 / 1e6,
        "seconds": 0.5,
        "p50": 2.0,
        "p99": 9.0,
        "sent": Counts(250, 200),
        "expected": Counts(250, 200),
    }
    return Block(**{**values, **other})  # type: ignore[arg-type]


def end(contender: str, sent: Counts, expected: Counts, mib: float = 90.0) -> End:
    return End(contender, 10, sent, expected, {"item": Counts(2.5, 2)}, mib, 2.0)


def kept() -> Results:
    """Otelier at 1.2 times bare, upstream at three times, all delivered."""
    nothing, all_sent = Counts(), Counts(500, 400, 7)
    micros = {"bare": 1_000, "otelier": 1_200, "upstream": 3_000}
    return Results(
        versions=dict.fromkeys(micros, "1.0"),
        blocks=[block(name, n, cost + n) for n in (0, 1) for name, cost in micros.items()],
        ends=[
            end("bare", nothing, nothing, 80.0),
            end("otelier", all_sent, all_sent, 88.5),
            end("upstream", all_sent, all_sent, 100.0),
        ],
        starts={"bare": [1.0, 1.2, 1.1], "otelier": [1.3, 1.4, 1.2]},
        machine={"python": "CPython 3.11.7", "parts": "PostgreSQL 18"},
    )
