"""One contender in one scenario: a server, a client, a receiver that fails, and the count.

The receiver is well at first: a few requests show how many records each leaves. The fault begins
with the load. Afterwards what is still on its way is waited for, until nothing has come for the
longest pause that the contender makes between two attempts; then the server is stopped by TERM, and
what its receiver has taken is counted by request.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import Contender
from benchmarks.faults.arrived import Arrived, Found
from benchmarks.faults.outcome import Memory, Outcome
from benchmarks.faults.receiver import Receiver
from benchmarks.faults.said import said
from benchmarks.faults.scenario import Pace, Scenario
from benchmarks.load import Client, Order
from benchmarks.serving import NotStarted, Serving

APP = "benchmarks.app.numbered:app"
CALM, CALM_RATE = 10, 50.0
QUIET_SECONDS, POLL_SECONDS, SAMPLE_SECONDS = 0.7, 0.2, 0.5
LINES_KEPT = 40

# A start takes a second and a half of a core: a dozen side by side miss their time.
_STARTING = threading.Semaphore(2)


@dataclass(frozen=True)
class Load:
    """Requests that were answered, by what their trace ids begin with. late: seconds each."""

    trace: str
    requests: int
    wrong: int
    late: list[float]


@dataclass(frozen=True)
class Trial:
    """programs: of the contender's environment; folder: for what the servers write; patience:
    seconds to wait for what has not arrived.
    """

    contender: Contender
    scenario: Scenario
    pace: Pace
    programs: Path
    folder: Path
    patience: float

    def run(self, number: int = 1) -> Outcome:
        with Receiver() as receiver, Client() as client:
            return Run(self, receiver, client).outcome(number)

    def serving(self, url: str) -> Serving:
        environ = {**self.contender.variables(url), **self.pace.environ}
        if self.scenario.spools:
            environ["OTELIER_SPOOL_DIR"] = str(self.folder / "spool")
        return Serving(self.contender, self.programs, None, self.folder, environ, APP)


class Run:
    """What has happened so far."""

    def __init__(self, trial: Trial, receiver: Receiver, client: Client) -> None:
        self._trial = trial
        self._receiver = receiver
        self._client = client
        self._arrived = Arrived(receiver.arrivals)
        self._stopped: list[tuple[float, int]] = []
        self._resident: list[float] = []
        self._started: list[tuple[Serving, int]] = []

    def outcome(self, number: int) -> Outcome:
        trial = self._trial
        with ExitStack() as stack:
            serving = self._start(stack)
            each = self._calm(serving)
            healthy = self._healthy(serving)
            with self._fault():
                loads = [self._ask(serving, trial.pace.requests // (1 + trial.scenario.restarts))]
                if trial.scenario.restarts:
                    self._stop(serving)
                    serving = self._start(stack)
                    loads.append(self._ask(serving, loads[0].requests))
                if not trial.scenario.is_killed:
                    self._wait(loads, each)
            self._stop(serving)
        return self._outcome(number, each, healthy, loads)

    def _start(self, stack: ExitStack) -> Serving:
        with _STARTING:
            serving = stack.enter_context(self._trial.serving(self._receiver.url))
        self._started.append((serving, len(serving.said())))
        return serving

    def _outcome(
        self, number: int, each: tuple[int, int], healthy: Load | None, loads: list[Load]
    ) -> Outcome:
        told = [said(serving.said()[begin:]) for serving, begin in self._started]
        lines = [line for one in told for line in one.lines]
        self._arrived.read()
        return Outcome(
            contender=self._trial.contender.name,
            scenario=self._trial.scenario.name,
            run=number,
            rate=self._trial.pace.rate,
            seconds=self._trial.pace.seconds,
            wrong=sum(load.wrong for load in loads),
            each=each,
            found=self._found(loads, each),
            said=sum(one.records for one in told),
            lines=lines[:LINES_KEPT],
            line_count=len(lines),
            memory=_memory(self._resident),
            p99=_p99(loads),
            p99_healthy=_p99([healthy]) if healthy else None,
            stop=self._stopped[-1],
        )

    def _calm(self, serving: Serving) -> tuple[int, int]:
        """Records of a request, while all is well."""
        load = self._asked(serving, Order(serving.port, "numbered", CALM, CALM_RATE, _trace()))
        deadline = time.monotonic() + self._trial.contender.flush_seconds + 4 * QUIET_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            self._arrived.read()
            arrivals = self._receiver.arrivals
            is_quiet = arrivals and time.monotonic() - arrivals[-1].at > QUIET_SECONDS
            if is_quiet and self._arrived.each(load.trace, CALM)[0]:
                break
        return self._arrived.each(load.trace, CALM)

    def _healthy(self, serving: Serving) -> Load | None:
        pace = self._trial.pace
        return self._ask(serving, round(pace.rate * pace.healthy)) if pace.healthy else None

    @contextmanager
    def _fault(self) -> Iterator[None]:
        fault = self._trial.pace.fault
        self._receiver.begin(fault)
        timer = threading.Timer(min(fault.seconds, threading.TIMEOUT_MAX), self._receiver.end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._receiver.end()

    def _ask(self, serving: Serving, requests: int) -> Load:
        self._resident.clear()
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(serving, done), daemon=True)
        watch.start()
        order = Order(serving.port, "numbered", requests, self._trial.pace.rate, _trace())
        try:
            return self._asked(serving, order)
        finally:
            done.set()
            watch.join()

    def _asked(self, serving: Serving, order: Order) -> Load:
        outcome = self._client.run(order)
        if not outcome.answered:
            raise NotStarted(f"it answers nobody: {serving.said()[-300:]}")
        return Load(order.trace, order.requests, outcome.wrong, list(outcome.latencies))

    def _watch(self, serving: Serving, done: threading.Event) -> None:
        while not done.wait(SAMPLE_SECONDS):
            self._resident.append(serving.resident_mib())

    def _wait(self, loads: list[Load], each: tuple[int, int]) -> None:
        """Until all is there, or what is not there will not come any more."""
        fault = self._trial.pace.fault
        if fault.seconds < math.inf:
            self._receiver.over.wait(fault.seconds)
        began, counted = time.monotonic(), -1
        while time.monotonic() < max(began, self._receiver.took_at) + self._trial.patience:
            if counted != (counted := len(self._receiver.arrivals)):
                self._arrived.read()
                if not self._found(loads, each).lost:
                    time.sleep(QUIET_SECONDS)
                    return
            time.sleep(POLL_SECONDS)

    def _found(self, loads: list[Load], each: tuple[int, int]) -> Found:
        return sum((self._arrived.found(one.trace, one.requests, each) for one in loads), Found())

    def _stop(self, serving: Serving) -> None:
        began = time.monotonic()
        code = serving.stop(signal.SIGKILL if self._trial.scenario.is_killed else signal.SIGTERM)
        self._stopped.append((time.monotonic() - began, code))


def _trace() -> str:
    return os.urandom(12).hex()


def _memory(resident: list[float]) -> Memory:
    found = resident or [0.0]
    return Memory(found[0], found[len(found) // 2], found[-1], max(found))


def _p99(loads: list[Load]) -> float:
    late = sorted(one for load in loads for one in load.late)
    return late[len(late) * 99 // 100] * 1000 if late else 0.0
