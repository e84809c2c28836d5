"""A stop loses nothing, in every way in which people serve, and ends in time whatever happens.

Real parts: uvicorn, gunicorn, their workers, supervisors and reloader, the launcher. A choice of
the cells of `python -m tests.e2e.stopping`; `OTELIER_TEST_STOPS=all` runs every one.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from otelier.cli.receiver import Receiver
from parts import free_ports
from parts.server import Server, command
from tests.e2e.serving import HERE
from tests.e2e.stopping import (
    DEADLINE,
    Cell,
    Outcome,
    ask,
    every_cell,
    outcome,
    request_id,
    run_all,
    wait_for_workers,
)

# gunicorn's SIGINT is left out: it kills uvicorn's workers 30 s later, with us and without.
CHOSEN = (
    Cell("uvicorn", "INT", "black hole"),
    Cell("uvicorn --workers 2", "INT", "well"),
    Cell("uvicorn --reload", "TERM", "down"),
    Cell("gunicorn", "TERM", "hanging"),
)
SPARE = 3.0  # seconds: other servers stop at the same time, on a machine that may be busy


@pytest.fixture(scope="module")
def outcomes() -> dict[Cell, Outcome]:
    everything = os.environ.get("OTELIER_TEST_STOPS") == "all"
    cells = every_cell() if everything else [*CHOSEN, *map(bare, CHOSEN)]
    return run_all(list(dict.fromkeys(cells)), together=3 if everything else 8)


def bare(cell: Cell) -> Cell:
    return Cell(cell.mode, cell.signal, None)


@pytest.mark.timeout(1800)
def test_nothing_is_lost(outcomes: dict[Cell, Outcome]) -> None:
    """Each of 200 requests once, by its id, and counted by its process; supervisors are silent."""
    well = {cell: one for cell, one in outcomes.items() if cell.collector == "well"}
    assert {str(cell): one.faults() for cell, one in well.items()} == {str(c): [] for c in well}


@pytest.mark.timeout(1800)
def test_it_ends_in_time(outcomes: dict[Cell, Outcome]) -> None:
    """Five seconds more than without us at most, and with the same exit code."""
    for cell, one in outcomes.items():
        own = outcomes[bare(cell)]
        assert one.code == own.code, cell
        assert one.seconds <= own.seconds + DEADLINE + SPARE, cell


@contextmanager
def gunicorn(receiver: Receiver, *options: str) -> Iterator[tuple[Server, int]]:
    (port,) = free_ports(1)
    environ = {"OTEL_SERVICE_NAME": "stops", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    line = [*command("gunicorn", "stops_app:app", port, HERE), *options]
    with Server(line, port, HERE, environ) as server:
        wait_for_workers(server, 2)
        yield server, port


def answered(port: int, number: int) -> tuple[str, int] | None:
    """Request id and process; None where a worker at its end closed the connection unanswered."""
    with suppress(OSError, http.client.HTTPException):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.request("GET", f"/asked/{number}", headers={"X-Request-ID": request_id(number)})
        return request_id(number), int(client.getresponse().read())
    return None


def test_recycled_workers(receiver: Receiver) -> None:
    """`--max-requests` under load: each answered request is there, from more workers than two."""
    options = ("--max-requests", "30")
    found: list[tuple[str, int]] = []
    with gunicorn(receiver, *options) as (server, port), ThreadPoolExecutor(4) as pool:
        # A worker looks at its number ten times a second, when a quick machine is far beyond it.
        for begin in range(0, 5_000, 200):
            numbers = range(begin, begin + 200)
            found += [one for one in pool.map(lambda n: answered(port, n), numbers) if one]
            served = Counter(pid for _, pid in found)
            if len(served) > 2:
                break
    assert len(served) > 2
    assert len(found) > 150
    arrived = outcome(server, served, receiver)
    asked = {name for name, _ in found}
    assert not asked - set(arrived.spans), "spans are lost"
    assert not asked - set(arrived.logs), "log records are lost"
    assert set(Counter(arrived.spans.values())) == set(Counter(arrived.logs.values())) == {1}
    assert not served - arrived.counted, "metrics are lost"


def test_a_graceful_timeout(receiver: Receiver) -> None:
    """Workers that are killed in a running request have delivered what was answered before."""
    with gunicorn(receiver, "--graceful-timeout", "1") as (server, port):
        served = ask(port, 50)

        def hang() -> None:
            with suppress(OSError, http.client.HTTPException):
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                client.request("GET", "/slow")
                client.getresponse()

        threads = [threading.Thread(target=hang) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.stop()
    for thread in threads:
        thread.join()
    arrived = outcome(server, served, receiver)
    assert "SIGKILL" in server.stderr() or server.seconds_to_stop < 10
    ids = Counter(map(request_id, range(50)))
    assert (arrived.spans, arrived.logs) == (ids, ids)
    assert arrived.counted == served


def test_six_forks_of_a_preloaded_app(receiver: Receiver) -> None:
    """Each request once and counted once, whichever worker answered; the arbiter is silent."""
    with gunicorn(receiver, "--preload", "--workers", "6") as (server, port):
        wait_for_workers(server, 6)
        served = ask(port)
    assert outcome(server, served, receiver).faults() == []
