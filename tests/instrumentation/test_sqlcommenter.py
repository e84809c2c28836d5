"""Comments in statements, as the database receives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags
from sqlalchemy import create_engine, event, insert, text
from sqlalchemy.engine import Engine, make_url

from otelier import _guard
from otelier.instrumentation.database import DatabaseInstrumentor
from otelier.instrumentation.sqlcommenter import Commenter
from tests.conftest import Telemetry
from tests.instrumentation.test_database import in_memory, metadata, users

SPAN = NonRecordingSpan(SpanContext(0xAB, 0xCD, False, TraceFlags(1)))
IDS = f"00-{0xAB:032x}-{0xCD:016x}-01"


def connection(driver: str, **of_driver: Any) -> Any:
    own = SimpleNamespace(driver_connection=SimpleNamespace(**of_driver))
    return SimpleNamespace(dialect=SimpleNamespace(driver=driver), connection=own)


def commented(statement: str, driver: str = "pymysql", **options: Any) -> str:
    return Commenter(options).commented(statement, connection(driver), SPAN, False)


@pytest.fixture
def comments(telemetry: Telemetry) -> Iterator[Telemetry]:
    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, commenter=True, skip_dep_check=True)
    yield telemetry
    DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


def received(engine: Engine) -> list[str]:
    """The statements that the driver is given from now on."""
    found: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    return found


@pytest.mark.parametrize("driver", ["psycopg2", "pymysql", "mysqldb", "aiomysql", "asyncmy"])
def test_drivers_that_send_text(driver: str) -> None:
    """All tags, in the order of their names, and nothing that a driver could take for its own."""
    comment = f"/*db_driver='{driver}',framework='sqlalchemy',traceparent='{IDS}'*/"
    assert commented("SELECT 1", driver) == f"SELECT 1 {comment}"
    assert "%" not in comment


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg_async", "pysqlite", "oracledb"])
def test_drivers_that_prepare(driver: str) -> None:
    """The text is the same each time, so that what is prepared is found again."""
    assert commented("SELECT 1", driver) == (
        f"SELECT 1 /*db_driver='{driver}',framework='sqlalchemy'*/"
    )


def test_psycopg_that_prepares_nothing() -> None:
    """It was told so by `prepare_threshold=None`."""
    at = connection("psycopg", prepare_threshold=None)
    assert IDS in Commenter({}).commented("SELECT 1", at, SPAN, False)
    at = connection("psycopg", prepare_threshold=5)
    assert IDS not in Commenter({}).commented("SELECT 1", at, SPAN, False)


@pytest.mark.parametrize("statement", ["SELECT 1 /* mine */", "SELECT 1 -- mine"])
def test_a_comment_that_is_there(statement: str) -> None:
    """It stays the only one, as the specification says."""
    assert commented(statement) == statement


def test_options() -> None:
    """Contrib's: each tag can be left out, and without one there is no comment."""
    assert commented("SELECT 1;", db_driver=False, db_framework=False) == (
        f"SELECT 1 /*traceparent='{IDS}'*/;"
    )
    nothing = {"db_driver": False, "db_framework": False, "opentelemetry_values": False}
    assert commented("SELECT 1", **nothing) == "SELECT 1"


def test_without_a_trace_and_with_several_rows() -> None:
    """No trace is named where there is none; drivers know an INSERT of many rows by its end."""
    of = Commenter({})
    assert "traceparent" not in of.commented("SELECT 1", connection("pymysql"), INVALID_SPAN, False)
    assert of.commented("INSERT", connection("pymysql"), SPAN, True) == "INSERT"


def test_a_fault_of_ours() -> None:
    """The statement is sent as it is."""
    _guard.faults.clear()
    assert Commenter({}).commented("SELECT 1", None, SPAN, False) == "SELECT 1"
    assert dict(_guard.faults) == {"commenting a statement": 1}
    _guard.faults.clear()


def test_sqlite(comments: Telemetry) -> None:
    """Statements run as before, and what the span says of them has no comment."""
    engine = in_memory()
    metadata.create_all(engine)
    comments.clear()
    statements = received(engine)
    with engine.begin() as connection:
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}])
        rows = connection.execute(text("SELECT name FROM users WHERE id = :id"), {"id": 2})
        assert rows.scalar_one() == "b"
    assert "/*" not in statements[0]
    assert statements[1].endswith("/*db_driver='pysqlite',framework='sqlalchemy'*/")
    assert (comments.spans[1].attributes or {})["db.query.text"] == (
        "SELECT name FROM users WHERE id = ?"
    )


def test_off_by_default(telemetry: Telemetry) -> None:
    """Nobody who has not asked for comments gets one."""
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    try:
        engine = in_memory()
        statements = received(engine)
        with engine.connect() as connection:
            connection.execute(text("SELECT 7"))
    finally:
        DatabaseInstrumentor().uninstrument()
    assert statements == ["SELECT 7"]


def test_postgres_sees_the_trace(comments: Telemetry, part: Callable[[Any], Any]) -> None:
    """The server itself shows which span a statement belongs to."""
    from parts import postgres as server

    prepares = find_spec("psycopg") is not None and not sqlalchemy.__version__.startswith("1.")
    driver = "psycopg" if prepares else "psycopg2"
    pytest.importorskip(driver, reason="NOT TESTED: psycopg is not installed")
    url = make_url(part(server.postgres).url).set(drivername=f"postgresql+{driver}")
    query = text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND 1 = :one")
    options = {"prepare_threshold": None} if prepares else {}
    engine = create_engine(url, connect_args=options)
    with engine.connect() as connection:
        shown = connection.execute(query, {"one": 1}).scalar_one()
    engine.dispose()
    context = comments.spans[-1].context
    assert f"traceparent='00-{context.trace_id:032x}-{context.span_id:016x}-01'*/" in shown
