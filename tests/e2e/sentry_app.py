"""An app that reports to Sentry, for `test_sentry.py`."""

from __future__ import annotations

import os

import httpx
import sentry_sdk
from fastapi import FastAPI

rate = os.environ.get("SENTRY_RATE")
sentry_sdk.init(
    os.environ["SENTRY"],
    traces_sample_rate=float(rate) if rate else None,
    auto_session_tracking=False,
    send_client_reports=False,
)
sentry_sdk.capture_message("started")
app = FastAPI()


@app.get("/fails")
async def fails() -> None:
    raise LookupError("on purpose")


@app.get("/says")
def says() -> None:
    sentry_sdk.capture_message("said")


@app.get("/asks")
def asks(to: str) -> int:
    return httpx.get(to).status_code
