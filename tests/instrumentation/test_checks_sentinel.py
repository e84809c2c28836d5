"""The health of a Redis that Sentinel names, by clients of both kinds; against real servers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel

from otelier.instrumentation import cache_checks, seen
from otelier.instrumentation.attempts import Finding, look
from otelier.instrumentation.observe import Patches
from parts.redis_sentinel import NAME, PASSWORD, RedisSentinel, redis_sentinel


@pytest.fixture
def watched(part: Callable[[Any], Any]) -> Iterator[RedisSentinel]:
    patches = Patches()
    seen.watch_clients(patches)
    yield part(redis_sentinel)
    patches.restore()


KINDS = (cache_checks.PoolAttempt, cache_checks.AsyncPoolAttempt)


async def found() -> list[Finding]:
    """Of the clients of both kinds, sync first."""
    targets = [target for target in cache_checks.targets() if target.title == f"{NAME}/0"]
    kinds = {target.key[0]: target for target in targets if isinstance(target.key, tuple)}
    return [await look(kinds[kind]) for kind in KINDS]


def test_up_hung_and_gone(watched: RedisSentinel) -> None:
    """Asked as the client asks: by Sentinel's word, with its password; within a second."""

    async def run() -> None:
        at = [("127.0.0.1", watched.port)]
        clients = [
            make(at).master_for(NAME, password=PASSWORD)  # type: ignore[no-untyped-call]
            for make in (Sentinel, AsyncSentinel)
        ]
        assert [each.error for each in await found()] == [None] * len(clients)
        watched.server.send_signal(signal.SIGSTOP)
        hung = await found()
        assert [each.error for each in hung] == ["TimeoutError"] * 2
        assert max(each.seconds for each in hung) < 1.5
        watched.server.kill()
        watched.server.wait(10)
        assert [each.error for each in await found()] == ["redis.exceptions.ConnectionError"] * 2

    asyncio.run(run())
