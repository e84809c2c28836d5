"""The real collector, started with the arguments that `otelier collector` makes.

    with Collector("datadog,elasticsearch", {"DD_API_KEY": "…", …}) as collector:
        collector.http   # http://127.0.0.1:…, for OTEL_EXPORTER_OTLP_ENDPOINT

It takes nothing of OTELIER_… from the surrounding environment. Its queues are kept in `storage`,
or nowhere; `stop`, `kill` and `start` may be called in any order, with the same ports and queues.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from otelier.cli.collector import binary
from otelier.cli.collector import variables as v
from otelier.cli.collector.choice import Choice, choose
from parts import Missing, free_ports

START_SECONDS = 30.0
STOP_SECONDS = 20.0
# Its handler for TERM is installed just after its health check answers.
SETTLE_SECONDS = 0.1


class Collector:
    """`environ` holds what a user would set; `extra` are more arguments for the collector."""

    def __init__(
        self,
        backends: str = "debug",
        environ: Mapping[str, str] | None = None,
        *,
        storage: Path | None = None,
        extra: tuple[str, ...] = (),
    ) -> None:
        self.program = the_program()
        ports = dict(zip(v.PORTS, map(str, free_ports(len(v.PORTS))), strict=True))
        self.environ = {
            "PATH": os.environ.get("PATH", ""),
            v.BACKEND: backends,
            v.STORAGE: str(storage) if storage else "off",
            **ports,
            **(environ or {}),
        }
        self.choice = self._choice()
        self.extra = extra
        self.process: subprocess.Popen[bytes] | None = None
        # Files, not pipes: nobody has to read along, and `close` closes them.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.environ[v.HTTP_PORT]}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.environ[v.GRPC_PORT]}"

    @property
    def metrics(self) -> str:
        """Where it tells about itself, as Prometheus text."""
        return f"http://127.0.0.1:{self.environ[v.METRICS_PORT]}/metrics"

    def __enter__(self) -> Collector:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.stop()
        self._stderr.close()
        self._stdout.close()

    def start(self) -> None:
        arguments = self.choice.arguments(binary.config_folder())
        self.process = subprocess.Popen(
            [self.program, *arguments, *self.extra],
            env=self.choice.child_environ(),
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
        )
        self._wait_until_healthy(self.process)

    def stop(self, kill_after: float = 0.0) -> int | None:
        """TERM, and its exit code. `kill_after` seconds it is killed, as an orchestrator does;
        without it, not to end is an error.
        """
        return self._end(signal.SIGTERM, kill_after)

    def kill(self) -> int | None:
        return self._end(signal.SIGKILL, 0.0)

    def stderr(self) -> str:
        """Everything it has said so far, of every start."""
        return _read(self._stderr.fileno())

    def stdout(self) -> str:
        return _read(self._stdout.fileno())

    def resident_bytes(self) -> int:
        """Its memory now (Linux)."""
        assert self.process
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _choice(self) -> Choice:
        choice, problems = choose(self.environ, Path(os.devnull))
        if problems:
            raise ValueError("\n".join(map(str, problems)))
        return choice

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        url = f"http://127.0.0.1:{self.environ[v.HEALTH_PORT]}/"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"the collector ended: {self.stderr()[-3000:]}")
            if _answers(url):
                time.sleep(SETTLE_SECONDS)
                return
            time.sleep(0.05)
        raise RuntimeError(f"the collector is not healthy: {self.stderr()[-3000:]}")

    def _end(self, how: signal.Signals, kill_after: float) -> int | None:
        process, self.process = self.process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(kill_after or STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if not kill_after:
            raise RuntimeError(f"the collector ignored {how.name}")
        return code


def the_program() -> str:
    try:
        return str(binary.find(os.environ))
    except binary.NotFound:
        raise Missing("the collector", "make collector (needs Go)") from None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _read(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode(errors="replace")
