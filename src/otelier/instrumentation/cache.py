"""Redis commands: hooks in the methods of redis-py's classes that every command goes through.

One CLIENT span a command or pipeline, and its duration in a histogram. Classes are hooked, not
clients: clients made before and after count, by whatever import. What a connection says while it
is made, what a pipeline or a cluster's client sends on its own behalf, and what is received by
subscription go other ways and are not observed. A command is called once, whatever goes wrong with
us, and its result and exceptions pass unchanged.

redis-py can measure the duration of commands and count connections itself, from 7.2 on and if the
app tells it to: ours does not then, so that nothing is counted twice.

Source: semantic conventions, database client spans and metrics, Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from operator import attrgetter
from types import ModuleType
from typing import Any

from opentelemetry.metrics import Meter, MeterProvider, get_meter
from opentelemetry.trace import Tracer, TracerProvider, get_tracer

from otelier import _guard, signals
from otelier.instrumentation import seen
from otelier.instrumentation.cache_calls import (
    BatchCalls,
    Calls,
    ClusterCalls,
    Options,
    StagedCalls,
    contacted,
)
from otelier.instrumentation.cache_hits import Hits
from otelier.instrumentation.cache_pools import RedisPools
from otelier.instrumentation.cache_servers import Servers
from otelier.instrumentation.connections import Gauges
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.key_patterns import KeyPatterns
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.sdk.metrics import distribution
from otelier.version import __version__

SCOPE = "otelier.cache"

# Buckets that the convention advises for db.client.operation.duration, in seconds.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


class CacheInstrumentor(Instrumentor):
    """Stands in for contrib's `redis`; does nothing unless it is switched on by our distro.

    info: whether servers are asked how they are (`cache_info`).
    Its arguments, and contrib's: `tracer_provider`, `meter_provider`, `request_hook` (called with
    span, client, arguments and options of a command) and `response_hook` (span, client, response).
    """

    def _instrument(
        self,
        *,
        on: bool = False,
        info: bool = False,
        meter_provider: MeterProvider | None = None,
        **given: Any,
    ) -> None:
        self._patches = Patches()
        self._pools: RedisPools | None = None
        if not on:
            return
        meter = get_meter(SCOPE, __version__, meter_provider, SCHEMA_URL)
        servers = Servers(_durations(meter).series, Hits(meter))
        self._pools = RedisPools(servers)
        Gauges(meter, self._pools)
        self._hooks = Hooks(self._patches, servers, *_means(**given))
        self._hooks.put_in()
        seen.watch_clients(self._patches)
        if info:
            from otelier.instrumentation import cache_info

            cache_info.observe(meter)
        self._patches.after_import(
            "redis.observability.providers", partial(_give_way, self._patches, servers, self._pools)
        )

    def change(self, **given: Any) -> None:
        """Go on with other arguments; what is hooked stays so, whoever has wrapped it since."""
        self._hooks.use(*_means(**given))

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        if self._pools is not None:
            self._pools.stop()


class Hooks:
    """Which methods are hooked."""

    def __init__(
        self, patches: Patches, servers: Servers, tracer: Tracer, options: Options
    ) -> None:
        self._patches = patches
        self._servers = servers
        self._tracer = tracer
        self._options = options
        self._made: list[Calls] = []

    def use(self, tracer: Tracer, options: Options) -> None:
        """From now on, in whatever is hooked already."""
        self._tracer, self._options = tracer, options
        for calls in self._made:
            calls.use(tracer, options)

    def put_in(self) -> None:
        """In each module once the app has imported it."""
        for module, hook in (
            ("redis.client", self._client),
            ("redis.cluster", self._cluster),
            ("redis.asyncio.client", self._async_client),
            ("redis.asyncio.cluster", self._async_cluster),
        ):
            self._patches.after_import(module, hook)

    def _client(self, module: ModuleType) -> None:
        self._hook(module.Redis, "execute_command", watched(self._make(Calls)))
        self._hook(module.Pipeline, "immediate_execute_command", watched(self._make(StagedCalls)))
        self._hook(module.Pipeline, "execute", watched(self._make(BatchCalls)))

    def _async_client(self, module: ModuleType) -> None:
        staged = watched_async(self._make(StagedCalls))
        self._hook(module.Redis, "execute_command", watched_async(self._make(Calls)))
        self._hook(module.Pipeline, "immediate_execute_command", staged)
        self._hook(module.Pipeline, "execute", watched_async(self._make(BatchCalls)))

    def _cluster(self, module: ModuleType) -> None:
        home = attrgetter("nodes_manager")
        commands, batches = (self._make(kind, home=home) for kind in (ClusterCalls, BatchCalls))
        self._hook(module.RedisCluster, "execute_command", watched(commands))
        self._hook(module.ClusterPipeline, "execute", watched(batches))
        self._hook(module.RedisCluster, "get_redis_connection", _noting_argument)

    def _async_cluster(self, module: ModuleType) -> None:
        commands = self._make(ClusterCalls, home=_itself)
        batches = self._make(BatchCalls, home=_client_of)
        self._hook(module.RedisCluster, "execute_command", watched_async(commands))
        self._hook(module.ClusterPipeline, "execute", watched_async(batches))
        self._hook(module.ClusterNode, "acquire_connection", _noting_node)

    def _make(self, kind: type[Calls], **of: Any) -> Calls:
        made = kind(self._tracer, self._servers, self._options, **of)
        self._made.append(made)
        return made

    def _hook(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._patches.replace(owner, name, make)


def watched(calls: Calls) -> Callable[[Any], Any]:
    """Puts `calls` around a method.

    `given` begins with the client: taken apart and put together again it costs 0.1 microseconds.
    """
    begin, ended, failed = calls.begin, calls.ended, calls.failed

    def make(original: Any) -> Any:
        @wraps(original)
        def execute(*given: Any, **options: Any) -> Any:
            call = begin(given, options)
            if call is None:
                return original(*given, **options)
            try:
                response = original(*given, **options)
            except BaseException as error:
                failed(call, error)
                raise
            ended(call, given[0], response)
            return response

        return execute

    return make


def watched_async(calls: Calls) -> Callable[[Any], Any]:
    """The same for a coroutine; a cancellation is an exception like others."""
    begin, ended, failed = calls.begin, calls.ended, calls.failed

    def make(original: Any) -> Any:
        @wraps(original)
        async def execute(*given: Any, **options: Any) -> Any:
            call = begin(given, options)
            if call is None:
                return await original(*given, **options)
            try:
                response = await original(*given, **options)
            except BaseException as error:
                failed(call, error)
                raise
            ended(call, given[0], response)
            return response

        return execute

    return make


def _noting_argument(original: Any) -> Any:
    @wraps(original)
    def get_redis_connection(client: Any, node: Any) -> Any:
        contacted(node)
        return original(client, node)

    return get_redis_connection


def _noting_node(original: Any) -> Any:
    @wraps(original)
    def acquire_connection(node: Any) -> Any:
        contacted(node)
        return original(node)

    return acquire_connection


def _itself(client: Any) -> Any:
    return client


def _client_of(pipe: Any) -> Any:
    """The client that an asyncio cluster pipeline was made by; another name before redis-py 6."""
    return getattr(pipe, "cluster_client", None) or pipe._client


def _means(
    *,
    tracer_provider: TracerProvider | None = None,
    key_patterns: bool = False,
    root_spans: bool = False,
    request_hook: Callable[..., object] | None = None,
    response_hook: Callable[..., object] | None = None,
    **_: Any,
) -> tuple[Tracer, Options]:
    """What of the arguments concerns spans."""
    options = Options(
        root_spans=root_spans,
        key_patterns=KeyPatterns() if key_patterns else None,
        request_hook=request_hook,
        response_hook=response_hook,
    )
    return get_tracer(SCOPE, __version__, tracer_provider, SCHEMA_URL), options


def _durations(meter: Meter) -> Any:
    return distribution(
        meter,
        signals.DB_DURATION,
        "s",
        "Duration of database client operations.",
        _BUCKETS,
    )


def _give_way(patches: Patches, servers: Servers, pools: RedisPools, providers: ModuleType) -> None:
    """Stop measuring what redis-py measures.

    It goes on after its own `shutdown`, as long as the process lives: so there is no way back.
    """
    from redis.observability.config import MetricGroup

    def give_way(instance: Any) -> None:
        manager = instance.get_provider_manager()
        if manager is not None and manager.config.is_enabled():
            groups = manager.config.metric_groups
            if MetricGroup.COMMAND in groups:
                servers.stop_measuring()
            if MetricGroup.CONNECTION_BASIC in groups:
                pools.stop()

    def watching(original: Any) -> Any:
        @wraps(original)
        def init(instance: Any, *args: Any, **options: Any) -> Any:
            done = original(instance, *args, **options)
            try:
                give_way(instance)
            except Exception as error:
                _guard.fault("giving way to redis-py's metrics", error)
            return done

        return init

    patches.replace(providers.ObservabilityInstance, "init", watching)
    give_way(providers.get_observability_instance())
