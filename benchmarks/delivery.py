"""`python -m benchmarks delivery`: what arrives when the receiver fails, beside the peers.

Prints the tables, writes them as JSON, and ends with 1 if a promise is not kept
(`faults.verdict`), with 2 if nothing could be run. Scenarios run side by side, as they mostly wait;
those whose times are compared run alone, last. What goes on is told on standard error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import environments, page
from benchmarks.contenders import CONTENDERS, NAMES, OTELIER, UPSTREAM, Contender
from benchmarks.environments import Unavailable
from benchmarks.faults import scenario
from benchmarks.faults.outcome import Outcome, Outcomes
from benchmarks.faults.scenario import Pace, Scenario
from benchmarks.faults.tables import markdown
from benchmarks.faults.trial import Trial
from benchmarks.faults.verdict import failures
from benchmarks.results import machine
from benchmarks.serving import NotStarted

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "benchmarks" / "delivery.json"
DEFAULT = (OTELIER, UPSTREAM, "logfire")

SHORT_PATIENCE, MARGIN = 6.0, 8.0
"""Seconds to wait for what may still come: in the short form, and beyond the longest pause."""

JOBS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--short", action="store_true", help="seconds each, where minutes are usual"
    )
    parser.add_argument("--only", metavar="A,B", help=f"of {','.join(NAMES)}; {','.join(DEFAULT)}")
    parser.add_argument("--scenario", metavar="A,B", help=f"of {','.join(scenario.NAMES)}")
    parser.add_argument("--runs", type=int, default=1, help="of each; the worst is shown")
    parser.add_argument(
        "--outage", type=float, metavar="S", help="seconds of each outage, and load"
    )
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"side by side; {JOBS} by default")
    parser.add_argument("--json", type=Path, default=OUT, metavar="F")
    parser.add_argument("--add", action="store_true", help="to what that file has of other runs")
    parser.add_argument("--source", type=Path, default=ROOT, help="the checkout of Otelier")
    parser.add_argument("--read", type=Path, metavar="F", help="run nothing: show this JSON")
    parser.add_argument("--write-docs", action="store_true", help="write docs/delivery.md")


def run(options: argparse.Namespace) -> int:
    try:
        outcomes = _read(options.read) if options.read else _run(options)
    except (OSError, ValueError) as error:
        _say(str(error))
        return 2
    sys.stdout.write(markdown(outcomes))
    if options.write_docs:
        page.fill("delivery.md", "delivery", outcomes.machine, markdown(outcomes).rstrip())
    found = failures(outcomes)
    for failure in found:
        _say(f"FAILED: {failure}")
    return int(bool(found)) if outcomes.runs else 2


def paces(scenarios: Sequence[Scenario], options: argparse.Namespace) -> dict[str, Pace]:
    """By scenario; those that have no short form are left out of a short run."""
    forms = {one.name: one.short if options.short else one.full for one in scenarios}
    found = {name: pace for name, pace in forms.items() if pace is not None}
    if options.outage:
        for name, pace in found.items():
            if pace.fault.behave is None:
                found[name] = pace.lasting(options.outage)
    return found


def _run(options: argparse.Namespace) -> Outcomes:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that what was started is ended
    outcomes = Outcomes(machine=machine("SQLite, in memory"), short=options.short)
    before = _read(options.json) if options.add and options.json.exists() else Outcomes()
    with TemporaryDirectory(prefix="otelier-delivery-") as folder:
        trials = list(_trials(options, outcomes, Path(folder)))
        side_by_side = [one for one in trials if not one[0].scenario.is_alone]
        alone = [one for one in trials if one[0].scenario.is_alone]
        for several, jobs in ((side_by_side, options.jobs), (alone, 1)):
            with ThreadPoolExecutor(jobs) as pool:
                for done in as_completed([pool.submit(_try, *one) for one in several]):
                    outcomes.take(done.result())
                    _keep(before + outcomes, options.json)
    _say(f"{time.monotonic() - began:.0f} s")
    return before + outcomes


def _trials(
    options: argparse.Namespace, outcomes: Outcomes, folder: Path
) -> Iterator[tuple[Trial, int]]:
    scenarios = scenario.chosen(options.scenario.split(",") if options.scenario else scenario.NAMES)
    by_name = {one.name: one for one in scenarios}
    for contender in _contenders(options):
        try:
            programs = environments.prepare(contender, options.source.resolve())
        except Unavailable as reason:
            outcomes.absent[contender.name] = f"not installed: {reason}"
            continue
        outcomes.versions[contender.name] = environments.version(contender, programs)
        patience = SHORT_PATIENCE if options.short else contender.retry_seconds + MARGIN
        for name, pace in paces(scenarios, options).items():
            for number in range(1, options.runs + 1):
                place = folder / f"{contender.name}-{name}-{number}"
                place.mkdir()
                trial = Trial(contender, by_name[name], pace, programs, place, patience)
                yield trial, number


def _contenders(options: argparse.Namespace) -> list[Contender]:
    names = options.only.split(",") if options.only else DEFAULT
    if unknown := set(names) - set(NAMES):
        raise ValueError(f"no contender is called {sorted(unknown)[0]!r}; there are {NAMES}")
    return [one for one in CONTENDERS if one.name in names]


def _try(trial: Trial, number: int) -> Outcome | str:
    """What it came to, or why to nothing."""
    what = f"{trial.contender.name}, {trial.scenario.name}, run {number}"
    try:
        outcome = trial.run(number)
    except (NotStarted, OSError, RuntimeError) as reason:
        _say(f"{what}: {reason}")
        return f"{what}: {reason}"
    _say(f"{what}: {outcome.found.lost:,} lost, {outcome.said:,} said")
    return outcome


def _read(file: Path) -> Outcomes:
    return Outcomes.of_json(json.loads(file.read_text(encoding="utf-8")))


def _keep(outcomes: Outcomes, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(outcomes.as_json(), indent=1) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
