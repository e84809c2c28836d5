"""An app with slow statements, by each way to send one; what `# line:` marks is where it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, WebSocket
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


def app_of(engine: Engine, asynchronous: AsyncEngine) -> FastAPI:
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

    @app.get("/stream/{seconds}")
    async def stream(seconds: float) -> None:
        async with asynchronous.connect() as connection:
            await connection.stream(SLEEP, {"seconds": seconds})  # line: stream

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

    @app.get("/wait_for/{seconds}")
    async def wait_for(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            await asyncio.wait_for(session.execute(SLEEP, {"seconds": seconds}), 5)  # line: wait_for

    @app.get("/gather/{seconds}")
    async def gather(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            await asyncio.gather(session.execute(SLEEP, {"seconds": seconds}))  # line: gather

    @app.get("/group/{seconds}")
    async def group(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            async with asyncio.TaskGroup() as tasks:  # line: group
                tasks.create_task(session.execute(SLEEP, {"seconds": seconds}))

    async def depended(seconds: float) -> None:
        async with AsyncSession(asynchronous) as session:
            await session.execute(SLEEP, {"seconds": seconds})  # line: depended

    @app.get("/depends/{seconds}")
    async def depends(_: Any = Depends(depended)) -> None: ...

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

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()

    return app
