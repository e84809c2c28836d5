"""redis-py's own durations and ours: one of the two, never both."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from otelier.instrumentation.cache import CacheInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.pooled import Pooled
from tests.instrumentation.test_cache import durations, names

observability = pytest.importorskip("redis.observability", reason="redis-py from 7.2 on")


@pytest.fixture
def native(telemetry: Telemetry) -> Iterator[Any]:
    """redis-py's own telemetry, off again afterwards."""
    gc.collect()  # a pool that goes while redis-py counts may wait for a lock that it holds itself
    yield observability.get_observability_instance()
    observability.reset_observability_instance()
    from redis.asyncio.observability import recorder as async_recorder
    from redis.observability import recorder

    recorder.reset_collector()
    async_recorder.reset_collector()


COMMANDS = [observability.MetricGroup.COMMAND]


@pytest.mark.usefixtures("parent")
@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_redis_measures_itself(
    redis_url: str, telemetry: Telemetry, native: Any, before: bool
) -> None:
    """Once the app has switched on redis-py's own durations ours stop, and the spans go on."""
    config = observability.OTelConfig(metric_groups=COMMANDS)
    if before:
        native.init(config)
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    try:
        with redis.Redis.from_url(redis_url) as client:
            if not before:
                client.get("k")
                assert durations(telemetry) == {"GET": 1}
                native.init(config)
            client.get("k")
            client.pipeline().get("k").execute()
            with pytest.raises(redis.ResponseError):
                client.execute_command("NONSENSE")
            assert measured(telemetry) == {("GET", "redis-py"): 1, ("MULTI", "redis-py"): 1}
            native.shutdown()
            client.get("k")
            assert measured(telemetry) == {("GET", "redis-py"): 1}
    finally:
        CacheInstrumentor().uninstrument()
    assert names(telemetry)[-4:] == ["GET", "MULTI GET", "NONSENSE", "GET"]


def measured(telemetry: Telemetry) -> dict[tuple[str, str], int]:
    """Durations by operation and by who recorded them."""
    points = telemetry.points()["db.client.operation.duration"]
    return {
        (
            point.attributes["db.operation.name"],
            "otelier" if "db.system.name" in point.attributes else "redis-py",
        ): point.count
        for point in points
    }


@pytest.mark.usefixtures("parent")
def test_redis_measures_something_else(redis_url: str, cache: Telemetry, native: Any) -> None:
    """Its counts of connections and errors are no reason to stop; nothing of it is switched on."""
    assert not native.is_enabled()
    native.init(observability.OTelConfig())
    with redis.Redis.from_url(redis_url) as client:
        client.get("k")
    assert durations(cache) == {"GET": 1}


@pytest.mark.parametrize("before", [True, False], ids=["before us", "after us"])
def test_redis_counts_its_connections(
    redis_url: str, telemetry: Telemetry, native: Any, before: bool
) -> None:
    """Then ours does not, and measures durations as ever."""
    if before:
        native.init(observability.OTelConfig())
    pooled = Pooled(telemetry)
    CacheInstrumentor().instrument(on=True, skip_dep_check=True)
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.get("k")
            if not before:
                pooled.look()
                assert ours(pooled) == [redis_url.split("//")[1]]
                native.init(observability.OTelConfig())
                client.get("k")
            pooled.look()
            assert ours(pooled) == []
            assert "db.client.operation.duration" in pooled.points
    finally:
        CacheInstrumentor().uninstrument()


def ours(pooled: Pooled) -> list[str]:
    """Names of pools that we have given: they name a database."""
    return [name for name in pooled.names if "/" in name]
