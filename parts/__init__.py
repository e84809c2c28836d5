"""The real parts that the demo, the tests and the benchmarks run against. Not shipped.

Each part is a context manager in a module of its own: it starts the real thing on free ports of
loopback, waits until it answers, and ends the processes it started, by their ids.
"""

from __future__ import annotations

import socket


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
