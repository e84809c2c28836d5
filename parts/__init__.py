"""The real parts that the demo, the tests and the benchmarks run against. Not shipped.

Each part is a context manager in a module of its own: it starts the real thing on free ports of
loopback, waits until it answers, and ends the processes it started, by their ids.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from urllib.parse import urlsplit


class Missing(Exception):
    """A part that cannot be had here: what, and how to get it."""

    def __init__(self, what: str, how: str) -> None:
        super().__init__(f"{what} is missing; to get it: {how}")
        self.what = what
        self.how = how


# Below the range that the system gives to connections and to servers on port 0 (Linux 32768,
# others 49152): between choosing a port and listening on it, nobody else is given it.
FIRST_PORT, LAST_PORT = 20_000, 29_999
_ports = itertools.cycle(range(FIRST_PORT, LAST_PORT + 1))
_choosing = threading.Lock()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that this process has not handed out lately."""
    with _choosing:
        return list(itertools.islice(filter(_is_free, _ports), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _start_somewhere() -> None:
    """Two test runs on one machine begin at different ports."""
    next(itertools.islice(_ports, os.getpid() % (LAST_PORT - FIRST_PORT), None))


_start_somewhere()


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
