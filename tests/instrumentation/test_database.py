"""One span a statement, from every engine, with nothing in it that is the app's own."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import (
    Column,
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
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.instrumentation.database import DatabaseInstrumentor
from otelier.sdk.lean_span import LeanSpan
from otelier.sdk.tracer import LeanTracer
from tests.conftest import Telemetry

metadata = MetaData()
users = Table(
    "users", metadata, Column("id", Integer, primary_key=True), Column("name", String, unique=True)
)


def in_memory() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool)


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
    """An `executemany` is one span, with the number of its rows; one row is not a batch."""
    with engine.begin() as connection:
        connection.execute(insert(users), [{"name": f"user-{n}"} for n in range(3)])
        connection.execute(insert(users), [{"name": "alone"}])
    many, one = database.spans
    assert attributes(many)["db.operation.batch.size"] == 3
    assert attributes(many)["db.operation.name"] == "BATCH INSERT"
    assert many.name == "BATCH INSERT users"
    assert one.name == "INSERT users"
    assert "db.operation.batch.size" not in attributes(one)


def test_no_span_for_transactions(database: Telemetry, engine: Engine) -> None:
    """Neither those of SQLAlchemy nor savepoints nor what the app writes itself."""
    with Session(engine) as session:
        with session.begin_nested():
            session.execute(select(users.c.id))
        session.commit()
    with engine.connect() as connection:
        connection.execute(text("SAVEPOINT mine"))
    assert [span.name for span in database.spans] == ["SELECT users"]


def test_lists_of_any_length_are_one_statement(database: Telemetry, engine: Engine) -> None:
    """What SQLAlchemy fills in for a list is not in the text, and makes no new time series."""
    with engine.connect() as connection:
        for length in range(1, 6):
            ids = list(range(length))
            connection.execute(select(users.c.id).where(users.c.id.in_(ids)).limit(3))
    texts = {attributes(span)["db.query.text"] for span in database.spans}
    assert texts == {"SELECT users.id FROM users WHERE users.id IN (?) LIMIT ? OFFSET ?"}
    assert len(database.spans) == 5
    assert len(database.points()["db.client.operation.duration"]) == 1


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

    async def ask(engine: AsyncEngine, name: str) -> None:
        with telemetry.providers.tracer.get_tracer("tests").start_as_current_span(name):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT name FROM sqlite_master"))

    async def serve() -> None:
        before = create_async_engine("sqlite+aiosqlite://")
        DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
        after = create_async_engine("sqlite+aiosqlite://")
        await asyncio.gather(ask(before, "one"), ask(after, "other"))
        for engine in (before, after):
            await engine.dispose()

    try:
        asyncio.run(serve())
    finally:
        DatabaseInstrumentor().uninstrument()
    callers = {span.context.span_id for span in telemetry.spans if span.name in ("one", "other")}
    queries = [span for span in telemetry.spans if span.name == "SELECT sqlite_master"]
    assert len(queries) == 2
    assert {span.parent.span_id for span in queries if span.parent} == callers


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
    assert attributes(span)["db.response.status_code"] == "SQLITE_CONSTRAINT_UNIQUE"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert list(span.events) == []


def test_no_literal_on_a_failed_statement(database: Telemetry, engine: Engine) -> None:
    """A statement with a literal that fails leaves neither that nor the driver's words."""
    with engine.connect() as connection, pytest.raises(exc.OperationalError):
        connection.execute(text("SELECT hunter2('from swordfish') FROM users"))
    (span,) = database.spans
    assert attributes(span)["db.query.text"] == "SELECT hunter2(?) FROM users"
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


def test_a_listener_that_raises(database: Telemetry, engine: Engine) -> None:
    """What a listener of the app raises passes, and leaves no span open.

    Before SQLAlchemy 2.1 nobody is told of a statement that a listener kept from being executed.
    """

    def refuse(*_: Any) -> None:
        raise LookupError("swordfish")

    for name in ("before_cursor_execute", "after_cursor_execute"):
        event.listen(engine, name, refuse)
        with engine.connect() as connection, pytest.raises(LookupError):
            connection.execute(text("SELECT name FROM users"))
        event.remove(engine, name, refuse)
    *before, after = database.spans
    assert all(attributes(span)["error.type"] == "LookupError" for span in before)
    assert after.status.status_code is StatusCode.UNSET  # it had been executed


def test_the_duration(database: Telemetry, engine: Engine) -> None:
    """Seconds by operation, table and summary, those of failures apart, with the trace."""
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(select(users.c.id))
        with pytest.raises(exc.OperationalError):
            connection.execute(text("SELECT nothing FROM users"))
    spans = database.spans
    well, failed = database.points()["db.client.operation.duration"]
    expected = {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.collection.name": "users",
        "db.query.summary": "SELECT users",
    }
    assert dict(well.attributes) == expected
    assert (well.count, failed.count) == (3, 1)
    assert 0 < well.sum < 1
    assert list(well.explicit_bounds) == [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
    assert well.exemplars[0].span_id in {span.context.span_id for span in spans}
    failure = {
        "error.type": "sqlite3.OperationalError",
        "db.response.status_code": "SQLITE_ERROR",
    }
    assert dict(failed.attributes) == {**expected, **failure}


def test_suppressed(database: Telemetry, engine: Engine) -> None:
    """Where the context says that nothing is to be observed, there is neither span nor duration.

    Its connection is one of the pool's all the same.
    """
    with suppress_instrumentation(), engine.connect() as connection:
        connection.execute(select(users.c.id))
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}])
        with pytest.raises(exc.OperationalError):
            connection.execute(text("SELECT nothing"))
    assert list(database.spans) == []
    assert {name for name in database.points() if ".connection." not in name} == set()


def test_providers_of_the_sdk(engine: Engine) -> None:
    """Providers that are given are used, whoever made them, and an engine given is just another."""
    DatabaseInstrumentor().uninstrument()
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    DatabaseInstrumentor().instrument(
        on=True,
        skip_dep_check=True,
        tracer_provider=tracers,
        meter_provider=MeterProvider([reader]),
        engine=engine,
    )
    with engine.begin() as connection:
        connection.execute(select(users.c.id))
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}])
    names = [span.name for span in spans.get_finished_spans()]
    data = reader.get_metrics_data()
    assert names == ["SELECT users", "BATCH INSERT users"]
    assert data is not None
    found = {m.name: m.data.data_points for m in data.resource_metrics[0].scope_metrics[0].metrics}
    durations: Any = found["db.client.operation.duration"]
    assert sum(point.count for point in durations) == 2
    connections = found["db.client.connection.count"]
    state = "db.client.connection.state"
    assert {p.attributes[state]: p.value for p in connections} == {"idle": 1, "used": 0}  # type: ignore
    assert [p.value for p in found["otelier.db.transactions"]] == [1]  # type: ignore[union-attr]


def test_a_statement_that_is_not_sampled(engine: Engine) -> None:
    """It has no span, and its duration counts."""
    DatabaseInstrumentor().uninstrument()
    reader = InMemoryMetricReader()
    DatabaseInstrumentor().instrument(
        on=True,
        skip_dep_check=True,
        tracer_provider=TracerProvider(sampler=ALWAYS_OFF),
        meter_provider=MeterProvider([reader]),
    )
    with engine.connect() as connection:
        connection.execute(select(users.c.id))
    data = reader.get_metrics_data()
    assert data is not None
    point: Any = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
    assert (point.count, list(point.exemplars)) == (1, [])


def test_engines_with_options(database: Telemetry, engine: Engine) -> None:
    """An engine derived from another by options is the same database, however many there are."""
    for _ in range(5):
        with engine.execution_options(logging_token="x").connect() as connection:
            connection.execute(select(users.c.id))
    assert len(database.spans) == 5
    statements: Any = DatabaseInstrumentor()._statements
    assert len(statements._ready) == 1


def test_engines_are_not_kept_alive(database: Telemetry) -> None:
    """What is known of an engine goes with it."""
    statements: Any = DatabaseInstrumentor()._statements
    for _ in range(3):
        engine = in_memory()
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
        del engine, connection
    gc.collect()
    assert statements._ready == {}


def test_statements_without_end(database: Telemetry, engine: Engine) -> None:
    """An app that makes up statements costs time and no memory."""
    statements: Any = DatabaseInstrumentor()._statements
    with engine.connect() as connection:
        connection.execute(select(users.c.id))
        for number in range(2500):
            connection.execute(text(f"SELECT name AS n{number} FROM users"))
            if number % 500 == 0:
                connection.execute(select(users.c.id))
    kept = [database for _, database in statements._engines._databases.values()]
    assert sum(len(each.ready) + len(each.earlier) for each in kept) <= 2048
    assert any(
        "SELECT users.id" in text for each in kept for text in {**each.earlier, **each.ready}
    )


@pytest.mark.parametrize("broken", ["begin", "end"])
def test_a_fault_of_ours_changes_no_query(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A statement runs, and fails, as it would, though its span cannot be begun or ended."""
    _guard.faults.clear()
    owner: Any = LeanSpan if broken == "end" else LeanTracer
    monkeypatch.setattr(owner, broken, lambda *_, **__: 1 / 0)
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
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
