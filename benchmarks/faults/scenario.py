"""The scenarios: what the receiver does, for how long, and under which load. A table.

Each has a full form, which takes minutes and leaves every contender on its defaults, and mostly a
short one, of seconds, for the tests: with a time-out of a second where the full one has ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.faults.behaviours import drip, hang, late, partial, reset, status
from benchmarks.faults.receiver import Fault

REJECTED = 3
"""Records that a partial success rejects."""

_QUICK = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
_LOGIN = status(302, {"Location": "/login"})


@dataclass(frozen=True)
class Pace:
    """rate: requests a second; seconds: of load; fault: begins with the load.

    healthy: seconds of the same load before it, to compare with; environ: of the server.
    """

    rate: float
    seconds: float
    fault: Fault = field(default_factory=Fault)
    healthy: float = 0.0
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return round(self.rate * self.seconds)

    def lasting(self, seconds: float) -> Pace:
        """The same with an outage of another length."""
        return replace(self, seconds=seconds, fault=replace(self.fault, seconds=seconds))


@dataclass(frozen=True)
class Scenario:
    """short: none where a few seconds show nothing.

    restarts: the server is stopped by TERM in the middle, and a new one started; spools: it has a
    folder to keep what waits; is_killed: it ends by KILL right after its last answer; is_alone: its
    times are compared, so nothing runs beside it.
    """

    name: str
    title: str
    full: Pace
    short: Pace | None = None
    restarts: bool = False
    spools: bool = False
    is_killed: bool = False
    is_alone: bool = False


SCENARIOS: Sequence[Scenario] = (
    Scenario("well", "well", Pace(80, 12), Pace(25, 3)),
    Scenario(
        "outage",
        "refuses connections for 30 s",
        Pace(80, 30, Fault(None, 30)),
        Pace(25, 4, Fault(None, 4)),
    ),
    Scenario(
        "hang",
        "hangs for 20 s",
        Pace(80, 30, Fault(hang, 20)),
        Pace(25, 4, Fault(hang, 5), environ=_QUICK),
    ),
    Scenario(
        "late",
        "answers after 5 s",
        Pace(50, 20, Fault(late(5), 60)),
        Pace(25, 4, Fault(late(0.6), 8), environ=_QUICK),
    ),
    Scenario(
        "too-late",
        "takes all, answers after 12 s",
        Pace(30, 10, Fault(late(12), 45)),
        Pace(25, 4, Fault(late(1.4), 6), environ=_QUICK),
    ),
    Scenario(
        "429",
        "429 with Retry-After 15, twice",
        Pace(30, 10, Fault(status(429, {"Retry-After": "15"}), times=2)),
        Pace(25, 4, Fault(status(429, {"Retry-After": "1"}), times=2)),
    ),
    Scenario(
        "503",
        "503, four times",
        Pace(30, 10, Fault(status(503), times=4)),
        Pace(25, 4, Fault(status(503), times=3)),
    ),
    Scenario(
        "500",
        "500, twice",
        Pace(30, 10, Fault(status(500), times=2)),
        Pace(25, 4, Fault(status(500), times=2)),
    ),
    Scenario(
        "400",
        "400, twice",
        Pace(30, 10, Fault(status(400), times=2)),
        Pace(25, 4, Fault(status(400), times=2)),
    ),
    Scenario(
        "redirect",
        "302 to a login page for 30 s",
        Pace(30, 10, Fault(_LOGIN, 30)),
        Pace(25, 4, Fault(_LOGIN, 3)),
    ),
    Scenario(
        "partial",
        f"takes all but {REJECTED} records and says so, twice",
        Pace(30, 10, Fault(partial(REJECTED), times=2)),
        Pace(25, 4, Fault(partial(REJECTED), times=2)),
    ),
    Scenario(
        "reset",
        "connection reset half-way, four times",
        Pace(30, 10, Fault(reset, times=4)),
        Pace(25, 4, Fault(reset, times=3)),
    ),
    Scenario(
        "drip",
        "answers a byte a second for 45 s",
        Pace(30, 10, Fault(drip(1), 45)),
        Pace(25, 4, Fault(drip(0.1), 6), environ=_QUICK),
    ),
    Scenario(
        "away",
        "refuses connections for 60 s, after 60 s well",
        Pace(50, 60, Fault(None, 60), healthy=60),
        is_alone=True,
    ),
    Scenario(
        "spool",
        "refuses connections for 10 min, restart in the middle, with a spool",
        Pace(40, 600, Fault(None, 600)),
        Pace(25, 4, Fault(None, 8), environ={"OTELIER_STOP_TIMEOUT": "1"}),
        restarts=True,
        spools=True,
    ),
    Scenario(
        "kill",
        "well; the server is killed after its last answer",
        Pace(80, 12),
        Pace(25, 4),
        is_killed=True,
    ),
)
NAMES = tuple(scenario.name for scenario in SCENARIOS)


def chosen(names: Sequence[str]) -> list[Scenario]:
    """Raises ValueError."""
    if unknown := set(names) - set(NAMES):
        raise ValueError(f"no scenario is called {sorted(unknown)[0]!r}; there are {NAMES}")
    return [scenario for scenario in SCENARIOS if scenario.name in names]
