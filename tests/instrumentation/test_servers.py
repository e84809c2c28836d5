"""Which processes only watch over others, and what servers tell us of a stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from otelier.instrumentation import servers
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.servers import Role, role


class Told:
    """A stop that keeps what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.words: list[str] = []
        self._error = error

    def _say(self, word: str) -> None:
        self.words.append(word)
        if self._error is not None:
            raise self._error

    def hasten(self) -> None:
        self._say("hasten")

    def handle_sigterm(self) -> None:
        self._say("handle SIGTERM")


@pytest.fixture
def patches() -> Iterator[Patches]:
    found = Patches()
    yield found
    found.restore()
    role.serve()


def module(**classes: Any) -> ModuleType:
    return SimpleNamespace(**classes)  # type: ignore[return-value]


def test_a_process_serves_until_it_supervises() -> None:
    """Access lines are unsent in both; a server's own lines in a supervisor."""
    found = Role()
    assert not found.is_supervisor
    assert not found.hides_servers
    found.supervise()
    assert found.is_supervisor
    assert found.hides_servers


def test_a_supervisor_and_its_forked_worker(patches: Patches) -> None:
    """It is one from its run on; who is forked from it serves."""

    class Arbiter:
        def run(self) -> int:
            child = os.fork()
            if not child:
                os._exit(role.is_supervisor)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    servers._supervising(patches, "Arbiter", module(Arbiter=Arbiter))
    assert not role.is_supervisor
    assert Arbiter().run() == 0
    assert role.is_supervisor


def test_only_a_supervisors_configuration_logs(patches: Patches) -> None:
    """What it logs meanwhile is unsent, and nothing after it."""
    seen: list[bool] = []

    class Config:
        def __init__(self) -> None:
            seen.append(role.hides_servers)

        def bind_socket(self) -> None:
            raise OSError("taken")

    servers._configuring(patches, module(Config=Config))
    config = Config()
    with pytest.raises(OSError, match="taken"):
        config.bind_socket()
    assert seen == [True]
    assert not role.hides_servers


@pytest.mark.parametrize("error", [None, RuntimeError("no")])
def test_a_stop(
    error: Exception | None, patches: Patches, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server's own handlers run after ours and get their arguments, whatever ours does."""
    handled: list[tuple[Any, ...]] = []

    class Server:
        def capture_signals(self) -> str:
            return "captured"

        def handle_exit(self, *args: Any) -> None:
            handled.append(args)

    told = Told(error)
    servers._serving(patches, told, module(Server=Server))
    assert Server().capture_signals() == "captured"
    Server().handle_exit(15, None)
    assert told.words == ["handle SIGTERM", "hasten"]
    assert handled == [(15, None)]
