"""Checks of databases, Redis and an app's own: what they find, and what they leave behind.

Real parts: PostgreSQL, Redis, a Redis Cluster. A server that answers no more after the handshake,
as a pooler does whose database is gone, is PostgreSQL behind a relay of ours.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import Pool

from otelier.instrumentation import (
    attempts,
    cache_checks,
    cache_nodes,
    checks,
    database_checks,
    seen,
)
from otelier.instrumentation.attempts import Finding, Target, in_task, in_thread, look
from otelier.instrumentation.checks import Checks
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.seen import Seen
from parts import free_ports
from parts import redis as redis_part
from parts import redis_cluster as cluster_part

DRIVERS = ("psycopg", "psycopg_async", "asyncpg")
LATE = "TimeoutError"
MUTE_AFTER = b"Z\x00\x00\x00\x05"  # ReadyForQuery


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test makes is seen, and nothing of another one."""
    for name in ("engines", "pools", "async_pools", "clusters", "async_clusters"):
        fresh = Seen()
        for module in (seen, database_checks, cache_checks):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, fresh)
    patches = Patches()
    seen.watch_engines(patches)
    seen.watch_clients(patches)
    database_checks.watch(patches)
    yield
    patches.restore()
    attempts._going.clear()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second takes less long."""
    monkeypatch.setattr(attempts, "SECONDS", 0.3)
    monkeypatch.setattr(cache_checks, "SECONDS", 0.3)


def engine_for(url: str, driver: str) -> Any:
    make = create_engine if driver == "psycopg" else create_async_engine
    return make(url.replace("postgresql:", f"postgresql+{driver}:", 1))


def find(targets: Callable[[], list[Target]], *, settle: float = 0.0) -> list[Finding]:
    """What is found of them; no task is left, and no thread after that time."""

    async def run() -> list[Finding]:
        found = await asyncio.gather(*map(look, targets()))
        deadline = time.monotonic() + settle
        while (len(asyncio.all_tasks()) > 1 or threads()) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) == 1
        assert not threads()
        return found

    return asyncio.run(run())


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "otelier-health"]


# Databases


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_database_that_is_well(postgres_url: str, driver: str) -> None:
    """Reached, beside the app's pool and its events; named without its user."""
    engine = engine_for(postgres_url, driver)
    heard: list[str] = []

    def hear(*_: Any) -> None:
        heard.append("something")

    for name in ("connect", "checkout", "close"):
        event.listen(Pool, name, hear)
    event.listen(Engine, "before_cursor_execute", hear)
    try:
        (found,) = find(database_checks.targets, settle=1)
    finally:
        for name in ("connect", "checkout", "close"):
            event.remove(Pool, name, hear)
        event.remove(Engine, "before_cursor_execute", hear)
    assert (found.kind, found.error, heard) == ("database", None, [])
    assert found.title.startswith("postgresql postgres at ")
    assert engine.pool.checkedin() == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_database_that_is_gone(driver: str) -> None:
    """Refused at once, by the driver's own exception."""
    (port,) = free_ports(1)
    engine = engine_for(f"postgresql://u:swordfish@127.0.0.1:{port}/shop", driver)
    (found,) = find(database_checks.targets, settle=1)
    assert found.error is not None
    assert found.error != LATE
    assert found.title == f"postgresql shop at 127.0.0.1:{port}"
    del engine


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_database_that_does_not_exist(postgres_url: str, driver: str) -> None:
    """The server is there, and of no use."""
    engine = engine_for(postgres_url.replace("/postgres?", "/no_such_thing?"), driver)
    (found,) = find(database_checks.targets, settle=1)
    assert found.error is not None
    assert found.error != LATE
    del engine


class Relay:
    """Hands on to PostgreSQL, and after its first word of readiness nothing any more."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.open = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        self.open += 1
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._path)
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            is_ready = False
            while data := client.recv(65536):
                is_ready = is_ready or client in self._ready
                if not is_ready:
                    server.sendall(data)
        self.open -= 1

    _ready: set[socket.socket] = set()  # noqa: RUF012  # of all relays

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if MUTE_AFTER in data:
                    self._ready.add(client)
                client.sendall(data)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def relay(postgres_url: str) -> Iterator[Relay]:
    folder = postgres_url.partition("host=")[2]
    made = Relay(f"{folder}/.s.PGSQL.5432")
    yield made
    made.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_that_falls_silent(relay: Relay, driver: str, quick: None) -> None:
    """Given up in time and taken away: no task, no thread and no connection remains."""
    engine = engine_for(f"postgresql://postgres@127.0.0.1:{relay.port}/postgres", driver)
    gc.disable()
    try:
        began = time.monotonic()
        (found,) = find(database_checks.targets, settle=0.6)
        assert time.monotonic() - began < 1.2
    finally:
        gc.enable()
    assert found.error == LATE
    wait_until(lambda: relay.open == 0)
    del engine


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("given", "expected"), [({}, 2), ({"connect_timeout": 7}, 7)])
def test_time_outs_are_for_our_connections_alone(
    postgres_url: str, given: Any, expected: int
) -> None:
    """And what the app itself has set stays."""
    url = postgres_url.replace("postgresql:", "postgresql+psycopg:", 1)
    engine = create_engine(url, connect_args=given)
    told: list[Any] = []
    dbapi = engine.dialect.loaded_dbapi
    connect = dbapi.connect

    def noting(*args: Any, **how: Any) -> Any:
        told.append(how.get("connect_timeout"))
        return connect(*args, **how)

    dbapi.connect = noting
    try:
        find(database_checks.targets, settle=1)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        dbapi.connect = connect
    assert told == [expected, given.get("connect_timeout")]


def test_an_engine_with_listeners_and_creator(postgres_url: str) -> None:
    """The connection is made as the app's are: a token is put in, a creator is called."""
    engine = engine_for(postgres_url.replace("//postgres", "//nobody", 1), "psycopg")
    assert engine.url.username == "nobody"

    @event.listens_for(engine, "do_connect")
    def put_in(dialect: Any, record: Any, args: Any, how: Any) -> None:
        how["user"] = "postgres"

    made: list[int] = []

    def create() -> Any:
        import psycopg

        made.append(1)
        return psycopg.connect(postgres_url)

    with_creator = create_engine("postgresql+psycopg://", creator=create)
    found = find(database_checks.targets, settle=1)
    assert [one.error for one in found] == [None, None]
    assert made == [1]
    del with_creator


def test_each_database_once(postgres_url: str) -> None:
    """Engines for one URL are one, sync and async are two; no more than eight of a kind."""
    kept = [engine_for(postgres_url, "psycopg") for _ in range(3)]
    kept.append(kept[0].execution_options(isolation_level="AUTOCOMMIT"))
    kept.append(engine_for(postgres_url, "asyncpg"))
    assert len(database_checks.targets()) == 2
    kept += [create_engine(f"sqlite:///{n}.db") for n in range(20)]
    assert len(checks.targets()) == checks.MOST_OF_A_KIND
    assert [target.title for target in checks.targets()][2] == "sqlite 0.db"


def test_nothing_is_kept_alive(postgres_url: str) -> None:
    """An engine that the app drops is asked no more, though it was found before."""
    engine, held = engine_for(postgres_url, "asyncpg"), Checks()
    pool = redis.ConnectionPool()
    redis.Redis(connection_pool=pool)
    assert len(checks.targets()) == 2

    async def ask() -> None:
        await held.findings()

    asyncio.run(ask())
    del engine, pool
    gc.collect()
    assert checks.targets() == []


# Redis


def clients(url: str) -> list[Any]:
    return [redis.Redis.from_url(url), redis.asyncio.Redis.from_url(url)]


def test_a_redis_that_is_well(redis_url: str) -> None:
    """Reached by a sync and an async client, beside their pools."""
    kept = [
        *clients(redis_url),
        redis.Redis(connection_pool=redis.ConnectionPool.from_url(redis_url)),
    ]
    found = find(cache_checks.targets, settle=1)
    assert [one.error for one in found] == [None, None]
    assert redis_url.endswith(found[0].title)
    assert kept[0].connection_pool._in_use_connections == set()
    assert kept[0].connection_pool._available_connections == []


def test_a_connection_of_ours_is_none_of_the_pools() -> None:
    """It hears nothing of maintenance for the pool, tries once, and not for long."""
    given = redis.Redis(retry_on_timeout=True).connection_pool.connection_kwargs
    limited = cache_nodes._limited(given, attempts.SECONDS)
    assert not [name for name in limited if name.startswith("maint")]
    assert (limited["retry"], limited["retry_on_timeout"], limited["socket_timeout"]) == (
        None,
        False,
        1.0,
    )


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One that may be hung, and wants a password."""
    program, _ = redis_part.program()
    (port,) = free_ports(1)
    line = [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    redis_part.wait_for_answer(process, port)
    yield f"127.0.0.1:{port}/0", process
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(10)


def test_a_redis_that_hangs(own_redis: Any, quick: None) -> None:
    """Given up in time; no thread stays longer than its socket's time-out, and it is well again."""
    where, process = own_redis
    kept = clients(f"redis://{where}")
    process.send_signal(signal.SIGSTOP)
    found = find(cache_checks.targets, settle=1.5)
    assert [one.error is not None for one in found] == [True, True]
    assert max(one.seconds for one in found) < 0.6
    process.send_signal(signal.SIGCONT)
    assert [one.error for one in find(cache_checks.targets, settle=1)] == [None, None]
    with redis.Redis.from_url(f"redis://{where}") as asking:
        wait_until(lambda: len(asking.client_list()) == 1)
    del kept


def test_passwords(own_redis: Any) -> None:
    """A wrong one is no connection; a user who may not PING has one all the same."""
    where, _ = own_redis
    with redis.Redis.from_url(f"redis://{where}") as admin:
        admin.execute_command("ACL", "SETUSER", "few", "on", ">swordfish", "+get", "~*")
    del admin
    gc.collect()
    kept = clients(f"redis://few:swordfish@{where}")
    assert [one.error for one in find(cache_checks.targets, settle=1)] == [None, None]
    kept = clients(f"redis://few:wrong@{where}")
    gc.collect()
    found = find(cache_checks.targets, settle=1)
    assert [one.error is not None for one in found] == [True, True]
    assert "swordfish" not in str(found)
    del kept


def test_a_cluster(part: Any) -> None:
    """One target whatever the nodes, for a sync and an async client; its inner clients are none."""
    cluster = part(cluster_part.redis_cluster)
    kept: list[Any] = [redis.cluster.RedisCluster.from_url(cluster.url)]
    kept.append(redis.asyncio.RedisCluster.from_url(cluster.url))
    kept[0].set("a", 1)
    found = find(cache_checks.targets, settle=1)
    assert [one.error for one in found] == [None, None]
    assert [one.title.partition(" ")[0] for one in found] == ["cluster", "cluster"]
    kept[0].close()


def test_a_cluster_that_is_broken() -> None:
    """It says so itself."""
    with pytest.raises(cache_checks.NotReached):
        cache_checks._check(b"cluster_enabled:1\r\ncluster_state:fail\r\n")
    cache_checks._check("cluster_state:ok\r\n")


def test_sentinels() -> None:
    """Whom Sentinel's client asks for addresses is no store of the app's; whom it finds is."""
    for make in (Sentinel, AsyncSentinel):
        sentinel: Any = make([("127.0.0.1", 1), ("127.0.0.1", 2)])
        master = sentinel.master_for("mymaster")
        assert [target.title for target in cache_checks.targets()] == ["mymaster/0"]
        del sentinel, master
        gc.collect()


# Attempts and rounds


class Own:
    """A target that does this."""

    def __init__(self, begin: Callable[[], asyncio.Future[Any]]) -> None:
        self.begun = 0
        self.aborted = 0
        self._begin = begin
        self.target = Target("x", "x", id(self), lambda: self)

    def begin(self) -> asyncio.Future[Any]:
        self.begun += 1
        return self._begin()

    def abort(self) -> None:
        self.aborted += 1


def test_one_attempt_to_what_hangs(quick: None) -> None:
    """A thread that cannot be ended is waited for, and has no second one beside it."""
    release = threading.Event()
    own = Own(lambda: in_thread(lambda: release.wait(10)))

    async def run() -> list[str | None]:
        found = [(await look(own.target)).error for _ in range(3)]
        release.set()
        await asyncio.sleep(0.1)
        return [*found, (await look(own.target)).error]

    assert asyncio.run(run()) == [LATE, LATE, LATE, None]
    assert (own.begun, own.aborted) == (2, 1)


def test_a_task_that_does_not_end(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is aborted, and cancelled if that is not enough."""
    monkeypatch.setattr(attempts, "GRACE", 0.05)
    own = Own(lambda: in_task(asyncio.sleep(60)))

    async def run() -> str | None:
        found = await look(own.target)
        await asyncio.sleep(0.15)
        assert len(asyncio.all_tasks()) == 1
        return found.error

    assert asyncio.run(run()) == LATE
    assert own.aborted == 1


def test_a_round_for_all() -> None:
    """Whoever comes meanwhile waits for it, and it goes on if the first one leaves."""
    began: list[int] = []

    async def slow() -> None:
        began.append(1)
        await asyncio.sleep(0.1)

    own = Own(lambda: in_task(slow()))
    held = Checks(lambda: [own.target])

    async def run() -> None:
        first = asyncio.ensure_future(held.findings())
        others = [asyncio.ensure_future(held.findings()) for _ in range(100)]
        await asyncio.sleep(0.02)
        first.cancel()
        found = await asyncio.gather(*others)
        assert {finding.error for (finding,) in found} == {None}
        await held.findings()

    asyncio.run(run())
    assert len(began) == 1


def test_a_round_of_a_loop_that_is_gone() -> None:
    """A new loop, as of a server that is started again, begins its own."""
    held = Checks(list)

    async def leave() -> None:
        held.begin()

    async def ask(of: Callable[[], Awaitable[Any]]) -> Any:
        return await of()

    asyncio.run(leave())
    assert list(asyncio.run(ask(held.findings))) == []


@pytest.mark.parametrize("of", [redis.Redis, redis.asyncio.Redis, redis.RedisCluster])
def test_closures_can_be_walked(of: type[Any]) -> None:
    """As fakeredis does, to find what `Redis.__init__` warns of: all that can be called in them
    has closures too."""
    waiting = [of.__init__]
    while waiting:
        cells = [cell.cell_contents for cell in waiting.pop().__closure__ or ()]
        waiting += [each for each in cells if callable(each)]
