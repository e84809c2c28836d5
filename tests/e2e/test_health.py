"""Health endpoints of a real server while its stores are well, stopped, hung and back.

Real parts: PostgreSQL, Redis, uvicorn and gunicorn under the launcher. A server of the stores hangs
by SIGSTOP, which leaves its sockets open: it takes connections and says nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from otelier.cli.receiver import Receiver
from parts import free_ports
from parts import postgres as postgres_part
from parts import redis as redis_part
from parts.server import Server, command
from tests.e2e.serving import HERE, serve

WELL = {"status": "healthy", "database": "connected", "redis": "connected", "own": "healthy"}
WITHIN = 1.5  # seconds


class Database:
    """A PostgreSQL that can be hung and stopped by the id of its process."""

    def __init__(self, part: postgres_part.Postgres) -> None:
        if part.server is None:
            pytest.skip("NOT TESTED: the PostgreSQL of DATABASE_URL is not ours to stop")
        self.url = part.url
        self._server = part.server

    def signal(self, number: int) -> None:
        os.kill(self._server.get_pid(), number)

    def stop(self) -> None:
        self.signal(signal.SIGINT)  # ends its connections as well
        wait(lambda: not refuses(self.url), until=False)

    def start(self) -> None:
        self._server.ensure_postgres_running()


class Cache:
    """The same of Redis."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def start(self) -> None:
        program, _ = redis_part.program()
        line = [program, "--port", str(self._port), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        redis_part.wait_for_answer(self._process, self._port)


def refuses(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return True
    return False


def wait(met: Callable[[], bool], *, until: bool = True, seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while met() is not until:
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@dataclass
class Running:
    """An app and its stores."""

    server: Server
    client: httpx.Client
    database: Database
    cache: Cache
    receiver: Receiver

    def health(self) -> dict[str, Any]:
        """What is told within the time, with the right status."""
        answer = self.timed("/health")
        told = dict(answer.json())
        assert answer.status_code == (200 if told["status"] == "healthy" else 503)
        del told["timestamp"]
        return told

    def timed(self, path: str, seconds: float = WITHIN) -> httpx.Response:
        began = time.monotonic()
        answer = self.client.get(path)
        assert time.monotonic() - began < seconds, path
        return answer

    def comes_to(self, **words: str) -> None:
        """What was found is kept for two seconds, and a round takes one."""
        wait(lambda: self.health() == {**WELL, **words})

    def state(self) -> dict[str, Any]:
        found = dict(self.client.get("/state").json())
        found.pop("asked")
        return found

    def sessions(self) -> int:
        """Connections to the database, beside the one that asks."""
        question = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self.database.url) as connection:
            found = connection.execute(question).fetchone()
        return int(found[0]) - 1 if found else 0


@contextmanager
def as_before(running: Running) -> Iterator[None]:
    """Pools, tasks and threads are what they were soon after the block, and of the database's
    connections there are those of the app's two pools."""
    running.client.get("/use")
    wait(lambda: running.sessions() == 2)
    before = running.state()
    yield
    wait(lambda: running.state() == before)
    wait(lambda: running.sessions() == 2)


@pytest.fixture(scope="module")
def database(part: Any) -> Database:
    return Database(part(postgres_part.postgres))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    made = Cache(tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def stores(database: Database, cache: Cache) -> dict[str, str]:
    return {"DATABASE_URL": database.url, "REDIS_URL": cache.url}


@pytest.fixture(scope="module")
def running(stores: dict[str, str], database: Database, cache: Cache) -> Iterator[Running]:
    with (
        Receiver() as receiver,
        serve("health_app:app", receiver, "--no-use-colors", **stores) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        yield Running(server, client, database, cache, receiver)


def test_all_is_well(running: Running) -> None:
    """The answers as specified, to GET and HEAD alone, before the app has used any of it."""
    answer = running.client.get("/health")
    assert answer.status_code == 200
    stamp = answer.json()["timestamp"]
    assert (
        abs(time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime()))
        < 5
    )
    assert answer.text == (
        '{"status":"healthy","database":"connected","redis":"connected","own":"healthy",'
        f'"timestamp":"{stamp}"}}'
    )
    assert running.client.get("/health/live").text == '{"status":"alive"}'
    assert running.client.get("/health/ready").text == '{"status":"ready"}'
    head = running.client.head("/health/ready")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "18")
    assert running.client.post("/health").status_code == 404


def test_a_thousand_calls(running: Running) -> None:
    """In a second, over twenty connections: at most two rounds of checks."""
    time.sleep(2.1)  # nothing is kept any more
    before = running.client.get("/state").json()["asked"]
    began = time.monotonic()
    assert asyncio.run(ask_together(running.server.url, 1000)) == {b"200"}
    took = time.monotonic() - began
    rounds = running.client.get("/state").json()["asked"] - before
    assert 1 <= rounds <= 1 + took / 2


async def ask_together(url: str, calls: int, connections: int = 20) -> set[bytes]:
    """The statuses of so many answers. By hand: httpx needs ten times as long as the server."""
    parts = urlsplit(url)
    statuses: set[bytes] = set()

    async def ask(path: str) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(calls // connections):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = head.partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(size))
            statuses.add(head[9:12])
        writer.close()

    paths = ("/health", "/health/ready") * (connections // 2)
    await asyncio.gather(*map(ask, paths))
    return statuses


def test_hung_and_back(running: Running) -> None:
    """Told in time, one after the other; nobody else waits, and nothing is left behind."""
    with as_before(running):
        try:
            running.database.signal(signal.SIGSTOP)
            slowest = asyncio.run(slowest_until_ill(running.server.url))
            running.comes_to(status="unhealthy", database="disconnected")
            assert running.timed("/health/ready").status_code == 503
            running.cache.signal(signal.SIGSTOP)
            running.comes_to(status="unhealthy", database="disconnected", redis="disconnected")
            assert running.timed("/health/live", 0.5).status_code == 200
        finally:
            running.database.signal(signal.SIGCONT)
            running.cache.signal(signal.SIGCONT)
        running.comes_to()
        assert running.timed("/health/ready").status_code == 200
    assert slowest < 0.5


async def slowest_until_ill(url: str) -> float:
    """Seconds of the slowest other request until a check has waited for a second."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        slowest, status = 0.0, 200
        while status == 200:
            checking = asyncio.ensure_future(client.get("/health"))
            while not checking.done():
                began = time.monotonic()
                await client.get("/quick")
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.02)
            status = (await checking).status_code
    return slowest


def test_stopped_and_back(running: Running) -> None:
    """Gone, one after the other, told in time, and well again once they are back."""
    try:
        running.cache.stop()
        running.comes_to(status="unhealthy", redis="disconnected")
        running.database.stop()
        running.comes_to(status="unhealthy", database="disconnected", redis="disconnected")
        assert running.timed("/health/ready").status_code == 503
        assert running.timed("/health/live", 0.5).status_code == 200
    finally:
        running.cache.start()
        running.database.start()
    running.comes_to()


def test_nothing_is_recorded(running: Running) -> None:
    """Of all this: no span and no record of a health path, of SQL or of Redis but the app's own."""
    time.sleep(1.5)
    asked = {span.name for span in running.receiver.spans if span.parent_id == ""}
    assert asked <= {"GET /use", "GET /state", "GET /quick", "POST /health"}
    known = {span.span_id for span in running.receiver.spans}
    assert {span.parent_id for span in running.receiver.spans} - {""} <= known
    texts = [str(log.body) for log in running.receiver.logs]
    assert not [text for text in texts if "GET /health" in text or "HEAD /health" in text]
    assert not [log for log in running.receiver.logs if log.severity in ("WARN", "ERROR")]
    assert "never retrieved" not in running.server.stderr()


MODES = ("uvicorn", "gunicorn")


@pytest.mark.parametrize("mode", MODES)
def test_a_stop(mode: str, stores: dict[str, str], receiver: Receiver) -> None:
    """While it drains it is not ready; it lives, and the request that runs is answered."""
    (port,) = free_ports(1)
    line = command(mode, "health_app:app", port, HERE)
    line = [word if word != "2" else "1" for word in line]  # one worker: one set of connections
    environ = {**stores, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    answers: list[httpx.Response] = []
    with Server(line, port, HERE, environ) as server:
        ask = httpx.Client(base_url=server.url, timeout=20)
        wait(lambda: answered(ask))
        slow = threading.Thread(target=lambda: answers.append(httpx.get(f"{server.url}/slow")))
        slow.start()
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        found = asked_until_closed(ask)
        slow.join()
    assert [answer.json() for answer in answers] == [[503, 200]]
    # From outside there is a tenth of a second at most; once it is not ready, it stays so.
    assert found == sorted(found)
    assert set(found) <= {(200, 200), (503, 200)}


def answered(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/health/ready").status_code == 200
    return False


def asked_until_closed(client: httpx.Client) -> list[tuple[int, int]]:
    """Ready and live, as long as the server takes requests."""
    found = []
    with suppress(httpx.TransportError):
        while True:
            statuses = [client.get(f"/health/{path}").status_code for path in ("ready", "live")]
            found.append((statuses[0], statuses[1]))
    return found
