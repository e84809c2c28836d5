"""What the system says of itself, in a tree, and which process tells it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otelier.instrumentation.election import Election
from otelier.instrumentation.host import Host
from otelier.sdk.observed import Value

TICKS = os.sysconf("SC_CLK_TCK")
FILES = {
    "proc/stat": "cpu  100 20 30 400 5 6 7 8 9 10\ncpu0 1 2\ncpu1 1 2\nintr 5\n",
    "proc/meminfo": "MemTotal: 100 kB\nMemFree: 20 kB\nMemAvailable: 60 kB\nBuffers: 5 kB\n"
    "Cached: 25 kB\nSReclaimable: 10 kB\nHugePages_Total: 0\n",
    "proc/diskstats": "8 0 sda 1 0 4 0 1 0 6 0 0 0 0\n8 1 sda1 1 0 4 0 1 0 6 0 0 0 0\n"
    "7 0 loop0 1 0 4 0 1 0 6 0 0 0 0\n",
    "proc/net/dev": "Inter-|\n face |\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0:7 1 0 0 0 0 0 0 11 0\n",
    "sys/block/sda/size": "1",
    "sys/block/loop0/size": "1",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file, text in FILES.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    return tmp_path


def said(host: Host, name: str) -> dict[str, float]:
    return {" ".join(map(str, about.values())): value for value, about in host.reads[name]()}


def test_what_the_system_says(root: Path) -> None:
    """CPU by mode in seconds; memory by state; whole disks; interfaces without the loopback."""
    host = Host(lambda: True, root)
    cpu = said(host, "system.cpu.time")
    ticks = {"user": 100, "nice": 20, "system": 30, "idle": 400, "iowait": 5}
    ticks |= {"interrupt": 13, "steal": 8}
    assert cpu == {mode: count / TICKS for mode, count in ticks.items()}
    assert said(host, "system.cpu.logical.count") == {"": 2}
    memory = said(host, "system.memory.usage")
    assert memory == {"used": 40 << 10, "free": 20 << 10, "buffers": 5 << 10, "cached": 35 << 10}
    assert said(host, "system.memory.limit") == {"": sum(memory.values())}
    assert said(host, "system.memory.linux.available") == {"": 60 << 10}
    assert said(host, "system.disk.io") == {"sda read": 4 * 512, "sda write": 6 * 512}
    assert said(host, "system.network.io") == {"eth0 receive": 7, "eth0 transmit": 11}


def test_this_system() -> None:
    """A real one says all of it."""
    host = Host(lambda: True)
    silent = [name for name, read in host.reads.items() if not list(read())]
    assert set(silent) <= {"system.disk.io", "system.network.io"}
    assert 0 < said(host, "system.memory.usage")["used"] < said(host, "system.memory.limit")[""]


def test_who_is_not_elected_says_nothing(root: Path) -> None:
    reads: list[Callable[[], object]] = list(Host(lambda: False, root).reads.values())
    found: list[list[Value]] = [list(read()) for read in reads]  # type: ignore[call-overload]
    assert found == [[]] * 7


HOLDER = """
import sys, time
from pathlib import Path
from otelier.instrumentation.election import Election
election = Election(Path(sys.argv[1]))
print(election.is_won(), flush=True)
time.sleep(60)
"""


def test_one_is_elected(tmp_path: Path) -> None:
    """While it lives no other one is; when it is killed the next one that asks."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        election = Election(tmp_path)
        assert [election.is_won() for _ in range(3)] == [False] * 3
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    assert election.is_won()
    assert election.is_won()
    assert not Election(tmp_path).is_won()
    election.forget()


def test_a_forked_child_lets_go(tmp_path: Path) -> None:
    """It is not elected, the parent stays so, and once that lets go the child holds nothing."""
    election = Election(tmp_path)
    assert election.is_won()
    asks, told = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.write(told[1], b"1" if election.is_won() else b"0")
        os.read(asks[0], 1)
        os._exit(0)
    assert os.read(told[0], 1) == b"0"
    assert not Election(tmp_path).is_won()
    election.forget()
    other = Election(tmp_path)
    assert other.is_won()
    other.forget()
    os.write(asks[1], b"x")
    os.waitpid(child, 0)


def test_nowhere_to_lock(tmp_path: Path) -> None:
    """Nobody is elected; a link in its place is not followed."""
    assert not Election(tmp_path / "missing").is_won()
    (tmp_path / f"otelier-host-{os.geteuid()}.lock").symlink_to(tmp_path / "other")
    assert not Election(tmp_path).is_won()
    assert not (tmp_path / "other").exists()
