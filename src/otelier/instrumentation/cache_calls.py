"""Begins and ends the span and the measurement of a Redis command.

`Calls` is for commands of a client of its own, and counts every hundred nanoseconds; `ClusterCalls`
and `BatchCalls` follow what one call sends to several nodes. `begin` returns what `ended` or
`failed` is given, exactly once, or None for a call that is not observed. None of them raises.

Runs in whatever thread or task executes the command, inside the caller's context. The span is not
made the current one: what redis-py does inside is nobody's child.

Source: semantic conventions, database client spans and metrics, Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from time import perf_counter
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from otelier import _guard, signals
from otelier._upstream import SPAN_KEY, SUPPRESSIONS, current_context
from otelier.context import current_request
from otelier.errors import type_name
from otelier.fixed import fixed
from otelier.instrumentation.cache_hits import Lookups, take_all
from otelier.instrumentation.cache_servers import Command, Server, Servers, of_cluster, of_pool
from otelier.instrumentation.key_patterns import KeyPatterns
from otelier.instrumentation.replies import status_code
from otelier.sdk.lean_span import LeanSpan
from otelier.sdk.tracer import starter

Hook = Callable[..., object]
Call = tuple[Span | None, Command, float]
"""A call in progress: its span, its kind, and when it began by `perf_counter`."""

_SUPPRESSED, _SUPPRESSED_PLAIN = SUPPRESSIONS
_CLIENT = SpanKind.CLIENT
_BEGINNING = "beginning a Redis command"
_ENDING = "ending a Redis command"


@fixed
class Options:
    """How commands are observed.

    root_spans: a span for a command outside every span, as of a worker that polls.
    key_patterns: reduces keys; None if nothing of them may be said.
    request_hook: called with span, client, arguments and options before a command.
    response_hook: called with span, client and response after a command or pipeline.
    """

    root_spans: bool = False
    key_patterns: KeyPatterns | None = None
    request_hook: Hook | None = None
    response_hook: Hook | None = None


class Calls:
    """Commands of a client with a connection pool."""

    def __init__(self, tracer: Tracer, servers: Servers, options: Options) -> None:
        self._servers = servers
        self._by_owner = servers.by_owner
        self.use(tracer, options)

    def use(self, tracer: Tracer, options: Options) -> None:
        """For commands that begin from now on."""
        self._start_span = starter(tracer)
        self._options = options
        self._root_spans = options.root_spans
        self._request_hook = options.request_hook
        self._response_hook = options.response_hook
        self._has_extras = options.request_hook is not None or options.key_patterns is not None

    def begin(self, given: tuple[Any, ...], options: dict[str, Any]) -> Call | None:
        """given: the client and the arguments that its method was called with; options: the rest.

        0.5 microseconds without the span.
        """
        try:
            context = current_context()
            parent = context.get(SPAN_KEY)
            # Usually a span is all that a context holds, and nothing is switched off.
            if (len(context) > 1 or parent is None) and _is_off(context):
                return None
            pool = given[0].connection_pool
            try:
                command = self._by_owner[id(pool)][len(given)][given[1]]
            except (LookupError, TypeError):
                found = self._servers.of(pool, of_pool).command(given[1:])
                if found is None:
                    return None
                command = found
            if type(parent) is LeanSpan or self._root_spans or _is_valid(parent):
                span = self._start_span(command.name, context, _CLIENT, command.preset)
                if self._has_extras:
                    self._add_extras(span, command, given, options)
                return span, command, perf_counter()
            return None, command, perf_counter()
        except Exception as error:
            _guard.fault(_BEGINNING, error)
            return None

    def ended(self, call: Any, client: Any, response: Any) -> None:
        try:
            span, command, started = call
            elapsed = perf_counter() - started
            if span is not None:
                if self._response_hook is not None:
                    _run(self._response_hook, span, client, response)
                span.end()
            if command.record is not None:
                command.record(elapsed, span)
            request = current_request.get()
            if request is not None:
                request.cache_operations += 1
            if command.lookups is not None:
                pattern = self._pattern(span) if self._has_extras else None
                command.lookups.take(response, pattern, request)
        except Exception as error:
            _guard.fault(_ENDING, error)

    def _pattern(self, span: Span | None) -> str | None:
        """What the span says of keys."""
        extra = getattr(span, "extra", None)
        return extra.get(signals.KEY_PATTERN) if extra else None

    def failed(self, call: Any, failure: BaseException) -> None:
        try:
            span, command, started = call
            elapsed = perf_counter() - started
            request = current_request.get()
            if request is not None:
                request.cache_operations += 1
            code = status_code(failure)
            kind = code or type_name(failure)
            if span is not None:
                # The text of the error may hold keys and values: it stays here.
                span.set_attribute(signals.ERROR_TYPE, kind)
                if code is not None:
                    span.set_attribute(signals.DB_STATUS_CODE, code)
                span.set_status(StatusCode.ERROR)
                span.end()
            if command.record is not None:
                record = command.server.failure(command.operation, kind)
                if record is not None:
                    record(elapsed, span)
        except Exception as error:
            _guard.fault(_ENDING, error)

    def _enter(
        self, context: Context, command: Command, given: tuple[Any, ...], options: dict[str, Any]
    ) -> Call:
        """What `begin` does once the command is known, for those that have more time."""
        span = None
        if self._root_spans or _is_valid(context.get(SPAN_KEY)):
            span = self._start_span(command.name, None, _CLIENT, command.preset)
            if self._has_extras:
                self._add_extras(span, command, given, options)
        return span, command, perf_counter()

    def _add_extras(
        self, span: Span, command: Command, given: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        client, *args = given
        patterns = self._options.key_patterns
        if patterns is not None and command.has_key and len(args) > 1 and span.is_recording():
            try:
                span.set_attribute(signals.KEY_PATTERN, patterns.of(args[1]))
            except Exception as error:
                _guard.fault("reducing a key", error)
        if self._request_hook is not None:
            _run(self._request_hook, span, client, tuple(args), options)


class Journey:
    """Where a call went.

    node: the one contacted last. is_over: a task that the call left behind is no part of it.
    lookups: for each command of a pipeline, where its reply goes.
    """

    __slots__ = ("is_over", "lookups", "node")

    def __init__(self) -> None:
        self.node: Any = None
        self.is_over = False
        self.lookups: Sequence[Lookups | None] = ()


_journey: ContextVar[Journey | None] = ContextVar("otelier_redis_journey", default=None)

Trip = tuple[Call, Journey, Token[Journey | None]]


def contacted(node: Any) -> None:
    """A connection to a node of a cluster is taken."""
    journey = _journey.get()
    if journey is not None:
        journey.node = node


class StagedCalls(Calls):
    """Commands of a pipeline that do not wait for its `execute`: WATCH and what follows it.

    Inside `execute` the pipeline looks after its scripts in the same way: those are not observed.
    """

    def begin(self, given: tuple[Any, ...], options: dict[str, Any]) -> Call | None:
        return None if _is_travelling() else super().begin(given, options)


class _TravellingCalls(Calls):
    """Calls that go to nodes of a cluster's choice, and whose inner commands are not observed.

    home: what of a cluster's client or pipeline is the same for both, and lives as long.
    """

    def __init__(
        self,
        tracer: Tracer,
        servers: Servers,
        options: Options,
        home: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(tracer, servers, options)
        self._home = home

    def _server(self, client: Any) -> Server:
        if self._home is None:
            return self._servers.of(client.connection_pool, of_pool)
        return self._servers.of(self._home(client), of_cluster)

    def ended(self, call: Any, client: Any, response: Any) -> None:
        inner, journey, token = call
        _arrive(inner[0], journey, token)
        super().ended(inner, client, response)

    def failed(self, call: Any, failure: BaseException) -> None:
        inner, journey, token = call
        _arrive(inner[0], journey, token)
        super().failed(inner, failure)


class ClusterCalls(_TravellingCalls):
    """Commands of a cluster's client."""

    def begin(self, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if _is_travelling():
            return None  # a pipeline sends again what it was told to send elsewhere
        try:
            context = current_context()
            if _is_off(context):
                return None
            command = self._server(given[0]).command(given[1:])
            if command is None:
                return None
            return _depart(self._enter(context, command, given, options))
        except Exception as error:
            _guard.fault(_BEGINNING, error)
            return None


class BatchCalls(_TravellingCalls):
    """Pipelines and transactions, of a client of its own and of a cluster's.

    One span: named PIPELINE or MULTI, and the command that all of it consists of, if it does. The
    convention wants it so, and it tells apart what a fixed name throws together.
    """

    def begin(self, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            pipe = given[0]
            context = current_context()
            size = len(pipe)
            if _is_off(context) or not (size or getattr(pipe, "watching", False)):
                return None  # nothing will be sent
            server, stack = self._server(pipe), list(_stack(pipe))
            prefix = "MULTI" if _is_transaction(pipe) else "PIPELINE"
            command = server.batch(prefix, *_same(stack))
            lookups = [server.lookups(args[0]) for args in stack]
            call = self._enter(context, command, given, options)
            if call[0] is not None and size != 1:  # one command is not a batch
                call[0].set_attribute(signals.DB_BATCH_SIZE, size)
            trip = _depart(call)
            trip[1].lookups = lookups
            return trip
        except Exception as error:
            _guard.fault("beginning a Redis pipeline", error)
            return None

    def ended(self, call: Any, client: Any, response: Any) -> None:
        super().ended(call, client, response)
        try:
            take_all(call[1].lookups, response, current_request.get())
        except Exception as error:
            _guard.fault("counting what a pipeline has read", error)

    def _add_extras(self, *_: Any) -> None:
        """A pipeline has no arguments: contrib gives it to no request hook either."""


def _depart(call: Call) -> Trip:
    journey = Journey()
    return call, journey, _journey.set(journey)


def _is_travelling() -> bool:
    journey = _journey.get()
    return journey is not None and not journey.is_over


def _arrive(span: Span | None, journey: Journey, token: Token[Journey | None]) -> None:
    journey.is_over = True
    with suppress(ValueError):  # a task that was thrown away is closed in another context
        _journey.reset(token)
    node = journey.node
    try:
        if span is not None and node is not None:
            span.set_attribute(signals.PEER_ADDRESS, str(node.host))
            span.set_attribute(signals.PEER_PORT, int(node.port))
    except Exception as error:
        _guard.fault("naming a node", error)


def _is_off(context: Context) -> bool:
    return bool(context.get(_SUPPRESSED) or context.get(_SUPPRESSED_PLAIN))


def _is_valid(parent: Any) -> bool:
    return parent is not None and parent.get_span_context().is_valid


def _run(hook: Hook, *given: Any) -> None:
    """A hook is the user's code: what goes wrong in it is said, and the command goes on."""
    try:
        hook(*given)
    except Exception as error:
        _guard.fault("a hook for Redis commands", error)


def _is_transaction(pipe: Any) -> bool:
    """Sync, async and cluster pipelines say it each in their way.

    `transaction` is an attribute of some, and a method of the others.
    """
    wanted = getattr(pipe, "is_transaction", getattr(pipe, "transaction", False))
    if wanted and not callable(wanted):
        return True
    strategy = type(getattr(pipe, "_execution_strategy", None)).__name__
    return bool(getattr(pipe, "explicit_transaction", False)) or strategy == "TransactionStrategy"


def _stack(pipe: Any) -> Iterable[Sequence[Any]]:
    """The arguments of each command that waits in a pipeline."""
    strategy = getattr(pipe, "_execution_strategy", None)
    if strategy is not None:
        waiting = strategy._command_queue
    else:
        waiting = getattr(pipe, "_command_stack", None) or pipe.command_stack
    return (entry[0] if isinstance(entry, tuple) else entry.args for entry in waiting)


def _same(stack: Iterable[Sequence[Any]]) -> tuple[Any, int | None]:
    """The command that all of them are, if they are, and the length that all have, if they have.

    Two that differ are usually among the first; a pipeline of the same costs 50 ns a command.
    """
    name: Any = None
    length: int | None = 0
    for args in stack:
        if name is None:
            name, length = args[0], len(args)
        elif args[0] != name:
            return None, None
        elif len(args) != length:
            length = None
    return name, length
