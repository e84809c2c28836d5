"""What one run of a scenario came to, and of many: written as JSON, read again to make a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.faults.arrived import Found


@dataclass(frozen=True)
class Memory:
    """Resident MiB of the server: before the load, in its middle, at its end, at most."""

    start: float
    middle: float
    end: float
    peak: float


@dataclass(frozen=True)
class Outcome:
    """One contender in one scenario, once.

    rate, seconds: of the load. wrong: answers, of all asked. each: spans and log records of a
    request. said: what it counts as lost itself; lines: what it said of telemetry, its number of
    lines in `line_count`. p99, p99_healthy: milliseconds. stop: seconds, and the exit code.
    """

    contender: str
    scenario: str
    run: int
    rate: float
    seconds: float
    wrong: int
    each: tuple[int, int]
    found: Found
    said: int
    lines: Sequence[str]
    line_count: int
    memory: Memory
    p99: float
    p99_healthy: float | None
    stop: tuple[float, int]

    @property
    def lost_seconds(self) -> float:
        """So many seconds' worth of the load is lost, by its worse half."""
        spans = self.found.lost_spans / self.each[0] if self.each[0] else 0.0
        logs = self.found.lost_logs / self.each[1] if self.each[1] else 0.0
        return max(spans, logs) / self.rate


@dataclass
class Outcomes:
    """absent: contenders that could not be run, and why. broken: runs that came to nothing, and
    why. short: of the short forms.
    """

    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    runs: list[Outcome] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    short: bool = False
    broken: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def of(self, contender: str, scenario: str) -> list[Outcome]:
        return [one for one in self.runs if one.contender == contender and one.scenario == scenario]

    def take(self, found: Outcome | str) -> None:
        """One more: what it came to, or why to nothing."""
        if isinstance(found, Outcome):
            self.runs.append(found)
        else:
            self.broken.append(found)

    def __add__(self, later: Outcomes) -> Outcomes:
        """What has run later takes the place of the same here."""
        new = {(one.contender, one.scenario) for one in later.runs}
        kept = [one for one in self.runs if (one.contender, one.scenario) not in new]
        versions = self.versions | later.versions
        return replace(later, versions=versions, runs=kept + later.runs)

    @classmethod
    def of_json(cls, read: dict[str, Any]) -> Outcomes:
        return cls(**{**read, "runs": [_outcome(one) for one in read["runs"]]})


def _outcome(read: dict[str, Any]) -> Outcome:
    special = {
        "found": Found(**read["found"]),
        "memory": Memory(**read["memory"]),
        "each": tuple(read["each"]),
        "stop": tuple(read["stop"]),
    }
    return Outcome(**{**read, **special})
