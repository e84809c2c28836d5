"""`python -m benchmarks start`: what observing adds to the time until an app's first answer.

Bare, Otelier and upstream are started by turns, and each is compared with the bare start of its own
round; so is Otelier by `PYTHONPATH` alone. Then where the time goes: the launching process
alone, with `true` for an app, and whose imports the app's process waits for (`imports`). PostgreSQL
and Redis are not asked, so none are needed. What goes on is told on standard error.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import contenders, environments, imports
from benchmarks.accounting import cores, on_core
from benchmarks.contenders import BARE, OTELIER, SHORT, Contender
from benchmarks.environments import Unavailable
from benchmarks.imports import Modules
from benchmarks.phases import FEW_ROUTES
from benchmarks.serving import NotStarted, Serving
from benchmarks.sink import Sink
from benchmarks.starting import Start, rounds
from benchmarks.summary import spread
from benchmarks.table import grid, shown

ROOT = Path(__file__).parents[1]
PAIRS, PROFILES = 9, 5
BY_PATH = "otelier, by PYTHONPATH"

# Nobody is asked there: an engine and a client connect when they are first used.
_NOWHERE = {
    "BENCH_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "BENCH_REDIS_URL": "redis://127.0.0.1:1/0",
    "BENCH_ROUTES": str(FEW_ROUTES),
}
_PAIRS_HEAD = ("contender", "to first answer s", "over bare s", "CPU s", "CPU over bare s")
_PARTS_HEAD = ("contender", "launching s", "its CPU s", *(f"{o} ms" for o in imports.OWNERS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"rounds; {PAIRS} by default")
    parser.add_argument("--only", metavar="A,B", default=",".join(SHORT), help="bare always runs")
    parser.add_argument("--source", type=Path, default=ROOT, help="the checkout of Otelier")


def run(options: argparse.Namespace) -> int:
    of_servers, of_the_rest = cores()
    os.sched_setaffinity(0, {of_the_rest})
    with TemporaryDirectory(prefix="otelier-bench-") as folder, Sink() as sink:
        try:
            chosen = contenders.chosen(options.only.split(","))
            starter = Starter(options.source.resolve(), of_servers, Path(folder), sink.url)
            asked = starter.prepare(chosen)
            starts = list(rounds(asked, starter.serve, options.pairs + 1))[
                1:
            ]  # the first is warm-up
            names = [contender.name for contender in asked]
            print(grid(_PAIRS_HEAD, list(pairs(names, starts))), flush=True)
            print(f"\n{grid(_PARTS_HEAD, list(starter.parts(asked)))}", flush=True)
        except (Unavailable, NotStarted, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def pairs(names: Sequence[str], starts: Sequence[Sequence[Start]]) -> list[list[str]]:
    """Rows of the table. starts: those of one round, in the order of the names, bare first."""
    rows = []
    for place, name in enumerate(names):
        own = [each[place] for each in starts]
        bare = [each[0] for each in starts]
        columns = [
            [one.seconds for one in own],
            [one.seconds - plain.seconds for one, plain in zip(own, bare, strict=True)],
            [one.cpu for one in own],
            [one.cpu - plain.cpu for one, plain in zip(own, bare, strict=True)],
        ]
        cells = [shown(spread(column), ".2f") for column in columns]
        rows.append([name, cells[0], "", cells[2], ""] if name == BARE else [name, *cells])
    return rows


@dataclass
class Starter:
    """source: the checkout of Otelier; core: of the servers; sink: where contenders send to."""

    source: Path
    core: int
    folder: Path
    sink: str

    def prepare(self, chosen: Sequence[Contender]) -> list[Contender]:
        """Their environments, and Otelier without its launcher beside it. Raises Unavailable."""
        self._programs = {one.name: environments.prepare(one, self.source) for one in chosen}
        asked = list(chosen)
        for one in chosen:
            if one.name == OTELIER:
                programs = self._programs[BY_PATH] = self._programs[OTELIER]
                asked.append(by_path(one, programs))
        return asked

    def serve(self, contender: Contender, more: Mapping[str, str] | None = None) -> Serving:
        environ = {**_NOWHERE, **contender.variables(self.sink), **(more or {})}
        programs = self._programs[contender.name]
        return Serving(contender, programs, self.core, self.folder, environ)

    def parts(self, asked: Sequence[Contender]) -> list[list[str]]:
        """Rows of the second table; nothing is launched before bare, whose imports do not count."""
        known: Modules = {}
        rows = []
        for contender in asked:
            modules = self._modules(contender)
            if contender.name == BARE:
                known = modules
                continue
            launching = self._launching(contender) if contender.launcher else None
            seconds = [f"{each:.2f}" for each in launching] if launching else ["", ""]
            waited = imports.by_owner(modules, known)
            rows.append([contender.name, *seconds, *(f"{waited[o]:.0f}" for o in imports.OWNERS)])
        return rows

    def _modules(self, contender: Contender) -> Modules:
        """Of the app's process, the last one that a launcher becomes."""
        several = []
        for _ in range(PROFILES):
            with self.serve(contender, {"PYTHONPROFILEIMPORTTIME": "1"}) as serving:
                several.append(imports.processes(serving.said())[-1])
        return imports.least(several)

    def _launching(self, contender: Contender) -> tuple[float, float]:
        """Seconds, and seconds of CPU time, until a launcher has started `true`."""
        command = [str(self._programs[contender.name] / contender.launcher[0]), str(which("true"))]
        found = [self._ended(command) for _ in range(PAIRS)]
        return median(one.seconds for one in found), median(one.cpu for one in found)

    def _ended(self, command: Sequence[str]) -> Start:
        began = time.perf_counter()
        with on_core(self.core):
            process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.DEVNULL)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        return Start(time.perf_counter() - began, used.ru_utime + used.ru_stime)


def by_path(contender: Contender, programs: Path) -> Contender:
    """Observed by upstream's folder in PYTHONPATH, as the Kubernetes operator does it: no launching
    process, and the loader of upstream."""
    packages = next(programs.parent.glob("lib/python*/site-packages"))
    loader = packages / "opentelemetry" / "instrumentation" / "auto_instrumentation"
    environ = {**contender.environ, "PYTHONPATH": str(loader)}
    return replace(contender, name=BY_PATH, launcher=(), environ=environ)
