"""Statements to a real MariaDB, through PyMySQL and aiomysql: spans, records, pools, health.

The shape of what other releases of the drivers raise is in `test_database_mysql.py`.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.trace import StatusCode, get_tracer
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, exc, select, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from otelier.categories import APPLICATION, INFRASTRUCTURE, category
from otelier.instrumentation import attempts, database_checks
from otelier.instrumentation.attempts import look
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.seen import Seen, watch_engines
from tests.conftest import Telemetry
from tests.instrumentation.test_database import attributes
from tests.instrumentation.test_slow_queries import about, observed, told

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(50), unique=True),
)


@pytest.fixture(scope="module")
def server(part: Callable[[Any], Any]) -> Any:
    from parts import mariadb

    pytest.importorskip("pymysql", reason="NOT TESTED: pymysql is not installed")
    found = part(mariadb.mariadb)
    engine = create_engine(make_url(found.url).set(drivername="mysql+pymysql"))
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE IF NOT EXISTS shop"))
    engine.dispose()
    return found


@pytest.fixture
def url(server: Any) -> URL:
    return make_url(server.url).set(drivername="mysql+pymysql", database="shop")


@pytest.fixture
def engine(database: Telemetry, url: URL) -> Iterator[Engine]:
    engine = create_engine(url, pool_pre_ping=True)
    THINGS.metadata.drop_all(engine)
    THINGS.metadata.create_all(engine)
    database.clear()
    yield engine
    engine.dispose()


@asynccontextmanager
async def connected(url: URL) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.set(drivername="mysql+aiomysql"))
    try:
        yield engine
    finally:
        await engine.dispose()


def test_one_select(database: Telemetry, engine: Engine, url: URL) -> None:
    """What is known of the server is on the span; connecting and pings have none."""
    for _ in range(2):
        with engine.connect() as connection:
            connection.execute(select(THINGS.c.id).where(THINGS.c.name == "x"))
    first, second = database.spans
    assert attributes(first) == attributes(second)
    assert attributes(first) == {
        "db.system.name": "mariadb",
        "db.namespace": "shop",
        "server.address": "127.0.0.1",
        "server.port": url.port,
        "db.operation.name": "SELECT",
        "db.collection.name": "things",
        "db.query.summary": "SELECT things",
        "db.query.text": "SELECT things.id FROM things WHERE things.name = %(name_1)s",
    }


def test_literals_of_its_grammar(database: Telemetry, engine: Engine) -> None:
    """Strings in either quotes, with backslashes, and numbers in hexadecimal go, backticks stay. A
    comment that MySQL runs leaves no text."""
    expected = {
        "SELECT `name`, 'it''s swordfish', 0x7377 FROM `things` WHERE `id` = 7341": (
            "SELECT `name`, ?, ? FROM `things` WHERE `id` = ?"
        ),
        'SELECT `name`, "swordfish" FROM `things`': "SELECT `name`, ? FROM `things`",
        r"SELECT `name`, 'sword\'fish' FROM `things`": "SELECT `name`, ? FROM `things`",
        "SELECT `name` /*! , 7341 */ FROM `things`": None,
    }
    with engine.connect() as connection:
        for statement in expected:
            connection.exec_driver_sql(statement)
    texts = [attributes(span).get("db.query.text") for span in database.spans]
    assert texts == list(expected.values())
    for span in database.spans:
        assert not [word for word in ("sword", "7341", "0x7377") if word in span.to_json()]


def test_a_failed_statement(database: Telemetry, engine: Engine) -> None:
    """MySQL's number and class of the driver's exception; nothing of what it says."""
    with engine.begin() as connection:
        connection.execute(THINGS.insert(), {"name": "hunter2"})
    with engine.connect() as connection, pytest.raises(exc.IntegrityError):
        connection.execute(THINGS.insert(), {"name": "hunter2"})
    span = database.spans[-1]
    assert attributes(span)["db.response.status_code"] == "1062"
    assert attributes(span)["error.type"] == "pymysql.err.IntegrityError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert "hunter2" not in span.to_json()


def test_many_rows(database: Telemetry, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(THINGS.insert(), [{"name": f"row {number}"} for number in range(7)])
    (span,) = database.spans
    assert attributes(span)["db.operation.batch.size"] == 7


def test_async_parents(database: Telemetry, engine: Engine, url: URL) -> None:
    """Tasks that run at the same time are the parents of their own statements."""

    async def ask(asynchronous: AsyncEngine, number: int) -> None:
        with get_tracer("tests").start_as_current_span(f"task-{number}"):
            async with AsyncSession(asynchronous) as session:
                await session.execute(text("SELECT SLEEP(0.02)"))
                await session.execute(select(THINGS.c.id))

    async def run() -> None:
        async with connected(url) as asynchronous:
            await asyncio.gather(*(ask(asynchronous, number) for number in range(5)))

    asyncio.run(run())
    parents = {span.context.span_id: span.name for span in database.spans}
    children = [span for span in database.spans if span.name.startswith("SELECT")]
    assert len(children) == 10
    of = [parents[span.parent.span_id] for span in children if span.parent is not None]
    assert sorted(of) == sorted([f"task-{number}" for number in range(5)] * 2)
    assert not [span.name for span in database.spans if span.name in ("connect", "PING")]


def test_a_slow_one_and_its_plan(telemetry: Telemetry, url: URL) -> None:
    """One record for what takes long, with its plan, on a connection that is not the pool's."""
    engine = create_engine(url, pool_size=1, max_overflow=0)
    THINGS.metadata.drop_all(engine)
    THINGS.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(THINGS.insert(), [{"name": f"row {number}"} for number in range(200)])
    slow_one = "SELECT COUNT(*) FROM things a, things b, things c WHERE a.name <> 'swordfish'"
    with observed(telemetry, slow_seconds=0.05, explain=True):
        for statement in ("SELECT id FROM things", slow_one):
            with engine.connect() as connection:
                connection.execute(text(statement))
        deadline = time.monotonic() + 10
        while not told(telemetry, "otelier.db.query_plan") and time.monotonic() < deadline:
            time.sleep(0.02)
    (slow,) = told(telemetry)
    assert about(slow)["db.query.text"] == slow_one.replace("'swordfish'", "?")
    (plan,) = told(telemetry, "otelier.db.query_plan")
    assert "select_type=SIMPLE table=a" in about(plan)["otelier.db.query.plan"]
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "number", "expected"),
    [
        ("SELECT nothing FROM things", "1054", APPLICATION),
        ("SELECT 1 FROM nothing", "1146", APPLICATION),
        ("SELEKT 1", "1064", APPLICATION),
        ("INSERT INTO things (id, name) VALUES (1, 'a'), (1, 'b')", "1062", APPLICATION),
        ("UPDATE things SET name = 'b' WHERE id = 5", "1205", INFRASTRUCTURE),
        ("KILL CONNECTION CONNECTION_ID()", "1927", INFRASTRUCTURE),
    ],
)
def test_who_has_to_look(
    database: Telemetry, engine: Engine, statement: str, number: str, expected: str
) -> None:
    """By what MariaDB says; a lock that another transaction holds for too long is one of these."""
    with engine.begin() as holding, engine.connect() as connection:
        holding.execute(THINGS.insert(), {"id": 5, "name": "five"})
        connection.execute(text("SET innodb_lock_wait_timeout = 1"))
        database.clear()
        with pytest.raises(exc.DBAPIError) as raised:
            connection.exec_driver_sql(statement)
    (span,) = database.spans
    assert attributes(span)["db.response.status_code"] == number
    assert category(raised.value) == expected


@pytest.fixture
def own_server() -> Iterator[Any]:
    """One that may be hung."""
    from parts.mariadb import mariadb

    with mariadb() as found:
        yield found
        if found.server is not None:
            found.server.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("driver", ["pymysql", "aiomysql"])
def test_health(server: Any, own_server: Any, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reached; hung, which is found within its second; back; gone. The pool has no part in it."""
    monkeypatch.setattr(database_checks, "engines", seen := Seen())
    monkeypatch.setattr("otelier.instrumentation.seen.engines", seen)
    patches = Patches()
    watch_engines(patches)
    database_checks.watch(patches)
    process: subprocess.Popen[bytes] = own_server.server
    try:
        url = make_url(own_server.url).set(drivername=f"mysql+{driver}")
        make = create_engine if driver == "pymysql" else create_async_engine
        engine = make(url)
        states = [found()]
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        states.append(found())
        assert time.monotonic() - began < 1.5
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)  # what was given up ends
        states.append(found())
        process.kill()
        process.wait()
        states.append(found())
        assert states[0] is states[2] is None
        assert states[1] in ("TimeoutError", "pymysql.err.OperationalError")
        assert states[3] == "pymysql.err.OperationalError"
        assert engine.pool.checkedin() == 0
    finally:
        patches.restore()
        attempts._going.clear()


def found() -> str | None:
    """The error of the one database that there is."""

    async def run() -> str | None:
        (target,) = database_checks.targets()
        return (await look(target)).error

    return asyncio.run(run())
