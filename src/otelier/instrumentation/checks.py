"""How all that an app needs is, asked at most once in two seconds, whoever wants to know.

What the instrumentations have seen of databases and Redis, each on a connection of our own, and
what the app has added by `otelier.health_check`; all at the same time, each with an end. Those who
come while it is going on wait for it, those who come after get what was found. The round belongs
to nobody's request: it has an empty context, in which nothing is observed, and goes on if whoever
began it leaves.

Runs on the app's event loop and never blocks it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from time import monotonic

from opentelemetry.context import Context as TelemetryContext

from otelier import health
from otelier._upstream import SUPPRESSIONS, attach
from otelier.instrumentation import cache_checks, database_checks
from otelier.instrumentation.attempts import Finding, Target, in_task, look

KEPT_SECONDS = 2.0
MOST_OF_A_KIND = 8
"""An app that has more databases than that would be asked too much: those made first count."""


class Failed(Exception):
    """A check of the app's own has said `False`."""


def targets() -> list[Target]:
    """What there is to ask, databases first."""
    own = [
        Target(name, name, ("own", name), lambda check=check: OwnAttempt(check))  # type: ignore[misc]
        for name, check in list(health.own.items())
    ]
    return [
        *database_checks.targets()[:MOST_OF_A_KIND],
        *cache_checks.targets()[:MOST_OF_A_KIND],
        *own,
    ]


class OwnAttempt:
    """A check that the app has added."""

    def __init__(self, check: health.Check) -> None:
        self._check = check
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> asyncio.Future[None]:
        self._task = in_task(self._run())
        return self._task

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        told = self._check()
        if not inspect.isawaitable(told):
            raise TypeError
        if await told is False:
            raise Failed


class Checks:
    """The last findings, and the round that is going on."""

    def __init__(self, find: Callable[[], Iterable[Target]] = targets) -> None:
        self._find = find
        self._findings: Sequence[Finding] = ()
        self._fresh_until = 0.0
        self._round: asyncio.Task[None] | None = None

    async def findings(self) -> Sequence[Finding]:
        """Of each target, at most `KEPT_SECONDS` and the time of one attempt old."""
        if monotonic() >= self._fresh_until:
            going = self.begin()
            await asyncio.wait((going,))  # leaves it alone if whoever asks is cancelled
            going.result()
        return self._findings

    def begin(self) -> asyncio.Task[None]:
        """The round that is going on, or a new one."""
        loop = asyncio.get_running_loop()
        if self._round is None or self._round.done() or self._round.get_loop() is not loop:
            context = Context()
            context.run(attach, TelemetryContext(dict.fromkeys(SUPPRESSIONS, True)))
            self._round = loop.create_task(self._ask(), context=context)
        return self._round

    async def _ask(self) -> None:
        self._findings = await asyncio.gather(*map(look, self._find()))
        self._fresh_until = monotonic() + KEPT_SECONDS


checks = Checks()
"""Those of this process: apps that share it share what was found."""
