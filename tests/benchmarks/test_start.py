"""Of a start: pairs with the bare app, and whose imports it waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import imports, start, starting
from benchmarks.contenders import SHORT, Contender, chosen
from benchmarks.imports import API, LOADER, OTHER, OURS, OWNERS, SDK
from benchmarks.serving import Serving
from benchmarks.starting import Start

SAID = """\
import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   os
import time:      9000 |       9000 | packaging.version
otelier: 0.1.0 sends traces
import time: self [us] | cumulative | imported package
import time:      2000 |       2000 |   os
import time:      4000 |       9000 | opentelemetry.sdk.trace
import time:      3000 |       3000 |   otelier.context
"""


def test_a_profile_is_parted_by_process() -> None:
    """The launching one and the app's; what else is said there is passed over."""
    launching, app = imports.processes(SAID)
    assert launching == {"os": 1.0, "packaging.version": 9.0}
    assert app == {"os": 2.0, "opentelemetry.sdk.trace": 4.0, "otelier.context": 3.0}


def test_a_real_profile_is_read() -> None:
    """What CPython writes today."""
    command = [sys.executable, "-X", "importtime", "-c", "import json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (found,) = imports.processes(done.stderr)
    assert found["json"] > 0
    assert found["json.decoder"] > 0


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("opentelemetry.instrumentation.auto_instrumentation", LOADER),
        ("packaging", LOADER),
        ("opentelemetry.sdk.trace", SDK),
        ("opentelemetry.trace", API),
        ("otelier.sdk.spans", OURS),
        ("oteliers", OTHER),
        ("wrapture", OTHER),
        ("json", OTHER),
    ],
)
def test_a_module_counts_for_its_package(module: str, owner: str) -> None:
    """And not for one whose name begins alike."""
    assert imports.owner(module) == owner


def test_what_the_bare_app_imports_does_not_count() -> None:
    """Of the rest, each owner's sum."""
    app = imports.processes(SAID)[1]
    assert imports.by_owner(app, {"os"}) == {**dict.fromkeys(OWNERS, 0.0), SDK: 4.0, OURS: 3.0}


def test_the_least_of_several_starts() -> None:
    """Module by module; one that only some have counts as it was there."""
    assert imports.least([{"a": 2.0, "b": 1.0}, {"a": 1.0}]) == {"a": 1.0, "b": 1.0}


def test_a_start_is_compared_with_the_bare_one_of_its_round() -> None:
    """The machine is a second slower in the second round, for both."""
    starts = [[Start(1.0, 0.5), Start(1.25, 0.75)], [Start(2.0, 0.5), Start(2.25, 1.0)]]
    bare, otelier = start.pairs(["bare", "otelier"], starts)
    assert bare == ["bare", "1.50 (1.00 – 2.00)", "", "0.50 (0.50 – 0.50)", ""]
    assert otelier[2] == "0.25 (0.25 – 0.25)"
    assert otelier[4] == "0.38 (0.25 – 0.50)"


def test_who_begins_changes_from_round_to_round() -> None:
    """One server at a time, and each round's figures in the order of the contenders."""
    up: list[str] = []
    begun: list[str] = []

    class Fake:
        seconds_to_answer, cpu_to_answer = 1.0, 0.5

    @contextmanager
    def serve(contender: Contender) -> Iterator[Serving]:
        assert not up
        up.append(contender.name)
        begun.append(contender.name)
        one: Any = Fake()
        one.seconds_to_answer = float(SHORT.index(contender.name))
        yield cast(Serving, one)
        up.pop()

    rounds = list(starting.rounds(chosen(SHORT), serve, 3))
    assert [[one.seconds for one in each] for each in rounds] == [[0.0, 1.0, 2.0]] * 3
    bare, otelier, upstream = SHORT
    turns = [[bare, otelier, upstream], [otelier, upstream, bare], [upstream, bare, otelier]]
    assert begun == [name for turn in turns for name in turn]
    assert starting.start_seconds(chosen(SHORT), serve)[otelier] == [1.0] * starting.STARTS


def test_without_the_launcher_the_loader_is_found_on_the_path(tmp_path: Path) -> None:
    """As the launcher has it, in the contender's own environment."""
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (otelier,) = (one for one in chosen(["otelier"]) if one.name == "otelier")
    alone = start.by_path(otelier, tmp_path / "bin")
    assert not alone.launcher
    loader = packages / "opentelemetry" / "instrumentation" / "auto_instrumentation"
    assert alone.environ == {**otelier.environ, "PYTHONPATH": str(loader)}
