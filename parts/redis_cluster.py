"""A real Redis Cluster of three masters, each with a third of the slots; no replicas.

The nodes listen on free ports of loopback, keep nothing on disk but the cluster's own file in a
temporary folder, and are ended by their process ids.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import free_ports
from parts.redis import START_SECONDS, origin, program, wait_for_answer

_SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


@dataclass(frozen=True)
class RedisCluster:
    """url: of the first node; ports: of all; origin: which real part this is."""

    url: str
    ports: Sequence[int]
    origin: str


@contextmanager
def redis_cluster() -> Iterator[RedisCluster]:
    server, embedded = program()
    ports = free_ports(2 * len(_SLOTS))
    ports, buses = ports[: len(_SLOTS)], ports[len(_SLOTS) :]
    with tempfile.TemporaryDirectory(prefix="otelier-redis-cluster-") as folder:
        nodes: list[subprocess.Popen[bytes]] = []
        try:
            for port, bus in zip(ports, buses, strict=True):
                nodes.append(_start(server, port, bus, Path(folder)))
            for node, port in zip(nodes, ports, strict=True):
                wait_for_answer(node, port)
            _join(ports, buses)
            yield RedisCluster(
                f"redis://127.0.0.1:{ports[0]}/0", ports, origin(server, embedded=embedded)
            )
        finally:
            for node in nodes:
                node.terminate()
            for node in nodes:
                node.wait(START_SECONDS)


def _start(server: Path, port: int, bus: int, folder: Path) -> subprocess.Popen[bytes]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "save": "",
        "dir": str(folder),
        "cluster-enabled": "yes",
        "cluster-port": str(bus),
        "cluster-config-file": f"nodes-{port}.conf",
        "cluster-node-timeout": "2000",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return subprocess.Popen([server, *words], stdout=subprocess.DEVNULL)


def _join(ports: Sequence[int], buses: Sequence[int]) -> None:
    """Give each node its slots, make them meet, and wait until all of them know."""
    for epoch, (port, (first, last)) in enumerate(zip(ports, _SLOTS, strict=True), start=1):
        _ask(port, f"CLUSTER SET-CONFIG-EPOCH {epoch}")
        _ask(port, f"CLUSTER ADDSLOTSRANGE {first} {last}")
    for port, bus in zip(ports[1:], buses[1:], strict=True):
        _ask(ports[0], f"CLUSTER MEET 127.0.0.1 {port} {bus}")
    deadline = time.monotonic() + START_SECONDS
    while not all(_is_whole(port) for port in ports):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the Redis Cluster on ports {ports} did not come together")
        time.sleep(0.05)


def _is_whole(port: int) -> bool:
    said = _ask(port, "CLUSTER INFO")
    return "cluster_state:ok" in said and f"cluster_size:{len(_SLOTS)}" in said


def _ask(port: int, command: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        said = connection.recv(4096).decode()
    if said.startswith("-"):
        raise RuntimeError(f"{command!r}: {said.strip()}")
    return said
