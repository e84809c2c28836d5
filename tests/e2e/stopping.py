"""What a stop costs: five ways to serve, ways to be stopped, and collectors well and ill.

    python -m tests.e2e.stopping --runs 5

A cell asks 200 requests, each with an id, and stops the server at the last answer. Everything is
counted at the receiver by these ids. The whole table takes minutes; the suite runs a choice of it.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from otelier.cli.receiver import SERVER, Log, Point, Receiver, Span
from parts import free_ports
from parts.server import Server, command

HERE = Path(__file__).parent
DURATION = "http.server.request.duration"
STARTED, READY = "Started server process", "Application startup complete"
REQUESTS, CONNECTIONS = 200, 8
DEADLINE = 5.0

_STARTING = threading.Semaphore(3)  # imports take a core each

WORKERS: Mapping[str, int] = MappingProxyType(
    {
        "uvicorn": 1,
        "uvicorn --workers 2": 2,
        "uvicorn --reload": 1,
        "gunicorn": 2,
        "gunicorn --preload": 2,
    }
)
SIGNALS: Mapping[str, int] = MappingProxyType({"TERM": signal.SIGTERM, "INT": signal.SIGINT})
COLLECTORS = ("well", "down", "hanging", "black hole")


@dataclass(frozen=True)
class Cell:
    """collector: one of `COLLECTORS`; None for the bare app."""

    mode: str
    signal: str
    collector: str | None

    def __str__(self) -> str:
        return f"{self.mode}, {self.signal}, {self.collector or 'bare'}"


@dataclass
class Outcome:
    """What became of a cell's requests.

    served: how many each process answered. spans, logs: how many times each request id arrived.
    counted: requests in the metrics of each process. senders: processes that sent anything.
    """

    code: int
    seconds: float
    stderr: str
    served: Counter[int]
    spans: Counter[str] = field(default_factory=Counter)
    logs: Counter[str] = field(default_factory=Counter)
    counted: Counter[int] = field(default_factory=Counter)
    sent: Mapping[int, Counter[str]] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """What is wrong with it, where the collector was well."""
        ids = Counter(map(request_id, range(REQUESTS)))
        found = []
        for name, arrived in (("spans", self.spans), ("logs", self.logs)):
            if arrived != ids:
                lost, twice = ids - arrived, arrived - ids
                found.append(f"{name}: {lost.total()} lost, {twice.total()} too many")
        if self.counted != self.served:
            found.append(f"metrics: {dict(self.counted)} of {dict(self.served)}")
        for pid, sent in self.sent.items():
            if pid not in self.served and f"uvicorn.error: {STARTED} [{pid}]" not in sent:
                found.append(f"sent by a process that does not serve: {dict(sent)}")
        return found


def request_id(number: int) -> str:
    return f"stop-{number}"


def ask(port: int, requests: int = REQUESTS) -> Counter[int]:
    """Ask for each number once, on new connections; how many each process answered."""

    def one(number: int) -> int:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.request("GET", f"/asked/{number}", headers={"X-Request-ID": request_id(number)})
        answer = client.getresponse()
        assert answer.status == 200
        pid = int(answer.read())
        client.close()
        return pid

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return Counter(pool.map(one, range(requests)))


@contextmanager
def hanging() -> Iterator[int]:
    """A port that takes connections and whatever is sent, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield listening.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that answers nothing at all, not even to a connection.

    A full backlog: Linux drops what asks for a place in it.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        waiting = []
        try:
            for _ in range(16):
                one = socket.socket()
                waiting.append(one)
                one.settimeout(0.3)
                one.connect(address)
            raise RuntimeError("the backlog does not fill")
        except TimeoutError:
            yield address[1]
        finally:
            for one in waiting:
                one.close()


def wait_for_workers(server: Server, count: int, seconds: float = 60.0) -> None:
    """Until so many have said that they serve."""
    deadline = time.monotonic() + seconds
    while (server.stderr() + server.stdout()).count(READY) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {count} workers: {server.stderr()[-3000:]}")
        time.sleep(0.05)


def run(cell: Cell, started: Callable[[], object] = lambda: None) -> Outcome:
    """Start, ask, stop, count. started: called, and may wait, when the server is up."""
    with Receiver() as receiver, hanging() as silent, black_hole() as hole:
        port, nobody = free_ports(2)
        ports = {"down": nobody, "hanging": silent, "black hole": hole}
        where = ports.get(cell.collector or "")
        environ = {
            "OTEL_SERVICE_NAME": "stops",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{where}" if where else receiver.url,
        }
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "stops_app.py").write_text((HERE / "stops_app.py").read_text())
            line = command(cell.mode, "stops_app:app", port, Path(folder))
            if cell.mode == "uvicorn --workers 2":  # a slow start is no fault of the worker
                line += ["--timeout-worker-healthcheck", "60"]
            server = Server(
                line,
                port,
                Path(folder),
                environ,
                observed=cell.collector is not None,
                stop_by=SIGNALS[cell.signal],
            )
            with ExitStack() as stack:
                with _STARTING:
                    stack.enter_context(server)
                    wait_for_workers(server, WORKERS[cell.mode])
                started()
                served = ask(port)
        return outcome(server, served, receiver)


def outcome(server: Server, served: Counter[int], receiver: Receiver) -> Outcome:
    """What the receiver has of it."""
    spans, logs, points = receiver.spans, receiver.logs, receiver.points
    counted: Counter[int] = Counter()
    for point in points:
        if point.name == DURATION:
            counted[point.resource["process.pid"]] += point.count
    sent: dict[int, Counter[str]] = {}
    for item in (*spans, *logs, *points):
        what = item.name if isinstance(item, Point) else f"{item.scope}: {_title(item)}"
        sent.setdefault(item.resource["process.pid"], Counter())[what] += 1
    return Outcome(
        code=server.code or 0,
        seconds=server.seconds_to_stop,
        stderr=server.stderr(),
        served=served,
        spans=Counter(s.attributes["http.request.id"] for s in spans if s.kind == SERVER),
        logs=Counter(log.attributes["http.request.id"] for log in logs if log.scope == "stops"),
        counted=counted,
        sent=sent,
    )


def _title(item: Span | Log) -> str:
    return item.name if isinstance(item, Span) else str(item.body)


def _run_with(barrier: threading.Barrier, cell: Cell) -> Outcome:
    try:
        return run(cell, barrier.wait)
    except BaseException:
        barrier.abort()
        raise


def run_all(cells: Sequence[Cell], together: int) -> dict[Cell, Outcome]:
    """Groups of cells at the same time; nobody is stopped while another one starts."""
    results: dict[Cell, Outcome] = {}
    for start in range(0, len(cells), together):
        group = cells[start : start + together]
        barrier = threading.Barrier(len(group), timeout=120)
        with ThreadPoolExecutor(len(group)) as pool:
            outcomes = pool.map(partial(_run_with, barrier), group)
            results.update(zip(group, outcomes, strict=True))
    return results


def every_cell() -> list[Cell]:
    return [
        Cell(mode, name, collector)
        for mode in WORKERS
        for name in SIGNALS
        for collector in (None, *COLLECTORS)
    ]


def row(cell: Cell, outcomes: Sequence[Outcome], bare: Sequence[Outcome]) -> str:
    """Losses, then the slowest exit beside the slowest of the bare app, then exit codes."""
    lost = "–"
    if cell.collector == "well":
        lost = "; ".join(sorted({fault for one in outcomes for fault in one.faults()})) or "0"
    slowest, own = (max(one.seconds for one in these) for these in (outcomes, bare))
    codes, own_codes = ({one.code for one in these} for these in (outcomes, bare))
    middle = statistics.median(one.seconds for one in outcomes)
    return (
        f"| {cell.mode} | {cell.signal} | {cell.collector} | {lost} | {middle:.1f} | {slowest:.1f}"
        f" | {own:.1f} | {'same' if codes == own_codes else f'{codes} for {own_codes}'} |"
    )


def table(results: Mapping[Cell, Sequence[Outcome]]) -> Iterable[str]:
    yield "| mode | signal | collector | lost | exit, median s | slowest | bare | exit code |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for cell, outcomes in results.items():
        if cell.collector is not None:
            yield row(cell, outcomes, results[Cell(cell.mode, cell.signal, None)])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.stopping", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="runs of each cell")
    parser.add_argument("--together", type=int, default=3, help="servers at the same time")
    parser.add_argument("--only", default="", help="cells whose names contain this")
    asked = parser.parse_args(arguments)
    cells = [c for c in every_cell() if asked.only in str(c) or c.collector is None]
    results: dict[Cell, list[Outcome]] = {cell: [] for cell in cells}
    for _ in range(asked.runs):
        for cell, one in run_all(cells, asked.together).items():
            results[cell].append(one)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main(sys.argv[1:])
