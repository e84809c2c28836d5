"""An app that blocks its event loop."""

import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/blocks")
async def blocks() -> None:
    time.sleep(0.3)


@app.get("/calls")
async def calls() -> None:
    await asyncio.sleep(0.1)
    inner()


@app.get("/callback")
async def callback() -> None:
    asyncio.get_running_loop().call_later(0.05, later)


@app.get("/waits")
async def waits() -> None:
    await asyncio.sleep(0.3)


@app.get("/thread")
def thread() -> None:
    time.sleep(0.3)


@app.get("/pool")
def pool() -> None:
    time.sleep(1.5)


def inner() -> None:
    time.sleep(0.32)


def later() -> None:
    time.sleep(0.34)
