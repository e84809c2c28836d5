"""A pytest plugin: puts Otelier's stand-ins in the place of contrib's classes, and writes a report.

The stand-ins are put in by the functions that the distro's are put in by, before the suite imports
anything. There is no distro and no launcher: a suite instruments and takes out again for each of
its tests. What a test that failed has left in is taken out, so that no other fails for it.
Loaded as `-p plugin`, because each suite is itself a package called `tests`.

With `OTELIER_LANE=ours` contrib's lane is closed, and event spans are wished for, which contrib
makes and ours does not; with `OTELIER_NAMES=stable` the names of before 2023 that the suite's
modules have imported as constants are the stable ones. With `OTELIER_LANE=none` nothing is put in.

The report has a line for each test: outcome, whose code it ran (`ours`, `contrib`, both, or `-`
where neither was chosen: the test is of a function or class of contrib's that is left alone), its
name, and the first line of what failed.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from names import STABLE

from otelier.instrumentation import standin, standin_http, standin_logs, standin_stores
from otelier.instrumentation.cache import CacheInstrumentor
from otelier.instrumentation.http import Options
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.standin_asides import Wishes

_lanes: dict[str, set[str]] = defaultdict(set)
_outcomes: dict[str, tuple[str, str]] = {}
_running = ""
_lane = os.environ.get("OTELIER_LANE")
_only_ours = _lane == standin.Lane.OURS.value


def pytest_configure(config: pytest.Config) -> None:
    if _lane == "none":
        return
    _count_lanes()
    if _only_ours:
        _wish_for_event_spans()
    patches = Patches()
    options = Options(header="x-request-id", quiet_paths=(), excluded=(), flush=lambda: None)
    standin_http.put_in(patches, options)
    for library in ("sqlalchemy", "redis"):
        standin_stores.put_in(patches, library, None)
    standin_logs.put_in(patches, logging.INFO)


def _count_lanes() -> None:
    choose, send = standin.lane, standin_logs.Logs.send

    def lane(kind: str) -> standin.Lane:
        chosen = standin.Lane.OURS if _only_ours else choose(kind)
        _lanes[_running].add(chosen.value)
        return chosen

    def sending(*args: Any, **given: Any) -> Any:
        _lanes[_running].add(standin.Lane.OURS.value)
        return send(*args, **given)

    standin.lane = lane
    standin_logs.Logs.send = sending  # type: ignore[method-assign]


def _wish_for_event_spans() -> None:
    wishes_of = Wishes.of
    everything = {"exclude_spans": ()}
    Wishes.of = lambda given: wishes_of({**everything, **given})  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    """What is imported stays: a full collection of it takes longer than the 30 milliseconds that
    some tests allow between two clocks, and comes in whichever test it happens to be due in."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The constants that the suite's modules have imported; its literals were read as they are."""
    if os.environ.get("OTELIER_NAMES") == "stable":
        for module in {item.getparent(pytest.Module).obj for item in items}:  # type: ignore[union-attr]
            for name, value in list(vars(module).items()):
                if isinstance(value, str) and value in STABLE:
                    setattr(module, name, STABLE[value])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    global _running
    _running = item.nodeid


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    redis = sys.modules.get("opentelemetry.instrumentation.redis")
    if redis is not None and CacheInstrumentor().is_instrumented_by_opentelemetry:
        redis.RedisInstrumentor().uninstrument()


def pytest_runtest_logreport(report: Any) -> None:
    name = report.nodeid.removeprefix("tests/")
    is_news = report.when == "call" or not report.passed
    if is_news and (report.failed or name not in _outcomes):
        _outcomes[name] = report.outcome, _why(report) if report.failed else ""


def _why(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash else str(report.longrepr)).split())[:300]


def pytest_sessionfinish() -> None:
    lines = []
    for name, (outcome, why) in sorted(_outcomes.items()):
        lane = "+".join(sorted(_lanes[f"tests/{name}"])) or "-"
        lines.append("\t".join((outcome, lane, name, why)) + "\n")
    Path(os.environ["OTELIER_REPORT"]).write_text("".join(lines))
