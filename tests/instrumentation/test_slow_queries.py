"""Slow statements, by every way to send one; on a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from otelier import _guard
from otelier.instrumentation.allowance import Allowance
from otelier.instrumentation.database import DatabaseInstrumentor
from otelier.settings import BY_NAME
from tests.conftest import Telemetry
from tests.instrumentation import slow_app
from tests.instrumentation.asking import ask, converse, scope_of
from tests.instrumentation.test_database_postgres import ASYNC, SYNC

SLOW, REPEATED = "otelier.db.slow_query", "otelier.db.repeated_query"
HELD_BACK = "otelier.db.query.held_back"
LINES = slow_app.lines()


FILE = slow_app.__file__

# Path of the app, and the mark of the line that sends the statement.
WAYS = (
    *(("sync", "sync"), ("core", "core"), ("pool", "in_thread"), ("session", "session")),
    *(("connection", "connection"), ("run_sync", "inner"), ("depends", "depended")),
    *(("wait_for", "wait_for"), ("gather", "gather"), ("group", "group")),
    *(("handed", "handed"), ("to_thread", "to_thread")),
)


@contextmanager
def observed(telemetry: Telemetry, **given: Any) -> Iterator[Telemetry]:
    """With other arguments; no fault of ours may come up."""
    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, **given, skip_dep_check=True)
    try:
        yield telemetry
    finally:
        DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def database(telemetry: Telemetry) -> Iterator[Telemetry]:
    """As the distro has it by default."""
    given = BY_NAME["OTELIER_SLOW_QUERY_MS"].default, BY_NAME["OTELIER_N_PLUS_ONE"].default
    milliseconds, times = (float(value or 0) for value in given)
    with observed(telemetry, slow_seconds=milliseconds / 1000, most_repeats=int(times)):
        yield telemetry


@pytest.fixture
def eager(telemetry: Telemetry) -> Iterator[Telemetry]:
    """What takes a millisecond is slow."""
    with observed(telemetry, slow_seconds=0.001):
        yield telemetry


@pytest.fixture
def driver() -> str:
    """Of the async engine."""
    return ASYNC[0]


@pytest.fixture
def app(http: Telemetry, postgres_url: str, driver: str) -> Iterator[FastAPI]:
    url = make_url(postgres_url)
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"), future=True)
    # Each request has a loop of its own.
    asynchronous = create_async_engine(
        url.set(drivername=f"postgresql+{driver}"), poolclass=NullPool
    )
    engine.connect().close()
    yield slow_app.app_of(engine, asynchronous)
    engine.dispose()


def told(telemetry: Telemetry, event: str = SLOW) -> list[Any]:
    found = [each.log_record for each in telemetry.records]
    return [record for record in found if record.event_name == event]


def about(record: Any) -> dict[str, Any]:
    return dict(record.attributes or {})


def line_of(record: Any) -> tuple[str, str, int]:
    known = about(record)
    return known["code.file.path"], known["code.function.name"], known["code.line.number"]


@pytest.mark.parametrize("path", ["sync", "session"])
def test_one_of_two(app: FastAPI, database: Telemetry, path: str) -> None:
    """0.6 seconds are told once, from the right line; 0.4 are not."""
    for seconds in ("0.4", "0.6"):
        assert ask(app, f"/{path}/{seconds}").status == 200
    (record,) = told(database)
    assert line_of(record) == (FILE, path, LINES[path])
    assert 0.6 < about(record)["otelier.db.query.seconds"] < 2


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize(("path", "mark"), WAYS)
def test_the_line(app: FastAPI, eager: Telemetry, path: str, mark: str) -> None:
    """It is the app's, whatever stands between it and the driver."""
    assert ask(app, f"/{path}/0.02").status == 200
    (record,) = [each for each in told(eager) if "pg_sleep" in about(each)["db.query.text"]]
    assert line_of(record) == (FILE, mark, LINES[mark])


def test_the_line_under_uvloop(app: FastAPI, eager: Telemetry) -> None:
    """Its loop has no frames in Python."""
    uvloop = pytest.importorskip("uvloop", reason="NOT TESTED: uvloop is not installed")
    for path in ("session", "wait_for", "gather"):
        eager.clear()
        loop = uvloop.new_event_loop()
        assert loop.run_until_complete(converse(app, scope_of(f"/{path}/0.02"))).status == 200
        loop.close()
        (record,) = [each for each in told(eager) if "pg_sleep" in about(each)["db.query.text"]]
        assert line_of(record) == (FILE, path, LINES[path])


def test_what_is_told(app: FastAPI, eager: Telemetry) -> None:
    """A warning in the statement's trace, with the ids of its request; no literal, no parameter."""
    answer = ask(app, "/sync/0.03125")
    (record,) = told(eager)
    (span,) = [span for span in eager.spans if span.kind is SpanKind.CLIENT]
    assert span.context is not None
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert (record.severity_text, record.severity_number.value) == ("WARN", 13)
    known = about(record)
    assert [known["http.request.id"]] == answer.ids()
    assert known["user.id"] == "ann"
    assert known["db.response.returned_rows"] == 1
    assert known["db.query.text"] == "SELECT pg_sleep(%(seconds)s), ? AS word"
    assert known["otelier.db.query.hash"] == "206b7fb8ffb9dc17"  # as ever
    assert "swordfish" not in str(record)
    assert "0.03125" not in str(record)
    assert record.body.endswith(f" ms: SELECT at {FILE}:{LINES['sync']}")


def test_one_that_fails(app: FastAPI, eager: Telemetry) -> None:
    """It was slow until then; nothing of the driver's message is told."""
    ask(app, "/fails")
    (record,) = [each for each in told(eager) if "pg_sleep" in about(each)["db.query.text"]]
    assert about(record)["error.type"].endswith("errors.QueryCanceled")
    assert line_of(record) == (FILE, "fails", LINES["fails"])
    assert "swordfish" not in str(record)


def test_a_hundred(app: FastAPI, http: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten are told; a minute later the next one tells of the rest, and the one after it of none."""
    now = [1000.0]
    clocked = partial(Allowance, clock=lambda: now[0])
    monkeypatch.setattr("otelier.instrumentation.slow_queries.Allowance", clocked)
    with observed(http, slow_seconds=0.001):
        assert ask(app, "/many/100").status == 200
        now[0] += 60
        assert ask(app, "/many/2").status == 200
        *first, last, one_more = map(about, told(http))
    assert len(first) == 10
    assert not any(HELD_BACK in each for each in (*first, one_more))
    assert last[HELD_BACK] == 90


def test_off(app: FastAPI, http: Telemetry) -> None:
    """Neither is told where both are switched off."""
    with observed(http, slow_seconds=0, most_repeats=0):
        assert ask(app, "/sync/0.6").status == 200
        assert ask(app, "/repeated/50").status == 200
        assert (told(http), told(http, REPEATED)) == ([], [])


@pytest.mark.parametrize("path", ["repeated", "repeated_async"])
def test_a_loop(app: FastAPI, database: Telemetry, path: str) -> None:
    """Fifty statements that differ in a literal or a parameter: one record with their number."""
    answer = ask(app, f"/{path}/50")
    (record,) = told(database, REPEATED)
    known = about(record)
    assert known["otelier.db.query.repeats"] == 50
    assert line_of(record) == (FILE, path, LINES[path])
    assert [known["http.request.id"]] == answer.ids()
    (server,) = [span for span in database.spans if span.kind is SpanKind.SERVER]
    assert server.context is not None
    assert record.trace_id == server.context.trace_id
    assert (record.severity_text, record.body.partition(":")[0]) == (
        "WARN",
        "50 times the same query in one request",
    )


@pytest.mark.parametrize("path", ["repeated/20", "different/51", "paused/40"])
def test_no_loop(app: FastAPI, database: Telemetry, path: str) -> None:
    """Twenty of a kind, statements of many kinds, some every now and then."""
    assert ask(app, f"/{path}").status == 200
    assert told(database, REPEATED) == []


def test_a_loop_behind_the_answer(app: FastAPI, database: Telemetry) -> None:
    """Of a background task, told when it is over."""
    assert ask(app, "/behind/30").status == 200
    (record,) = told(database, REPEATED)
    assert about(record)["otelier.db.query.repeats"] == 30


def test_loops_of_many_requests(app: FastAPI, database: Telemetry) -> None:
    """One statement has ten records a minute, and each request one."""
    for _ in range(12):
        assert ask(app, "/repeated/50").status == 200
    assert len({about(each)["http.request.id"] for each in told(database, REPEATED)}) == 10


def test_the_page(http: Telemetry, database: Telemetry) -> None:
    """The program in docs/slow_queries.md leaves the record that the page shows."""
    page = (Path(__file__).parents[2] / "docs" / "slow_queries.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    known: dict[str, Any] = {"__name__": "main"}
    exec(compile(program, "/app/main.py", "exec"), known)
    assert ask(known["app"], "/orders").status == 200
    (record,) = told(database, REPEATED)
    assert f"```\n{record.body}\n```" in page
