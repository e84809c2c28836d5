"""A contender's server: one uvicorn worker on one core, started as its users start it.

What it says, access lines too, goes to a file, as in a container; the app's log lines go to another
one. It is ended by TERM to its process, by KILL if that does not do.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from benchmarks.accounting import cpu_seconds, on_core, resident_mib
from benchmarks.contenders import Contender
from parts import free_ports

ROOT = Path(__file__).parents[1]
APP = "benchmarks.app.program:app"
START_SECONDS, STOP_SECONDS, STEP_SECONDS = 60.0, 30.0, 0.005
# Of the time so far, so that servers that start side by side are not held up by being asked.
STEP_SHARE = 0.01

# Settings of any contender, or of its Python, that the surrounding environment may hold. Without
# its byte-code, which an installed package has, a checkout is compiled at every start.
_FOREIGN = ("OTEL_", "OTELIER_", "_OTELIER", "DD_", "ELASTIC_", "LOGFIRE_", "PYTHON", "BENCH_")

_UVICORN = "--host 127.0.0.1 --loop uvloop --http httptools --workers 1 --timeout-keep-alive 60"


class NotStarted(Exception):
    """Why a server does not answer, in one line."""


class Serving:
    """`with Serving(contender, programs, …) as serving:` is up and has answered once.

    seconds_to_answer: from its start to its first answer; cpu_to_answer: CPU time until then.
    """

    seconds_to_answer: float
    cpu_to_answer: float

    def __init__(
        self,
        contender: Contender,
        programs: Path,
        core: int | None,
        folder: Path,
        environ: Mapping[str, str],
        app: str = APP,
    ) -> None:
        (self.port,) = free_ports(1)
        launched = [programs / program for program in (*contender.launcher, "uvicorn")]
        options = [*_UVICORN.split(), "--port", str(self.port), "--app-dir", str(ROOT)]
        self._command = [*map(str, launched), app, *options]
        self._core = core
        self._folder = folder
        self._said = folder / f"{contender.name}-{self.port}.out"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        self._environ = {
            **kept,
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "BENCH_LOG": str(folder / f"{contender.name}-{self.port}.log"),
            **environ,
        }

    def __enter__(self) -> Serving:
        began = time.perf_counter()
        with self._said.open("wb") as said, on_core(self._core):
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            self._wait_for_answer(began + START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.seconds_to_answer = time.perf_counter() - began
        self.cpu_to_answer = self.cpu_seconds()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self, by: int = signal.SIGTERM) -> int:
        """Its exit code, negative for a signal."""
        if self._process.poll() is None:
            self._process.send_signal(by)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def said(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self._said.read_text("utf-8", "replace")

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    def resident_mib(self) -> float:
        return resident_mib(self._process.pid)

    def _wait_for_answer(self, deadline: float) -> None:
        while (now := time.perf_counter()) < deadline:
            if self._process.poll() is not None:
                raise NotStarted(f"it ended: {self._last_words()}")
            if self._answers():
                return
            time.sleep(max(STEP_SECONDS, STEP_SHARE * (now - deadline + START_SECONDS)))
        raise NotStarted(f"no answer in {START_SECONDS:.0f} s: {self._last_words()}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.said().strip().splitlines() or ["nothing said"]
        return lines[-1]
