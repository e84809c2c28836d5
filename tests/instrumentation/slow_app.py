"""An app with slow statements, by each way to send one; `# line:` marks where it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from otelier import bind_user

SLEEP = text("SELECT pg_sleep(:seconds), 'swordfish' AS word")


def lines() -> dict[str, int]:
    """Which line has which mark."""
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    return {
        line.partition("# line: ")[2]: number
        for number, line in enumerate(source, 1)
        if "# line: " in line and "partition" not in line
    }


def app_of(engine: Engine, asynchronous: AsyncEngine) -> FastAPI:  # noqa: C901
    app = FastAPI()

    @app.get("/sync/{seconds}")
    def sync(seconds: float) -> None:
        bind_user("ann")
        with Session(engine) as session:
            session.execute(SLEEP, {"seconds": seconds})  # line: sync

    @app.get("/core/{seconds}")
    def core(seconds: float) -> None:
        with engine.connect() as connection:
            connection.execute(SLEEP, {"seconds": seconds})  # line: core

    @app.get("/session/{seconds}")
    async def session(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            await session.execute(  # line: session
                SLEEP,
                {"seconds": seconds},
            )

    @app.get("/connection/{seconds}")
    async def connection(seconds: float) -> None:
        async with asynchronous.connect() as connection:
            await connection.execute(SLEEP, {"seconds": seconds})  # line: connection

    @app.get("/run_sync/{seconds}")
    async def run_sync(seconds: float) -> None:
        def inner(session: Session) -> None:
            session.execute(SLEEP, {"seconds": seconds})  # line: inner

        async with AsyncSession(asynchronous) as session:
            await session.run_sync(inner)

    @app.get("/pool/{seconds}")
    async def pool(seconds: float) -> None:
        def in_thread() -> None:
            with engine.connect() as connection:
                connection.execute(SLEEP, {"seconds": seconds})  # line: in_thread

        await run_in_threadpool(in_thread)

    @app.get("/handed/{seconds}")
    async def handed(seconds: float) -> None:
        with Session(engine) as session:
            await run_in_threadpool(session.execute, SLEEP, {"seconds": seconds})  # line: handed

    @app.get("/to_thread/{seconds}")
    async def to_thread(seconds: float) -> None:
        with Session(engine) as session:
            asked = session.execute, SLEEP, {"seconds": seconds}
            await asyncio.to_thread(*asked)  # line: to_thread

    @app.get("/wait_for/{seconds}")
    async def wait_for(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            asked = session.execute(SLEEP, {"seconds": seconds})
            await asyncio.wait_for(asked, 5)  # line: wait_for

    @app.get("/gather/{seconds}")
    async def gather(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            asked = session.execute(SLEEP, {"seconds": seconds})
            await asyncio.gather(asked)  # line: gather

    @app.get("/group/{seconds}")
    async def group(seconds: float) -> None:
        session, tasks = AsyncSession(asynchronous), asyncio.TaskGroup()
        async with session, tasks:  # line: group
            tasks.create_task(session.execute(SLEEP, {"seconds": seconds}))

    async def depended(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            await session.execute(SLEEP, {"seconds": seconds})  # line: depended

    @app.get("/depends/{seconds}", dependencies=[Depends(depended)])
    async def depends() -> None: ...

    @app.get("/repeated/{times}")
    def repeated(times: int) -> None:
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(text(f"SELECT {number} AS secret"))  # line: repeated

    @app.get("/repeated_async/{times}")
    async def repeated_async(times: int) -> None:
        async with AsyncSession(asynchronous) as session:
            for number in range(times):
                await session.execute(text("SELECT :n"), {"n": str(number)})  # line: repeated_async

    @app.get("/different/{times}")
    def different(times: int) -> None:
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(text(f"SELECT 1 AS a{number}"))

    @app.get("/paused/{times}")
    async def paused(times: int) -> None:
        async with AsyncSession(asynchronous) as session:
            for number in range(times):
                if number and number % 20 == 0:
                    await asyncio.sleep(1.05)
                await session.execute(text("SELECT 'pause'"))

    @app.get("/behind/{times}")
    def behind(times: int, tasks: BackgroundTasks) -> None:
        tasks.add_task(repeated, times)

    @app.get("/many/{times}")
    def many(times: int) -> None:
        with engine.connect() as connection:
            for _ in range(times):
                connection.execute(SLEEP, {"seconds": 0.002})

    @app.get("/fails")
    def fails() -> None:
        with engine.connect() as connection:
            connection.execute(text("SET statement_timeout = 100"))
            connection.execute(text("SELECT pg_sleep(9), 'swordfish'"))  # line: fails

    return app
