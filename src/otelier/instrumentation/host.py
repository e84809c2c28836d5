"""What the system says of itself: CPU, memory, disks, network; told by one process of a host.

Read from `/proc` when metrics are collected, if this process is `elected`; what is missing there is
left out by whoever calls, so that these may raise. In a container, CPU and memory are the host's,
and the network is the container's. `root` is where `/proc` is found.

Source: semantic conventions, system metrics; proc(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from os import sysconf
from pathlib import Path

from otelier import runtime_signals as names
from otelier.sdk.observed import Read, Value

# Columns of the first line of `/proc/stat`; those behind them are in `user` and `nice` already.
_MODES = ("user", "nice", "system", "idle", "iowait", "interrupt", "interrupt", "steal")
_SECTOR = 512
_MOST = 64
"""Disks, and interfaces: a host of containers has one for each."""

_PRETENDED = ("loop", "ram", "zram")


class Host:
    def __init__(self, elected: Callable[[], bool], root: Path = Path("/")) -> None:
        self._elected = elected
        self._root = root

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        found: dict[str, Callable[[], Iterator[Value]]] = {
            names.SYSTEM_CPU_TIME: self._cpu_time,
            names.SYSTEM_CPUS: self._cpus,
            names.SYSTEM_MEMORY: self._memory,
            names.SYSTEM_MEMORY_LIMIT: partial(self._bytes, "MemTotal"),
            names.SYSTEM_MEMORY_AVAILABLE: partial(self._bytes, "MemAvailable"),
            names.SYSTEM_DISK_IO: self._disks,
            names.SYSTEM_NETWORK_IO: self._network,
        }
        return {name: partial(self._told, read) for name, read in found.items()}

    def _told(self, read: Callable[[], Iterator[Value]]) -> Iterator[Value]:
        return read() if self._elected() else iter(())

    def _cpu_time(self) -> Iterator[Value]:
        ticks = sysconf("SC_CLK_TCK")
        sums = dict.fromkeys(_MODES, 0)
        for mode, count in zip(_MODES, self._lines("proc/stat")[0].split()[1:], strict=False):
            sums[mode] += int(count)
        for mode, sum_ in sums.items():
            yield sum_ / ticks, {names.CPU_MODE: mode}

    def _cpus(self) -> Iterator[Value]:
        rows = self._lines("proc/stat")
        yield sum(row.startswith("cpu") and row[3].isdecimal() for row in rows), {}

    def _memory(self) -> Iterator[Value]:
        """Its states add up to the whole."""
        sizes = self._sizes()
        free, buffers = sizes["MemFree"], sizes["Buffers"]
        cached = sizes["Cached"] + sizes.get("SReclaimable", 0)
        used = sizes["MemTotal"] - free - buffers - cached
        states = {"used": used, "free": free, "buffers": buffers, "cached": cached}
        for state, size in states.items():
            yield size, {names.MEMORY_STATE: state}

    def _bytes(self, key: str) -> Iterator[Value]:
        yield self._sizes()[key], {}

    def _sizes(self) -> dict[str, int]:
        rows = (line.split() for line in self._lines("proc/meminfo"))
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}

    def _disks(self) -> Iterator[Value]:
        """Whole ones: their parts are in them."""
        rows = (line.split() for line in self._lines("proc/diskstats"))
        disks = (row for row in rows if self._is_disk(row[2]))
        for row in islice(disks, _MOST):
            for direction, sectors in (("read", row[5]), ("write", row[9])):
                about = {names.DEVICE: row[2], names.IO_DIRECTION: direction}
                yield int(sectors) * _SECTOR, about

    def _is_disk(self, name: str) -> bool:
        folder = self._root / "sys/block" / name.replace("/", "!")
        return not name.startswith(_PRETENDED) and folder.exists()

    def _network(self) -> Iterator[Value]:
        """All but the loopback."""
        rows = (line.partition(":") for line in self._lines("proc/net/dev")[2:])
        named = ((name.strip(), text.split()) for name, _, text in rows)
        outer = ((name, numbers) for name, numbers in named if name != "lo")
        for name, numbers in islice(outer, _MOST):
            for direction, count in (("receive", numbers[0]), ("transmit", numbers[8])):
                yield int(count), {names.INTERFACE: name, names.NETWORK_DIRECTION: direction}

    def _lines(self, file: str) -> list[str]:
        return (self._root / file).read_text("utf-8", "replace").splitlines()
