"""The pool of threads that sync routes run in."""

from __future__ import annotations

import asyncio
import threading

from anyio import to_thread

from otelier.instrumentation.thread_pool import ThreadPools

PREFIX = "otelier.thread_pool."


def said(pools: ThreadPools) -> dict[str, list[float]]:
    """As read in another thread, where they are delivered."""
    found: dict[str, list[float]] = {}

    def read() -> None:
        for name, values in pools.reads.items():
            found[name.removeprefix(PREFIX)] = [value for value, _ in values()]

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    return found


def test_threads_in_use_and_who_waits() -> None:
    """Five calls on two threads; nothing is left when they have ended, nor of a loop that has."""
    pools, go_on = ThreadPools(), threading.Event()

    async def main() -> list[dict[str, list[float]]]:
        pools.meet(asyncio.get_running_loop())
        to_thread.current_default_thread_limiter().total_tokens = 2
        found = [said(pools)]
        tasks = [asyncio.create_task(to_thread.run_sync(go_on.wait)) for _ in range(5)]
        await asyncio.sleep(0.05)
        found.append(said(pools))
        go_on.set()
        await asyncio.gather(*tasks)
        return [*found, said(pools)]

    idle = {"used": [0], "max": [2], "waiting": [0]}
    assert asyncio.run(main()) == [idle, {"used": [2], "max": [2], "waiting": [3]}, idle]
    assert said(pools) == {"used": [], "max": [], "waiting": []}
