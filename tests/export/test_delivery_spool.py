"""Delivery with a spool, over the ends of processes; and an account that is even at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from otelier import _guard
from otelier.export.deliver import Delivery
from otelier.export.spool import Spool
from parts import free_ports
from tests.export.receiver import Receiver, answer, eventually, hang, receiving

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_was_said() -> Iterator[None]:
    _guard._said_at.clear()
    yield
    _guard._said_at.clear()


def run(folder: Path, url: str, body: str, **more: int) -> subprocess.Popen[str]:
    """A process that delivers, with a spool."""
    program = f"""
    import os, signal, sys, time
    from pathlib import Path
    from otelier.export.deliver import Delivery
    from otelier.export.lifecycle import Lifecycle
    from otelier.export.sinks import OTLPSink
    from otelier.export.spool import Spool
    from otelier.export.target import Target
    from tests.export.receiver import encode
    sink = OTLPSink("traces", Target({url!r}), encode)
    spool = Spool(Path({str(folder)!r}), 10**7)
    delivery = Delivery([sink], interval=0.02, spool=spool)
    put = delivery.spans.put
    Lifecycle([], {more.get("timeout", 5)}, delivery.flush).install()
    {textwrap.indent(textwrap.dedent(body), " " * 4).strip()}
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, cwd=ROOT)


def is_even(delivery: Delivery) -> bool:
    for each in delivery.account:
        there = each.delivered + each.spooled + each.queued + each.in_flight
        if each.recorded != there + sum(each.dropped.values()):
            return False
    return True


def spooled(delivery: Delivery) -> int:
    return sum(each.spooled for each in delivery.account)


def delivering(receiver: Receiver, folder: Path) -> Delivery:
    spool = Spool(folder, 10**7)
    return Delivery([receiver.sink()], interval=0.02, spool=spool)


def test_an_outage_goes_to_disk(tmp_path: Path) -> None:
    """Nothing is written while all is well; in an outage all is; then it arrives and is gone."""
    with receiving() as receiver:
        delivery = delivering(receiver, tmp_path)
        delivery.spans.put("well")
        assert eventually(lambda: receiver.taken == ["well"])
        assert list(tmp_path.iterdir()) == []
        receiver.usual = answer(503)
        names = [f"r{n}" for n in range(300)]
        for name in names:
            delivery.spans.put(name)
            time.sleep(0.001)
        assert eventually(lambda: spooled(delivery) == 300)
        assert is_even(delivery)
        receiver.usual = answer(200)
        assert delivery.flush(10)
        assert sorted(receiver.taken[1:]) == sorted(names)
        assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
        assert (delivery.account[0].delivered, is_even(delivery)) == (301, True)
        assert delivery.shutdown(1)


def test_a_restart_in_the_middle(tmp_path: Path) -> None:
    """Nobody there when it stops; who comes next delivers it, and says so."""
    (port,) = free_ports(1)
    body = """
    for n in range(500):
        put(f"r{n}")
    time.sleep(0.3)
    for n in range(500, 600):
        put(f"r{n}")
    os.kill(os.getpid(), signal.SIGTERM)
    """
    first = run(tmp_path, f"http://127.0.0.1:{port}/v1/traces", body)
    _, said = first.communicate(timeout=30)
    assert (first.returncode, "600 spans kept in the spool; lost so far: nothing" in said) == (
        -15,
        True,
    ), said
    with receiving(port=port) as receiver:
        put = "put('first')\ntime.sleep(0.5)\nassert delivery.flush(5)"
        second = run(tmp_path, receiver.url, put)
        _, said = second.communicate(timeout=30)
        assert said == "otelier: 600 spans of an earlier process found in the spool\n"
        expected = sorted([*(f"r{n}" for n in range(600)), "first"])
        assert sorted(receiver.taken) == expected


def test_kill_9_in_an_outage(tmp_path: Path) -> None:
    """What was written stays; the same batch has the same id each time that it is sent."""
    with receiving() as receiver:
        receiver.usual = answer(503)
        first = run(
            tmp_path, receiver.url, "put('one')\ntime.sleep(0.2)\nput('two')\ntime.sleep(60)"
        )
        assert eventually(lambda: len(list(tmp_path.glob("*.batch"))) == 2, 20)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=30)
        asked = set(receiver.keys)
        assert len(receiver.keys) >= len(asked) == 1
        receiver.usual = answer(200)
        receiver.keys.clear()
        second = run(tmp_path, receiver.url, "put('three')\ntime.sleep(0.3)\ndelivery.flush(5)")
        second.communicate(timeout=30)
        assert sorted(receiver.taken) == ["one", "three", "two"]
        assert asked < set(receiver.keys)


def test_a_stop_while_the_receiver_hangs(tmp_path: Path) -> None:
    """The request in flight and what came after it are on disk when the deadline is up."""
    body = """
    put("in flight")
    time.sleep(0.3)
    put("queued")
    os.kill(os.getpid(), signal.SIGTERM)
    """
    with receiving() as receiver:
        receiver.usual = hang()
        began = time.monotonic()
        stopped = run(tmp_path, receiver.url, body, timeout=1)
        _, said = stopped.communicate(timeout=30)
        assert stopped.returncode == -15
        assert time.monotonic() - began < 5
        assert "2 spans kept in the spool" in said
        assert len(list(tmp_path.glob("*.batch"))) == 2


def test_damage_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was damaged while it waited is a loss with a name; its neighbours arrive."""
    with receiving() as receiver:
        receiver.usual = answer(503)
        delivery = delivering(receiver, tmp_path)
        for n in range(3):
            delivery.spans.put(f"r{n}")
            assert eventually(lambda n=n: spooled(delivery) == n + 1)  # type: ignore[misc]
        first, *_ = sorted(tmp_path.glob("*.batch"))
        first.write_bytes(first.read_bytes()[:-1] + b"?")
        receiver.usual = answer(200)
        assert delivery.flush(5)
        assert receiver.taken == ["r1", "r2"]
        assert delivery.account[0].dropped == {"unreadable in the spool": 1}
        assert is_even(delivery)
        delivery.shutdown(1)
    assert "lost so far: 1 span (unreadable in the spool: 1)" in capsys.readouterr().err


def test_without_a_disk_memory_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails loses nothing."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with receiving() as receiver:
        receiver.usual = answer(503)
        delivery = delivering(receiver, tmp_path)
        monkeypatch.setattr("otelier.export.spool._write", full)
        for n in range(100):
            delivery.spans.put(f"r{n}")
        assert eventually(lambda: len(receiver.requests) >= 2)
        (balance,) = delivery.account  # a batch that is on its way is not in the queue
        assert (balance.spooled, balance.queued + balance.in_flight) == (0, 100)
        receiver.usual = answer(200)
        assert delivery.flush(5)
        assert len(receiver.taken) == 100
        delivery.shutdown(1)


def test_a_full_buffer_keeps_the_errors() -> None:
    """Of ten times what fits, every error arrives, and all the rest is counted."""
    with receiving() as receiver:
        receiver.usual = answer(503)
        delivery = Delivery([receiver.sink()], interval=0.02, room=40_000)
        delivery.spans.put("first")
        assert eventually(lambda: delivery.account[0].queued == 1 and len(receiver.requests) > 0)
        for n in range(300):
            delivery.spans.put(os.urandom(500).hex())
            if n % 30 == 0:
                delivery.spans.put(Failed(f"error-{n}"))
                time.sleep(0.05)
        receiver.usual = answer(200)
        assert delivery.flush(10)
        errors = [name for name in receiver.taken if name.startswith("error-")]
        (balance,) = delivery.account
        assert len(errors) == 10
        assert balance.dropped["queue full"] == 311 - len(receiver.taken) > 100
        delivery.shutdown(1)


class Failed(str):
    """A record whose status is that of a failed span."""

    status_number = 2


def test_the_account_is_even_at_any_time() -> None:
    """Read all the time from another thread, while records come and the receiver fails."""
    with receiving() as receiver:
        delivery = Delivery([receiver.sink()], interval=0.005, room=1_000_000)
        stop = threading.Event()
        readings: list[bool] = []

        def read() -> None:
            while not stop.is_set():
                readings.append(is_even(delivery))
                time.sleep(0.0005)

        reader = threading.Thread(target=read)
        reader.start()
        for n in range(30):
            receiver.usual = answer(503) if n % 3 else answer(200)
            for m in range(200):
                delivery.spans.put(f"{n}-{m}-" + "x" * 300)
            time.sleep(0.02)
        receiver.usual = hang(0.2)
        time.sleep(0.1)
        receiver.usual = answer(200)
        delivery.flush(10)
        stop.set()
        reader.join()
        assert len(readings) > 100
        assert all(readings)
        assert delivery.account[0].recorded == 6_000
        delivery.shutdown(1)
