"""The runtime of an app that knows nothing of Otelier, on real servers."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from otelier import runtime_signals
from otelier.cli.receiver import Log, Point, Receiver
from parts import free_ports
from parts.server import Server, command
from tests.conventions import findings
from tests.e2e.serving import Caller, serve, server_span

APP = Path(__file__).parent / "runtime_app.py"
EVENT = "event loop blocked"
NAMES = {row.name for row in runtime_signals.ROWS if row.unit}


def blocked(receiver: Receiver) -> list[Log]:
    return [log for log in receiver.logs if str(log.body).startswith(EVENT)]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_blocks_the_event_loop(receiver: Receiver, loop: str) -> None:
    """The lag is in the histogram; a record names function, line and request, with the stack. What
    waits without blocking has none."""
    callers = {path: Caller() for path in ("/blocks", "/waits", "/thread", "/calls", "/callback")}
    with serve("runtime_app:app", receiver, "--loop", loop) as server:
        time.sleep(1.2)  # it has become idle
        for path, caller in callers.items():
            assert httpx.get(f"{server.url}{path}", headers=caller.headers).status_code == 200
        time.sleep(0.5)
    logs = blocked(receiver)
    assert [log.attributes["code.function.name"] for log in logs] == ["blocks", "inner", "later"]
    for log in logs:
        source = APP.read_text(encoding="utf-8").splitlines()
        line = source[int(str(log.attributes["code.line.number"])) - 1].strip()
        assert line.startswith("time.sleep(")
        assert line in str(log.attributes["code.stacktrace"])
        assert log.attributes["code.file.path"] == str(APP)
        assert 0.25 <= float(str(log.attributes["otelier.event_loop.blocked_seconds"])) < 2
    for log, path in zip(logs, ("/blocks", "/calls"), strict=False):
        span = server_span(receiver, callers[path])
        assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
        assert log.attributes["http.request.id"] == span.attributes["http.request.id"]
    lags = [point for point in receiver.points if point.name == "otelier.event_loop.lag"]
    assert 0.9 < sum(point.value for point in lags) < 3
    assert findings(receiver.spans, receiver.logs, lags) == []


def points(receiver: Receiver, name: str) -> list[Point]:
    return [point for point in receiver.points if point.name == name]


def tellers(found: list[Point]) -> set[int]:
    """Processes that have told of the host."""
    return {point.resource["process.pid"] for point in found if point.name.startswith("system.")}


def test_one_worker_tells_of_the_host(receiver: Receiver, tmp_path: Path) -> None:
    """Of gunicorn's three one does, and another one when it is killed; each tells of itself."""
    (port,) = free_ports(1)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "TMPDIR": str(tmp_path),
    }
    line = command("gunicorn", "runtime_app:app", port, tmp_path)
    with Server([*line[:-1], "3"], port, APP.parent, environ) as server:
        for _ in range(20):
            assert httpx.get(f"{server.url}/").status_code == 404
        time.sleep(2.5)
        own = {point.resource["process.pid"] for point in points(receiver, "process.uptime")}
        assert len(own) == 3
        (first,) = tellers(receiver.points)
        os.kill(int(first), signal.SIGKILL)
        time.sleep(0.5)
        before = len(receiver.points)
        time.sleep(2.5)
        found = receiver.points[before:]
        (second,) = tellers(found)
        assert second != first
    cpu = sum(point.value for point in found if point.name == "system.cpu.time")
    assert 0 < cpu < 60 * (os.cpu_count() or 1)  # and not all since the system began


def ask_for_threads(url: str, number: int) -> None:
    with ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(httpx.get, f"{url}/pool", timeout=30) for _ in range(number)]
        assert {one.result().status_code for one in asked} == {200}


def test_all_that_is_told(receiver: Receiver, tmp_path: Path) -> None:
    """Under the names of the table; `process` leaves the host out, and `off` everything."""
    told: dict[str, set[str]] = {}
    for what in ("all", "process", "off"):
        before = len(receiver.points)
        variables = {"OTELIER_RUNTIME_METRICS": what, "TMPDIR": str(tmp_path)}
        with serve(
            "runtime_app:app", receiver, OTEL_METRIC_EXPORT_INTERVAL="500", **variables
        ) as server:
            if what == "all":
                ask_for_threads(server.url, 45)
            time.sleep(1)
        told[what] = {point.name for point in receiver.points[before:]} & NAMES
        assert findings(points=receiver.points) == []
        if what == "all":
            waited = points(receiver, "otelier.thread_pool.waiting")
            used = points(receiver, "otelier.thread_pool.used")
            assert 0 < max(point.value for point in waited) <= 5
            assert max(point.value for point in used) == 40
            assert used[-1].value == 0
    assert told["off"] == set()
    # A limit is only told of in a container that has one.
    maybe = {name for name in NAMES if "container." in name}
    assert told["all"] - told["process"] == {n for n in NAMES if n.startswith("system.")}
    assert NAMES - told["all"] <= maybe
