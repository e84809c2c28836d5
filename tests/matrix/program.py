"""What every cell runs: FastAPI, SQLAlchemy sync and async on SQLite, Redis sync and async.

It knows nothing of Otelier, and uses only what the oldest release of each library has.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import redis
import redis.asyncio
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from routed import create_app
from sqlalchemy import Column, Integer, String, create_engine, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

log = logging.getLogger("shop")

DATABASE = Path(mkdtemp(prefix="otelier-matrix-")) / "shop.db"
with sqlite3.connect(DATABASE) as first:
    first.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL UNIQUE)")
    first.execute("INSERT INTO users VALUES (1, 'ada')")

# Pools by name: their defaults for a file have changed, and what goes with them.
engine = create_engine(
    f"sqlite:///{DATABASE}",
    poolclass=QueuePool,
    connect_args={"check_same_thread": False},
    future=True,
)
async_engine = create_async_engine(
    f"sqlite+aiosqlite:///{DATABASE}", poolclass=AsyncAdaptedQueuePool
)
cache = redis.Redis.from_url(os.environ["REDIS_URL"])
async_cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])

# Of this process: other cells use the same Redis at the same time.
MINE = os.urandom(4).hex()

Base: Any = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String, nullable=False, unique=True)


app: FastAPI = create_app()


@app.get("/users/{user_id}")
def user(user_id: int) -> dict[str, Any]:
    """In a thread: a miss of the cache, then the ORM."""
    if cache.get(f"{MINE}:{user_id}") is None:
        with Session(engine) as session:
            found = session.execute(select(User).where(User.id == user_id)).scalars().first()
        if found is None:
            raise HTTPException(404)
        cache.setex(f"{MINE}:{user_id}", 60, "cached")
    log.info("user %s", user_id)
    return {"id": user_id}


@app.get("/async-users/{user_id}")
async def async_user(user_id: int) -> dict[str, Any]:
    async with async_cache.pipeline() as pipeline:
        pipeline.incr(f"{MINE}:visits")
        pipeline.expire(f"{MINE}:visits", 60)
        await pipeline.execute()
    async with AsyncSession(async_engine) as session:
        found = (await session.execute(select(User).where(User.id == user_id))).scalars().first()
    log.warning("async user", extra={"visitor": user_id})
    return {"id": user_id, "found": found is not None}


@app.post("/users")
async def add_users(names: list[str], tasks: BackgroundTasks) -> int:
    """An `executemany`, a raw statement and, after the answer, a background task."""
    rows = [{"id": 10 + n, "name": name} for n, name in enumerate(names)]
    with engine.begin() as connection:
        connection.execute(insert(User.__table__), rows)
        connection.execute(text("DELETE FROM users WHERE id >= :first"), {"first": 10})
    tasks.add_task(clear)
    return len(rows)


def clear() -> None:
    cache.delete(f"{MINE}:1")
    log.info("cleared")


@app.get("/conflict")
def conflict() -> None:
    """A statement that fails, and an exception that nobody handles."""
    with engine.begin() as connection:
        connection.execute(insert(User.__table__), [{"id": 1, "name": "ada"}])


@app.get("/logged")
async def logged() -> None:
    try:
        raise ValueError("on purpose")
    except ValueError:
        log.exception("handled")


@app.get("/stream")
async def stream(fail: bool = False) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        if fail:
            raise RuntimeError("half-way")
        log.info("streamed")

    return StreamingResponse(chunks())
