"""Limits of control groups: in trees as kernels show them, and in a real one if it may be made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otelier.instrumentation.container import Container, Memory

MIB = 1024 * 1024
UNLIMITED = str(9223372036854771712)
SECOND = "30 23 0:27 {} /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate"
FIRST = "35 31 0:32 {} /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
FIRST_CPU = "33 31 0:30 {} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
HYBRID = "41 31 0:38 {} /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"


class Tree:
    """A machine's files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, groups: str, *mounts: str) -> None:
        self.write("proc/self/cgroup", groups)
        self.write("proc/self/mountinfo", "\n".join(("22 1 0:20 / / rw - ext4 sda rw", *mounts)))

    def write(self, file: str, text: str) -> None:
        at = self.root / file
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(f"{text}\n", encoding="utf-8")

    def second(self, group: str, limit: str, usage: int, idle: int = 0) -> None:
        at = f"sys/fs/cgroup/{group}"
        self.write(f"{at}/memory.max", limit)
        self.write(f"{at}/memory.current", str(usage))
        self.write(f"{at}/memory.stat", f"anon 1\nfile {idle}\ninactive_file {idle}")

    def first(self, group: str, limit: str, usage: int, idle: int = 0) -> None:
        at = f"sys/fs/cgroup/memory/{group}"
        self.write(f"{at}/memory.limit_in_bytes", limit)
        self.write(f"{at}/memory.usage_in_bytes", str(usage))
        stat = f"inactive_file 7\ntotal_inactive_file {idle}"
        self.write(f"{at}/memory.stat", stat)

    @property
    def memory(self) -> Memory | None:
        return Container(self.root).memory()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_version_2_inside_a_container(tree: Tree) -> None:
    """The container sees its own group as the mount."""
    tree.process("0::/", SECOND.format("/"))
    tree.second(".", str(512 * MIB), 128 * MIB, 28 * MIB)
    assert tree.memory == Memory(512 * MIB, 128 * MIB, 100 * MIB)


def test_version_2_without_a_limit(tree: Tree) -> None:
    """`max` is none: there is the memory of the group, and no share of anything."""
    tree.process("0::/user.slice/shell", SECOND.format("/"))
    tree.second("user.slice/shell", "max", MIB)
    tree.second("user.slice", "max", 5 * MIB)
    assert tree.memory == Memory(None, MIB, MIB)
    reads = Container(tree.root).reads
    told = {name for name, read in reads.items() if list(read())}
    assert told == {"container.memory.usage", "container.memory.working_set"}


def test_version_2_in_no_group(tree: Tree) -> None:
    """The group above all others has no such files."""
    tree.process("0::/", SECOND.format("/"))
    assert tree.memory is None


@pytest.mark.parametrize("tight", ["pods", "pods/pod", "pods/pod/container"])
def test_nested_groups_of_version_2(tree: Tree, tight: str) -> None:
    """The smallest limit up the tree counts, with the memory of the group that has it."""
    tree.process("0::/pods/pod/container", SECOND.format("/"))
    for depth, group in enumerate(("pods", "pods/pod", "pods/pod/container")):
        limit = 100 if group == tight else 900 - depth
        tree.second(group, str(limit * MIB), (50 - depth) * MIB)
    used = 50 - tight.count("/")
    assert tree.memory == Memory(100 * MIB, used * MIB, used * MIB)


def test_version_1_inside_a_container(tree: Tree) -> None:
    """The process is told of its group as the host sees it, and the mount is that group."""
    tree.process("5:cpuset:/docker/a\n4:memory:/docker/a\n0::/docker/a", FIRST.format("/docker/a"))
    tree.first(".", str(256 * MIB), 64 * MIB, 4 * MIB)
    assert tree.memory == Memory(256 * MIB, 64 * MIB, 60 * MIB)


def test_version_1_with_a_namespace_of_its_own(tree: Tree) -> None:
    """Groups that lie outside of it are named with `..`."""
    tree.process("4:memory:/../other", FIRST.format("/"))
    tree.first(".", str(256 * MIB), 64 * MIB)
    assert tree.memory == Memory(256 * MIB, 64 * MIB, 64 * MIB)


def test_nested_groups_of_version_1(tree: Tree) -> None:
    """Unlimited below a limit."""
    tree.process("4:memory:/system/app", FIRST.format("/"), HYBRID.format("/"))
    tree.first("system/app", UNLIMITED, 10 * MIB)
    tree.first("system", str(64 * MIB), 32 * MIB)
    tree.first(".", UNLIMITED, 999 * MIB)
    assert tree.memory == Memory(64 * MIB, 32 * MIB, 32 * MIB)


def test_both_versions_at_once(tree: Tree) -> None:
    """The one that has the controller counts: here the first has memory, and the second nothing."""
    groups = "4:memory:/a\n1:name=systemd:/a\n0::/a"
    tree.process(groups, HYBRID.format("/"), FIRST.format("/"))
    tree.first("a", str(8 * MIB), 4 * MIB)
    assert tree.memory == Memory(8 * MIB, 4 * MIB, 4 * MIB)


def test_a_container_named_from_outside(tree: Tree) -> None:
    """A path that is not below the mount: the mount is the container's."""
    tree.process("0::/docker/abc", SECOND.format("/elsewhere"))
    tree.second(".", str(8 * MIB), 4 * MIB)
    assert tree.memory == Memory(8 * MIB, 4 * MIB, 4 * MIB)


@pytest.mark.parametrize(
    ("quota", "cpus"), [("150000 100000", 1.5), ("max 100000", None), ("50000 100000", 0.5)]
)
def test_quotas_of_version_2(tree: Tree, quota: str, cpus: float | None) -> None:
    """In CPUs; the smallest one."""
    tree.process("0::/a/b", SECOND.format("/"))
    tree.write("sys/fs/cgroup/a/cpu.max", "300000 100000" if cpus else "max 100000")
    tree.write("sys/fs/cgroup/a/b/cpu.max", quota)
    assert Container(tree.root).cpus() == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("150000", 1.5), ("-1", None)])
def test_quotas_of_version_1(tree: Tree, quota: str, cpus: float | None) -> None:
    """`-1` is none."""
    tree.process("3:cpu,cpuacct:/a", FIRST_CPU.format("/"))
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", quota)
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000")
    assert Container(tree.root).cpus() == cpus


@pytest.fixture
def group() -> Iterator[Path]:
    """A real one of 256 MiB, if this machine lets us."""
    top = next(
        (top for top in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if top.is_dir()),
        None,
    )
    if top is None:
        pytest.skip("NOT TESTED: no control groups")
    made = top / f"otelier-test-{os.getpid()}"
    file = "memory.limit_in_bytes" if top.name == "memory" else "memory.max"
    try:
        made.mkdir()
        (made / file).write_text(str(256 * MIB))
    except OSError as error:
        if made.is_dir():
            made.rmdir()
        pytest.skip(f"NOT TESTED: no control group may be made: {error}")
    yield made
    made.rmdir()


PROGRAM = """
import sys
from pathlib import Path
from otelier.instrumentation.container import Container
group = Path(sys.argv[1])
(group / "cgroup.procs").write_text("0")
held = bytearray(100 * 1024 * 1024)
held[::4096] = b"x" * len(held[::4096])
files = (group / "memory.usage_in_bytes", group / "memory.current")
(share,) = Container().reads["otelier.container.memory.utilization"]()
print(share[0], next(file.read_text() for file in files if file.exists()))
"""


def test_a_real_group(group: Path) -> None:
    """A process that holds 100 of 256 MiB: as the kernel says, to 5 %."""
    command = [sys.executable, "-c", PROGRAM, str(group)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    share, usage = map(float, done.stdout.split())
    assert 100 / 256 < share < 0.6
    assert share == pytest.approx(usage / (256 * MIB), rel=0.05)
