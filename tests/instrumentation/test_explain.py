"""Plans of slow statements: of a real PostgreSQL and SQLite; of MySQL the shape of its answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, perf_counter, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.trace import get_tracer
from sqlalchemy import create_engine, event, exc, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from otelier.instrumentation import explain as explain_module
from otelier.instrumentation import plan_text
from otelier.instrumentation.read_only import only_reads
from otelier.sql_tokens import MYSQL, POSTGRES, SQLITE
from tests.conftest import Telemetry
from tests.instrumentation.test_database_postgres import ASYNC, SYNC
from tests.instrumentation.test_slow_queries import about, observed, told

PLAN = "otelier.db.query_plan"
ASKED = text(
    "SELECT pg_sleep(0.05) FROM plans WHERE word <> :word AND 'swordfish' <> word LIMIT 7341"
)


@pytest.fixture
def explained(telemetry: Telemetry) -> Iterator[Telemetry]:
    """What takes 50 milliseconds is slow, and explained."""
    with observed(telemetry, slow_seconds=0.05, explain=True):
        yield telemetry


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[URL]:
    pytest.importorskip(SYNC, reason=f"NOT TESTED: {SYNC} is not installed")
    url = make_url(postgres_url)
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"), future=True)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS plans"))
        connection.execute(text("CREATE TABLE plans (id serial, word text)"))
        connection.execute(text("INSERT INTO plans (word) VALUES ('blue'), ('red')"))
    yield url
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE plans"))
    engine.dispose()


@pytest.fixture
def engine(explained: Telemetry, url: URL) -> Iterator[Engine]:
    """With one connection, and no other one to be had."""
    engine = create_engine(
        url.set(drivername=f"postgresql+{SYNC}"), pool_size=1, max_overflow=0, future=True
    )
    engine.connect().close()
    explained.clear()
    yield engine
    engine.dispose()


def wait() -> None:
    """Until nobody explains any more."""
    until = monotonic() + 10
    while any(thread.name == "otelier-explain" for thread in threading.enumerate()):
        assert monotonic() < until
        sleep(0.005)


def slow(telemetry: Telemetry) -> list[Any]:
    """What was made to be slow: on a busy machine anything may be."""
    return [each for each in told(telemetry) if "pg_sleep" in about(each)["db.query.text"]]


def plans(telemetry: Telemetry) -> list[Any]:
    wait()
    return told(telemetry, PLAN)


def test_a_plan(explained: Telemetry, engine: Engine) -> None:
    """A record of its own in the trace of the slow one, with its hash, and no literal in it."""
    with get_tracer("tests").start_as_current_span("request"), engine.connect() as connection:
        connection.execute(ASKED, {"word": "hunter2"})
    ((plan,), (record,)) = plans(explained), slow(explained)
    assert (plan.trace_id, plan.span_id) == (record.trace_id, record.span_id)
    same = ("otelier.db.query.hash", "db.query.text", "db.query.summary")
    assert [about(plan)[name] for name in same] == [about(record)[name] for name in same]
    assert plan.severity_text == "INFO"
    lines = about(plan)["otelier.db.query.plan"].splitlines()
    assert lines[0].startswith("Limit  (cost=0.00..")
    assert lines[1].startswith("  -> Seq Scan on plans  (cost=0.00..")
    assert lines[2] == "       Filter: ((word <> ?::text) AND (?::text <> word))"
    for secret in ("hunter2", "swordfish", "7341"):
        assert secret not in str(plan)


@pytest.mark.parametrize("driver", ASYNC)
def test_of_async_engines(explained: Telemetry, url: URL, driver: str) -> None:
    """On a loop of another thread."""

    async def serve() -> None:
        engine = create_async_engine(url.set(drivername=f"postgresql+{driver}"))
        async with engine.connect() as connection:
            await connection.execute(ASKED, {"word": "hunter2"})
        await asyncio.to_thread(wait)
        await engine.dispose()

    asyncio.run(serve())
    (plan,) = plans(explained)
    assert "Seq Scan on plans" in about(plan)["otelier.db.query.plan"]
    assert "hunter2" not in str(plan)


def test_beside_the_app(explained: Telemetry, engine: Engine) -> None:
    """In no connection and no transaction of the app's, and while its only connection is out."""
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    event.listen(engine.pool, "connect", lambda *_: seen.append("connect"))
    event.listen(engine.pool, "checkout", lambda *_: seen.append("checkout"))
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO plans (word) VALUES ('mine')"))
        connection.execute(ASKED, {"word": "x"})
        assert len(plans(explained)) == 1
        assert connection.in_transaction()
        connection.rollback()
    assert len(seen) == 3
    assert seen[0] == "checkout"
    assert len(explained.spans) == 2


def test_nobody_waits(explained: Telemetry, engine: Engine) -> None:
    """Where the table is locked, by the app's own transaction: it goes on, and there is no plan."""
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE plans"))
        connection.execute(ASKED, {"word": "x"})
        began = perf_counter()
        connection.execute(text("SELECT 1"))
        assert perf_counter() - began < 0.1
        assert plans(explained) == []
    assert len(slow(explained)) == 1


def test_once(explained: Telemetry, engine: Engine) -> None:
    """A statement that is slow again is told again, and not explained again."""
    with engine.connect() as connection:
        for number in range(3):
            connection.execute(ASKED, {"word": str(number)})
            wait()
    assert (len(slow(explained)), len(plans(explained))) == (3, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE plans SET word = 'x' WHERE pg_sleep(0.05) IS NULL",
        "SELECT pg_sleep(0.05), word FROM plans LIMIT 1 FOR UPDATE",
        "WITH gone AS (DELETE FROM plans WHERE word = 'x' RETURNING id) "
        "SELECT pg_sleep(0.05) FROM plans LIMIT 1",
        "SELECT pg_sleep(0.05)::text AS a INTO TEMPORARY other",
        "SELECT pg_sleep(0.05), nextval('plans_id_seq')",
    ],
)
def test_what_writes_has_none(explained: Telemetry, engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))
    assert (len(slow(explained)), plans(explained)) == (1, [])


def test_one_that_cannot_be_explained(explained: Telemetry, engine: Engine) -> None:
    """A table of this connection alone: no plan, and no fault of ours."""
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE own (n int)"))
        connection.execute(text("SELECT pg_sleep(0.05), count(*) FROM own"))
        assert plans(explained) == []
    assert len(slow(explained)) == 1


def test_one_that_fails(explained: Telemetry, engine: Engine) -> None:
    """By a time-out of the database's: its plan is what one wants to see."""
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 100"))
        with pytest.raises(exc.DBAPIError):
            connection.execute(text("SELECT pg_sleep(9) FROM plans WHERE word <> :w"), {"w": "x"})
        (plan,) = plans(explained)
    assert "Seq Scan on plans" in about(plan)["otelier.db.query.plan"]
    (record,) = slow(explained)
    assert about(record)["error.type"].endswith("QueryCanceled")


def test_of_sqlite(explained: Telemetry, tmp_path: Path) -> None:
    """What it would search, and by which index."""
    engine = create_engine(f"sqlite:///{tmp_path}/plans.db", future=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE plans (id integer PRIMARY KEY, word text)"))
        connection.execute(text("INSERT INTO plans VALUES (7341, 'x')"))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000)"
    asked = f"{numbers} SELECT max(i) FROM n, plans WHERE id = :id AND word <> 'swordfish'"
    with engine.connect() as connection:
        connection.execute(text(asked), {"id": 7341}).all()
        wait()
    engine.dispose()
    (plan,) = plans(explained)
    lines = about(plan)["otelier.db.query.plan"].splitlines()
    assert "SEARCH plans USING INTEGER PRIMARY KEY (rowid=?)" in lines
    assert "7341" not in str(plan)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        " -- why\n SELECT a FROM b WHERE c = 'FOR UPDATE';",
        "(SELECT a FROM b) UNION (SELECT c FROM d)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        'SELECT "update", count(*) FROM t GROUP BY 1',
        "SELECT pg_sleep(1)",
        "SELECT a FROM t WHERE b = %(b)s AND c IN (%(c_1)s, %(c_2)s)",
    ],
)
def test_only_reads(statement: str) -> None:
    assert only_reads(statement, POSTGRES)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "INSERT INTO t VALUES (1)",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT 1; DELETE FROM t",
        "SELECT a FROM t FOR NO KEY UPDATE",
        "SELECT a FROM t FOR SHARE",
        "SELECT a INTO b FROM t",
        "WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SELECT setval('s', 1)",
        "SELECT \"nextval\" ('s')",
        "SELECT pg_catalog.pg_advisory_lock(1)",
        "SELECT set_config('a.b', 'c', false)",
        "SELECT lo_unlink(1)",
        "SELECT dblink_exec('…')",
        "SELECT pg_terminate_backend(1)",
        "VALUES (1)",
        "SELECT 'never closed",
        "SELECT " + "a, " * 5000 + "b",
    ],
)
def test_what_may_act(statement: str) -> None:
    assert not only_reads(statement, POSTGRES)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM t LOCK IN SHARE MODE",
        "SELECT a INTO OUTFILE 'x' FROM t",
        "SELECT @a := 1",
        "SELECT GET_LOCK('a', 1)",
        "SELECT 1 /*! INTO OUTFILE 'x' */",
    ],
)
def test_what_may_act_in_mysql(statement: str) -> None:
    assert not only_reads(statement, MYSQL)
    assert only_reads("SELECT `lock` FROM t", MYSQL)
    assert not only_reads("SELECT load_extension('x')", SQLITE)


def test_the_text_of_a_plan() -> None:
    """Names, numbers and conditions of known kinds; nothing else of what the database says."""
    inner = {
        "Node Type": "Index Scan",
        "Index Name": "t_pkey",
        "Relation Name": "t; DROP '",
        "Index Cond": "(id = 42)",
        "Filter": "((a)::text = 'sword''fish'::text)",
        "Secret Key": "swordfish",
    }
    outer = {
        "Node Type": "Sort",
        "Total Cost": 8.169,
        "Plan Rows": 1,
        "Plan Width": 36,
        "Sort Key": ["a", "(b || 'swordfish'::text)"],
        "Plans": [inner],
    }
    assert plan_text.of_postgres([([{"Plan": outer}],)]).splitlines() == [
        "Sort  (cost=0.00..8.17 rows=1 width=36)",
        "     Sort Key: a, (b || ?::text)",
        "  -> Index Scan using t_pkey on ?  (cost=0.00..0.00 rows=0 width=0)",
        "       Index Cond: (id = ?)",
        "       Filter: ((a)::text = ?::text)",
    ]


def test_the_text_of_mysqls() -> None:
    """NOT a server: rows as its manual has them."""
    names = ("id", "select_type", "table", "partitions", "type", "key", "ref", "rows", "Extra")
    row = (1, "SIMPLE", "t", None, "ref", b"t_a", "const", 3, "Using where; Using index")
    odd = (2, "SIMPLE", "'swordfish'", None, None, None, object(), 3.5, None)
    assert plan_text.of_mysql([row, odd], names).splitlines() == [
        "id=1 select_type=SIMPLE table=t type=ref key=t_a ref=const rows=3 "
        "Extra=Using where; Using index",
        "id=2 select_type=SIMPLE table=? ref=? rows=3.5",
    ]


def test_what_mysql_is_asked() -> None:
    """NOT a server: a transaction that may only read, and no EXPLAIN that would run anything."""
    asked: list[tuple[Any, ...]] = []
    rows = [(1, "SIMPLE", "t")]
    cursor = SimpleNamespace(
        execute=lambda *given: asked.append(given),
        fetchall=lambda: rows,
        description=[("id",), ("select_type",), ("table",)],
    )
    explain = explain_module._ASK["mysql"]
    told = explain(cursor, "SELECT a FROM t WHERE b = %s", ("swordfish",))
    assert told == "id=1 select_type=SIMPLE table=t"
    assert asked == [
        ("START TRANSACTION READ ONLY",),
        ("EXPLAIN FORMAT=TRADITIONAL SELECT a FROM t WHERE b = %s", ("swordfish",)),
    ]


def test_a_plan_without_end() -> None:
    """As many lines as there is room for."""
    node: dict[str, Any] = {"Node Type": "Append", "Plans": []}
    node["Plans"] = [{"Node Type": "Result", "Filter": "a" * 200}] * 1000
    assert len(plan_text.of_postgres([[[{"Plan": node}]]])) <= plan_text.LONGEST + 1
