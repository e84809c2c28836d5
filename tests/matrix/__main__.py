"""`python -m tests.matrix`: the same app on old and new releases must send the same telemetry.

Each cell is installed in an environment of its own, serves `program.py` under the launcher, is
asked the same questions, and what arrives at the receiver is compared with `golden.txt`. The
comparison is the test: a release that renames, loses or doubles anything makes its cell fail.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from otelier.cli.receiver import Receiver
from parts import free_ports
from parts.redis import redis
from parts.server import Server
from tests.matrix import cells, environments, golden
from tests.matrix.asking import ask_everything
from tests.matrix.cells import Cell
from tests.matrix.environments import Unavailable

HERE = Path(__file__).parent
AT_ONCE = 2
SHOWN, WIDTH = 8, 300


@dataclass
class Outcome:
    """What came of one cell. missing: it could not be made, and why."""

    cell: Cell
    differences: list[str] = field(default_factory=list)
    missing: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        if self.missing:
            return f"NOT TESTED: {self.missing}"
        return f"DIFFERENT in {len(self.differences)} lines" if self.differences else "equal"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    chosen = _cells(options)
    print(f"{len(chosen)} of {len(cells.every(options.python))} cells; {environments.cache()}")
    with TemporaryDirectory(prefix="otelier-matrix-") as folder, redis() as store:
        print(f"real parts: {store.origin}, SQLite, uvicorn, pip")
        wheel = environments.build_wheel(Path(folder))
        run = partial(try_cell, wheel=wheel, redis_url=store.url, write=options.write)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = [_said(outcome) for outcome in pool.map(run, chosen)]
    for cell in cells.every(options.python):
        if cell.reason_against:
            print(f"  {cell}  cannot be: {cell.reason_against}")
    return exit_code(outcomes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--short", action="store_true", help="oldest, newest and what lies between")
    parser.add_argument("--all", action="store_true", help="every cell")
    parser.add_argument("--python", nargs="+", default=cells.PYTHONS, help="such as 3.13")
    parser.add_argument("--only", nargs="+", default=(), help="such as fastapi=0.142 python=3.11")
    parser.add_argument("--write", action="store_true", help="make the newest cell's the golden")
    return parser.parse_args(arguments)


def _cells(options: argparse.Namespace) -> list[Cell]:
    if options.write:
        return cells.possible(options.python)[-1:]
    if options.all or options.only:
        every = cells.possible(options.python)
        return [cell for cell in every if set(options.only) <= set(cell.labels)]
    return (cells.short if options.short else cells.covering)(options.python)


def try_cell(cell: Cell, wheel: Path, redis_url: str, *, write: bool) -> Outcome:
    """Install, serve, ask, compare."""
    began = time.monotonic()
    outcome = Outcome(cell)
    try:
        programs = environments.prepare(cell, wheel, cells.locked())
        with (
            TemporaryDirectory(prefix="otelier-matrix-") as folder,
            Receiver() as receiver,
            serve(programs, receiver, {"REDIS_URL": redis_url, "TMPDIR": folder}) as server,
        ):
            ask_everything(server.url)
        # The receiver is closed, and keeps what it got: the server has been stopped before.
        found = golden.of(receiver)
        if write:
            golden.write(found)
        outcome.differences = golden.differences(golden.read(), found)
    except Unavailable as reason:
        outcome.missing = str(reason)
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        outcome.differences = f"{type(error).__name__}: {error}".splitlines()
    outcome.seconds = time.monotonic() - began
    return outcome


@contextmanager
def serve(programs: Path, receiver: Receiver, more: Mapping[str, str]) -> Iterator[Server]:
    (port,) = free_ports(1)
    launched = [programs / "opentelemetry-instrument", programs / "uvicorn", "program:app"]
    environ = {
        "OTEL_SERVICE_NAME": "matrix",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        **more,
    }
    command = [*map(str, launched), "--port", str(port), "--lifespan", "on"]
    with Server(command, port, HERE, environ, observed=False) as server:
        try:
            yield server
        except (AssertionError, httpx.HTTPError) as error:
            raise RuntimeError(f"{error}; the server says:\n{server.stderr()[-2000:]}") from error
    faults = [line for line in server.stderr().splitlines() if "; the app goes on" in line]
    assert not faults, faults


def _said(outcome: Outcome) -> Outcome:
    print(f"  {outcome.cell}  {outcome.verdict}  ({outcome.seconds:.0f} s)", flush=True)
    for line in outcome.differences[:SHOWN]:
        print(f"      {line[:WIDTH]}")
    if len(outcome.differences) > SHOWN:
        print(f"      … and {len(outcome.differences) - SHOWN} more")
    return outcome


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """A cell that cannot be made is a failure in CI, where everything should be there."""
    failed = [o for o in outcomes if o.differences]
    missing = [o for o in outcomes if o.missing]
    equal = len(outcomes) - len(failed) - len(missing)
    print(f"{equal} equal, {len(failed)} different, {len(missing)} not tested")
    return int(bool(failed or (missing and os.environ.get("CI"))))


if __name__ == "__main__":
    sys.exit(main())
