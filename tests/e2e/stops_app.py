"""An app that logs and answers, and says which process it was."""

from __future__ import annotations

import asyncio
import logging
import os

from fastapi import FastAPI

log = logging.getLogger("stops")
app = FastAPI()


@app.get("/asked/{number}")
async def asked(number: int) -> int:
    log.info("asked %d", number)
    return os.getpid()


@app.get("/slow")
async def slow() -> None:
    await asyncio.sleep(15)
