"""What fails a run of the scenarios: a promise that Otelier has not kept in one of them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.contenders import OTELIER
from benchmarks.faults.outcome import Outcome, Outcomes
from benchmarks.faults.said import SUM
from benchmarks.faults.scenario import SCENARIOS, Scenario

MOST_LOST_SECONDS = 1.0
"""Of data, by a kill."""

MOST_GROWTH_MIB = 25.0
MOST_FLAT_MIB = 3.0
"""More at the end of an outage than in its middle."""

MOST_P99_MS = 2.0
"""More than while all is well."""

SERVERS_OWN = 4
"""Log records of no request that a server makes when it is stopped, and may lose then."""

PERIOD_SECONDS = 60.0
"""In which one cause is said once."""


def failures(outcomes: Outcomes) -> list[str]:
    """Each in one line."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    found = [
        f"{one.scenario}, run {one.run}: {failure}"
        for one in outcomes.runs
        if one.contender == OTELIER
        for failure in of_one(one, known[one.scenario])
    ]
    absent = [f"{name} was not run: {reason}" for name, reason in outcomes.absent.items()]
    return [*found, *absent, *outcomes.broken]


def of_one(outcome: Outcome, scenario: Scenario) -> list[str]:
    others = SERVERS_OWN if scenario.restarts else 0
    killed = _killed(outcome) if scenario.is_killed else _counted(outcome, others)
    away = _away(outcome) if scenario.is_alone else ()
    return [*_right(outcome), *killed, *away, *_said_once(outcome.lines, outcome.seconds)]


def _right(outcome: Outcome) -> Iterator[str]:
    if outcome.wrong:
        yield f"{outcome.wrong} answers of {outcome.found.requests} were wrong"
    if outcome.found.crossed:
        yield f"{outcome.found.crossed} records are told of another request"
    if not all(outcome.each):
        yield f"a request left {outcome.each[0]} spans, {outcome.each[1]} log records, all well"


def _counted(outcome: Outcome, others: int) -> Iterator[str]:
    if not 0 <= outcome.said - outcome.found.lost <= others:
        yield f"{outcome.found.lost} records lost, {outcome.said} counted as lost"


def _killed(outcome: Outcome) -> Iterator[str]:
    # A server that answers late has more than a second's requests to tell of in its last second.
    allowed = MOST_LOST_SECONDS + outcome.p99 / 1000
    if outcome.lost_seconds > allowed:
        yield f"{outcome.lost_seconds:.1f} s of data lost, allowed {allowed:.1f}"


def _away(outcome: Outcome) -> Iterator[str]:
    memory = outcome.memory
    if memory.peak - memory.start > MOST_GROWTH_MIB:
        yield f"{memory.peak - memory.start:.0f} MiB more memory, allowed {MOST_GROWTH_MIB:.0f}"
    if memory.end - memory.middle > MOST_FLAT_MIB:
        yield f"memory grows: {memory.middle:.0f} MiB in the middle, {memory.end:.0f} at the end"
    if outcome.p99_healthy is not None and outcome.p99 - outcome.p99_healthy > MOST_P99_MS:
        yield f"p99 {outcome.p99:.1f} ms, {outcome.p99_healthy:.1f} while all is well"
    if not 1 <= outcome.line_count <= 3:
        yield f"{outcome.line_count} lines, 1 to 3 are right"


def _said_once(lines: Sequence[str], seconds: float) -> Iterator[str]:
    """Lines that differ in numbers only have one cause; sums are told again when they change."""
    causes = (line for line in lines if not line.startswith(SUM))
    said = Counter(re.sub(r"\d[\d.,]*", "N", line) for line in causes)
    allowed = 1 + seconds // PERIOD_SECONDS
    yield from (f"said {n} times: {text}" for text, n in said.items() if n > allowed)
