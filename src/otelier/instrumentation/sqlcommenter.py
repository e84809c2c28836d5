"""Comments that tell a database's own logs which trace a statement belongs to. Off by default.

`SELECT 1 /*db_driver='psycopg2',framework='sqlalchemy',traceparent='00-…'*/`. A comment with a
`traceparent` makes every statement another one. Drivers and databases that keep prepared statements
by their text (asyncpg, psycopg 3, SQLite, Oracle, SQL Server …) would prepare each anew and push
useful ones out: they get the tags that never change. psycopg 3 that was told to prepare nothing
(`prepare_threshold=None`) gets all.

No tag holds a character that would have to be encoded: `%` means something to many drivers. A
statement that has a comment keeps it alone, and one with several sets of parameters gets none:
drivers recognise such an INSERT by its end, and would send its rows one by one.

Source: sqlcommenter specification; semantic conventions, database client spans (SQL commenter).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span

from otelier import _guard

# They send the text as it is each time.
_SENDS_TEXT = frozenset(("psycopg2", "pymysql", "mysqldb", "aiomysql", "asyncmy"))
_PREPARES = "prepare_threshold"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


class Commenter:
    """options: `db_driver`, `db_framework` and `opentelemetry_values`, False to leave one out."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._wants_driver = options.get("db_driver", True)
        self._wants_framework = options.get("db_framework", True)
        self._wants_trace = options.get("opentelemetry_values", True)

    def commented(self, statement: str, conn: Any, span: Span, many: bool) -> str:
        """The statement with its comment, or as it is."""
        try:
            if many or "/*" in statement or "--" in statement:
                return statement
            tags = self._tags(conn, span)
            if not tags:
                return statement
            text = statement.rstrip()
            end = ";" if text.endswith(";") else ""
            return f"{text.removesuffix(';')} /*{tags}*/{end}"
        except Exception as error:
            _guard.fault("commenting a statement", error)
            return statement

    def _tags(self, conn: Any, span: Span) -> str:
        """In the order of their names."""
        driver = str(conn.dialect.driver)
        tags = []
        if self._wants_driver and _PLAIN.fullmatch(driver):
            tags.append(f"db_driver='{driver}'")
        if self._wants_framework:
            tags.append("framework='sqlalchemy'")
        if self._wants_trace and _can_change(conn, driver):
            about = span.get_span_context()
            if about.is_valid:
                ids = f"{about.trace_id:032x}-{about.span_id:016x}"
                tags.append(f"traceparent='00-{ids}-{about.trace_flags & 1:02x}'")
        return ",".join(tags)


def _can_change(conn: Any, driver: str) -> bool:
    if driver in _SENDS_TEXT:
        return True
    if not driver.startswith("psycopg"):
        return False
    return getattr(_driver_connection(conn), _PREPARES, 0) is None


def _driver_connection(conn: Any) -> Any:
    pooled = conn.connection
    return getattr(pooled, "driver_connection", None) or pooled
