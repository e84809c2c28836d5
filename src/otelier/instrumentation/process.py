"""What the system says of this process: CPU, memory, threads, files, switches, disk, uptime.

Read from `/proc` and `getrusage` when metrics are collected; what a system does not say is left
out by whoever calls, so that these may raise. `root` is where `/proc` is found.

Source: semantic conventions, process metrics; proc(5).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from otelier import runtime_signals as names
from otelier.sdk.observed import Read, Value

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:  # not on Windows
    getrusage = None  # type: ignore[assignment]

_NONE: Mapping[str, str] = {}


class Process:
    """cpus: how many it may use."""

    def __init__(self, cpus: Callable[[], float], root: Path = Path("/")) -> None:
        self._self = root / "proc/self"
        self._cpus = cpus
        self._seen: tuple[float, float, float] | None = None

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        return {
            names.CPU_TIME: self._cpu_time,
            names.CPU_UTILIZATION: self._cpu_utilization,
            names.MEMORY: lambda: [(self._pages(1), _NONE)],
            names.MEMORY_VIRTUAL: lambda: [(self._pages(0), _NONE)],
            names.THREADS: lambda: [(self._entries("task"), _NONE)],
            # One is that by which they are counted.
            names.DESCRIPTORS: lambda: [(self._entries("fd") - 1, _NONE)],
            names.SWITCHES: self._switches,
            names.PAGE_FAULTS: self._faults,
            names.DISK_IO: self._disk_io,
            names.UPTIME: lambda: [(self._uptime(), _NONE)],
        }

    def _cpu_time(self) -> Iterator[Value]:
        usage = getrusage(RUSAGE_SELF)
        yield usage.ru_utime, {names.CPU_MODE: "user"}
        yield usage.ru_stime, {names.CPU_MODE: "system"}

    def _cpu_utilization(self) -> Iterator[Value]:
        """Nothing at the first look, nor at the first after a fork."""
        usage, now = getrusage(RUSAGE_SELF), time.monotonic()
        seen, self._seen = self._seen, (now, usage.ru_utime, usage.ru_stime)
        if seen is None or now <= seen[0] or usage.ru_utime < seen[1]:
            return
        room = (now - seen[0]) * self._cpus()
        yield (usage.ru_utime - seen[1]) / room, {names.CPU_MODE: "user"}
        yield (usage.ru_stime - seen[2]) / room, {names.CPU_MODE: "system"}

    def _pages(self, place: int) -> int:
        text = (self._self / "statm").read_bytes()
        return int(text.split()[place]) * os.sysconf("SC_PAGE_SIZE")

    def _entries(self, folder: str) -> int:
        return len(os.listdir(self._self / folder))

    def _switches(self) -> Iterator[Value]:
        usage = getrusage(RUSAGE_SELF)
        yield usage.ru_nvcsw, {names.SWITCH_TYPE: "voluntary"}
        yield usage.ru_nivcsw, {names.SWITCH_TYPE: "involuntary"}

    def _faults(self) -> Iterator[Value]:
        usage = getrusage(RUSAGE_SELF)
        yield usage.ru_majflt, {names.FAULT_TYPE: "major"}
        yield usage.ru_minflt, {names.FAULT_TYPE: "minor"}

    def _disk_io(self) -> Iterator[Value]:
        lines = (self._self / "io").read_text("ascii").splitlines()
        said = dict(line.split(": ", 1) for line in lines)
        yield int(said["read_bytes"]), {names.IO_DIRECTION: "read"}
        yield int(said["write_bytes"]), {names.IO_DIRECTION: "write"}

    def _uptime(self) -> float:
        # Its name, in brackets, may hold blanks and brackets.
        about = (self._self / "stat").read_bytes().rpartition(b")")[2].split()
        began = int(about[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def affinity() -> int:
    """CPUs that the process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Linux has it
        return os.cpu_count() or 1
