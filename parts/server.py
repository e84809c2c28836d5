"""A real web server in a process of its own, and the ways in which people start one.

    with Server(command("uvicorn --workers 2", "app:app", port, folder), port, folder) as server:
        …requests to server.url…
    server.stderr(), server.code

It is ended by its process id; children are the server's own business, as in life.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

BIN = Path(sys.executable).parent
START_SECONDS = 30.0
STOP_SECONDS = 30.0

_GUNICORN = "gunicorn {app} --bind 127.0.0.1:{port} --worker-class uvicorn_worker.UvicornWorker"

# How people start an app, and the process that answers is one of ours in each of them.
MODES = {
    "uvicorn": "uvicorn {app} --port {port}",
    "uvicorn --workers 2": "uvicorn {app} --port {port} --workers 2",
    "uvicorn --reload": "uvicorn {app} --port {port} --reload",
    "uvicorn --factory": "uvicorn {factory} --factory --port {port}",
    "fastapi run": "fastapi run --entrypoint {app} --host 127.0.0.1 --port {port}",
    "uvicorn.run": "python {script} {app} {port}",
    "gunicorn": _GUNICORN + " --workers 2",
    "gunicorn --preload": _GUNICORN + " --workers 2 --preload",
}

_SCRIPT = """\
import sys
import uvicorn

if __name__ == "__main__":
    sys.path.insert(0, ".")
    uvicorn.run(sys.argv[1], port=int(sys.argv[2]))
"""


def command(mode: str, app: str, port: int, folder: Path) -> list[str]:
    """The command line of `mode` for `module:app`; `module:create_app` is its factory."""
    script = folder / "serve.py"
    if mode == "uvicorn.run":
        script.write_text(_SCRIPT)
    factory = f"{app.partition(':')[0]}:create_app"
    return MODES[mode].format(app=app, factory=factory, port=port, script=script).split()


class Server:
    """Runs `command` until its context ends; `observed` puts the launcher in front."""

    def __init__(
        self,
        command: list[str],
        port: int,
        cwd: Path,
        environ: Mapping[str, str] | None = None,
        *,
        observed: bool = True,
        stop_by: int = signal.SIGTERM,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.code: int | None = None
        self.seconds_to_stop = 0.0
        self._port = port
        self._command = ["opentelemetry-instrument", *command] if observed else command
        self._cwd = cwd
        self._environ = environment(environ or {})
        self._stop_by = stop_by
        # Files, not pipes: nobody has to read along.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115
        self._err = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            [BIN / self._command[0], *self._command[1:]],
            cwd=self._cwd,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it by its signal, by KILL if that does not do; its exit code (negative: a signal)."""
        if self.code is None:
            began = time.monotonic()
            self.process.send_signal(self._stop_by)
            try:
                self.code = self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.code = self.process.wait()
            self.seconds_to_stop = time.monotonic() - began
        return self.code

    def stdout(self) -> str:
        return _read(self._out.fileno())

    def stderr(self) -> str:
        return _read(self._err.fileno())

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {self.stderr()[-3000:]}")
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the server does not listen: {self.stderr()[-3000:]}")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The surrounding environment without its telemetry settings; ours first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", **more}


def _is_setting(name: str) -> bool:
    return name.startswith(("OTEL_", "OTELIER_", "_OTELIER")) or name in ("PYTHONPATH", "CI")


def _read(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")
