"""Redis: one client for the process."""

import os

from redis.asyncio import Redis

URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

redis = Redis.from_url(URL, decode_responses=True)

SECONDS_KEPT = 60


async def remember(key: str, value: str) -> None:
    await redis.set(key, value, ex=SECONDS_KEPT)


async def recall(key: str) -> str | None:
    return await redis.get(key)


async def forget(key: str) -> None:
    await redis.delete(key)
