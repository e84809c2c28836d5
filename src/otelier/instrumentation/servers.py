"""What servers do with their processes: who only watches over others, and when a stop begins.

A supervisor (uvicorn's with `--workers` or `--reload`, gunicorn's arbiter) serves nobody: what
servers log in it is not sent, and nothing is measured there. What the app itself records in it, at
its import under `gunicorn --preload`, is sent like everything else. A worker that is forked from it
is none. Servers that only start processes, whose own code is not run in one of ours, need no rule.

The hooks run in the main thread, those at a stop inside signal handlers: they wait for nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Protocol

from otelier import _guard
from otelier.instrumentation.observe import Patches


class Stop(Protocol):
    """What `export.lifecycle.Lifecycle` knows of a stop."""

    def hasten(self) -> None: ...

    def handle_sigterm(self) -> None: ...


class Role:
    """What this process is.

    is_supervisor: it only watches over others. is_stopping: its server has been told to stop.
    hides_servers: what servers log is not sent. Their access lines are not in any process, as there
    is one access record a request.
    """

    def __init__(self) -> None:
        self.warning = ""
        """Said by a process that turns out to be a supervisor."""
        self.serve()

    def serve(self) -> None:
        self.is_supervisor = self.is_stopping = self.hides_servers = False

    def supervise(self) -> None:
        self.is_supervisor = self.hides_servers = True
        if self.warning:
            _guard.write(self.warning)
            self.warning = ""


role = Role()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=role.serve)


def observe(patches: Patches, stop: Stop) -> None:
    """Hook the servers that the app's process imports."""
    later = patches.after_import
    for module, name in (
        ("uvicorn.supervisors.multiprocess", "Multiprocess"),
        ("uvicorn.supervisors.basereload", "BaseReload"),
        ("gunicorn.arbiter", "Arbiter"),
    ):
        later(module, partial(_supervising, patches, name))
    later("uvicorn.config", partial(_configuring, patches))
    later("uvicorn.server", partial(_serving, patches, stop))
    later("gunicorn.workers.base", partial(_working, patches, stop))


def _supervising(patches: Patches, name: str, module: ModuleType) -> None:
    def make(original: Any) -> Any:
        def run(supervisor: Any, *args: Any, **kwargs: Any) -> Any:
            role.supervise()
            return original(supervisor, *args, **kwargs)

        return run

    patches.replace(getattr(module, name), "run", make)


def _configuring(patches: Patches, module: ModuleType) -> None:
    """Only a supervisor's configuration logs that it watches folders, or binds a socket."""

    def make(original: Any) -> Any:
        def call(config: Any, *args: Any, **kwargs: Any) -> Any:
            before, role.hides_servers = role.hides_servers, True
            try:
                return original(config, *args, **kwargs)
            finally:
                role.hides_servers = before

        return call

    for name in ("__init__", "bind_socket"):
        patches.replace(module.Config, name, make)


def _serving(patches: Patches, stop: Stop, module: ModuleType) -> None:
    def capture(original: Any) -> Any:
        def capture_signals(server: Any) -> Any:
            # gunicorn's worker has put SIGTERM's default back: there, uvicorn raises it at its end.
            role.is_stopping = False  # another one may have stopped in this process
            _safely(stop.handle_sigterm)
            return original(server)

        return capture_signals

    patches.replace(module.Server, "capture_signals", capture)
    patches.replace(module.Server, "handle_exit", partial(_hastening, stop))


def _working(patches: Patches, stop: Stop, module: ModuleType) -> None:
    """A worker of uvicorn's class that is told to quit does not: it is killed some time later."""
    for name in ("handle_exit", "handle_quit"):
        patches.replace(module.Worker, name, partial(_hastening, stop))


def _hastening(stop: Stop, original: Any) -> Any:
    def handle(server: Any, *args: Any, **kwargs: Any) -> Any:
        role.is_stopping = True
        _safely(stop.hasten)
        return original(server, *args, **kwargs)

    return handle


def _safely(hook: Callable[[], None]) -> None:
    try:
        hook()
    except Exception as error:
        _guard.fault("preparing a stop", error)
