"""What a run has found, before any arithmetic: written as JSON, read again to make a table."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.counting import Counts


@dataclass(frozen=True)
class Block:
    """One contender in one round. cpu_seconds: less what it takes when idle; p50, p99 in ms."""

    contender: str
    phase: str
    round: int
    answered: int
    wrong: int
    cpu_seconds: float
    seconds: float
    p50: float
    p99: float
    sent: Counts
    expected: Counts

    @property
    def micros(self) -> float:
        """CPU time of a request, in microseconds."""
        return self.cpu_seconds / max(1, self.answered + self.wrong) * 1e6

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


@dataclass(frozen=True)
class End:
    """One contender's server after its last round, stopped. sent: in all rounds, and at the stop;
    calm: by a request at leisure, of each turn; idle: CPU milliseconds a second.
    """

    contender: str
    routes: int
    sent: Counts
    expected: Counts
    calm: dict[str, Counts]
    resident_mib: float
    idle: float


@dataclass
class Results:
    """absent: contenders that could not be measured, and why."""

    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, read: dict[str, Any]) -> Results:
        return cls(**{**read, "blocks": _blocks(read), "ends": _ends(read)})


def machine(parts: str) -> dict[str, str]:
    """What the figures depend on; nothing that tells whose machine it is."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "parts": parts,
    }


def _blocks(read: dict[str, Any]) -> list[Block]:
    counts = ("sent", "expected")
    return [
        Block(**{**one, **{name: Counts(**one[name]) for name in counts}}) for one in read["blocks"]
    ]


def _ends(read: dict[str, Any]) -> list[End]:
    return [
        End(
            **{
                **one,
                "sent": Counts(**one["sent"]),
                "expected": Counts(**one["expected"]),
                "calm": {turn: Counts(**counts) for turn, counts in one["calm"].items()},
            }
        )
        for one in read["ends"]
    ]
