"""SQL statements, by SQLAlchemy's public events.

Listens on the `Engine` class: every engine counts, past and future, sync and async, by whatever
import. One CLIENT span a statement (one with several sets of parameters is one statement) and its
duration in a histogram; none for connecting, pinging and transactions. Runs in whatever thread or
greenlet executes the statement, inside the caller's context. The span is not made the current one:
what a driver does inside is nobody's child. Nothing of ours leaves a listener as an exception.

A statement ends with `after_cursor_execute` or, whatever went wrong (cancellation, a lost
connection, another listener), with `handle_error`. Both are given its execution context: that is
where what was begun waits for its end.

Source: semantic conventions, database client spans and metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from types import ModuleType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Meter, MeterProvider, get_meter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider, get_tracer

from otelier import _guard, signals
from otelier._upstream import SPAN_KEY, SUPPRESSIONS, current_context
from otelier.instrumentation import database_checks, seen
from otelier.instrumentation.engines import Engines, Kind, failure
from otelier.instrumentation.instrumentor import Instrumentor
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.instrumentation.pools import Pools
from otelier.instrumentation.sqlcommenter import Commenter
from otelier.instrumentation.telling import Telling
from otelier.instrumentation.transactions import Transactions
from otelier.sdk.metrics import distribution
from otelier.sdk.tracer import starter
from otelier.version import __version__

SCOPE = "otelier.database"

# Buckets that the convention advises for db.client.operation.duration, in seconds.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)

_SUPPRESSED, _SUPPRESSED_PLAIN = SUPPRESSIONS
_CLIENT = SpanKind.CLIENT

_CALL = "otelier_call"
"""Attribute of an execution context: span, kind and `perf_counter` of what was begun."""


class DatabaseInstrumentor(Instrumentor):
    """Stands in for contrib's `sqlalchemy`; does nothing unless it is switched on by our distro.

    Its arguments, and contrib's: `tracer_provider`, `meter_provider`, `enable_commenter` (or
    `commenter`) and `commenter_options`. `engine` and `engines` are observed like all others.
    slow_seconds: from when on a statement is slow; most_repeats: how often one may come in a
    request without a record; 0 switches either off. explain: whether slow ones are explained.
    """

    def _instrument(
        self,
        *,
        on: bool = False,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        slow_seconds: float = 0.0,
        most_repeats: int = 0,
        explain: bool = False,
        commenter: bool = False,
        enable_commenter: bool = False,
        commenter_options: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self._patches = Patches()
        self._statements: Statements | None = None
        self._beside: list[Transactions | Pools] = []
        if not on:
            return
        wants_comments = commenter or enable_commenter
        meter = get_meter(SCOPE, __version__, meter_provider, SCHEMA_URL)
        engines = Engines(_durations(meter).series)
        statements = Statements(
            get_tracer(SCOPE, __version__, tracer_provider, SCHEMA_URL),
            engines,
            Commenter(commenter_options or {}) if wants_comments else None,
            Telling(slow_seconds, most_repeats, explain),
        )

        def listen(sqlalchemy: ModuleType) -> None:
            self._statements = statements
            statements.listen()
            self._beside = [Transactions(meter, engines), Pools(meter)]
            for each in self._beside:
                each.put_in(self._patches)

        self._patches.after_import("sqlalchemy", listen)
        seen.watch_engines(self._patches)
        database_checks.watch(self._patches)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        if self._statements is not None:
            self._statements.leave()
        for each in self._beside:
            each.leave()


class Statements:
    """Begins and ends the span and the measurement of each statement."""

    def __init__(
        self, tracer: Tracer, engines: Engines, commenter: Commenter | None, telling: Telling
    ) -> None:
        self._start_span = starter(tracer)
        self._engines = engines
        self._ready = engines.ready
        self._commenter = commenter
        self._telling = telling
        self._slow_seconds, self._count = telling.slow_seconds, telling.count
        self.listeners: Mapping[str, Callable[..., Any]] = {
            "before_cursor_execute": self._before_commented if commenter else self._before,
            "after_cursor_execute": self._after,
            "handle_error": self._failed,
        }

    def listen(self) -> None:
        """As soon as SQLAlchemy is imported, so that the app's own listeners come behind."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        for name, listener in self.listeners.items():
            rewrites = self._commenter is not None and name == "before_cursor_execute"
            event.listen(Engine, name, listener, **({"retval": True} if rewrites else {}))

    def leave(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        for name, listener in self.listeners.items():
            if event.contains(Engine, name, listener):
                event.remove(Engine, name, listener)

    def _before(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        try:
            current = current_context()
            # Usually a span is all that a context holds, and nothing is switched off.
            if (len(current) > 1 or SPAN_KEY not in current) and _is_off(current):
                return
            if many:
                self._begin_batch(conn, parameters, context)
                return
            try:
                kind = self._ready[id(conn.dialect)][statement]
            except KeyError:
                kind = self._engines.find(conn, statement, context)
            if kind is not None and context is not None:
                span = self._start_span(kind.name, current, _CLIENT, kind.preset)
                context.otelier_call = span, kind, perf_counter()
        except Exception as error:
            _guard.fault("beginning a query", error)

    def _begin_batch(self, conn: Any, parameters: Any, context: Any) -> None:
        size = _size(parameters, context.parameters)
        kind = self._engines.batch(conn, context, size)
        if kind is not None:
            span = self._start_span(kind.name, None, _CLIENT, kind.preset)
            if size is not None and size != 1:
                span.set_attribute(signals.DB_BATCH_SIZE, size)
            context.otelier_call = span, kind, perf_counter()

    def _before_commented(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        self._before(conn, cursor, statement, parameters, context, many)
        call = getattr(context, _CALL, None)
        if call is not None and self._commenter is not None:
            statement = self._commenter.commented(statement, conn, call[0], many)
        return statement, parameters

    def _after(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        try:
            call = getattr(context, _CALL, None)
            if call is not None:
                context.otelier_call = None  # reading its rows may still fail
                span, kind, started = call
                elapsed = perf_counter() - started
                self._count(kind, span, started, elapsed)
                span.end()
                kind.record(elapsed, span)
                if elapsed >= self._slow_seconds:
                    what = conn.engine, statement, parameters, many
                    self._telling.slow(kind, span, elapsed, cursor, what)
        except Exception as error:
            _guard.fault("ending a query", error)

    def _failed(self, told: Any) -> None:
        try:
            context = told.execution_context
            call: tuple[Span, Kind, float] | None = getattr(context, _CALL, None)
            if call is not None:
                context.otelier_call = None
                span, kind, started = call
                elapsed = perf_counter() - started
                self._count(kind, span, started, elapsed)
                why = failure(told.original_exception, kind.database.system)
                span.set_attributes(why)
                span.set_status(StatusCode.ERROR)
                span.end()
                kind.failed(why)(elapsed, span)
                if elapsed >= self._slow_seconds:
                    what = told.engine, told.statement, told.parameters, False
                    self._telling.slow(kind, span, elapsed, None, what, why[signals.ERROR_TYPE])
        except Exception as error:
            _guard.fault("ending a query", error)


def _is_off(context: Context) -> bool:
    return bool(context.get(_SUPPRESSED) or context.get(_SUPPRESSED_PLAIN))


def _size(parameters: Any, rows: Any) -> int | None:
    """How many sets of parameters are sent; None where that is not plain to see.

    rows: all sets of the call. SQLAlchemy may send them in portions, each as one set that holds
    the values of many.
    """
    if parameters is rows or isinstance(parameters, list):
        return len(parameters)
    width = len(rows[0]) if rows else 0
    return len(parameters) // width if width and not len(parameters) % width else None


def _durations(meter: Meter) -> Any:
    return distribution(
        meter,
        signals.DB_DURATION,
        "s",
        "Duration of database client operations.",
        _BUCKETS,
    )
