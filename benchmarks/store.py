"""PostgreSQL and Redis with what the app needs in them; taken out again at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]
from redis import Redis

from parts.postgres import postgres
from parts.redis import redis

# As in `app.program`, which is imported in the contenders' environments only.
TABLE, KEY = "otelier_benchmark_item", "otelier_benchmark:item"
SCHEMA = f"CREATE TABLE {TABLE} (id serial PRIMARY KEY, name text NOT NULL, price integer NOT NULL)"
FIRST = f"INSERT INTO {TABLE} (name, price) VALUES ('lamp', 42)"
NO_TABLE = f"DROP TABLE IF EXISTS {TABLE}"


@dataclass(frozen=True)
class Store:
    """origin: which real parts these are."""

    postgres_url: str
    redis_url: str
    origin: str

    @property
    def environ(self) -> dict[str, str]:
        return {"BENCH_DATABASE_URL": self.postgres_url, "BENCH_REDIS_URL": self.redis_url}


@contextmanager
def store() -> Iterator[Store]:
    """Raises `parts.Missing` where one cannot be had."""
    with postgres() as database, redis() as cache:
        asyncio.run(_execute(database.url, NO_TABLE, SCHEMA, FIRST))
        client = Redis.from_url(cache.url)
        client.set(KEY, "lamp")
        try:
            yield Store(database.url, cache.url, f"{database.origin}, {cache.origin}")
        finally:
            client.delete(KEY, f"{KEY}:new")
            client.close()
            asyncio.run(_execute(database.url, NO_TABLE))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
