"""`python -m benchmarks bytecodes`: where the work of a request is, in bytecodes of Python.

Counts, unlike times, are the same on every machine and in every run, but for what goes by the
second. The app is served in one process, bare, observed by Otelier and by upstream's distro, and
asks real PostgreSQL and Redis. What is in C (sockets, drivers, regular expressions) is not in it;
what delivery does for a request, in its thread, is. All of it is of this environment, whose
SQLAlchemy may be one that upstream has no spans for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contenders import BARE, CONTENDERS, OTELIER, UPSTREAM
from benchmarks.sink import Sink
from benchmarks.store import store
from benchmarks.table import grid

ROOT = Path(__file__).parents[1]
REQUESTS, MOST_FUNCTIONS = 200, 25
_LITTLE, _REST = 100, "all else"

# What the launcher has chosen by the entry points that it finds.
_ENTRIES: Mapping[str, Mapping[str, str]] = {
    BARE: {},
    OTELIER: {"OTEL_PYTHON_DISTRO": "otelier", "OTEL_PYTHON_CONFIGURATOR": "otelier"},
    UPSTREAM: {"OTEL_PYTHON_DISTRO": "distro", "OTEL_PYTHON_CONFIGURATOR": "configurator"},
}

Row = tuple[str, str, int, int]
"""File, function, bytecodes, calls."""

# Of Otelier, by the beginning of a module's name within its package; the first that fits.
_PARTS: Sequence[tuple[str, Sequence[str]]] = (
    ("encoding", ("export/encode", "export/attributes", "export/wire", "export/anyvalue")),
    ("lines on stdout", ("logformat/lines", "instrumentation/printed", "instrumentation/outputs")),
    ("log records", ("logformat/", "instrumentation/logs", "instrumentation/records", "sdk/logs")),
    ("log records", ("instrumentation/echoed", "instrumentation/origins", "export/record")),
    ("masks", ("privacy", "secret_", "spelled", "marks", "addresses", "placeholders")),
    ("delivery", ("export/",)),
    ("metrics", ("sdk/metrics",)),
    ("Redis", ("instrumentation/cache", "instrumentation/replies", "instrumentation/commands")),
    ("SQL", ("instrumentation/database", "instrumentation/statements", "instrumentation/engines")),
    ("SQL", ("instrumentation/transactions", "instrumentation/pools", "instrumentation/spent")),
    ("SQL", ("instrumentation/telling", "instrumentation/repeats", "instrumentation/connections")),
    ("spans", ("sdk/", "_upstream")),
    ("request", ("",)),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", default="/item", help="that is asked; /item by default")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--functions", type=int, default=MOST_FUNCTIONS, help="that are listed")


def run(options: argparse.Namespace) -> int:
    named = {one.name: one for one in CONTENDERS}
    found: dict[str, list[Row]] = {}
    with store() as stores, Sink() as sink:
        print(f"GET {options.path}, {options.requests} times; {stores.origin}", file=sys.stderr)
        for name, entries in _ENTRIES.items():
            environ = {**stores.environ, **named[name].variables(sink.url), **entries}
            found[name] = count(options.path, options.requests, environ)
    print(grid(("part", *found), list(parts(found, options.requests))))
    print(f"\n{grid(('function', 'calls', 'bytecodes'), functions(found[OTELIER], options))}")
    return 0


def count(path: str, requests: int, environ: Mapping[str, str]) -> list[Row]:
    """What one process has counted."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL", "BENCH_"))}
    with TemporaryDirectory(prefix="otelier-bench-") as folder:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.app.traced",
                path,
                str(requests),
                f"{folder}/counted",
            ],
            env={**kept, **environ, "BENCH_LOG": f"{folder}/log", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the app has failed: {done.stderr[-2000:]}")
        return [tuple(row) for row in json.loads((Path(folder) / "counted").read_text())]


def parts(found: Mapping[str, Sequence[Row]], requests: int) -> Iterator[list[str]]:
    """Rows of the first table: most first, what is little together, the sum last."""
    sums = {name: Counter[str]() for name in found}
    for name, rows in found.items():
        for file, _, bytecodes, _ in rows:
            sums[name][part(file)] += bytecodes
    most = Counter({one: max(each[one] for each in sums.values()) for one in _keys(sums)})
    for one, bytecodes in most.most_common():
        if bytecodes < _LITTLE * requests:
            for each in sums.values():
                each[_REST] += each.pop(one, 0)
        else:
            yield [one, *(f"{each[one] / requests:,.0f}" for each in sums.values())]
    yield [_REST, *(f"{each[_REST] / requests:,.0f}" for each in sums.values())]
    yield ["in all", *(f"{each.total() / requests:,.0f}" for each in sums.values())]


def _keys(sums: Mapping[str, Mapping[str, int]]) -> set[str]:
    return {one for each in sums.values() for one in each}


def part(file: str) -> str:
    """Of Otelier what it is for, else the package."""
    package, _, module = file.rpartition("/otelier/")
    if package and not package.endswith("site-packages/opentelemetry"):
        return (
            f"otelier: {next(name for name, begins in _PARTS if module.startswith(tuple(begins)))}"
        )
    installed = (
        file.rpartition("site-packages/")[2].split("/")[0] if "site-packages" in file else ""
    )
    return installed or ("the app" if "/benchmarks/app/" in file else "Python's library")


def functions(observed: Sequence[Row], options: argparse.Namespace) -> list[list[str]]:
    """Rows of the second table: Otelier's own, most first."""
    own = [row for row in observed if part(row[0]).startswith("otelier: ")]
    own.sort(key=lambda row: -row[2])
    return [
        [
            f"{file.rpartition('/otelier/')[2]} {function}",
            f"{calls / options.requests:.2f}",
            f"{bytecodes / options.requests:.0f}",
        ]
        for file, function, bytecodes, calls in own[: options.functions]
    ]
