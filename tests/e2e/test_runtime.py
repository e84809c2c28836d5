"""The runtime of an app that knows nothing of Otelier, on real servers."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from otelier.cli.receiver import Log, Receiver
from tests.conventions import findings
from tests.e2e.serving import Caller, serve, server_span

APP = Path(__file__).parent / "runtime_app.py"
EVENT = "event loop blocked"


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
