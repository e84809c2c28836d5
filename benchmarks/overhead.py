"""`python -m benchmarks overhead`: what observing a request costs, beside the peers.

Prints the tables, writes them as JSON and the chart as SVG, and ends with 1 if a promise is not
kept (`gate`), with 2 if nothing could be measured. What goes on is told on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import contenders, gate, page, phases
from benchmarks.accounting import cores
from benchmarks.bench import Bench, NoBare
from benchmarks.contenders import NAMES, Contender
from benchmarks.phases import FEW_ROUTES
from benchmarks.results import Results, machine
from benchmarks.store import store
from benchmarks.table import markdown
from parts import Missing

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "benchmarks" / "overhead.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    short = "bare, otelier and upstream, GET /item, few rounds: for CI"
    parser.add_argument("--short", action="store_true", help=short)
    parser.add_argument("--rounds", type=int, help=f"of each phase; {phases.ROUNDS} by default")
    parser.add_argument("--only", metavar="A,B", help=f"of {','.join(NAMES)}; bare always runs")
    parser.add_argument("--json", type=Path, default=OUT, metavar="F", help="the chart goes beside")
    parser.add_argument("--source", type=Path, default=ROOT, help="the checkout of Otelier")
    parser.add_argument("--read", type=Path, metavar="F", help="measure nothing: show this JSON")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md")


def run(options: argparse.Namespace) -> int:
    try:
        results = _read(options.read) if options.read else _measured(options)
    except (Missing, NoBare, OSError, ValueError) as error:
        _say(str(error))
        return 2
    sys.stdout.write(markdown(results))
    if not options.read:
        _keep(results, options.json)
    if options.write_docs:
        page.write(results)
    failures = gate.failures(results)
    for failure in failures:
        _say(f"FAILED: {failure}")
    return int(bool(failures))


def _measured(options: argparse.Namespace) -> Results:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that what was started is ended
    chosen = _contenders(options)
    asked = phases.SHORT if options.short else phases.PHASES
    rounds = options.rounds or (phases.SHORT_ROUNDS if options.short else phases.ROUNDS)
    of_servers, of_the_rest = cores()
    os.sched_setaffinity(0, {of_the_rest})
    with store() as parts, TemporaryDirectory(prefix="otelier-bench-") as folder:
        _say(f"real parts: {parts.origin}")
        bench = Bench(parts, of_servers, Path(folder), _say)
        present = bench.install(chosen, options.source.resolve())
        bench.run(present, asked, rounds)
        if not options.short:
            bench.start(present, FEW_ROUTES)
        bench.results.machine = machine(parts.origin)
    _say(f"{time.monotonic() - began:.0f} s")
    return bench.results


def _contenders(options: argparse.Namespace) -> Sequence[Contender]:
    default = contenders.SHORT if options.short else NAMES
    return contenders.chosen(options.only.split(",") if options.only else default)


def _read(file: Path) -> Results:
    return Results.of_json(json.loads(file.read_text(encoding="utf-8")))


def _keep(results: Results, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".svg").write_text(page.drawing(results), encoding="utf-8")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
