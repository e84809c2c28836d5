"""What is known of an engine, and of each statement that went to it: attributes, name, series.

An engine is found by its dialect, which those that `execution_options` derives from it share. None
is kept alive by us. Everything made for a statement is kept in two generations: what was used
since the last change, and what was used in the one before; what is in neither is forgotten. At most
2048 statements are kept for all engines together, a long one counts as several.

Any thread may call; two that make the same thing at once both succeed and one of the two is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any
from weakref import ref

from opentelemetry.trace import Span

from otelier import signals
from otelier.errors import type_name
from otelier.export.preset import Preset
from otelier.instrumentation.statements import (
    Description,
    batched,
    can_expand,
    describe,
    unexpanded,
)
from otelier.sql_tokens import ANY, GRAMMARS

Record = Callable[[float, Span | None], object]
Series = Callable[[Mapping[str, Any]], Record]

_MOST_STATEMENTS = 2048
_LONG = 4096

# Dialect names of SQLAlchemy to `db.system.name`, where they differ.
_SYSTEMS = {
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "redshift": "aws.redshift",
    "spanner": "gcp.spanner",
    "spanner+spanner": "gcp.spanner",
    "db2": "ibm.db2",
    "ibm_db_sa": "ibm.db2",
    "hana": "sap.hana",
    "firebird": "firebirdsql",
    "clickhousedb": "clickhouse",
    "teradatasql": "teradata",
}
_WITH_NUMBERS = frozenset(("mysql", "mariadb"))
_STATUS = re.compile(r"[A-Za-z0-9_]{1,64}")

# Where SQLAlchemy tells nobody of an error: a span that were begun would never end.
_SILENT = "skip_user_error_events"


class Kind:
    """One statement to one database.

    about: what the series of its durations has. batch: the same with several sets of parameters,
    made when it is needed. shape: equal for statements that differ in their literals alone.
    """

    __slots__ = ("about", "batch", "database", "name", "of", "preset", "record", "shape")

    def __init__(self, database: Database, of: Description) -> None:
        about = dict(database.about)
        if of.operation:
            about[signals.DB_OPERATION] = of.operation
        if of.collection:
            about[signals.DB_COLLECTION] = of.collection
        if of.summary:
            about[signals.DB_SUMMARY] = of.summary
        self.database = database
        self.of = of
        self.about: Mapping[str, Any] = about
        self.name = of.summary or database.name
        self.preset = Preset({**about, signals.DB_TEXT: of.text} if of.text else about)
        self.record = database.series(about)
        self.shape: Hashable = of.text or object()
        self.batch: Kind | None = None

    def failed(self, why: Mapping[str, Any]) -> Record:
        """Where its duration goes when it fails. why: attributes that say how."""
        return self.database.series({**self.about, **why})


class Database:
    """What the statements of one engine have in common.

    name: of a span whose statement is not understood. ready, earlier: the two generations.
    ends: where each way to end a transaction is counted and measured.
    """

    def __init__(self, engine: Any, series: Series) -> None:
        self.system = _system(engine.dialect)
        self.about = about_engine(engine)
        self.grammar = GRAMMARS.get(self.system, ANY)
        self.series = series
        self.name = _target(self.about) or self.system
        self.ready: dict[str, Kind | None] = {}
        self.earlier: dict[str, Kind | None] = {}
        self.ends: dict[Any, Any] = {}

    def made(self, statement: str) -> Kind | None:
        """None for what only begins or ends a transaction."""
        of = describe(statement, self.grammar)
        return None if of.is_control else Kind(self, of)


class Engines:
    """Finds the kind of a statement.

    ready: the present generation of each engine, by the id of its dialect.
    """

    def __init__(self, series: Series) -> None:
        self.ready: dict[int, dict[str, Kind | None]] = {}
        self._series = series
        self._databases: dict[int, tuple[ref[Any], Database]] = {}
        self._room = _MOST_STATEMENTS // 2

    def find(self, conn: Any, statement: str, context: Any) -> Kind | None:
        """The kind of a statement that is not in `ready` as it stands; None for no span.

        1 microsecond for a list that SQLAlchemy has filled in, 0.2 milliseconds for a new one.
        """
        if context is None or context.execution_options.get(_SILENT):
            return None
        database = self.of(conn)
        original = context.statement
        if original is not statement and _is_dressed(statement, original):
            statement = original
        compiled = getattr(context.compiled, "string", statement)
        if compiled != statement:
            if compiled in database.ready:
                return database.ready[compiled]
            if can_expand(compiled):
                return self._kept(database, compiled, unexpanded(compiled))
        return self._kept(database, statement, statement)

    def batch(self, conn: Any, context: Any, size: int | None) -> Kind | None:
        """The same with several sets of parameters, which SQLAlchemy may have put into its text.

        Source: semantic conventions ("requests with only one parameter set SHOULD be modeled as
        single operations").
        """
        kind = self.find(conn, context.statement, context)
        if kind is None or size == 1:
            return kind
        if kind.batch is None:
            kind.batch = Kind(kind.database, batched(kind.of))
        return kind.batch

    def of(self, conn: Any) -> Database:
        dialect = conn.dialect
        found = self._databases.get(id(dialect))
        if found is not None:
            return found[1]
        database = Database(conn.engine, self._series)
        self._databases[id(dialect)] = ref(dialect, self._forgetting(id(dialect))), database
        self.ready[id(dialect)] = database.ready
        return database

    def _kept(self, database: Database, key: str, statement: str) -> Kind | None:
        if key in database.ready:
            return database.ready[key]
        kind = database.earlier[key] if key in database.earlier else database.made(statement)
        if self._room <= 0:
            self._change()
        self._room -= 1 + len(key) // _LONG
        database.ready[key] = kind
        return kind

    def _change(self) -> None:
        """The present generation is the earlier one from now on."""
        self._room = _MOST_STATEMENTS // 2
        for key, (_, database) in list(self._databases.items()):
            database.earlier, database.ready = database.ready, {}
            self.ready[key] = database.ready

    def _forgetting(self, key: int) -> Callable[[object], None]:
        """Called when a dialect is gone and before its id can be another's."""

        def forget(_: object) -> None:
            self.ready.pop(key, None)
            self._databases.pop(key, None)

        return forget


def failure(error: BaseException, system: str) -> dict[str, str]:
    """How a statement failed: the class of the exception, and the database's code if it sent one.

    Its text stays here: it may quote the parameters. SQLAlchemy's adapter for asyncpg translates
    the driver's exception: the one that the driver raised says more.
    """
    cause = error.__cause__
    is_translated = cause is not None and type(error).__module__.startswith("sqlalchemy.dialects.")
    why = {signals.ERROR_TYPE: type_name(cause if is_translated and cause else error)}
    code = status_code(error, system)
    if code is not None:
        why[signals.DB_STATUS_CODE] = code
    return why


def status_code(error: BaseException, system: str) -> str | None:
    """SQLSTATE of PostgreSQL's drivers, the number of MySQL's, the name of SQLite's.

    MySQL's drivers may have an SQLSTATE too, which is the same for many of its numbers.
    """
    first = error.args[0] if error.args else None
    if system in _WITH_NUMBERS and isinstance(first, int) and not isinstance(first, bool):
        return str(first)
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        code = getattr(error, name, None)
        if isinstance(code, str) and _STATUS.fullmatch(code):
            return code
    return None


def _is_dressed(statement: str, original: Any) -> bool:
    """Whether a listener of the app has only put a comment before or behind a statement."""
    return isinstance(original, str) and (
        statement.startswith(original) or statement.endswith(original)
    )


def about_engine(engine: Any) -> dict[str, Any]:
    """Attributes of the database that it talks to, as far as its address says."""
    return {signals.DB_SYSTEM: _system(engine.dialect), **_address(engine.url)}


def _system(dialect: Any) -> str:
    if getattr(dialect, "is_mariadb", False):
        return "mariadb"
    name = str(dialect.name)
    return _SYSTEMS.get(name, name)


def _address(url: Any) -> dict[str, Any]:
    """As configured: where PostgreSQL's drivers find a socket, in the query."""
    query = url.query
    host = url.host or query.get("host") or query.get("unix_socket")
    port: Any = url.port or query.get("port")
    if isinstance(host, str) and not host.startswith("/") and host.count(":") == 1:
        host, _, port = host.partition(":")
    found: dict[str, Any] = {}
    if url.database:
        found[signals.DB_NAMESPACE] = str(url.database)
    if isinstance(host, str) and host and "," not in host:  # several hosts: nobody knows which
        found[signals.SERVER_ADDRESS] = host
        if str(port).isdecimal():
            found[signals.SERVER_PORT] = int(port)
    return found


def named(engine: Any) -> str:
    """What a person calls its database: `postgresql shop at db:5432`; no user, no password."""
    about = _address(engine.url)
    address, port = about.get(signals.SERVER_ADDRESS), about.get(signals.SERVER_PORT)
    where = "" if address is None else f" at {address}" if port is None else f" at {address}:{port}"
    namespace = about.get(signals.DB_NAMESPACE)
    return f"{_system(engine.dialect)}{f' {namespace}' if namespace else ''}{where}"


def _target(about: Mapping[str, Any]) -> str:
    """What a span is called after whose statement says nothing, in the convention's order."""
    if namespace := about.get(signals.DB_NAMESPACE):
        return str(namespace)
    address, port = about.get(signals.SERVER_ADDRESS, ""), about.get(signals.SERVER_PORT)
    return f"{address}:{port}" if port else str(address)
