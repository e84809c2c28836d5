"""SQLAlchemy's pools against a real PostgreSQL: every number at every step, sync and async."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from sqlalchemy import create_engine, event, exc, pool, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from otelier import _guard
from otelier.instrumentation.database import DatabaseInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.pooled import NAME, PREFIX, Pooled, collect_garbage
from tests.instrumentation.test_database_postgres import ASYNC, SYNC

ONE = text("SELECT 1")
SMALL: dict[str, Any] = {"pool_size": 2, "max_overflow": 1, "pool_timeout": 0.05}
BOUNDS = {"max": 3, "idle.max": 2, "idle.min": 0}


def numbers(
    idle: int = 0,
    used: int = 0,
    pending: int = 0,
    timeouts: int = 0,
    made: int = 0,
    got: int = 0,
    returned: int = 0,
) -> dict[str, int]:
    """All that is said of a pool of two and one more."""
    counts = {"idle": idle, "used": used, "pending_requests": pending, "timeouts": timeouts}
    return {**BOUNDS, **counts, "create_time": made, "wait_time": got, "use_time": returned}


@pytest.fixture
def url(postgres_url: str) -> URL:
    pytest.importorskip(SYNC, reason=f"NOT TESTED: {SYNC} is not installed")
    return make_url(postgres_url)


@pytest.fixture
def pooled(telemetry: Telemetry) -> Iterator[Pooled]:
    """Pools are observed; no fault of ours may have come up meanwhile."""
    collect_garbage()
    _guard.faults.clear()
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    yield Pooled(telemetry)
    DatabaseInstrumentor().uninstrument()
    assert dict(_guard.faults) == {}


@pytest.fixture
def name(url: URL) -> str:
    """Of the first engine that talks to the server."""
    host = url.host or url.query["host"]
    return f"{host}:{url.port}/{url.database}" if url.port else f"{host}/{url.database}"


@pytest.fixture
def engine(pooled: Pooled, url: URL) -> Iterator[Engine]:
    made = create_engine(url.set(drivername=f"postgresql+{SYNC}"), pool_logging_name="p", **SMALL)
    yield made
    made.dispose()


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, for two seconds at most."""
    deadline = time.monotonic() + 2
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_scripted(pooled: Pooled, engine: Engine) -> None:
    """Overflow, a time-out, a waiter, a lost connection, a pool disposed of while in use."""
    first = engine.connect()
    assert pooled.of("p") == numbers(used=1, made=1, got=1)
    second, third = engine.connect(), engine.connect()
    assert pooled.of("p") == numbers(used=3, made=3, got=3)
    with pytest.raises(exc.TimeoutError):
        engine.connect()
    assert pooled.of("p") == numbers(used=3, timeouts=1, made=3, got=3)

    engine.pool._timeout = 5  # type: ignore[attr-defined]
    got: list[Connection] = []
    waiter = threading.Thread(target=lambda: got.append(engine.connect()))
    waiter.start()
    until(lambda: pooled.of("p")["pending_requests"] == 1)
    assert pooled.of("p") == numbers(used=3, pending=1, timeouts=1, made=3, got=3)
    first.close()
    waiter.join()
    assert pooled.of("p") == numbers(used=3, timeouts=1, made=3, got=4, returned=1)

    got[0].close()
    assert pooled.of("p") == numbers(idle=1, used=2, timeouts=1, made=3, got=4, returned=2)
    second.close()
    assert pooled.of("p") == numbers(idle=2, used=1, timeouts=1, made=3, got=4, returned=3)
    third.close()  # there are two already: it is closed
    assert pooled.of("p") == numbers(idle=2, timeouts=1, made=3, got=4, returned=4)

    lost = engine.connect()
    lost.invalidate()
    assert pooled.of("p") == numbers(idle=1, timeouts=1, made=3, got=5, returned=5)
    lost.close()
    lost, kept = engine.connect(), engine.connect()  # one of them is made anew
    assert pooled.of("p") == numbers(used=2, timeouts=1, made=4, got=7, returned=5)

    lost.close()
    engine.dispose()
    assert pooled.of("p") == numbers(used=1, timeouts=1, made=4, got=7, returned=6)
    with engine.connect():
        assert pooled.of("p") == numbers(used=2, timeouts=1, made=5, got=8, returned=6)
    kept.close()  # into the old pool, which is gone with it
    del kept
    collect_garbage()
    assert pooled.of("p") == numbers(idle=1, timeouts=1, made=5, got=8, returned=8)
    engine.dispose()
    assert pooled.of("p") == numbers(timeouts=1, made=5, got=8, returned=8)


async def scripted(pooled: Pooled, url: URL, driver: str) -> None:
    engine = create_async_engine(
        url.set(drivername=f"postgresql+{driver}"), pool_logging_name="p", **SMALL
    )
    first, second, third = [await engine.connect() for _ in range(3)]
    assert pooled.of("p") == numbers(used=3, made=3, got=3)
    with pytest.raises(exc.TimeoutError):
        await engine.connect()
    assert pooled.of("p") == numbers(used=3, timeouts=1, made=3, got=3)

    engine.sync_engine.pool._timeout = 5  # type: ignore[attr-defined]
    waiters = [asyncio.ensure_future(engine.connect().start()) for _ in range(2)]
    await asyncio.sleep(0.02)
    assert pooled.of("p") == numbers(used=3, pending=2, timeouts=1, made=3, got=3)
    waiters[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiters[0]
    assert pooled.of("p") == numbers(used=3, pending=1, timeouts=1, made=3, got=3)
    await first.close()
    got = await waiters[1]
    assert pooled.of("p") == numbers(used=3, timeouts=1, made=3, got=4, returned=1)

    running = asyncio.ensure_future(got.execute(text("SELECT pg_sleep(5)")))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await got.close()  # its connection was in the midst of something
    await second.invalidate()
    await second.close()
    await third.close()
    found = pooled.of("p")
    assert (found["used"], found["pending_requests"], found["timeouts"]) == (0, 0, 1)
    assert found["idle"] == engine.sync_engine.pool.checkedin() - len(closed(engine))
    assert found["use_time"] == found["wait_time"] == 4
    await engine.dispose()
    found = pooled.of("p")
    assert (found["idle"], found["used"]) == (0, 0)


def closed(engine: Any) -> list[Any]:
    """Entries that wait in a pool without a connection."""
    entries = list(engine.sync_engine.pool._pool._queue._queue)
    return [entry for entry in entries if entry.dbapi_connection is None]


@pytest.mark.parametrize("driver", ASYNC)
def test_scripted_async(pooled: Pooled, url: URL, driver: str) -> None:
    """The same with tasks: two waiters of which one is cancelled, and a cancelled query."""
    asyncio.run(scripted(pooled, url, driver))


def test_an_entry_that_waits_without_a_connection_is_not_idle(
    pooled: Pooled, engine: Engine
) -> None:
    """SQLAlchemy's own `checkedin` counts what was invalidated; what is open does not."""
    with engine.connect() as connection:
        connection.invalidate()
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    assert pooled.of("p")["idle"] == 0


def test_soft_invalidation(pooled: Pooled, engine: Engine) -> None:
    """The connection stays open until it is wanted again, and is replaced then."""
    raw = engine.raw_connection()
    raw.invalidate(soft=True)
    raw.close()
    assert pooled.of("p") == numbers(idle=1, made=1, got=1, returned=1)
    time.sleep(0.001)
    engine.raw_connection().close()
    assert pooled.of("p") == numbers(idle=1, made=2, got=2, returned=2)


def test_detached(pooled: Pooled, engine: Engine) -> None:
    """A connection that leaves its pool for good is none of the pool's, and is never returned."""
    with engine.connect() as connection:
        connection.detach()
        assert pooled.of("p") == numbers(made=1, got=1)
    with engine.connect():
        pass
    assert pooled.of("p") == numbers(idle=1, made=2, got=2, returned=1)


def test_detached_and_not_replaced(
    pooled: Pooled, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry that it leaves behind was not used when its next connection cannot be made."""
    with engine.connect() as connection:
        connection.detach()
    with monkeypatch.context() as patch:
        patch.setattr(engine.dialect, "connect", fail)
        with pytest.raises(ValueError, match="no"):
            engine.connect()
    assert pooled.of("p") == numbers(made=1, got=1)


def fail(*_: Any, **__: Any) -> None:
    raise ValueError("no")


def test_forgotten(pooled: Pooled, engine: Engine) -> None:
    """A connection that nobody has closed is returned by the garbage collector."""
    raw: Any = engine.raw_connection()
    assert pooled.of("p")["used"] == 1
    del raw
    collect_garbage()
    assert pooled.of("p") == numbers(idle=1, made=1, got=1, returned=1)


def test_a_connection_that_cannot_be_made(pooled: Pooled, url: URL) -> None:
    """Nobody waits any more, and nothing was opened."""
    wrong = url.set(drivername=f"postgresql+{SYNC}", database="nowhere")
    engine = create_engine(wrong, pool_logging_name="p", **SMALL)
    with pytest.raises(exc.OperationalError):
        engine.connect()
    assert pooled.of("p") == numbers()


def test_a_listener_of_the_app_that_fails(pooled: Pooled, engine: Engine) -> None:
    """What it raises reaches the app, and the connection is not counted as open."""

    event.listen(engine, "checkout", fail)
    with pytest.raises(ValueError, match="no"):
        engine.connect()
    found = pooled.of("p")
    assert (found["idle"], found["used"], found["pending_requests"]) == (0, 0, 0)


def test_lost_connections_are_replaced(pooled: Pooled, url: URL) -> None:
    """The database has ended the connection: the ping before its next use finds out."""
    engine = create_engine(
        url.set(drivername=f"postgresql+{SYNC}"),
        pool_logging_name="p",
        pool_pre_ping=True,
        **SMALL,
    )
    with engine.connect() as one, engine.connect() as other:
        pid = one.execute(text("SELECT pg_backend_pid()")).scalar()
        other.execute(text(f"SELECT pg_terminate_backend({pid})"))
        one.invalidate()
    with engine.connect() as one, engine.connect():
        pid = one.execute(text("SELECT pg_backend_pid()")).scalar()
    with engine.connect() as other:
        other.execute(text(f"SELECT pg_terminate_backend({pid})"))
    with engine.connect() as one, engine.connect() as other:
        assert one.execute(ONE).scalar() == other.execute(ONE).scalar() == 1
    found = pooled.of("p")
    assert (found["idle"], found["used"]) == (2, 0)
    assert found["wait_time"] == found["use_time"] == 7
    engine.dispose()


@pytest.mark.parametrize(
    ("kind", "more", "bounds"),
    [
        (pool.NullPool, {}, {"idle.max": 0}),
        (pool.StaticPool, {}, {"max": 1, "idle.max": 1}),
        (pool.AssertionPool, {}, {"max": 1, "idle.max": 1}),
        (pool.SingletonThreadPool, {"pool_size": 4}, {"max": 4, "idle.max": 4}),
        (pool.QueuePool, {"max_overflow": -1}, {"idle.max": 5}),
        (pool.QueuePool, {"pool_size": 0, "max_overflow": -1}, {}),
    ],
    ids=["null", "static", "assertion", "singleton", "unbounded", "unlimited"],
)
def test_kinds_of_pools(
    pooled: Pooled, url: URL, kind: Any, more: dict[str, Any], bounds: dict[str, int]
) -> None:
    """Each says its own bounds, and none where it has none; what is open is counted alike."""
    engine = create_engine(
        url.set(drivername=f"postgresql+{SYNC}"), pool_logging_name="p", poolclass=kind, **more
    )
    for _ in range(2):
        with engine.connect():
            found = pooled.of("p")
            assert (found["idle"], found["used"]) == (0, 1)
    found = pooled.of("p")
    is_kept = kind is not pool.NullPool
    assert {n: found[n] for n in ("max", "idle.max") if n in found} == bounds
    assert found["idle.min"] == found["pending_requests"] == found["used"] == 0
    assert (found["idle"], found["create_time"]) == ((1, 1) if is_kept else (0, 2))
    assert found["wait_time"] == found["use_time"] == 2
    engine.dispose()
    assert pooled.of("p")["idle"] == 0


def test_a_connection_of_many(pooled: Pooled) -> None:
    """`StaticPool` gives its only connection to all: it is used until the last gives it back."""
    engine = create_engine("sqlite://", poolclass=pool.StaticPool, pool_logging_name="p")
    one, other = engine.connect(), engine.connect()
    assert (pooled.of("p")["used"], pooled.of("p")["idle"]) == (1, 0)
    one.close()
    assert (pooled.of("p")["used"], pooled.of("p")["idle"]) == (1, 0)
    other.close()
    assert (pooled.of("p")["used"], pooled.of("p")["idle"]) == (0, 1)


def test_a_connection_taken_twice_in_a_thread(pooled: Pooled) -> None:
    """`SingletonThreadPool` gives a thread what it has already: one connection, one use."""
    engine = create_engine("sqlite://", poolclass=pool.SingletonThreadPool, pool_logging_name="p")
    with engine.connect():
        with engine.connect():
            assert pooled.of("p")["used"] == 1
        assert pooled.of("p")["used"] == 1
    found = pooled.of("p")
    assert (found["used"], found["idle"], found["create_time"]) == (0, 1, 1)
    assert found["use_time"] == 1


def test_back_to_zero(pooled: Pooled, engine: Engine) -> None:
    """A thousand mixed operations of eight threads leave nobody waiting and nothing in use."""
    engine.pool._timeout = 10  # type: ignore[attr-defined]

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(125):
            connection = engine.connect()
            match chance.randrange(5):
                case 0:
                    connection.invalidate()
                case 1:
                    with connection.begin():
                        connection.execute(ONE)
                case 2:
                    with pytest.raises(exc.DBAPIError):
                        connection.execute(text("SELECT nothing"))
                case _:
                    connection.execute(ONE)
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = pooled.of("p")
    assert (found["used"], found["pending_requests"], found["timeouts"]) == (0, 0, 0)
    assert found["wait_time"] == found["use_time"] == 1000
    engine.dispose()
    assert pooled.of("p")["idle"] == 0


async def mixed(pooled: Pooled, url: URL, driver: str) -> None:
    engine = create_async_engine(
        url.set(drivername=f"postgresql+{driver}"),
        pool_logging_name="p",
        **{**SMALL, "pool_timeout": 10},
    )
    chance = random.Random(1)

    async def work() -> None:
        async with engine.connect() as connection:
            if chance.random() < 0.1:
                await connection.invalidate()
            else:
                await connection.execute(ONE)

    tasks = [asyncio.ensure_future(work()) for _ in range(1000)]
    await asyncio.sleep(0.1)
    for task in tasks[500:900:4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = pooled.of("p")
    assert (found["used"], found["pending_requests"], found["timeouts"]) == (0, 0, 0)
    assert found["wait_time"] == found["use_time"] > 800
    await engine.dispose()
    assert pooled.of("p")["idle"] == 0


@pytest.mark.parametrize("driver", ASYNC)
def test_back_to_zero_async(pooled: Pooled, url: URL, driver: str) -> None:
    """The same with a thousand tasks, a hundred of which are cancelled while they wait."""
    asyncio.run(mixed(pooled, url, driver))


def test_names(pooled: Pooled, url: URL, name: str) -> None:
    """Host, port and database, a number where that is taken, the app's own name where it has one;
    never a user or a password."""
    secret = url.set(drivername=f"postgresql+{SYNC}")
    engines = [create_engine(secret) for _ in range(2)]
    engines.append(create_engine(secret, pool_logging_name="reports"))
    engines.append(create_engine("sqlite://"))
    in_memory = "sqlite:///file:memdb?mode=memory&password=hunter2&uri=true"
    engines.append(create_engine(in_memory, poolclass=pool.QueuePool))
    for engine in engines:
        engine.connect().close()
    pooled.look()
    assert [n for n in pooled.names if "memdb" not in n] == sorted(
        [name, f"{name}#2", "reports", "sqlite"]
    )
    assert not any("hunter2" in n for n in pooled.names)
    for engine in engines:
        engine.dispose()


def test_an_engine_that_is_gone_takes_its_series_along(
    pooled: Pooled, url: URL, telemetry: Telemetry
) -> None:
    """Its last numbers are sent once, to each reader; nothing of it is kept; its name is free."""
    engine: Any = create_engine(url.set(drivername=f"postgresql+{SYNC}"), pool_logging_name="p")
    engine.connect().close()
    engine.dispose()
    del engine
    collect_garbage()
    pooled.look()
    assert pooled.names == []
    assert pooled.of("p") == {"create_time": 1, "wait_time": 1, "use_time": 1, "timeouts": 0}
    pooled.look()
    assert not any(NAME in point.attributes for some in pooled.points.values() for point in some)
    telemetry.providers.collect()  # the other reader
    assert series_of_pools(telemetry) == []

    other = create_engine(url.set(drivername=f"postgresql+{SYNC}"), pool_logging_name="p")
    other.connect().close()
    assert pooled.of("p")["wait_time"] == 2
    assert pooled.names == ["p"]
    other.dispose()


def series_of_pools(telemetry: Telemetry) -> list[Any]:
    store: Any = telemetry.providers.store
    about = (getattr(series, "_attributes", {}) for series in store._all_series())
    return [attributes for attributes in about if NAME in attributes]


def test_derived_engines_are_one(pooled: Pooled, engine: Engine) -> None:
    """What `execution_options` makes of an engine shares its pool and its name."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect(), engine.connect():
        assert pooled.of("p") == numbers(used=2, made=2, got=2)
    assert pooled.names == ["p"]


def test_suppressed(pooled: Pooled, url: URL) -> None:
    """An engine that is used only where nothing is to be observed is not there; one that is used
    elsewhere too has all its connections counted."""
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"), pool_logging_name="p", **SMALL)
    with suppress_instrumentation():
        engine.connect().close()
    pooled.look()
    assert pooled.names == []
    with engine.connect(), suppress_instrumentation(), engine.connect():
        assert pooled.of("p")["used"] == 2
    assert pooled.of("p") == numbers(idle=2, made=2, got=2, returned=2)
    engine.dispose()


def test_a_forked_child_begins_at_zero(pooled: Pooled, url: URL) -> None:
    """Connections, uses and waits of its parent are not the child's; its own are counted, one that
    it takes out of its parent's pool too."""
    engine = create_engine(
        url.set(drivername=f"postgresql+{SYNC}"),
        pool_logging_name="p",
        pool_reset_on_return=None,  # nothing is sent when one is given back
        **SMALL,
    )
    held = engine.raw_connection()
    engine.raw_connection().close()
    assert pooled.of("p") == numbers(idle=1, used=1, made=2, got=2, returned=1)

    def in_child() -> list[dict[str, Any]]:
        pooled._totals.clear()
        seen = [pooled.of("p")]
        held.close()
        seen.append(pooled.of("p"))
        inherited = engine.raw_connection()
        seen.append(pooled.of("p"))
        inherited.detach()
        engine.dispose(close=False)
        with engine.connect():
            seen.append(pooled.of("p"))
        return [*seen, pooled.of("p")]

    expected = [
        numbers(),
        numbers(),
        numbers(used=1, got=1),
        numbers(used=1, made=1, got=2),
        numbers(idle=1, made=1, got=2, returned=1),
    ]
    assert forked(lambda: repr(in_child() == expected) + repr(dict(_guard.faults))) == "True{}"
    held.close()
    assert pooled.of("p") == numbers(idle=2, made=2, got=2, returned=2)
    engine.dispose()


def forked(run: Callable[[], str]) -> str:
    """What it returns in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = run()
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reading, 10_000).decode()


def test_everything_is_taken_out_again(url: URL) -> None:
    """The method is the very same one as before, and no listener is left, on old engines either."""
    before = vars(Engine)["raw_connection"]
    commits = vars(Connection)["_commit_impl"]
    engine = create_engine(url.set(drivername=f"postgresql+{SYNC}"))
    DatabaseInstrumentor().instrument(on=True, skip_dep_check=True)
    engine.connect().close()
    assert vars(Engine)["raw_connection"] is not before
    assert list(engine.pool.dispatch.checkin)
    DatabaseInstrumentor().uninstrument()
    assert vars(Engine)["raw_connection"] is before
    assert vars(Connection)["_commit_impl"] is commits
    assert not list(engine.pool.dispatch.checkin)
    assert not list(engine.dispatch.begin)
    engine.connect().close()
    engine.dispose()


def test_waits_lead_to_their_request(pooled: Pooled, engine: Engine, telemetry: Telemetry) -> None:
    """The exemplar of a wait is the server span of the request that waited."""
    from opentelemetry.trace import get_tracer

    from otelier.context import RequestContext, current_request

    request = RequestContext("r")
    request.server_span = get_tracer("otelier.tests").start_span("GET /")
    token = current_request.set(request)
    engine.connect().close()
    current_request.reset(token)
    request.server_span.end()
    pooled.look()
    (point,) = pooled.points[PREFIX + "wait_time"]
    assert [e.span_id for e in point.exemplars] == [request.server_span.get_span_context().span_id]
