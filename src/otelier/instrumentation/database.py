"""SQL statements, by SQLAlchemy's public events.

Listens on the `Engine` class: every engine counts, past and future, sync and async. One CLIENT
span a statement (an `executemany` is one); none for connecting, pinging and transactions. Runs in
whatever thread or greenlet executes the statement, inside the caller's context.

Source: semantic conventions, database client spans.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_tracer

from otelier import _guard, signals
from otelier.errors import type_name
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.privacy import before_literal, mask_sql
from otelier.version import __version__

# Dialect names of SQLAlchemy to `db.system.name`, where they differ.
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}
# Where double quotes hold a name, whatever the server's mode.
_QUOTES_NAMES = frozenset(("postgresql", "cockroachdb"))

_OPERATION = re.compile(r"\s*([A-Za-z]+)")
_COLLECTION = re.compile(r'\b(?:FROM|INTO|UPDATE|TABLE)\s+((?!\d)[\w."`]+)', re.IGNORECASE)
_SPAN = "_otelier_span"


class DatabaseInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Stands in for contrib's `sqlalchemy`; does nothing unless it is switched on by our distro."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, *, on: bool = False, **_: Any) -> None:
        self._patches = Patches()
        self._statements: Statements | None = None
        if on:
            self._patches.after_import("sqlalchemy", self._listen)

    def _listen(self, sqlalchemy: ModuleType) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self._statements = Statements(
            get_tracer("otelier.database", __version__, schema_url=SCHEMA_URL)
        )
        for name, listener in self._statements.listeners.items():
            event.listen(Engine, name, listener)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        if self._statements is not None:
            from sqlalchemy import event
            from sqlalchemy.engine import Engine

            for name, listener in self._statements.listeners.items():
                event.remove(Engine, name, listener)


class Statements:
    """Starts and ends the span of each statement."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._engines: WeakKeyDictionary[Any, Mapping[str, Any]] = WeakKeyDictionary()
        self.listeners: Mapping[str, Callable[..., Any]] = {
            "before_cursor_execute": self._before,
            "after_cursor_execute": self._after,
            "handle_error": self._failed,
        }

    def _before(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        try:
            if is_instrumentation_enabled():
                setattr(context, _SPAN, self._start(conn, statement, parameters, many))
        except Exception as error:
            _guard.fault("beginning a query", error)

    def _start(self, conn: Any, statement: str, parameters: Any, many: bool) -> Span:
        about = self._about(conn.engine)
        quotes_names = about[signals.DB_SYSTEM] in _QUOTES_NAMES
        attributes = {**about, **describe(statement, quotes_names)}
        if many:
            attributes[signals.DB_BATCH_SIZE] = len(parameters)
        name = attributes.get(signals.DB_SUMMARY) or about[signals.DB_SYSTEM]
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def _after(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        _end(context)

    def _failed(self, failure: Any) -> None:
        _end(failure.execution_context, failure.original_exception)

    def _about(self, engine: Any) -> Mapping[str, Any]:
        found = self._engines.get(engine)
        if found is None:
            found = self._engines[engine] = _engine_attributes(engine)
        return found


def _end(context: Any, error: BaseException | None = None) -> None:
    """End the statement's span, once: reading its rows may still fail after it."""
    try:
        span: Span | None = getattr(context, _SPAN, None)
        if span is not None:
            setattr(context, _SPAN, None)
            if error is not None:
                # The text of a driver's error may hold the parameters: only its class leaves.
                span.set_attribute(signals.ERROR_TYPE, type_name(error))
                span.set_status(StatusCode.ERROR)
            span.end()
    except Exception as fault:
        _guard.fault("ending a query", fault)


@lru_cache(maxsize=2048)
def describe(statement: str, quotes_names: bool) -> Mapping[str, str]:
    """Operation, table, summary and masked text of a statement, as far as they are plain to see."""
    found: dict[str, str] = {}
    if operation := _OPERATION.match(statement):
        found[signals.DB_OPERATION] = operation[1].upper()
    if collection := _COLLECTION.search(before_literal(statement, quotes_names=quotes_names)):
        found[signals.DB_COLLECTION] = collection[1].replace('"', "").replace("`", "")
    summary = " ".join(found.values())
    if summary:
        found[signals.DB_SUMMARY] = summary[:255]
    text = mask_sql(statement, quotes_names=quotes_names)
    if text is not None:
        found[signals.DB_TEXT] = text
    return found


def _engine_attributes(engine: Any) -> Mapping[str, Any]:
    url = engine.url
    found = {
        signals.DB_SYSTEM: _SYSTEMS.get(engine.dialect.name, engine.dialect.name),
        signals.DB_NAMESPACE: url.database,
        signals.SERVER_ADDRESS: url.host,
        signals.SERVER_PORT: url.port,
    }
    return {name: value for name, value in found.items() if value is not None}
