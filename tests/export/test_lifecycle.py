"""Delivery at a stop: one deadline for all, and the process ends as it would have."""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from otelier import _guard
from otelier.export import lifecycle as lifecycle_module
from otelier.export.lifecycle import Lifecycle


def timed(call: Callable[[], bool]) -> tuple[bool, float]:
    before = time.monotonic()
    return call(), time.monotonic() - before


def hang() -> None:
    threading.Event().wait(30)


def test_everything_is_flushed() -> None:
    """Each signal once, and True says that all of it went out."""
    flushed: list[str] = []
    calls = [lambda name=name: flushed.append(name) for name in ("traces", "metrics", "logs")]
    assert Lifecycle(calls, 5).flush()
    assert sorted(flushed) == ["logs", "metrics", "traces"]


def test_signals_wait_together() -> None:
    """Three slow flushes cost the time of one."""
    delivered, seconds = timed(Lifecycle([lambda: time.sleep(0.2)] * 3, 5).flush)
    assert delivered
    assert seconds < 0.5


def test_a_hanging_flush_ends_at_the_deadline() -> None:
    """A receiver that does not answer costs the time-out; the others have delivered."""
    flushed: list[str] = []
    lifecycle = Lifecycle([hang, lambda: flushed.append("logs")], 0.2)
    delivered, seconds = timed(lifecycle.flush)
    assert (delivered, flushed) == (False, ["logs"])
    assert 0.2 <= seconds < 1


def test_the_deadline_is_shared() -> None:
    """A stop that flushes three times waits once."""
    lifecycle = Lifecycle([hang], 0.3)
    _, seconds = timed(lambda: lifecycle.flush() or lifecycle.flush() or lifecycle.flush())
    assert 0.3 <= seconds < 0.6


def test_slow_flushes_share_the_deadline() -> None:
    """A receiver that takes everything, slowly, does not hold up a stop for longer either."""
    lifecycle = Lifecycle([lambda: time.sleep(0.2)], 0.5)
    delivered, seconds = timed(lambda: [lifecycle.flush() for _ in range(4)] == [True] * 4)
    assert not delivered
    assert 0.5 <= seconds < 0.8


def test_another_stop_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of one app's lifespan, while the process goes on, leaves a later stop its time."""
    monkeypatch.setattr(lifecycle_module, "_PAUSE", 0.1)
    lifecycle = Lifecycle([hang], 0.2)
    assert not lifecycle.flush()
    time.sleep(0.15)
    _, seconds = timed(lifecycle.flush)
    assert seconds >= 0.2


def test_the_beginning_of_a_stop_waits_for_nothing() -> None:
    """What there is goes out at once, in another thread, and costs the flush no time."""
    told: list[int] = []
    release = threading.Event()

    def deliver(seconds: float) -> bool:
        told.append(threading.get_ident())
        return release.wait(seconds)

    _, seconds = timed(lambda: Lifecycle([], 5, deliver).hasten() is None)
    assert seconds < 0.2
    release.set()
    while not told:
        time.sleep(0.01)
    assert told[0] != threading.get_ident()


def test_a_raising_flush(capsys: pytest.CaptureFixture[str]) -> None:
    """It is counted, and nothing is raised."""
    _guard.faults.clear()
    assert Lifecycle([lambda: 1 / 0], 5).flush()
    assert dict(_guard.faults) == {"delivering what was left": 1}


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is too far gone to start a thread is not held up."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert not Lifecycle([lambda: None], 5).flush()


def test_delivery_gets_the_time_that_is_left() -> None:
    """It runs in the calling thread, beside the flushes, and its word counts."""
    told: list[tuple[float, int]] = []

    def deliver(seconds: float) -> bool:
        told.append((seconds, threading.get_ident()))
        time.sleep(0.2)
        return False

    delivered, seconds = timed(Lifecycle([lambda: time.sleep(0.2)], 5, deliver).flush)
    assert not delivered
    assert seconds < 0.4
    assert 4.9 < told[0][0] <= 5
    assert told[0][1] == threading.get_ident()


def test_delivery_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started any more, what is left is still delivered."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    asked: list[float] = []
    deliver = lambda seconds: asked.append(seconds) is None  # noqa: E731
    assert Lifecycle([], 5, deliver).flush()
    assert not Lifecycle([lambda: None], 5, deliver).flush()
    assert len(asked) == 2


def test_a_raising_delivery(capsys: pytest.CaptureFixture[str]) -> None:
    """It is counted, and nothing is raised."""
    _guard.faults.clear()
    assert Lifecycle([], 5, lambda seconds: bool(1 / 0)).flush()
    assert dict(_guard.faults) == {"delivering what was left": 1}


def test_a_handler_of_the_app_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who handles SIGTERM himself keeps doing so, in and out."""
    monkeypatch.setattr(atexit, "register", lambda _: None)

    def handler(*_: Any) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    try:
        lifecycle = Lifecycle([], 1)
        lifecycle.install()
        installed = signal.getsignal(signal.SIGTERM)
        lifecycle.remove()
        assert installed is handler is signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_remove_undoes_install() -> None:
    """The default action is the default again."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        lifecycle = Lifecycle([], 1)
        lifecycle.install()
        installed = signal.getsignal(signal.SIGTERM)
        lifecycle.remove()
        assert installed is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_installed_from_another_thread() -> None:
    """Only the main thread may set a handler; elsewhere the end of the interpreter is enough."""
    before = signal.getsignal(signal.SIGTERM)
    lifecycle = Lifecycle([], 1)
    thread = threading.Thread(target=lifecycle.install)
    thread.start()
    thread.join()
    lifecycle.remove()
    assert signal.getsignal(signal.SIGTERM) is before


def stopped(body: str) -> tuple[int, str]:
    """Exit code and output of a process that kills itself, or ends, under a `Lifecycle`."""
    program = f"""
    import os, signal, sys, threading
    from otelier.export.lifecycle import Lifecycle
    def say(word):
        os.write(1, word.encode())
    def hang():
        threading.Event().wait(30)
    {textwrap.indent(textwrap.dedent(body), " " * 4).strip()}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=20
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


KILL = "os.kill(os.getpid(), signal.SIGTERM); say('survived')"


def test_killed_by_sigterm() -> None:
    """What is left is delivered once, and the process dies of the signal."""
    body = f"Lifecycle([lambda: say('flushed ')], 5).install()\n{KILL}"
    assert stopped(body) == (-signal.SIGTERM, "flushed ")


def test_killed_with_a_hanging_receiver() -> None:
    """The deadline holds inside of a signal handler too."""
    before = time.monotonic()
    assert stopped(f"Lifecycle([hang], 0.2).install()\n{KILL}") == (-signal.SIGTERM, "")
    assert time.monotonic() - before < 10


def test_the_normal_end() -> None:
    """The end of the interpreter delivers, and keeps its exit code."""
    body = "Lifecycle([lambda: say('flushed')], 5).install()\nsys.exit(3)"
    assert stopped(body) == (3, "flushed")


def test_a_handler_of_the_app_in_charge() -> None:
    """A handler that ends the process normally gets delivery at its end."""
    body = """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    Lifecycle([lambda: say('flushed')], 5).install()
    os.kill(os.getpid(), signal.SIGTERM)
    """
    assert stopped(body) == (7, "flushed")


def test_a_handler_set_later() -> None:
    """uvicorn puts back what it found and raises the signal again: then it is our turn."""
    body = """
    Lifecycle([lambda: say('flushed')], 5).install()
    found = signal.signal(signal.SIGTERM, lambda *_: None)
    os.kill(os.getpid(), signal.SIGTERM)
    say('served on, ')
    signal.signal(signal.SIGTERM, found)
    signal.raise_signal(signal.SIGTERM)
    """
    assert stopped(body) == (-signal.SIGTERM, "served on, flushed")


def test_the_end_of_a_forked_child() -> None:
    """`os._exit` delivers first, and keeps its code."""
    body = """
    Lifecycle([lambda: say('flushed')], 5).install()
    child = os.fork()
    if not child:
        os._exit(4)
    say(f', {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}, ')
    """
    assert stopped(body) == (0, "flushed, 4, flushed")


def test_remove_gives_exit_back() -> None:
    """`os._exit` is the system's again."""
    body = """
    before = os._exit
    lifecycle = Lifecycle([lambda: say('flushed')], 5)
    lifecycle.install()
    lifecycle.remove()
    say(str(os._exit is before))
    os._exit(5)
    """
    assert stopped(body) == (5, "True")


def test_a_server_that_puts_the_default_back() -> None:
    """As gunicorn's worker does: SIGTERM is taken again when it is asked for."""
    body = """
    lifecycle = Lifecycle([lambda: say('flushed')], 5)
    lifecycle.install()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    lifecycle.handle_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)
    """
    assert stopped(body) == (-signal.SIGTERM, "flushed")
