"""Limits that control groups put on this process: its container's, or its service's.

Of version 1 and 2, and of both at once. The group is where `/proc/self/cgroup` says, below the
mount that `/proc/self/mountinfo` names; inside a container that sees no more than its own group it
is the mount itself. The smallest limit from there up to the mount counts, with the memory of the
group that has it: that is where the kernel kills. Without a limit it is the process's own group.

Read when metrics are collected; files that are missing or say something else raise. `root` is
where `/proc` is found, and the mounts are.

Source: cgroups(7), the kernel's `cgroup-v1/memory` and `cgroup-v2`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from otelier import runtime_signals as names
from otelier.fixed import fixed
from otelier.sdk.observed import Read, Value

_UNLIMITED = 1 << 60
"""Version 1 says `no limit` by a number near the largest of 63 bits."""


@fixed
class _Files:
    """What a version calls them. idle: in `memory.stat`, what is given up when room is needed."""

    limit: str
    usage: str
    idle: str


_FIRST = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Files("memory.max", "memory.current", "inactive_file")


@fixed
class Memory:
    """Bytes. limit: None for none. usage: with the cache of files; working_set: what the kernel
    cannot give up."""

    limit: int | None
    usage: int
    working_set: int


class Container:
    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        return {
            names.CONTAINER_MEMORY: self._telling(lambda memory: memory.usage),
            names.WORKING_SET: self._telling(lambda memory: memory.working_set),
            names.MEMORY_LIMIT: self._telling(lambda memory: memory.limit),
            names.MEMORY_UTILIZATION: self._telling(
                lambda memory: memory.usage / memory.limit if memory.limit else None
            ),
        }

    def memory(self) -> Memory | None:
        """None where there is no such group, or it is that above all others."""
        found = self._levels("memory")
        if found is None:
            return None
        levels, is_second = found
        files = _SECOND if is_second else _FIRST
        limits = [(limit, at) for at in levels if (limit := _limit(at / files.limit)) is not None]
        limit, at = min(limits, key=lambda one: one[0], default=(None, levels[0]))
        if limit is None and not (at / files.usage).exists():
            return None
        usage = int((at / files.usage).read_text("ascii"))
        return Memory(limit, usage, max(0, usage - _stat(at / "memory.stat", files.idle)))

    def cpus(self) -> float | None:
        """The smallest quota, in CPUs; None without one."""
        found = self._levels("cpu")
        if found is None:
            return None
        levels, is_second = found
        quota = _quota_of_second if is_second else _quota_of_first
        quotas = [one for at in levels if (one := quota(at)) is not None]
        return min(quotas, default=None)

    def _telling(self, tell: Callable[[Memory], float | None]) -> Read:
        def values() -> Iterator[Value]:
            memory = self.memory()
            value = tell(memory) if memory is not None else None
            if value is not None:
                yield value, {}

        return values

    def _levels(self, controller: str) -> tuple[list[Path], bool] | None:
        """The process's group and those above it, and whether they are of version 2."""
        groups = list(self._groups())
        for controllers, path in groups:
            if controller in controllers.split(","):
                return self._below_mount(path, controller), False
        for controllers, path in groups:
            if not controllers:
                return self._below_mount(path, ""), True
        return None

    def _groups(self) -> Iterator[tuple[str, str]]:
        """Controllers and path; version 2 names no controllers."""
        for line in self._lines("proc/self/cgroup"):
            _, controllers, path = line.split(":", 2)
            yield controllers, path

    def _below_mount(self, path: str, controller: str) -> list[Path]:
        inner, mount = self._mount(controller)
        at = self._root / mount.lstrip("/")
        try:
            below = PurePosixPath(path).relative_to(inner)
        except ValueError:  # the group is seen from outside, its mount from inside
            return [at]
        if ".." in below.parts or not (at / below).is_dir():
            return [at]
        return [at / below, *(at / above for above in below.parents)] if below.parts else [at]

    def _mount(self, controller: str) -> tuple[str, str]:
        """Which group is mounted, and where. controller: empty for version 2."""
        for line in self._lines("proc/self/mountinfo"):
            about, _, kind = line.partition(" - ")
            system, _, options = kind.split(" ", 2)
            is_second = system == "cgroup2" and not controller
            if is_second or (system == "cgroup" and controller in options.split(",")):
                inner, mount = about.split(" ")[3:5]
                return inner.replace("\\040", " "), mount.replace("\\040", " ")
        raise LookupError(f"no control groups are mounted for {controller!r}")

    def _lines(self, file: str) -> list[str]:
        return (self._root / file).read_text("utf-8", "surrogateescape").splitlines()


def _limit(file: Path) -> int | None:
    """None for no limit; the group above all others has no such file."""
    try:
        text = file.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    limit = _UNLIMITED if text == "max" else int(text)
    return limit if 0 < limit < _UNLIMITED else None


def _stat(file: Path, key: str) -> int:
    for line in file.read_text("ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


def _quota_of_second(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text("ascii").split()
    except FileNotFoundError:
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_of_first(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text("ascii"))
        period = int((group / "cpu.cfs_period_us").read_text("ascii"))
    except FileNotFoundError:
        return None
    return quota / period if quota > 0 else None
