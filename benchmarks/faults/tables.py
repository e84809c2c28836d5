"""The outcomes as Markdown tables, for the terminal and for the page alike. Pure.

Where a scenario has run several times, its worst run is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.contenders import NAMES, OTELIER
from benchmarks.faults.outcome import Outcome, Outcomes
from benchmarks.faults.scenario import SCENARIOS, Scenario
from benchmarks.table import grid

DETAIL = ("the receiver", "requests", "spans", "log records", "lost", "says lost", "twice", "lines")
AWAY = ("contender", "p99 ms, well", "p99 ms, away", "MiB before", "middle", "end", "peak", "lines")


def markdown(outcomes: Outcomes) -> str:
    parts = ["### Records lost", grid(*_lost(outcomes))]
    if detail := list(_detail(outcomes)):
        parts += ["### Otelier", grid(DETAIL, detail)]
    if away := list(_away(outcomes)):
        parts += ["### 60 s without a receiver", grid(AWAY, away)]
    return "\n\n".join(parts) + "\n"


def _lost(outcomes: Outcomes) -> tuple[Sequence[str], list[list[str]]]:
    present = [name for name in NAMES if any(one.contender == name for one in outcomes.runs)]
    body = []
    for scenario in SCENARIOS:
        cells = [_cell(outcomes.of(name, scenario.name)) for name in present]
        if any(cells):
            body.append([_title(scenario, outcomes), *cells])
    heads = [f"{name} {outcomes.versions.get(name, '')}".strip() for name in present]
    return ["the receiver", *heads], body


def _title(scenario: Scenario, outcomes: Outcomes) -> str:
    return f"{scenario.name}, short" if outcomes.short else scenario.title


def _cell(runs: list[Outcome]) -> str:
    if not runs:
        return ""
    worst = _worst(runs)
    found = worst.found
    if not found.lost:
        twice = f"; {found.twice:,} twice" if found.twice else ""
        return f"0{twice}"
    all_records = found.requests * sum(worst.each)
    said = f", {worst.said:,} said" if worst.said else ", nothing said"
    return f"{found.lost:,} of {all_records:,} ({found.lost / all_records:.1%}){said}"


def _worst(runs: list[Outcome]) -> Outcome:
    return max(runs, key=lambda one: (one.found.lost, one.found.twice))


def _detail(outcomes: Outcomes) -> Iterator[list[str]]:
    for scenario in SCENARIOS:
        if runs := outcomes.of(OTELIER, scenario.name):
            worst = _worst(runs)
            found = worst.found
            yield [
                _title(scenario, outcomes),
                f"{found.requests:,}" + (f", {len(runs)} runs" if len(runs) > 1 else ""),
                _of(found.spans, found.requests * worst.each[0]),
                _of(found.logs, found.requests * worst.each[1]),
                f"{found.lost:,}"
                + (f" ({worst.lost_seconds:.2f} s)" if scenario.is_killed else ""),
                "" if scenario.is_killed else f"{worst.said:,}",
                f"{found.twice:,}",
                f"{worst.line_count}",
            ]


def _away(outcomes: Outcomes) -> Iterator[list[str]]:
    names = [scenario.name for scenario in SCENARIOS if scenario.is_alone]
    for contender in NAMES:
        for one in (run for name in names for run in outcomes.of(contender, name)):
            memory = one.memory
            yield [
                contender,
                f"{one.p99_healthy or 0:.1f}",
                f"{one.p99:.1f}",
                *(f"{mib:.1f}" for mib in (memory.start, memory.middle, memory.end, memory.peak)),
                f"{one.line_count}",
            ]


def _of(found: int, expected: int) -> str:
    return f"{found:,} of {expected:,}"
