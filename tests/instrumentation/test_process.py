"""What the system says of the process, against what others say of it."""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from otelier import _guard
from otelier.instrumentation import runtime
from otelier.instrumentation.container import Container
from otelier.instrumentation.garbage import Garbage
from otelier.instrumentation.process import Process
from otelier.sdk.providers import Providers


@pytest.fixture
def process() -> Process:
    return Process(lambda: 1.0)


def values(process: Process, name: str) -> dict[str, float]:
    """By the one attribute that there is, or by nothing."""
    return {"".join(map(str, about.values())): value for value, about in process.reads[name]()}


def test_cpu(process: Process) -> None:
    """A busy thread uses one CPU."""
    assert values(process, "process.cpu.utilization") == {}
    before = values(process, "process.cpu.time")
    until = time.process_time() + 0.2
    began = time.monotonic()
    while time.process_time() < until:
        pass
    took = time.monotonic() - began
    used = sum(values(process, "process.cpu.utilization").values())
    spent = sum(values(process, "process.cpu.time").values()) - sum(before.values())
    assert spent == pytest.approx(0.2, rel=0.2)
    assert used == pytest.approx(spent / took, rel=0.2)


def test_memory(process: Process) -> None:
    """What is touched is resident."""
    before = values(process, "process.memory.usage")[""]
    held = bytearray(b"x") * (50 << 20)
    grown = values(process, "process.memory.usage")[""] - before
    assert grown == pytest.approx(len(held), rel=0.1)
    assert values(process, "process.memory.virtual")[""] > before + grown


def test_threads_and_files(process: Process) -> None:
    """One more of each, and one less."""
    files = values(process, "process.unix.file_descriptor.count")[""]
    threads = values(process, "process.thread.count")[""]
    done = threading.Event()
    with open(os.devnull, "rb"):
        threading.Thread(target=done.wait).start()
        assert values(process, "process.unix.file_descriptor.count")[""] == files + 1
        assert values(process, "process.thread.count")[""] == threads + 1
        done.set()
    assert values(process, "process.unix.file_descriptor.count")[""] == files


def test_switches_and_faults(process: Process) -> None:
    """A sleep is a voluntary one, in whatever thread."""
    before = values(process, "process.context_switches")
    thread = threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(50)])
    thread.start()
    thread.join()
    after = values(process, "process.context_switches")
    assert after["voluntary"] - before["voluntary"] >= 50
    usage = resource.getrusage(resource.RUSAGE_SELF)
    assert values(process, "process.paging.faults")["minor"] >= usage.ru_minflt > 0


def test_uptime(process: Process) -> None:
    """That of this process, whatever it is called."""
    first = values(process, "process.uptime")[""]
    assert 0 < first < 3600 * 12
    time.sleep(0.05)
    assert values(process, "process.uptime")[""] - first == pytest.approx(0.05, abs=0.04)


class Sent:
    """What one reader is given, as changes."""

    def __init__(self) -> None:
        kinds = (Counter, Histogram)
        self._reader = InMemoryMetricReader(dict.fromkeys(kinds, AggregationTemporality.DELTA))
        self._providers = Providers(Resource({}), [self._reader])
        self.meter = self._providers.meter.get_meter("otelier.runtime")

    def points(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for of_resource in (data.resource_metrics if data else ())
            for scope in of_resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_what_cannot_be_read_is_left_out(sent: Sent, tmp_path: Path) -> None:
    """Silently: of a machine without `/proc` there is what `getrusage` knows."""
    _guard.faults.clear()
    runtime.tell(sent.meter, Process(lambda: 1.0, tmp_path).reads)
    runtime.tell(sent.meter, Container(tmp_path).reads)
    found = {*sent.points(), *sent.points()}
    usage = ("cpu.utilization", "cpu.time", "context_switches", "paging.faults")
    assert found == {f"process.{name}" for name in usage}
    assert dict(_guard.faults) == {}


@pytest.fixture
def garbage(sent: Sent) -> Iterator[Garbage]:
    made = Garbage(sent.meter)
    runtime.tell(sent.meter, made.reads)
    yield made
    made.leave()


def test_garbage_collections(sent: Sent, garbage: Garbage) -> None:
    """Each forced one is counted once, with its pause; what it collected too.

    What other tests have left is set aside: the pauses are those of what is made here.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        sent.points()
        for _ in range(7):
            circle: list[object] = []
            circle.append(circle)
            del circle
            gc.collect()
        gc.collect(1)
        points = sent.points()
    finally:
        gc.enable()
        gc.unfreeze()
    name = "cpython.gc.generation"
    counted = {p.attributes[name]: p.value for p in points["cpython.gc.collections"]}
    assert counted == {0: 0, 1: 1, 2: 7}
    pauses = {p.attributes[name]: p for p in points["otelier.gc.pause"]}
    assert {generation: p.count for generation, p in pauses.items()} == {1: 1, 2: 7}
    assert 0 < pauses[2].sum < 7
    assert pauses[2].min > 0
    collected = {p.attributes[name]: p.value for p in points["cpython.gc.collected_objects"]}
    assert collected[2] >= 7
    uncollectable = points["cpython.gc.uncollectable_objects"]
    assert [p.value for p in uncollectable] == [0, 0, 0]
