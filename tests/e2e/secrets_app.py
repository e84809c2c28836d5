"""An app that says secrets wherever an app can, one door each; for `test_secrets.py`.

The client posts the text with the secret (`text`) and the secret alone (`bare`); nothing of either
is written down here, so that no line of code in a traceback has one.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from fastapi import FastAPI, Form, Response, WebSocket
from loguru import logger as loguru
from opentelemetry import trace
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import create_async_engine

log = logging.getLogger("doors")
tracer = trace.get_tracer("doors")
app = FastAPI()
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
)
redis = Redis.from_url(os.environ["REDIS_URL"])
structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
TABLE = "mark_integrity"


class Planted(BaseModel):
    """text: has the secret as people write it; bare: the secret."""

    text: str
    bare: str


@dataclass
class Held:
    user: str
    password: str


class Account(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mark_validation: int


@app.get("/query")
@app.get("/headers")
async def nothing() -> None:
    """What is asked is all there is."""


@app.post("/form")
async def form(user: str = Form(), password: str = Form()) -> None:
    raise ValueError(f"mark-form { ({'user': user, 'password': password})!r}")


@app.post("/json")
async def body(given: Planted) -> None:
    raise ValueError(f"mark-json { {'password': given.bare, 'api_key': given.bare} }")


@app.post("/validation")
async def validation(given: Planted) -> None:
    Account(mark_validation=given.bare)  # type: ignore[arg-type]


@app.post("/literal")
async def literal(given: Planted) -> None:
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"SELECT '{given.bare}' AS mark_literal")


@app.post("/broken_statement")
async def broken_statement(given: Planted) -> None:
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"SELECT '{given.bare}'::int AS mark_broken_statement")


@app.post("/integrity")
async def integrity(given: Planted) -> None:
    async with engine.connect() as connection:
        await connection.execute(sql(f"CREATE TEMP TABLE {TABLE} (token text UNIQUE)"))
        for _ in range(2):
            await connection.execute(sql(f"INSERT INTO {TABLE} VALUES (:t)"), {"t": given.bare})


@app.post("/redis")
async def store(given: Planted) -> None:
    await redis.set(f"mark:{given.bare}", given.bare, ex=5)
    await redis.execute_command("MARKREDIS", given.bare)  # type: ignore[no-untyped-call]


@app.post("/message")
async def message(given: Planted) -> None:
    log.warning("mark-message " + given.text)


@app.post("/arguments")
async def arguments(given: Planted) -> None:
    log.info("mark-arguments %s", given.text)
    log.info("mark-arguments password=%s token: %r", given.bare, given.bare)
    log.info("mark-arguments %s", {"password": given.bare, "list": [given.text]})


@app.post("/extra")
async def extra(given: Planted) -> None:
    more: dict[str, Any] = {"note": given.text, "api_key": given.bare}
    more["nested"] = {"db": {"password": given.bare}, "all": [given.text]}
    log.info("mark-extra", extra=more)


@app.post("/loguru")
async def by_loguru(given: Planted) -> None:
    loguru.bind(token=given.bare).info("mark-loguru {}", given.text)


@app.post("/structlog")
async def by_structlog(given: Planted) -> None:
    structlog.get_logger("doors").warning("mark-structlog", note=given.text, password=given.bare)


@app.post("/exception")
async def exception(given: Planted) -> None:
    raise RuntimeError(f"mark-exception {given.text}")


@app.post("/cause")
async def cause(given: Planted) -> None:
    try:
        raise KeyError(given.text)
    except KeyError as error:
        raise RuntimeError("mark-cause") from error


@app.post("/logged_exception")
async def logged_exception(given: Planted) -> None:
    try:
        raise KeyError(given.text)
    except KeyError:
        log.exception("mark-logged_exception")


@app.post("/notes")
async def notes(given: Planted) -> None:
    error = ValueError("mark-notes")
    error.add_note(given.text)
    raise error


@app.post("/group")
async def group(given: Planted) -> None:
    inner = ExceptionGroup("inner", [KeyError(given.text), ValueError({"password": given.bare})])
    raise ExceptionGroup("mark-group", [RuntimeError(given.text), inner])


@app.post("/address")
async def address(given: Planted) -> None:
    where = f"postgresql+asyncpg://bob:{given.bare}@127.0.0.1:9/x"
    try:
        async with create_async_engine(where).connect():
            pass
    except OSError as error:
        raise RuntimeError(f"mark-address: cannot reach {where}") from error


@app.post("/objects")
async def objects(given: Planted) -> None:
    held = Held("bob", given.bare)
    body = json.dumps({"password": given.bare}).encode()
    log.info("mark-objects %s %r %s", held, body, {"all": [held]})
    log.info("objects", extra={"held": held, "body": body, "all": [({"token": given.bare},)]})
    log.info(held)


@app.post("/values")
async def values(given: Planted) -> None:
    """What the database repeats of a value, in an error of each driver."""
    for statement in ("SELECT CAST(:x AS uuid)", "SELECT CAST(CAST(:x AS text) AS json)"):
        try:
            async with engine.connect() as connection:
                await connection.execute(sql(statement), {"x": given.bare})
        except Exception:
            log.exception("mark-values")
    try:
        async with await AsyncConnection.connect(os.environ["DATABASE_URL"]) as plain:
            await plain.execute(f"DO $$ BEGIN PERFORM '{given.bare}'::json; END $$")
    except Exception as error:
        log.exception("values %r", error)


@app.post("/answer")
async def answer(given: Planted) -> Response:
    named = {"x-mark-answer": given.text.replace("\n", " "), "x-api-key": given.bare}
    cookie = {"set-cookie": f"sid={given.bare}; Path=/", "location": f"/x?token={given.bare}"}
    return Response("", headers=named | cookie)


@app.post("/span_name")
async def span_name(given: Planted) -> None:
    tracer.start_span(f"mark-span_name {given.text}").end()


@app.post("/span_attribute")
async def span_attribute(given: Planted) -> None:
    with tracer.start_as_current_span("mark-span_attribute") as span:
        span.set_attributes(
            {"note": given.text, "notes": [given.text], "client.secret": given.bare}
        )
        trace.get_current_span().set_attribute("http.request.header.cookie", [given.bare])


@app.post("/span_event")
async def span_event(given: Planted) -> None:
    with tracer.start_as_current_span("own") as span:
        span.add_event(f"mark-span_event {given.text}", {"note": given.text, "otp": given.bare})
        span.record_exception(ValueError(given.text))


@app.post("/span_status")
async def span_status(given: Planted) -> None:
    with tracer.start_as_current_span("own") as span:
        span.set_status(trace.StatusCode.ERROR, f"mark-span_status {given.text}")


@app.post("/span_link")
async def span_link(given: Planted) -> None:
    there = trace.Link(trace.get_current_span().get_span_context(), {"note": given.text})
    tracer.start_span("mark-span_link", links=[there]).end()


@app.post("/scope")
async def scope(given: Planted) -> None:
    trace.get_tracer(f"mark-scope {given.text}").start_span("own").end()


@app.post("/outgoing")
async def outgoing(given: Planted) -> None:
    async with httpx.AsyncClient() as client:
        try:
            await client.get(f"http://bob:{given.bare}@127.0.0.1:9/mark-outgoing?key={given.bare}")
        except httpx.HTTPError:
            log.info("not there")


@app.websocket("/socket/{word}")
async def socket(websocket: WebSocket, word: str) -> None:
    await websocket.accept()
    await websocket.close()
