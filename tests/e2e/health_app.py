"""An app that knows nothing of health, with every kind of client, and a check of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import httpx
import redis
import redis.asyncio
from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import otelier

DATABASE, REDIS = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]

engine = create_async_engine(DATABASE.replace("postgresql:", "postgresql+asyncpg:", 1), pool_size=2)
sync_engine = create_engine(DATABASE.replace("postgresql:", "postgresql+psycopg:", 1), pool_size=2)
client = redis.asyncio.Redis.from_url(REDIS)
sync_client = redis.Redis.from_url(REDIS)

app = FastAPI()
asked: list[int] = []


async def counted() -> None:
    asked.append(1)


otelier.health_check("own", counted)


@app.get("/use")
async def use() -> list[Any]:
    """Each pool has a connection after this."""
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT 1"))
    return [found, await client.incr("n"), *await asyncio.to_thread(use_sync)]


def use_sync() -> list[Any]:
    with sync_engine.connect() as connection:
        return [connection.scalar(text("SELECT 2")), sync_client.incr("n")]


@app.get("/state")
async def state() -> dict[str, Any]:
    """What a check might leave behind."""
    return {
        "asked": len(asked),
        "pools": [engine.pool.status(), sync_engine.pool.status()],
        "redis": len(client.connection_pool._available_connections),
        "tasks": len(asyncio.all_tasks()),
        "threads": [t.name for t in threading.enumerate() if t.name == "otelier-health"],
    }


@app.get("/slow")
async def slow() -> list[int]:
    """What ready and live say at its end: a server that stops takes no connection by then."""
    await asyncio.sleep(0.8)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as here:
        return [(await here.get(f"/health/{path}")).status_code for path in ("ready", "live")]


@app.get("/quick")
async def quick() -> str:
    return "quick"
