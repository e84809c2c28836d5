"""A real Redis with a password, and a real Sentinel that watches over it.

Both listen on free ports of loopback, keep nothing on disk but Sentinel's own file in a temporary
folder, and are ended by their process ids.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import free_ports
from parts.redis import START_SECONDS, origin, program, wait_for_answer

NAME = "orders"
PASSWORD = "swordfish"


@dataclass(frozen=True)
class RedisSentinel:
    """port: of the Sentinel; server: the Redis that it calls `NAME`; origin: which part this is."""

    port: int
    server: subprocess.Popen[bytes]
    origin: str


@contextmanager
def redis_sentinel() -> Iterator[RedisSentinel]:
    path, embedded = program()
    port, watcher_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="otelier-sentinel-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen([path, *options], stdout=subprocess.DEVNULL)
        watcher = None
        try:
            wait_for_answer(server, port)
            _lock(port)
            file = Path(folder) / "sentinel.conf"
            file.write_text(
                f"port {watcher_port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {port} 1\n"
                f"sentinel auth-pass {NAME} {PASSWORD}\n"
            )
            watcher = subprocess.Popen([path, file, "--sentinel"], stdout=subprocess.DEVNULL)
            wait_for_answer(watcher, watcher_port)
            yield RedisSentinel(watcher_port, server, origin(path, embedded=embedded))
        finally:
            for process in filter(None, (watcher, server)):
                process.kill()
                process.wait(START_SECONDS)


def _lock(port: int) -> None:
    """From now on it wants its password."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as connection:
        connection.sendall(f"CONFIG SET requirepass {PASSWORD}\r\n".encode())
        if not connection.recv(16).startswith(b"+OK"):
            raise RuntimeError("the Redis server took no password")
