"""One span a statement, from every engine, with nothing in it that is the app's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    exc,
    insert,
    select,
    text,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation.database import DatabaseInstrumentor, describe
from tests.conftest import Telemetry

metadata = MetaData()
users = Table(
    "users", metadata, Column("id", Integer, primary_key=True), Column("name", String, unique=True)
)


def in_memory() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool)


@pytest.fixture
def database(telemetry: Telemetry) -> Iterator[Telemetry]:
    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    yield telemetry
    DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def engine(database: Telemetry) -> Iterator[Engine]:
    """One with the table in it, and nothing sent so far."""
    engine = in_memory()
    metadata.create_all(engine)
    database.clear()
    yield engine
    engine.dispose()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def listeners() -> list[list[Any]]:
    """What listens on the class; SQLAlchemy keeps failures, for all engines, at the dialect."""
    statements = Engine.dispatch
    failures = statements if hasattr(statements, "handle_error") else Dialect.dispatch
    kept = (
        (Engine, statements.before_cursor_execute),
        (Engine, statements.after_cursor_execute),
        (Engine if failures is statements else Dialect, failures.handle_error),
    )
    return [list(event._clslevel.get(owner, ())) for owner, event in kept]


def test_one_select(database: Telemetry, engine: Engine) -> None:
    """Name, kind and attributes; none for connecting, beginning and committing."""
    with engine.begin() as connection:
        connection.execute(select(users.c.id).where(users.c.name == "alice"))
    (span,) = database.spans
    assert (span.name, span.kind, span.status.status_code) == (
        "SELECT users",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert attributes(span) == {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.collection.name": "users",
        "db.query.summary": "SELECT users",
        "db.query.text": "SELECT users.id FROM users WHERE users.name = ?",
    }


def test_no_span_for_a_connection(database: Telemetry, tmp_path: Path) -> None:
    """The dialect's own questions at the first connection, and pings, are not the app's."""
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}", pool_pre_ping=True)
    for _ in range(2):
        engine.connect().close()
    engine.dispose()
    assert list(database.spans) == []


def test_many_rows_are_one_span(database: Telemetry, engine: Engine) -> None:
    """An `executemany` is one span, with the number of its rows."""
    with engine.begin() as connection:
        connection.execute(insert(users), [{"name": f"user-{n}"} for n in range(3)])
    (span,) = database.spans
    assert attributes(span)["db.operation.batch.size"] == 3
    assert span.name == "INSERT users"


def test_an_engine_made_before(telemetry: Telemetry) -> None:
    """An engine that was made, and has been used, before it was observed is observed."""
    engine = in_memory()
    with engine.connect() as connection:
        connection.execute(text("SELECT name FROM sqlite_master"))
        DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
        try:
            connection.execute(text("SELECT name FROM sqlite_master"))
        finally:
            DatabaseInstrumentor().uninstrument()
    assert [span.name for span in telemetry.spans] == ["SELECT sqlite_master"]


def test_async_engines(telemetry: Telemetry) -> None:
    """Async engines, made before and after, and the parent is the caller's span."""

    async def serve() -> None:
        before = create_async_engine("sqlite+aiosqlite://")
        DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
        after = create_async_engine("sqlite+aiosqlite://")
        for engine in (before, after):
            tracer = telemetry.providers.tracer.get_tracer("tests")
            with tracer.start_as_current_span("caller"):
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT name FROM sqlite_master"))
            await engine.dispose()

    try:
        asyncio.run(serve())
    finally:
        DatabaseInstrumentor().uninstrument()
    names = [span.name for span in telemetry.spans]
    parents = [span.parent.span_id for span in telemetry.spans if span.parent]
    callers = [span.context.span_id for span in telemetry.spans if span.name == "caller"]
    assert names == ["SELECT sqlite_master", "caller"] * 2
    assert parents == callers


def test_a_session(database: Telemetry, engine: Engine) -> None:
    """The ORM goes the same way, and what is committed is committed."""
    with Session(engine) as session:
        session.execute(insert(users).values(name="alice"))
        session.commit()
    with Session(engine) as session:
        assert session.execute(select(users.c.name)).scalars().all() == ["alice"]
    assert [span.name for span in database.spans] == ["INSERT users", "SELECT users"]


def test_a_failed_statement(database: Telemetry, engine: Engine) -> None:
    """The class of the driver's error is there; its text, which quotes the data, is not."""
    statement = text("INSERT INTO users (name) VALUES (:name)")
    with engine.begin() as connection:
        connection.execute(statement, {"name": "hunter2"})
    database.clear()
    with engine.connect() as connection, pytest.raises(exc.IntegrityError):
        connection.execute(statement, {"name": "hunter2"})
    (span,) = database.spans
    assert attributes(span)["error.type"] == "sqlite3.IntegrityError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert list(span.events) == []


def test_no_literal_on_a_failed_statement(database: Telemetry, engine: Engine) -> None:
    """A statement with a literal that fails leaves neither its text nor the driver's words."""
    with engine.connect() as connection, pytest.raises(exc.OperationalError):
        connection.execute(text("SELECT hunter2('from swordfish') FROM users"))
    (span,) = database.spans
    assert "db.query.text" not in attributes(span)
    assert "swordfish" not in span.to_json()


def test_a_failure_after_the_statement(
    database: Telemetry, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading rows may fail when the span has ended: it is left as it is, without a warning."""
    with engine.begin() as connection:
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}])
        driver: Any = connection.connection.driver_connection
        driver.create_function("fails_on", 2, lambda name, bad: 1 // (name != bad))
        database.clear()
        rows = connection.execute(text("SELECT fails_on(name, :bad) FROM users"), {"bad": "b"})
        with pytest.raises(exc.OperationalError):
            rows.fetchall()
    (span,) = database.spans
    assert span.status.status_code is StatusCode.UNSET
    assert caplog.messages == []


def test_a_request_is_named(database: Telemetry, engine: Engine) -> None:
    """A statement of a request carries its id."""
    token = current_request.set(RequestContext("r-7"))
    try:
        with engine.connect() as connection:
            connection.execute(select(users))
    finally:
        current_request.reset(token)
    assert attributes(database.spans[0])["http.request.id"] == "r-7"


def test_uninstrument_leaves_no_listener(telemetry: Telemetry) -> None:
    """Every listener is taken away, and a statement makes no span any more."""
    before = listeners()
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    during = listeners()
    DatabaseInstrumentor().uninstrument()
    assert [len(d) - len(b) for d, b in zip(during, before, strict=True)] == [1, 1, 1]
    assert listeners() == before
    with in_memory().connect() as connection:
        connection.execute(text("SELECT name FROM sqlite_master"))
    assert list(telemetry.spans) == []


def test_without_a_word_of_the_distro_nothing_happens() -> None:
    """Under another distro the instrumentor is called bare, and does nothing."""
    before = listeners()
    DatabaseInstrumentor().instrument(skip_dep_check=True)
    after = listeners()
    DatabaseInstrumentor().uninstrument()
    assert after == before


def test_a_statement_that_another_listener_rewrites(database: Telemetry, engine: Engine) -> None:
    """A listener of the app that changes the statement still has its way."""

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def commented(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> Any:
        return statement.replace("name", "id"), parameters

    with engine.connect() as connection:
        assert list(connection.execute(text("SELECT name FROM users")).keys()) == ["id"]


@pytest.mark.parametrize("broken", ["start_span", "end"])
def test_a_fault_of_ours_changes_no_query(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A statement runs, and fails, as it would, though its span cannot be begun or ended."""
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    _guard.faults.clear()
    owner: Any = Span if broken == "end" else type(telemetry.providers.tracer.get_tracer("x"))
    monkeypatch.setattr(owner, broken, lambda *_, **__: 1 / 0)
    try:
        with in_memory().connect() as connection:
            assert connection.execute(text("SELECT 7")).scalar_one() == 7
            with pytest.raises(exc.OperationalError):
                connection.execute(text("SELECT nothing"))
    finally:
        monkeypatch.undo()
        DatabaseInstrumentor().uninstrument()
    doing = "ending a query" if broken == "end" else "beginning a query"
    assert dict(_guard.faults) == {doing: 2}


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT * FROM users", "SELECT users"),
        ("  select 1", "SELECT"),
        ('INSERT INTO "Order" (id) VALUES ($1)', "INSERT Order"),
        ("UPDATE shop.items SET n = ? WHERE id = ?", "UPDATE shop.items"),
        ("DELETE FROM `cart`", "DELETE cart"),
        ("CREATE TABLE users (id INTEGER)", "CREATE users"),
        ("INSERT INTO notes VALUES ('copied FROM swordfish')", "INSERT notes"),
        ("SELECT 'letter FROM swordfish' FROM notes", "SELECT"),
        ("SELECT substring(card FROM 4111) FROM cards", "SELECT"),
        ("SELECT a -- from swordfish", "SELECT"),
        ("/* from swordfish */ SELECT a", None),
        ("(SELECT a FROM t)", "t"),
    ],
)
def test_summaries(statement: str, summary: str | None) -> None:
    """Operation and table as far as they are plain to see; never a word out of a literal."""
    assert describe(statement, True).get("db.query.summary") == summary


def test_where_double_quotes_hold_strings() -> None:
    """There, nothing behind a double quote is read as a name."""
    found = describe('SELECT "letter from swordfish" FROM t', False)
    assert found == {"db.operation.name": "SELECT", "db.query.summary": "SELECT"}
