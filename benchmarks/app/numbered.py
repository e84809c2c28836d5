"""The app whose records are counted: each request has a number, a log line with it, and a query.

It needs no server: SQLite, in memory. Contenders that need lines in the app have them in `agents`.
"""

from __future__ import annotations

import logging
import os

from fastapi import FastAPI
from sqlalchemy import create_engine, text

from benchmarks.app import agents
from benchmarks.app.logfile import log_to_file

log = logging.getLogger("shop")

log_to_file(os.environ["BENCH_LOG"])
app = FastAPI()
engine = create_engine("sqlite://")
statement = text("SELECT 1")

agents.attach(os.environ.get("BENCH_AGENT", ""), app, engine)


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"answer": "pong"}


@app.get("/numbered/{number}")
async def numbered(number: int) -> dict[str, int]:
    log.info("number %d is asked for", number)
    with engine.connect() as connection:
        connection.execute(statement)
    return {"number": number}
