"""Statements to a real PostgreSQL, through psycopg (sync and async) and asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy
from opentelemetry.trace import StatusCode, get_tracer
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, exc, select, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base

from otelier.instrumentation.database import DatabaseInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.test_database import attributes

IS_OLD = sqlalchemy.__version__.startswith("1.")
SYNC = "psycopg2" if IS_OLD else "psycopg"
ASYNC = ["asyncpg"] if IS_OLD else ["asyncpg", "psycopg"]

Base: Any = declarative_base()


class Thing(Base):
    __table__ = Table(
        "things",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String, unique=True),
    )


@pytest.fixture(scope="module")
def url(part: Callable[[Any], Any]) -> URL:
    from parts import postgres as server

    pytest.importorskip(SYNC, reason=f"NOT TESTED: {SYNC} is not installed")
    found = make_url(part(server.postgres).url)
    engine = create_engine(found.set(drivername=f"postgresql+{SYNC}"))
    Thing.__table__.metadata.drop_all(engine)
    Thing.__table__.metadata.create_all(engine)
    engine.dispose()
    return found


@pytest.fixture
def engine(database: Telemetry, url: URL) -> Iterator[Engine]:
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"), pool_pre_ping=True)
    with engine.begin() as connection:
        connection.execute(Thing.__table__.delete())
    database.clear()
    yield engine
    engine.dispose()


@asynccontextmanager
async def connected(url: URL, driver: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.set(drivername=f"postgresql+{driver}"))
    try:
        yield engine
    finally:
        await engine.dispose()


def test_one_select(database: Telemetry, engine: Engine, url: URL) -> None:
    """What is known of the server is on the span; SQLAlchemy's own questions have none."""
    with engine.connect() as connection:
        connection.execute(select(Thing.id, Thing.name).where(Thing.name == "x"))
    (span,) = database.spans
    found = attributes(span)
    assert span.name == found["db.query.summary"] == "SELECT things"
    assert (found["db.system.name"], found["db.namespace"]) == ("postgresql", url.database)
    assert found["db.collection.name"] == "things"
    assert found["server.address"] == (url.host or url.query["host"])
    assert "FROM things WHERE things.name = %(name_1)s" in found["db.query.text"]


def test_many_rows(database: Telemetry, engine: Engine) -> None:
    """However many rows SQLAlchemy puts into one INSERT, it is one batch with one text."""
    for size in (3, 5):
        with Session(engine) as session:
            session.add_all([Thing(name=f"{size}-{number}") for number in range(size)])
            session.commit()
    sizes = [attributes(span)["db.operation.batch.size"] for span in database.spans]
    assert sizes == [3, 5]
    assert {span.name.split()[0] for span in database.spans} == {"BATCH"}
    assert len({attributes(span).get("db.query.text") for span in database.spans}) == 1
    assert len({attributes(span)["db.query.summary"] for span in database.spans}) == 1


def test_many_rows_in_portions(database: Telemetry, engine: Engine) -> None:
    """Portions are statements of their own, each with the number of its rows."""
    with engine.begin() as connection:
        rows = [{"name": f"row-{number}"} for number in range(1500)]
        statement = Thing.__table__.insert().returning(Thing.__table__.c.id)
        if IS_OLD:
            statement = Thing.__table__.insert()
        connection.execute(statement, rows)
    sizes = [attributes(span)["db.operation.batch.size"] for span in database.spans]
    assert sum(sizes) == 1500


def test_a_failed_statement(database: Telemetry, engine: Engine) -> None:
    """SQLSTATE and class of the driver's exception; nothing of what it says."""
    statement = text("INSERT INTO things (name) VALUES (:name)")
    with engine.begin() as connection:
        connection.execute(statement, {"name": "hunter2"})
    with engine.connect() as connection, pytest.raises(exc.IntegrityError):
        connection.execute(statement, {"name": "hunter2"})
    span = database.spans[-1]
    assert attributes(span)["db.response.status_code"] == "23505"
    assert attributes(span)["error.type"] == f"{SYNC}.errors.UniqueViolation"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert "hunter2" not in span.to_json()


def test_a_lost_connection(database: Telemetry, engine: Engine) -> None:
    """Its statement ends with it, and the next one finds another connection without a span."""
    with engine.connect() as connection, pytest.raises(exc.OperationalError):
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with engine.connect() as connection:
        connection.execute(text("SELECT name FROM things"))
    lost, found = database.spans
    assert lost.status.status_code is StatusCode.ERROR
    if SYNC == "psycopg":  # its predecessor does not pass the code of this one on
        assert attributes(lost)["db.response.status_code"] == "57P01"
    assert (found.name, found.status.status_code) == ("SELECT things", StatusCode.UNSET)


@pytest.mark.parametrize("driver", ASYNC)
def test_async_parents(database: Telemetry, url: URL, driver: str) -> None:
    """Tasks that run at the same time are the parents of their own statements."""

    async def ask(engine: AsyncEngine, number: int) -> None:
        with get_tracer("tests").start_as_current_span(f"task-{number}"):
            async with AsyncSession(engine) as session:
                await session.execute(text("SELECT pg_sleep(0.01)"))
                await session.execute(select(Thing).where(Thing.id == number))

    async def serve() -> None:
        async with connected(url, driver) as engine:
            await asyncio.gather(*(ask(engine, number) for number in range(4)))

    asyncio.run(serve())
    tasks = {span.context.span_id for span in database.spans if span.name.startswith("task-")}
    queries = [span for span in database.spans if span.name == "SELECT things"]
    assert {span.parent.span_id for span in queries if span.parent} == tasks
    assert len(database.spans) == 12


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_cancelled_statement(database: Telemetry, url: URL, driver: str, how: str) -> None:
    """Its span ends, once, with the cancellation as its error, and the engine goes on."""

    async def serve() -> None:
        async with connected(url, driver) as engine:

            async def wait() -> None:
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT pg_sleep(30)"))

            if how == "timeout":
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(wait(), 0.5)
            else:
                task = asyncio.create_task(wait())
                await asyncio.sleep(0.5)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            async with engine.connect() as connection:
                await connection.execute(text("SELECT name FROM things"))

    asyncio.run(serve())
    cancelled, found = database.spans
    assert attributes(cancelled)["error.type"] == "asyncio.exceptions.CancelledError"
    assert cancelled.status.status_code is StatusCode.ERROR
    assert cancelled.end_time is not None
    assert (found.name, found.status.status_code) == ("SELECT things", StatusCode.UNSET)
    durations = database.points()["db.client.operation.duration"]
    assert sum(point.count for point in durations) == 2


@pytest.mark.parametrize("driver", ASYNC)
def test_a_failed_async_statement(database: Telemetry, url: URL, driver: str) -> None:
    """The exception is the driver's, not the one that SQLAlchemy's adapter makes of it."""

    async def serve() -> None:
        async with connected(url, driver) as engine, engine.connect() as connection:
            with pytest.raises(exc.DBAPIError):
                await connection.execute(text("SELECT nothing FROM things"))

    asyncio.run(serve())
    (span,) = database.spans
    names = {"asyncpg": "asyncpg.exceptions.UndefinedColumnError"}
    assert attributes(span)["error.type"] == names.get(driver, "psycopg.errors.UndefinedColumn")
    assert attributes(span)["db.response.status_code"] == "42703"


def test_commented_statements_stay_prepared(telemetry: Telemetry, url: URL) -> None:
    """Through asyncpg the text that is sent does not change, so that one is prepared for all."""

    async def serve() -> int:
        async with connected(url, "asyncpg") as engine, engine.connect() as connection:
            for number in range(5):
                await connection.execute(
                    text("SELECT name FROM things WHERE id = :n"), {"n": number}
                )
            found = await connection.execute(
                text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :like"),
                {"like": "%framework='sqlalchemy'*/"},
            )
            return int(found.scalar_one())

    DatabaseInstrumentor().instrument(on=True, enable_commenter=True, skip_dep_check=True)
    try:
        assert asyncio.run(serve()) == 2  # the statement, and the one that counts
    finally:
        DatabaseInstrumentor().uninstrument()
