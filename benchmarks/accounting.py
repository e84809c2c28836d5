"""What a process and its children cost, from the kernel (Linux).

CPU time is read from the clock that the kernel keeps for each process: user and system time of all
its threads, ended ones too, in nanoseconds. /proc/PID/stat has the same in steps of 10 ms.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The low three bits of a clock's number: a process, by what the scheduler has given it.
_PROCESS_CLOCK = 2


def cpu_seconds(pid: int) -> float:
    """Of the process and of its living descendants."""
    return sum(_clock(member) for member in family(pid))


def resident_mib(pid: int) -> float:
    """Memory of the process and of its descendants."""
    pages = sum(int(_read(member, "statm").split()[1]) for member in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in brackets, may hold anything; the state and the parent follow it.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        children[parent].append(int(folder.name))
    found = [pid]
    for member in found:
        found += children[member]
    return found


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What this thread starts meanwhile runs there for good; with none, where it likes."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[int, int]:
    """One for the server, another one for all the rest; the same one where there is but one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[-1], mine[0]


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)
    except OSError:
        return 0.0  # it has just ended


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return "0 0"
