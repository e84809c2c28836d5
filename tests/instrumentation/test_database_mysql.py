"""Statements through SQLAlchemy's dialect of MySQL. NOT a server: a driver that answers nothing.

What a real MySQL says is not tested here; what its drivers raise is shaped as PyMySQL shapes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, exc, insert, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from otelier import _guard
from otelier.instrumentation.database import DatabaseInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.test_database import attributes, users


class Error(Exception):
    """As PyMySQL's: number and text."""


class Cursor:
    """Raises for a statement that says so, and keeps what it was given."""

    description = None
    rowcount = 0
    lastrowid = 0

    def __init__(self, received: list[str]) -> None:
        self._received = received

    def execute(self, statement: str, parameters: Any = ()) -> None:
        self._received.append(statement)
        if "fails" in statement:
            raise Error(1062, "Duplicate entry 'swordfish' for key 'users.name'")

    executemany = execute

    def close(self) -> None: ...


class Driver:
    """The part of a DBAPI that SQLAlchemy asks for."""

    paramstyle = "format"
    Error = Error
    OperationalError = ProgrammingError = InterfaceError = InternalError = type("E", (Error,), {})

    def __init__(self) -> None:
        self.received: list[str] = []

    def connect(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(
            cursor=lambda *_: Cursor(self.received),
            commit=lambda: None,
            rollback=lambda: None,
            close=lambda: None,
        )


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def engine(driver: Driver) -> Engine:
    return create_engine(
        "mysql+pymysql://bob:swordfish@db.example:3307/shop",
        module=driver,
        creator=driver.connect,
        poolclass=NullPool,
        _initialize=False,
    )


@pytest.fixture(params=[False, True], ids=["plain", "commented"])
def database(request: pytest.FixtureRequest, telemetry: Telemetry) -> Iterator[Telemetry]:
    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, commenter=request.param, skip_dep_check=True)
    yield telemetry
    DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


def test_one_statement(database: Telemetry, engine: Engine) -> None:
    """System, database and server are named; user and password are not."""
    with engine.connect() as connection:
        connection.execute(text("UPDATE `order` SET paid = :paid"), {"paid": True})
    (span,) = database.spans
    assert attributes(span) == {
        "db.system.name": "mysql",
        "db.namespace": "shop",
        "server.address": "db.example",
        "server.port": 3307,
        "db.operation.name": "UPDATE",
        "db.collection.name": "`order`",
        "db.query.summary": "UPDATE `order`",
        "db.query.text": "UPDATE `order` SET paid = %s",
    }


def test_an_error(database: Telemetry, engine: Engine) -> None:
    """MySQL's number is there, and nothing of the text beside it."""
    with engine.connect() as connection, pytest.raises(exc.DBAPIError):
        connection.execute(text("SELECT fails FROM users"))
    (span,) = database.spans
    assert attributes(span)["db.response.status_code"] == "1062"
    assert "swordfish" not in span.to_json()


def test_comments(database: Telemetry, engine: Engine, driver: Driver) -> None:
    """PyMySQL sends text: the trace is in it, and many rows can still be sent at once."""
    with engine.connect() as connection:
        connection.execute(text("SELECT name FROM users"))
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}])
    one, many = driver.received
    comments = DatabaseInstrumentor()._statements._commenter  # type: ignore[union-attr]
    context = database.spans[0].context
    traceparent = f"traceparent='00-{context.trace_id:032x}-{context.span_id:016x}-01'*/"
    assert one.endswith(traceparent) is (comments is not None)
    assert many == "INSERT INTO users (name) VALUES (%s)"
