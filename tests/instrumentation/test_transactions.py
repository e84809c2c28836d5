"""How transactions end, and what a request asks of the database; against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy
from fastapi import FastAPI
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind
from sqlalchemy import create_engine, exc, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.conftest import Telemetry
from tests.instrumentation.asking import ask
from tests.instrumentation.pooled import ended
from tests.instrumentation.test_database_postgres import ASYNC, SYNC

TRANSACTIONS = "otelier.db.transactions"
DURATION = "otelier.db.transaction.duration"
SAVEPOINTS = "otelier.db.savepoints"
ONE = text("SELECT 1")
WRONG = text("SELECT nothing")


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[URL]:
    pytest.importorskip(SYNC, reason=f"NOT TESTED: {SYNC} is not installed")
    url = make_url(postgres_url)
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"))
    deferred = "n int UNIQUE DEFERRABLE INITIALLY DEFERRED"
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS numbered"))
        connection.execute(text(f"CREATE TABLE numbered ({deferred})"))
    yield url
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE numbered"))
    engine.dispose()


@pytest.fixture
def engine(database: Telemetry, url: URL) -> Iterator[Engine]:
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"), future=True)
    engine.connect().close()
    database.clear()
    yield engine
    engine.dispose()


def counted(telemetry: Telemetry) -> dict[tuple[Any, ...], int]:
    """How transactions have ended since this was last asked; each has its duration."""
    points = telemetry.points()
    found = ended(points, TRANSACTIONS)
    assert ended(points, DURATION) == found
    return found


def test_commits_and_rollbacks(database: Telemetry, engine: Engine) -> None:
    """By Core and by a session, said and left unsaid; a mere SELECT ends in a rollback too."""
    with engine.begin() as connection:
        connection.execute(ONE)
    assert counted(database) == {("commit",): 1}
    with engine.connect() as connection:
        connection.execute(ONE)
        connection.commit()
        connection.execute(ONE)
        connection.rollback()
        connection.execute(ONE)
    assert counted(database) == {("commit",): 1, ("rollback",): 2}
    with pytest.raises(exc.DBAPIError), engine.begin() as connection:
        connection.execute(WRONG)
    assert counted(database) == {("rollback",): 1}
    with Session(engine) as session, session.begin():
        session.execute(ONE)
    with Session(engine) as session:
        session.execute(ONE)
    assert counted(database) == {("commit",): 1, ("rollback",): 1}
    with engine.connect() as connection:
        pass  # nothing was begun
    assert counted(database) == {}


def test_each_ends_once(database: Telemetry, engine: Engine) -> None:
    """A rollback outside of a transaction, as after an error there, is none of one."""
    with engine.connect() as connection:
        connection.execute(ONE)
        connection.commit()
        connection._rollback_impl()
    assert counted(database) == {("commit",): 1}


def test_the_database_agrees(database: Telemetry, engine: Engine) -> None:
    """PostgreSQL counts as many commits and rollbacks."""
    many = text("SELECT xact_commit, xact_rollback FROM pg_stat_database WHERE datname = :name")

    def looked() -> tuple[int, int]:
        lone = create_engine(engine.url, isolation_level="AUTOCOMMIT")
        with lone.connect() as connection:
            connection.execute(text("SELECT pg_stat_force_next_flush()"))
            row = connection.execute(many, {"name": engine.url.database}).one()
        lone.dispose()
        return int(row[0]), int(row[1])

    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    database.clear()
    before = looked()
    for _ in range(20):
        with engine.begin() as connection:
            connection.execute(ONE)
    for _ in range(10):
        with engine.connect() as connection:
            connection.execute(ONE)
    found = counted(database)
    engine.dispose()
    after = looked()
    assert found == {("commit",): 20, ("rollback",): 10}
    assert after[1] - before[1] >= 10
    assert after[0] - before[0] >= 20


def test_what_a_series_has(database: Telemetry, engine: Engine, url: URL) -> None:
    """The database, the outcome, the time from the first statement to the end."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_sleep(0.05)"))
    (point,) = database.points()[DURATION]
    about = {
        "db.system.name": "postgresql",
        "db.namespace": url.database,
        "server.address": url.host or url.query["host"],
        "otelier.db.transaction.outcome": "commit",
    }
    assert {**dict(point.attributes), "server.port": url.port} == {**about, "server.port": url.port}
    assert 0.05 < point.sum < 1


def test_a_commit_that_fails(database: Telemetry, engine: Engine) -> None:
    """It is a rollback, with the driver's exception; it is counted once."""
    with pytest.raises(exc.IntegrityError), engine.begin() as connection:
        connection.execute(text("INSERT INTO numbered VALUES (1), (1)"))
    ((key, count),) = counted(database).items()
    assert key[0] == "rollback"
    assert key[1].endswith("errors.UniqueViolation")
    assert count == 1


def test_savepoints(database: Telemetry, engine: Engine) -> None:
    """They are counted apart, those alone that end by themselves."""
    with engine.begin() as connection:
        with connection.begin_nested():
            connection.execute(ONE)
        with pytest.raises(exc.DBAPIError), connection.begin_nested():
            connection.execute(WRONG)
        connection.begin_nested().rollback()
        connection.begin_nested()
    points = database.points()
    assert ended(points, SAVEPOINTS) == {("release",): 1, ("rollback",): 2}
    assert ended(points, TRANSACTIONS) == {("commit",): 1}


def test_two_phases(database: Telemetry, engine: Engine) -> None:
    """They say so, whether they were prepared or not."""
    with engine.connect() as connection:
        for _ in range(2):
            transaction = connection.begin_twophase()
            connection.execute(ONE)
            transaction.commit()
        transaction = connection.begin_twophase()
        connection.execute(ONE)
        transaction.rollback()
    assert counted(database) == {("commit", "two-phase"): 2, ("rollback", "two-phase"): 1}


def test_prepared(database: Telemetry, engine: Engine) -> None:
    """It is counted when it has ended; where the server refuses to prepare it, as rolled back."""
    with engine.connect() as connection:
        most = int(connection.execute(text("SHOW max_prepared_transactions")).scalar() or 0)
        connection.rollback()
        database.clear()
        transaction = connection.begin_twophase()
        connection.execute(ONE)
        if most:
            transaction.prepare()
            assert counted(database) == {}
            transaction.commit()
        else:
            with pytest.raises(exc.DBAPIError):
                transaction.prepare()
            assert counted(database) == {}
            with suppress(exc.DBAPIError):  # of some drivers: it was not prepared
                transaction.rollback()
            connection.invalidate()
    ((key, count),) = counted(database).items()
    assert (key[:2], count) == (("commit" if most else "rollback", "two-phase"), 1)


def test_autocommit_has_none(database: Telemetry, engine: Engine, url: URL) -> None:
    """By an option of the engine, of the connection, or of all of them."""
    for one in (
        create_engine(engine.url, isolation_level="AUTOCOMMIT", future=True),
        engine.execution_options(isolation_level="AUTOCOMMIT"),
    ):
        with one.connect() as connection:
            connection.execute(ONE)
            connection.commit()
            connection.execute(ONE)
    assert counted(database) == {}


def test_suppressed(database: Telemetry, engine: Engine) -> None:
    """Where nothing is to be observed, as in requests to quiet paths, none is counted."""
    with suppress_instrumentation(), engine.begin() as connection:
        connection.execute(ONE)
    assert counted(database) == {}


@pytest.mark.skipif(sqlalchemy.__version__ >= "2", reason="gone in SQLAlchemy 2")
def test_statements_that_commit_by_themselves(database: Telemetry, url: URL) -> None:
    """SQLAlchemy 1.4 commits what writes outside of a transaction."""
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"))
    with engine.connect() as connection:
        database.clear()
        connection.execute(text("INSERT INTO numbered VALUES (7)"))
        connection.execute(text("DELETE FROM numbered"))
        connection.execute(ONE)
    assert counted(database) == {("commit",): 2}


@pytest.mark.parametrize("driver", ASYNC)
def test_async(database: Telemetry, url: URL, driver: str) -> None:
    """The same through async engines and sessions; a task that is cancelled rolls back."""

    async def run() -> None:
        engine = create_async_engine(url.set(drivername=f"postgresql+{driver}"))
        async with engine.begin() as connection:
            await connection.execute(ONE)
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(ONE)
            async with session.begin_nested():
                await session.execute(ONE)

        async def slow() -> None:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_sleep(5)"))

        task = asyncio.ensure_future(slow())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.dispose()

    asyncio.run(run())
    points = database.points()
    assert ended(points, TRANSACTIONS) == {("commit",): 2, ("rollback",): 1}
    assert ended(points, SAVEPOINTS) == {("release",): 1}


def app_of(engine: Engine, asynchronous: Any) -> FastAPI:
    app = FastAPI()

    def ask_database(many: int, what: Any = ONE) -> None:
        with engine.connect() as connection:
            for _ in range(many):
                connection.execute(what)

    async def ask_slowly() -> None:
        async with asynchronous.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(0.02)"))

    @app.get("/sync/{many}")
    def sync(many: int) -> None:
        ask_database(many, text("SELECT pg_sleep(0.01)"))

    @app.get("/fails")
    def fails() -> None:
        ask_database(1)
        ask_database(1, WRONG)

    @app.get("/threads/{many}")
    def threads(many: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask_database, [many] * 4))

    @app.get("/tasks/{many}")
    async def tasks(many: int) -> None:
        await asyncio.gather(*(ask_slowly() for _ in range(many)))

    return app


@pytest.fixture
def app(http: Telemetry, engine: Engine, url: URL) -> FastAPI:
    asynchronous = create_async_engine(url.set(drivername=f"postgresql+{ASYNC[0]}"))
    return app_of(engine, asynchronous)


def spent(telemetry: Telemetry) -> tuple[Any, Any]:
    """Statements and seconds of the last request; the access record says the same as the span."""
    span = [each for each in telemetry.spans if each.kind is SpanKind.SERVER][-1]
    record = [
        each.log_record
        for each in telemetry.records
        if each.instrumentation_scope.name == "otelier.access"
    ][-1]
    names = ("otelier.db.statements", "otelier.db.seconds")
    of_span, of_record = (
        tuple((about or {}).get(name) for name in names)
        for about in (span.attributes, record.attributes)
    )
    assert of_span == of_record
    return of_span[0], of_span[1]


def test_statements_of_a_request(app: FastAPI, http: Telemetry) -> None:
    """Their number and the time that they took, of this request and of no other."""
    for many in (1, 5):
        assert ask(app, f"/sync/{many}").status == 200
        statements, seconds = spent(http)
        assert statements == many
        assert many * 0.01 < seconds < many * 0.01 + 1
    assert ask(app, "/sync/0").status == 200
    assert spent(http) == (None, None)


def test_a_statement_that_fails_counts(app: FastAPI, http: Telemetry) -> None:
    ask(app, "/fails")
    assert spent(http)[0] == 2


def test_statements_of_threads_and_tasks(app: FastAPI, http: Telemetry) -> None:
    """All of them count, and no statement is lost between threads."""
    assert ask(app, "/threads/250").status == 200
    assert spent(http)[0] == 1000
    assert ask(app, "/tasks/3").status == 200
    statements, seconds = spent(http)
    assert statements == 3
    assert seconds > 0.06
