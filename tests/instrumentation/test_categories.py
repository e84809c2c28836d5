"""Who has to look after an exception: some sixty of them, raised by those who raise them."""

from __future__ import annotations

import asyncio
import errno
import http.client
import smtplib
import socket
import sqlite3
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import aiohttp
import asyncpg
import httpx
import psycopg
import pytest
import redis
import requests
import sqlalchemy as sa
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from otelier import categories, rules
from otelier.categories import APPLICATION, INFRASTRUCTURE, INTEGRATION, category, of_status

Raises = Callable[[], object]
NOBODY = "127.0.0.1:1"


def caught(do: Raises) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        do()
    return raised.value


class Failing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/503" else 200)
        body = b"no json"
        if self.path == "/slow":
            threading.Event().wait(0.5)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


@contextmanager
def peer() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with peer() as found:
        yield found


def _raise(error: BaseException) -> Raises:
    def do() -> None:
        raise error

    return do


class Shown(BaseModel):
    number: int


def _validation(do: str) -> Raises:
    def run() -> None:
        app = FastAPI()

        @app.get("/in")
        async def taken(number: int) -> None: ...

        @app.get("/out", response_model=Shown)
        async def given() -> dict[str, str]:
            return {"number": "none"}

        found: list[Exception] = []

        @app.exception_handler(RequestValidationError)
        async def keep(_: Any, error: Exception) -> None:
            found.append(error)
            raise error

        TestClient(app).get(do)

    return run


def _aiohttp(address: str, **more: Any) -> Raises:
    async def run() -> None:
        async with aiohttp.ClientSession(**more) as session, session.get(address) as answer:
            answer.raise_for_status()
            await answer.json()

    return lambda: asyncio.run(run())


OUR_OWN: Mapping[str, tuple[Raises, str]] = {
    "a bug": (lambda: {}["a"], APPLICATION),
    "another bug": (lambda: None.x, APPLICATION),  # type: ignore[attr-defined]
    "a number": (lambda: 1 / 0, APPLICATION),
    "a value": (lambda: int("x"), APPLICATION),
    "no such file": (lambda: open("/nowhere/at/all"), APPLICATION),  # noqa: SIM115
    "an assertion": (_raise(AssertionError()), APPLICATION),
    "a deep recursion": (_raise(RecursionError()), APPLICATION),
    "no module": (lambda: __import__("no_such_module"), APPLICATION),
    "a request that is wrong": (_validation("/in?number=x"), APPLICATION),
    "an answer that is wrong": (_validation("/out"), APPLICATION),
    "pydantic": (lambda: Shown.model_validate({"number": "x"}), APPLICATION),
    "an answer": (_raise(HTTPException(500)), APPLICATION),
    "out of memory": (_raise(MemoryError()), INFRASTRUCTURE),
    "a full disk": (_raise(OSError(errno.ENOSPC, "full")), INFRASTRUCTURE),
    "too many files": (_raise(OSError(errno.EMFILE, "many")), INFRASTRUCTURE),
    "asyncio's time-out": (
        lambda: asyncio.run(asyncio.wait_for(asyncio.sleep(1), 0.01)),
        INFRASTRUCTURE,
    ),
    "refused": (lambda: socket.create_connection(("127.0.0.1", 1)), INFRASTRUCTURE),
    "no such host": (lambda: socket.getaddrinfo("no.such.host.invalid", 1), INFRASTRUCTURE),
    "a broken pipe": (_raise(BrokenPipeError()), INFRASTRUCTURE),
    "a certificate": (_raise(ssl.SSLCertVerificationError("wrong")), INFRASTRUCTURE),
}


@pytest.mark.parametrize("name", OUR_OWN)
def test_of_python_and_the_app(name: str) -> None:
    do, wanted = OUR_OWN[name]
    assert category(caught(do)) == wanted


def _sqlite(text: str) -> Raises:
    def run() -> None:
        with sa.create_engine("sqlite://").connect() as connection:
            connection.execute(sa.text("create table t (id integer primary key, n int not null)"))
            connection.execute(sa.text("insert into t values (1, 1)"))
            connection.execute(sa.text(text))

    return run


def _pool() -> None:
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    with engine.connect(), engine.connect():
        pass


def _no_result() -> None:
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(sa.text("select 1 where 1 = 2")).one()


def test_of_sqlite_and_sqlalchemy() -> None:
    locked = caught(_raise(sqlite3.OperationalError("database is locked")))
    table = {
        APPLICATION: [
            _sqlite("select * from nowhere"),
            _sqlite("selec"),
            _sqlite("insert into t values (1, 2)"),
            _sqlite("insert into t (id) values (2)"),
            _no_result,
            lambda: sqlite3.connect(":memory:").execute("select * from nowhere"),
            lambda: sa.create_engine("nothing://"),
        ],
        INFRASTRUCTURE: [
            _pool,
            lambda: sa.create_engine("sqlite:////nowhere/at/all.db").connect(),
            lambda: sa.create_engine(f"postgresql+psycopg://u@{NOBODY}/x").connect(),
        ],
    }
    for wanted, doings in table.items():
        for do in doings:
            error = caught(do)
            assert category(error) == wanted, repr(error)
    assert category(locked) == INFRASTRUCTURE


def _psycopg(url: str, *texts: str) -> Raises:
    def run() -> None:
        with psycopg.connect(url) as connection:
            for text in texts:
                connection.execute(text.encode())

    return run


def _asyncpg(url: str, text: str) -> Raises:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(text)
        finally:
            await connection.close()

    return lambda: asyncio.run(run())


TAKEN = "create temp table taken (id int primary key); insert into taken values (1), (1)"
STATEMENTS: Mapping[str, str] = {
    "select * from nowhere": APPLICATION,
    "selec": APPLICATION,
    TAKEN: APPLICATION,
    "select 1/0": APPLICATION,
    "select 'x'::int": APPLICATION,
    "set statement_timeout = 10; select pg_sleep(1)": INFRASTRUCTURE,
    "select pg_terminate_backend(pg_backend_pid())": INFRASTRUCTURE,
}


def test_of_postgresql(postgres_url: str) -> None:
    for text, wanted in STATEMENTS.items():
        for do in (_psycopg(postgres_url, text), _asyncpg(postgres_url, text)):
            error = caught(do)
            assert category(error) == wanted, repr(error)
    wrong = postgres_url.replace("/postgres?", "/no_such_database?")
    for do in (_psycopg(wrong), _asyncpg(wrong, "select 1")):
        error = caught(do)
        assert category(error) == INFRASTRUCTURE, repr(error)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_of_postgresql_by_sqlalchemy(postgres_url: str, driver: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    async def run(text: str) -> None:
        engine = create_async_engine(postgres_url.replace("postgresql", f"postgresql+{driver}", 1))
        try:
            async with engine.connect() as connection:
                for one in text.split("; "):
                    await connection.execute(sa.text(one))
        finally:
            await engine.dispose()

    for text, wanted in STATEMENTS.items():
        error = caught(lambda text=text: asyncio.run(run(text)))  # type: ignore[misc]
        assert category(error) == wanted, repr(error)


def test_of_redis(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.set("otelier:text", "x")
    table: Mapping[str, list[Raises]] = {
        APPLICATION: [
            lambda: client.lpush("otelier:text", "y"),
            lambda: client.execute_command("NOSUCH"),
            lambda: client.evalsha("0" * 40, 0),
            lambda: client.set("a", object()),  # type: ignore[arg-type]
        ],
        INFRASTRUCTURE: [
            lambda: redis.Redis(port=1).ping(),
            lambda: redis.Redis.from_url(redis_url, password="wrong", username="no").ping(),
            lambda: redis.Redis.from_url(redis_url, socket_timeout=0.05).blpop("none", timeout=2),
            _raise(redis.exceptions.ReadOnlyError("READONLY")),
            _raise(redis.exceptions.BusyLoadingError("LOADING")),
        ],
    }
    for wanted, doings in table.items():
        for do in doings:
            error = caught(do)
            assert category(error) == wanted, repr(error)


def test_of_services(url: str) -> None:
    nobody = f"http://{NOBODY}"
    table: Mapping[str, list[Raises]] = {
        INTEGRATION: [
            lambda: httpx.get(nobody),
            lambda: httpx.get(f"{url}/slow", timeout=0.05),
            lambda: httpx.get(f"{url}/503").raise_for_status(),
            lambda: requests.get(nobody, timeout=1),
            lambda: requests.get(f"{url}/slow", timeout=0.05),
            lambda: requests.get(f"{url}/503", timeout=1).raise_for_status(),
            lambda: requests.get(url, timeout=1).json(),
            _aiohttp(nobody),
            _aiohttp(f"{url}/503"),
            _aiohttp(url),
            _aiohttp(f"{url}/slow", timeout=aiohttp.ClientTimeout(sock_read=0.05)),
            lambda: urllib.request.urlopen(f"{url}/503"),
            lambda: urllib.request.urlopen(nobody),
            _raise(http.client.BadStatusLine("x")),
            _raise(smtplib.SMTPRecipientsRefused({})),
            _raise(smtplib.SMTPServerDisconnected()),
        ],
        APPLICATION: [
            lambda: httpx.get("http://a:b:c"),
            lambda: httpx.get("ftp://a"),
            lambda: requests.get("no scheme", timeout=1),
        ],
    }
    for wanted, doings in table.items():
        for do in doings:
            error = caught(do)
            assert category(error) == wanted, repr(error)


class OrderFailed(Exception):
    """The app's own."""


def test_what_it_was_raised_from() -> None:
    def wrapped() -> None:
        try:
            httpx.get(f"http://{NOBODY}")
        except httpx.HTTPError as error:
            raise OrderFailed from error

    def in_passing() -> None:
        try:
            socket.create_connection(("127.0.0.1", 1))
        except OSError:
            {}["a"]

    def answered() -> None:
        try:
            socket.create_connection(("127.0.0.1", 1))
        except OSError:
            raise HTTPException(503)  # noqa: B904

    assert category(caught(wrapped)) == INTEGRATION
    assert category(caught(in_passing)) == APPLICATION  # a bug of its own, while handling another
    assert category(caught(answered)) == INFRASTRUCTURE


def test_a_group_is_as_its_members() -> None:
    refused, wrong = ConnectionRefusedError(), ValueError()
    away = httpx.ConnectError("away")
    assert category(ExceptionGroup("", [wrong, away, refused])) == INFRASTRUCTURE
    assert category(ExceptionGroup("", [wrong, ExceptionGroup("", [away])])) == INTEGRATION
    assert category(ExceptionGroup("", [wrong])) == APPLICATION


def test_answers_without_an_exception() -> None:
    found = {status: of_status(status) for status in (500, 501, 502, 503, 504)}
    assert found == {
        500: APPLICATION,
        501: APPLICATION,
        502: INTEGRATION,
        503: INFRASTRUCTURE,
        504: INTEGRATION,
    }


class _Entry:
    def __init__(self, name: str, rule: Any) -> None:
        self.name, self._rule = name, rule

    def load(self) -> Any:
        if isinstance(self._rule, Exception):
            raise self._rule
        return self._rule


def test_rules_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come first; one that raises, or says nothing known, is passed over."""

    def raising(error: BaseException) -> str:
        raise ValueError

    given = {
        "a": raising,
        "b": lambda error: "no category",
        "c": lambda error: INTEGRATION if isinstance(error, OrderFailed) else None,
        "d": ImportError("gone"),
        "e": 7,
    }
    monkeypatch.setattr(rules, "entry_points", lambda **_: [_Entry(n, r) for n, r in given.items()])
    monkeypatch.setattr(categories, "_rules", ())
    problems = categories.load_rules()
    assert [problem.split(" cannot")[0] for problem in problems] == [
        "the error category 'd'",
        "the error category 'e'",
    ]
    assert category(OrderFailed()) == INTEGRATION
    assert category(KeyError()) == APPLICATION


def test_nothing_raises() -> None:
    class Hostile(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise ValueError(name)

    assert category(Hostile()) == APPLICATION
    assert sys.modules.get("stripe") is None  # known by its name, and not imported
