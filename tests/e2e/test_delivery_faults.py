"""A receiver that fails, in the short forms of `python -m benchmarks delivery`, side by side.

Real parts: uvicorn under the launcher, an OTLP receiver that fails on demand. Counted is by what
the client chose: each request has a trace id and a request id of its own, and logs its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from benchmarks.contenders import CONTENDERS, OTELIER
from benchmarks.delivery import SHORT_PATIENCE
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.scenario import SCENARIOS, Scenario
from benchmarks.faults.trial import Trial
from benchmarks.faults.verdict import of_one
from parts.server import BIN

SIDE_BY_SIDE = 16
LEFT_OUT = ("well", "late", "503")  # every receiver is well at first; 429 is as 503
SHORT = [one for one in SCENARIOS if one.short and one.name not in LEFT_OUT]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Outcome]]]:
    """By scenario; all of them have begun."""
    (otelier,) = (one for one in CONTENDERS if one.name == OTELIER)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {
            scenario.name: pool.submit(
                Trial(
                    otelier,
                    scenario,
                    scenario.short,
                    BIN,
                    tmp_path_factory.mktemp(scenario.name),
                    SHORT_PATIENCE,
                ).run
            )
            for scenario in SHORT
            if scenario.short
        }


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
def test_what_is_lost_is_counted(
    scenario: Scenario, outcomes: Mapping[str, Future[Outcome]]
) -> None:
    """However the receiver fails, no request is answered wrongly, no record is told of another
    one, and what does not arrive is exactly what is said to be lost, its cause once."""
    outcome = outcomes[scenario.name].result()
    assert of_one(outcome, scenario) == []
    assert outcome.found.requests >= 50


LASTING = [one for one in SHORT if one.name not in ("kill", "400", "partial")]


@pytest.mark.parametrize("scenario", LASTING, ids=lambda scenario: scenario.name)
def test_nothing_is_lost(scenario: Scenario, outcomes: Mapping[str, Future[Outcome]]) -> None:
    """Where the receiver did not refuse the records themselves, all of them arrive, and what was
    wrong is said in one or two lines, by each process."""
    outcome = outcomes[scenario.name].result()
    assert outcome.found.lost == 0
    assert 1 <= outcome.line_count <= 2 * (1 + scenario.restarts), outcome.lines


Break = Callable[[Outcome], Outcome]


@pytest.mark.parametrize(
    ("name", "damage", "failure"),
    [
        ("outage", lambda one: replace(one, wrong=1), "1 answers of 100 were wrong"),
        ("outage", lambda one: replace(one, said=3), "0 records lost, 3 counted as lost"),
        (
            "outage",
            lambda one: replace(one, found=replace(one.found, lost_logs=2)),
            "2 records lost, 0 counted as lost",
        ),
        (
            "outage",
            lambda one: replace(one, found=replace(one.found, crossed=1)),
            "1 records are told of another request",
        ),
        (
            "outage",
            lambda one: replace(one, lines=["otelier: 1 is away", "otelier: 2 is away"]),
            "said 2 times: otelier: N is away",
        ),
        (
            "kill",
            lambda one: replace(one, found=replace(one.found, lost_spans=180), p99=20.0),
            "3.6 s of data lost, allowed 1.0",
        ),
    ],
)
def test_what_fails(
    name: str, damage: Break, failure: str, outcomes: Mapping[str, Future[Outcome]]
) -> None:
    """An outcome that is a little worse than a real one fails."""
    (scenario,) = (one for one in SHORT if one.name == name)
    assert failure in of_one(damage(outcomes[name].result()), scenario)
