"""The app that is measured: FastAPI, one table of PostgreSQL, one key of Redis, a log file.

    GET  /ping    an answer and nothing else
    GET  /item    a log line, a Redis GET, an ORM SELECT on every second request, a log line
    POST /items   a validated body, an INSERT, a Redis SET, a log line
    GET  /error   an exception that nobody catches

BENCH_ROUTES routes stand before these, so that they are tried first. The pool does not overflow:
once warm, no request opens a connection. The runner sets BENCH_DATABASE_URL, BENCH_REDIS_URL and
BENCH_LOG. Contenders that need lines in the app have them in `agents`.
"""

from __future__ import annotations

import itertools
import logging
import os

from fastapi import FastAPI
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.app import agents
from benchmarks.app.logfile import log_to_file

TABLE, KEY = "otelier_benchmark_item", "otelier_benchmark:item"
# All servers are up together, and PostgreSQL takes 100 connections by default.
POOL = 8

log = logging.getLogger("shop")


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = TABLE

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class NewItem(BaseModel):
    name: str
    price: int


def add_routes(app: FastAPI, count: int) -> None:
    async def other(key: str) -> dict[str, str]:
        return {"key": key}

    for number in range(count):
        app.add_api_route(f"/other{number}/{{key}}", other)


log_to_file(os.environ["BENCH_LOG"])
app = FastAPI()
engine = create_async_engine(
    os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1),
    pool_size=POOL,
    max_overflow=0,
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
redis = Redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True)
requests = itertools.count()

agents.attach(os.environ.get("BENCH_AGENT", ""), app, engine.sync_engine)
add_routes(app, int(os.environ.get("BENCH_ROUTES", "0")))


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"answer": "pong"}


@app.get("/item")
async def item() -> dict[str, str]:
    number = next(requests)
    log.info("item %d is asked for", number)
    name = str(await redis.get(KEY))
    if number % 2:
        async with new_session() as session:
            found = await session.scalar(select(Item).where(Item.id == 1))
            name = found.name if found else name
    log.info("item %d is called %s", number, name)
    return {"name": name}


@app.post("/items", status_code=201)
async def create(new: NewItem) -> dict[str, int]:
    async with new_session.begin() as session:
        made = Item(name=new.name, price=new.price)
        session.add(made)
        await session.flush()
    await redis.set(f"{KEY}:new", new.name)
    log.info("item %d is new", made.id)
    return {"id": made.id}


@app.get("/error")
async def error() -> None:
    raise ValueError("this shop is closed")
