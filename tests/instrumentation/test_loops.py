"""Beats of event loops: what they keep alive, what ends, and what is said how often."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from contextvars import ContextVar
from typing import Any
from weakref import ref

import pytest
from opentelemetry.metrics import NoOpMeter

from otelier import _guard
from otelier.instrumentation.blocked import EVENT
from otelier.instrumentation.loops import Loops
from tests.conftest import Telemetry

HELD_BACK = "otelier.event_loop.held_back"
SECONDS = "otelier.event_loop.blocked_seconds"


@pytest.fixture
def loops(telemetry: Telemetry) -> Loops:
    _guard.faults.clear()
    return Loops(NoOpMeter("tests"), 0.05)


def told(telemetry: Telemetry) -> list[dict[str, Any]]:
    records = [record.log_record for record in telemetry.records]
    assert dict(_guard.faults) == {}
    return [dict(one.attributes or {}) for one in records if one.event_name == EVENT]


async def block(loops: Loops, seconds: float, times: int = 1) -> None:
    loops.meet()
    for _ in range(times):
        await asyncio.sleep(0.06)
        time.sleep(seconds)
    await asyncio.sleep(0.06)


def test_records_of_one_line_are_few(telemetry: Telemetry, loops: Loops) -> None:
    """Six a minute, with the number of the others in the next one."""
    asyncio.run(block(loops, 0.11, 8))
    found = told(telemetry)
    assert len(found) == 6
    assert {one["code.function.name"] for one in found} == {"block"}
    assert not any(HELD_BACK in one for one in found)


def test_below_the_limit_nothing_is_told(telemetry: Telemetry, loops: Loops) -> None:
    """Though the stack was looked at: over half of the limit."""
    loops = Loops(NoOpMeter("tests"), 0.5)
    asyncio.run(block(loops, 0.35))
    asyncio.run(block(loops, 0.6))
    assert [one[SECONDS] > 0.5 for one in told(telemetry)] == [True]


def test_a_loop_that_stood_still_is_not_late(telemetry: Telemetry, loops: Loops) -> None:
    """One that runs again later, whatever its thread did meanwhile."""
    with asyncio.Runner() as runner:
        runner.run(block(loops, 0))
        time.sleep(0.3)
        runner.run(block(loops, 0))
    assert told(telemetry) == []


def test_what_was_current_is_not_kept(loops: Loops) -> None:
    """A beat runs in an empty context, and a loop that ended is let go with the next one."""
    variable: ContextVar[object] = ContextVar("variable")

    class Thing: ...

    kept: list[ref[Any]] = []

    async def main() -> None:
        thing = Thing()
        variable.set(thing)
        kept.append(ref(thing))
        kept.append(ref(asyncio.get_running_loop()))
        await block(loops, 0)

    asyncio.run(main())
    asyncio.run(block(loops, 0))
    gc.collect()
    assert [one() for one in kept] == [None, None]


def test_loops_of_several_threads(telemetry: Telemetry, loops: Loops) -> None:
    """Each is watched in its own thread."""
    threads = [
        threading.Thread(target=lambda: asyncio.run(block(loops, 0.2)), name=str(n))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told(telemetry)) == 3


def watchers() -> int:
    """Threads of other tests' deliveries may be there too."""
    return [thread.name for thread in threading.enumerate()].count("otelier-loops")


def test_a_forked_child_watches_its_own(loops: Loops) -> None:
    """The parent's thread and beats are not there; new ones are."""
    asyncio.run(block(loops, 0))
    child = os.fork()
    if not child:
        code = 1
        try:
            left = watchers()
            asyncio.run(block(loops, 0))
            code = 0 if (left, watchers()) == (0, 1) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_outside_of_a_loop_nothing_happens(loops: Loops) -> None:
    """As under trio."""
    loops.meet()
    assert dict(_guard.faults) == {}
