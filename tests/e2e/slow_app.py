"""An app with slow statements, and one in a loop; `# line:` marks where they are sent."""

import os

from fastapi import FastAPI
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

app = FastAPI()
_url = make_url(os.environ["DATABASE_URL"])
engine = create_engine(_url.set(drivername="postgresql+psycopg"))
asynchronous = create_async_engine(_url.set(drivername="postgresql+asyncpg"))

SLEEP = text("SELECT pg_sleep(:seconds), 'swordfish'")


@app.get("/sync")
def sync() -> None:
    with engine.connect() as connection:
        for seconds in (0.4, 0.6):
            connection.execute(SLEEP, {"seconds": seconds})  # line: sync


@app.get("/async")
async def in_greenlet() -> None:
    async with asynchronous.connect() as connection:
        for seconds in (0.4, 0.6):
            await connection.execute(SLEEP, {"seconds": seconds})  # line: async


@app.get("/loop")
async def loop() -> None:
    async with asynchronous.connect() as connection:
        for number in range(50):
            await connection.execute(text(f"SELECT 'swordfish{number}'"))  # line: loop
