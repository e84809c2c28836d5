"""The real parts that the demo, the tests and the benchmarks run against. Not shipped.

Each part is a context manager in a module of its own: it starts the real thing on free ports of
loopback, waits until it answers, and ends the processes it started, by their ids.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit


class Missing(Exception):
    """A part that cannot be had here: what, and how to get it."""

    def __init__(self, what: str, how: str) -> None:
        super().__init__(f"{what} is missing; to get it: {how}")
        self.what = what
        self.how = how


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held open together, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def check_answers(url: str, port: int, what: str) -> None:
    """Raise OSError, in one sentence without secrets, if nobody listens where `url` points."""
    parts = urlsplit(url)
    if not parts.hostname:
        return  # a Unix socket: its client will tell
    try:
        socket.create_connection((parts.hostname, parts.port or port), timeout=5).close()
    except OSError as error:
        where = f"{parts.hostname}:{parts.port or port}"
        raise OSError(f"{what} does not answer at {where}: {error.strerror or error}") from None
