"""`SQLAlchemyInstrumentor` and `RedisInstrumentor` in an app's code, beside what the distro put in.

Real parts: contrib's packages, Redis, SQLite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from opentelemetry.instrumentation import redis as contrib_redis
from opentelemetry.instrumentation import sqlalchemy as contrib_sqlalchemy
from opentelemetry.trace import Span
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine

from otelier.instrumentation import standin, standin_stores
from otelier.instrumentation.observe import Patches
from tests.conftest import Telemetry

inside_a_request = pytest.mark.usefixtures("parent")


@pytest.fixture(autouse=True)
def stand_ins(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put in as by the distro; the stable names are in force."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: kind)
    patches = Patches()
    for library in ("redis", "sqlalchemy"):
        standin_stores.put_in(patches, library, {"on": True})
    yield
    patches.restore()


@pytest.fixture
def engine(database: Telemetry) -> Engine:
    return create_engine("sqlite://")


def seeing(span: Span, *_: Any) -> None:
    span.set_attribute("app.seen", True)


def seen(telemetry: Telemetry) -> list[Any]:
    return [(span.attributes or {}).get("app.seen") for span in telemetry.spans]


@inside_a_request
def test_hooks_for_redis(redis_url: str, cache: Telemetry) -> None:
    """They are called for each command, which has one span; a client alone adds nothing."""
    client = redis.Redis.from_url(redis_url)
    instrumentor = contrib_redis.RedisInstrumentor()
    instrumentor.instrument(request_hook=seeing, skip_dep_check=True)
    contrib_redis.RedisInstrumentor.instrument_client(client)
    client.ping()
    contrib_redis.RedisInstrumentor.uninstrument_client(client)
    instrumentor.uninstrument()
    client.ping()
    client.close()
    assert seen(cache) == [True, None]


def test_commands_in_no_request(redis_url: str, cache: Telemetry) -> None:
    """They have spans where the app itself asks for Redis, as contrib has it, and only then."""
    instrumentor = contrib_redis.RedisInstrumentor()
    with redis.Redis.from_url(redis_url) as client:
        client.ping()
        instrumentor.instrument()
        client.get("k")
        instrumentor.uninstrument()
        client.ping()
    assert [span.name for span in cache.spans] == ["GET"]


@inside_a_request
def test_old_names_for_redis(
    redis_url: str, cache: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are asked for, contrib's code observes, and ours steps back for as long."""
    monkeypatch.setattr(standin, "names_in_force", lambda kind: "default")
    instrumentor = contrib_redis.RedisInstrumentor()
    instrumentor.instrument()
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.ping()
    finally:
        instrumentor.uninstrument()
    with redis.Redis.from_url(redis_url) as client:
        client.ping()
    scopes = [span.instrumentation_scope.name for span in cache.spans]
    assert scopes == ["opentelemetry.instrumentation.redis", "otelier.cache"]


def test_an_engine(database: Telemetry, engine: Engine) -> None:
    """An engine that is named is observed like all others: one span a statement."""
    instrumentor = contrib_sqlalchemy.SQLAlchemyInstrumentor()
    instrumentor.instrument(engine=engine)
    for each in (engine, create_engine("sqlite://")):
        with each.connect() as connection:
            connection.execute(text("SELECT 1"))
    instrumentor.uninstrument()
    with engine.connect() as connection:
        connection.execute(text("SELECT 2"))
    assert [span.name for span in database.spans] == ["SELECT"] * 3


def test_comments(database: Telemetry, engine: Engine) -> None:
    """They are in statements from when the app asks for them until it no longer does."""
    sent: list[str] = []
    instrumentor = contrib_sqlalchemy.SQLAlchemyInstrumentor()
    instrumentor.instrument(engine=engine, enable_commenter=True)

    @event.listens_for(engine, "before_cursor_execute")
    def see(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    instrumentor.uninstrument()
    with engine.connect() as connection:
        connection.execute(text("SELECT 2"))
    assert sent == ["SELECT 1 /*db_driver='pysqlite',framework='sqlalchemy'*/", "SELECT 2"]
    assert len(database.spans) == 2
