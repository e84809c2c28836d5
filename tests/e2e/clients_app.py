"""An app that asks others, for `test_clients.py`: by each library, in a coroutine or a thread."""

from __future__ import annotations

import aiohttp
import httpx
import requests
from fastapi import FastAPI

app = FastAPI()


@app.get("/aiohttp")
async def by_aiohttp(to: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(to) as answer:
        return answer.status


@app.get("/httpx")
def by_httpx(to: str) -> int:
    return httpx.get(to).status_code


@app.get("/httpx-async")
async def by_async_httpx(to: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(to)).status_code


@app.get("/requests")
def by_requests(to: str) -> int:
    return requests.get(to, timeout=20).status_code
