"""One span a Redis command or pipeline, against a real server, with no key and no value in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import redis.asyncio
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanKind, StatusCode

from otelier import _guard
from otelier.instrumentation.cache import CacheInstrumentor
from tests.conftest import Telemetry

inside_a_request = pytest.mark.usefixtures("parent")

DURATION = "db.client.operation.duration"


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def names(telemetry: Telemetry) -> Sequence[str]:
    return [span.name for span in telemetry.spans]


def durations(telemetry: Telemetry) -> dict[str, int]:
    """How many durations were recorded of each operation; failed ones with their error."""
    found: dict[str, int] = {}
    for point in telemetry.points().get(DURATION, ()):
        error = point.attributes.get("error.type")
        name = point.attributes["db.operation.name"] + (f" {error}" if error else "")
        found[name] = found.get(name, 0) + point.count
    return found


@inside_a_request
def test_commands(redis_url: str, cache: Telemetry, parent: Span) -> None:
    """Each command is a CLIENT span with its name, where it went, and `?` for what it was given."""
    with redis.Redis.from_url(redis_url) as client:
        client.set("secret-key", "swordfish")
        assert client.get("secret-key") == b"swordfish"
    wrote, read = cache.spans
    assert [wrote.name, read.name] == ["SET", "GET"]
    assert {wrote.kind, read.kind} == {SpanKind.CLIENT}
    assert wrote.parent == parent.get_span_context()
    assert attributes(wrote) == {
        "db.system.name": "redis",
        "db.operation.name": "SET",
        "db.namespace": "0",
        "db.query.text": "SET ? ?",
        "server.address": "127.0.0.1",
        "server.port": urlsplit(redis_url).port,
    }
    assert not any(
        word in span.to_json() for word in ("secret", "swordfish") for span in cache.spans
    )


@inside_a_request
def test_durations(redis_url: str, cache: Telemetry) -> None:
    """The duration of each command is in the histogram, in the buckets that the convention has."""
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(3):
            client.ping()
    (point,) = cache.points()[DURATION]
    assert point.count == 3
    assert 0 < point.sum < 1
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert dict(point.attributes) == {
        "db.system.name": "redis",
        "db.operation.name": "PING",
        "db.namespace": "0",
        "server.address": "127.0.0.1",
        "server.port": urlsplit(redis_url).port,
    }


@inside_a_request
def test_the_database_index(redis_url: str, cache: Telemetry) -> None:
    """The namespace is the index that the client was configured with."""
    for url in (redis_url, redis_url.replace("/0", "/3")):
        with redis.Redis.from_url(url) as client:
            client.ping()
    assert [attributes(span)["db.namespace"] for span in cache.spans] == ["0", "3"]


@inside_a_request
def test_a_long_command(redis_url: str, cache: Telemetry) -> None:
    """Eight arguments are shown, however many there are."""
    with redis.Redis.from_url(redis_url) as client:
        for count in (4, 5, 50):
            client.mset({f"key-{n}": n for n in range(count)})
    shown = "MSET ? ? ? ? ? ? ? ?"
    texts = [attributes(span)["db.query.text"] for span in cache.spans]
    assert texts == [shown, f"{shown} ...", f"{shown} ..."]


@inside_a_request
def test_a_command_in_one_piece(redis_url: str, cache: Telemetry) -> None:
    """What stands behind the name in one text is an argument, and is not sent."""
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("GET secret-key")
        client.execute_command(b"GET", "secret-key")
        client.config_get("maxmemory")
    assert names(cache) == ["GET", "GET", "CONFIG GET"]
    assert [attributes(span)["db.query.text"] for span in cache.spans] == [
        "GET ?",
        "GET ?",
        "CONFIG GET ?",
    ]


def test_outside_of_a_span(redis_url: str, cache: Telemetry) -> None:
    """A command that belongs to nothing is measured, and makes no trace of its own."""
    with redis.Redis.from_url(redis_url) as client:
        client.ping()
        client.pipeline().get("k").get("k").execute()
    assert list(cache.spans) == []
    assert durations(cache) == {"PING": 1, "MULTI GET": 1}


def test_root_spans(redis_url: str, telemetry: Telemetry) -> None:
    """A worker's commands are traced if that is wanted."""
    CacheInstrumentor().instrument(on=True, root_spans=True, skip_dep_check=True)
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.ping()
            client.pipeline(transaction=False).get("k").get("l").execute()
    finally:
        CacheInstrumentor().uninstrument()
    assert names(telemetry) == ["PING", "PIPELINE GET"]


@inside_a_request
def test_suppressed(redis_url: str, cache: Telemetry) -> None:
    """Where instrumentation is suppressed nothing is observed."""
    with redis.Redis.from_url(redis_url) as client, suppress_instrumentation():
        client.ping()
        client.pipeline().get("k").execute()
    assert list(cache.spans) == []
    assert durations(cache) == {}


@inside_a_request
def test_pipelines(redis_url: str, cache: Telemetry) -> None:
    """A pipeline is one span with a short name, however many commands it has."""
    with redis.Redis.from_url(redis_url) as client:
        with client.pipeline() as pipe:
            for number in range(50):
                pipe.set(f"secret-{number}", number)
            assert pipe.execute() == [True] * 50
        client.pipeline(transaction=False).set("k", 1).set("k", 2, ex=9).execute()
        client.pipeline(transaction=False).set("k", 1).get("k").execute()
        client.pipeline(transaction=False).get("k").execute()
        client.pipeline().execute()
    about = [
        (
            span.name,
            attributes(span)["db.operation.name"],
            attributes(span).get("db.operation.batch.size"),
            attributes(span).get("db.query.text"),
        )
        for span in cache.spans
    ]
    assert about == [
        ("MULTI SET", "MULTI SET", 50, "SET ? ?"),
        ("PIPELINE SET", "PIPELINE SET", 2, None),
        ("PIPELINE", "PIPELINE", 2, None),
        ("PIPELINE GET", "PIPELINE GET", None, "GET ?"),
    ]
    assert durations(cache) == {name: 1 for name, *_ in about}


@inside_a_request
def test_a_watched_transaction(redis_url: str, cache: Telemetry) -> None:
    """WATCH and what follows it are commands of their own, until the transaction is sent."""
    with redis.Redis.from_url(redis_url) as client, client.pipeline() as pipe:
        pipe.watch("k")
        pipe.get("k")
        pipe.multi()
        pipe.set("k", 1)
        pipe.incr("k")
        pipe.execute()
    assert names(cache) == ["WATCH", "GET", "MULTI"]


@inside_a_request
def test_a_lost_transaction(redis_url: str, cache: Telemetry) -> None:
    """A transaction that somebody else's write undid has failed."""
    with redis.Redis.from_url(redis_url) as client, client.pipeline() as pipe:
        pipe.watch("k")
        with suppress_instrumentation():
            client.set("k", "other")
        pipe.multi()
        pipe.set("k", 1)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    span = cache.spans[-1]
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "redis.exceptions.WatchError"


@inside_a_request
def test_scripts_in_a_pipeline(redis_url: str, cache: Telemetry) -> None:
    """What a pipeline sends to have its scripts ready is part of the pipeline."""
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
        add = client.register_script("return 1 + ARGV[1]")
        with client.pipeline() as pipe:
            add(args=[1], client=pipe)
            add(args=[2], client=pipe)
            assert pipe.execute() == [2, 3]
    assert names(cache) == ["SCRIPT FLUSH", "MULTI EVALSHA"]


@inside_a_request
def test_async_commands(redis_url: str, cache: Telemetry) -> None:
    """The async client goes the same way: commands, pipelines, transactions, scripts."""

    async def serve() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await client.set("secret-key", "swordfish")
            assert await client.get("secret-key") == b"swordfish"
            async with client.pipeline() as pipe:
                assert await pipe.get("k").incr("n").execute()
            async with client.pipeline(transaction=False) as pipe:
                assert await pipe.get("k").get("l").execute()
            async with client.pipeline() as pipe:
                await pipe.watch("k")
                await pipe.get("k")
                pipe.multi()
                await pipe.set("k", 1).execute()
            await client.script_flush()
            add = client.register_script("return 1 + ARGV[1]")
            async with client.pipeline() as pipe:
                await add(args=[1], client=pipe)
                assert await pipe.execute() == [2]

    asyncio.run(serve())
    assert "/".join(names(cache)) == (
        "SET/GET/MULTI/PIPELINE GET/WATCH/GET/MULTI SET/SCRIPT FLUSH/MULTI EVALSHA"
    )
    assert not any(
        word in span.to_json() for word in ("secret", "swordfish") for span in cache.spans
    )
    assert sum(durations(cache).values()) == 9


@inside_a_request
def test_concurrent_commands(redis_url: str, cache: Telemetry) -> None:
    """Commands of a hundred tasks at once are a hundred spans, each of its own task's span."""

    async def serve() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            await asyncio.gather(*(client.get(f"k-{n}") for n in range(100)))

    asyncio.run(serve())
    assert names(cache) == ["GET"] * 100


@inside_a_request
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("INCR", "text"), "WRONGTYPE"),
        (("EVALSHA", "0" * 40, 0), "NOSCRIPT"),
        (("NONSENSE",), "ERR"),
        (("SETRANGE", "k", "-1", "x"), "ERR"),
        (("SELECT", "999"), "ERR"),
        (("XGROUP CREATE", "stream", "group", "$", "MKSTREAM"), "BUSYGROUP"),
    ],
    ids=lambda given: given if isinstance(given, str) else given[0],
)
def test_a_failed_command(
    redis_url: str, cache: Telemetry, command: Sequence[Any], code: str
) -> None:
    """A refused command is a failed span with the server's word for it, and nothing of its text."""
    with redis.Redis.from_url(redis_url) as client:
        with suppress_instrumentation():
            client.delete("text", "k")
            client.rpush("text", "swordfish")
            with suppress(redis.ResponseError):
                client.xgroup_create("stream", "group", mkstream=True)
        with pytest.raises(redis.ResponseError):
            client.execute_command(*command)
    (failed,) = cache.spans
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description is None
    assert attributes(failed)["db.response.status_code"] == code
    assert attributes(failed)["error.type"] == code
    assert list(failed.events) == []
    assert durations(cache) == {f"{command[0]} {code}": 1}


@inside_a_request
def test_a_failed_pipeline(redis_url: str, cache: Telemetry) -> None:
    """The word of the server is found behind the command that redis-py puts before it."""
    with redis.Redis.from_url(redis_url) as client:
        client.set("of pipeline caused error: SECRET", "text")
        for transaction in (True, False):
            pipe = client.pipeline(transaction=transaction)
            pipe.lpush("of pipeline caused error: SECRET", 1).ping()
            with pytest.raises(redis.ResponseError, match="SECRET"):
                pipe.execute()
    _, *failed = cache.spans
    assert [span.name for span in failed] == ["MULTI", "PIPELINE"]
    assert [attributes(span)["error.type"] for span in failed] == ["WRONGTYPE"] * 2
    assert not any("SECRET" in span.to_json() for span in failed)


@inside_a_request
def test_nobody_answers(cache: Telemetry) -> None:
    """Without a server the error is of a class, and the app gets it."""
    with redis.Redis(port=1, retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    (failed,) = cache.spans
    assert attributes(failed)["error.type"] == "redis.exceptions.ConnectionError"
    assert "db.response.status_code" not in attributes(failed)


@inside_a_request
def test_blocking_commands(redis_url: str, cache: Telemetry) -> None:
    """What waits on purpose has a span, and does not spoil the histogram, failed or not."""
    with redis.Redis.from_url(redis_url) as client:
        client.delete("list", "stream")
        client.blpop("list", 0.01)
        client.bzpopmin("list", 0.01)
        client.rpush("list", 1)
        client.blmove("list", "list-2", 1, "LEFT", "RIGHT")
        client.wait(0, 1)
        client.xread({"stream": "$"}, block=1)
        client.xread({"stream": "$"})
        client.set("text", 1)
        with pytest.raises(redis.ResponseError):
            client.blpop("text", 1)
    assert " ".join(names(cache)) == ("DEL BLPOP BZPOPMIN RPUSH BLMOVE WAIT XREAD XREAD SET BLPOP")
    assert durations(cache) == {"DEL": 1, "RPUSH": 1, "XREAD": 1, "SET": 1}


@inside_a_request
def test_subscriptions(redis_url: str, cache: Telemetry) -> None:
    """PUBLISH is a command like others; to subscribe and to listen is none."""
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as listening:
        listening.subscribe("secret-channel")
        assert listening.get_message(timeout=1)
        assert client.publish("secret-channel", "swordfish") == 1
        assert listening.get_message(timeout=1)["data"] == b"swordfish"
    assert names(cache) == ["PUBLISH"]
    assert attributes(cache.spans[0])["db.query.text"] == "PUBLISH ? ?"


@inside_a_request
def test_connecting(redis_url: str, cache: Telemetry) -> None:
    """What a connection says before the first command makes no span."""
    with suppress_instrumentation():
        admin = redis.Redis.from_url(redis_url)
        admin.execute_command("ACL SETUSER", "tester", "on", ">secret-password", "~*", "+@all")
    try:
        with redis.Redis.from_url(
            redis_url,
            username="tester",
            password="secret-password",
            client_name="tests",
            db=2,
            health_check_interval=1,
        ) as client:
            client.ping()
    finally:
        with suppress_instrumentation():
            admin.execute_command("ACL DELUSER", "tester")
            admin.close()
    assert names(cache) == ["PING"]
    assert durations(cache) == {"PING": 1}


@inside_a_request
def test_clients_made_before(redis_url: str, telemetry: Telemetry) -> None:
    """Clients, pipelines and bound methods from before the hooks are observed too."""
    client = redis.StrictRedis.from_url(redis_url)
    get, pipe = client.get, client.pipeline()
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    try:
        get("k")
        pipe.get("k").incr("n").execute()
    finally:
        CacheInstrumentor().uninstrument()
        client.close()
    assert names(telemetry) == ["GET", "MULTI"]


@inside_a_request
def test_cancellation(redis_url: str, cache: Telemetry) -> None:
    """A cancelled command ends its span at once, as failed, and the cancellation passes."""

    async def serve() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            task = asyncio.create_task(client.blpop("nothing-comes", 5))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert names(cache) == ["BLPOP"]

    asyncio.run(serve())
    assert attributes(cache.spans[0])["error.type"] == "asyncio.exceptions.CancelledError"


@pytest.fixture
def hooked(telemetry: Telemetry) -> Iterator[list[Any]]:
    """What the user's hooks have been given."""
    given: list[Any] = []

    def request_hook(span: Span, client: Any, args: Any, options: Any) -> None:
        span.set_attribute("app.shown", args[1])
        given.append((type(client).__name__, args, options))
        raise ValueError("a mistake in the app")

    def response_hook(span: Span, client: Any, response: Any) -> None:
        span.set_attribute("app.found", response is not None)
        given.append((type(client).__name__, response))

    CacheInstrumentor().instrument(
        on=True, request_hook=request_hook, response_hook=response_hook, skip_dep_check=True
    )
    yield given
    CacheInstrumentor().uninstrument()


@inside_a_request
def test_hooks(redis_url: str, telemetry: Telemetry, hooked: list[Any]) -> None:
    """The user's hooks are called as contrib calls them, and cannot hurt the command."""
    _guard.faults.clear()
    with redis.Redis.from_url(redis_url) as client:
        client.set("k", "v", get=True)
        client.pipeline().get("k").execute()
    assert hooked[0] == ("Redis", ("SET", "k", "v", "GET"), {"get": True})
    assert hooked[-1] == ("Pipeline", [b"v"])
    assert len(hooked) == 3
    assert attributes(telemetry.spans[0])["app.shown"] == "k"
    assert dict(_guard.faults) == {"a hook for Redis commands": 1}


@inside_a_request
def test_key_patterns(redis_url: str, telemetry: Telemetry) -> None:
    """If it is switched on, a command says what its key is like."""
    CacheInstrumentor().instrument(on=True, key_patterns=True, skip_dep_check=True)
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.get("user:123:profile")
            client.echo("user:123:profile")
            client.hset("user:123", "field", 1)
    finally:
        CacheInstrumentor().uninstrument()
    found = [attributes(span).get("otelier.cache.key_pattern") for span in telemetry.spans]
    assert found == ["user:?:profile", None, "user:?"]


@inside_a_request
def test_a_fault_of_ours(
    redis_url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks in us, the command is sent once and its answer arrives."""
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    _guard.faults.clear()

    def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    try:
        with redis.Redis.from_url(redis_url) as client:
            client.set("n", 0)
            monkeypatch.setattr("otelier.instrumentation.cache_servers.Server.command", broken)
            monkeypatch.setattr("otelier.instrumentation.cache_servers.Server.batch", broken)
            assert client.incr("n") == 1
            assert client.pipeline().incr("n").execute() == [2]
            monkeypatch.undo()
            monkeypatch.setattr("otelier.instrumentation.cache_calls.status_code", broken)
            with pytest.raises(redis.ResponseError):
                client.lpush("n", 1)
            assert client.incr("n") == 3
    finally:
        CacheInstrumentor().uninstrument()
    assert sorted(_guard.faults) == [
        "beginning a Redis command",
        "beginning a Redis pipeline",
        "ending a Redis command",
    ]
    _guard.faults.clear()


@inside_a_request
def test_threads(redis_url: str, cache: Telemetry) -> None:
    """Clients used and thrown away in many threads at once are all counted, and not kept."""

    def work() -> None:
        for n in range(20):
            with redis.Redis.from_url(redis_url) as client:
                client.echo(f"{n}")
                client.ping()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert durations(cache) == {"ECHO": 80, "PING": 80}


def test_uninstrument(redis_url: str, telemetry: Telemetry) -> None:
    """Afterwards every class is as it was before."""
    owners = (
        redis.Redis,
        redis.client.Pipeline,
        redis.asyncio.Redis,
        redis.asyncio.client.Pipeline,
        redis.cluster.RedisCluster,
        redis.cluster.ClusterPipeline,
        redis.asyncio.cluster.RedisCluster,
        redis.asyncio.cluster.ClusterPipeline,
        redis.asyncio.cluster.ClusterNode,
    )
    before = [dict(vars(owner)) for owner in owners]
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    hooked = [dict(vars(owner)) for owner in owners]
    CacheInstrumentor().uninstrument()
    assert all(one != other for one, other in zip(before, hooked, strict=True))
    assert [dict(vars(owner)) for owner in owners] == before


def test_without_a_word_of_the_distro_nothing_happens() -> None:
    """Under another distro the instrumentor is called bare, and does nothing."""
    before = redis.Redis.execute_command
    CacheInstrumentor().instrument(skip_dep_check=True)
    after = redis.Redis.execute_command
    CacheInstrumentor().uninstrument()
    assert after is before


def test_hooked_methods_look_the_same(cache: Telemetry) -> None:
    """A framework that asks what a method is gets the same answer."""
    assert asyncio.iscoroutinefunction(redis.asyncio.Redis.execute_command)
    assert redis.client.Pipeline.execute.__name__ == "execute"
