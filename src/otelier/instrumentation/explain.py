"""EXPLAIN of a slow statement, beside the app: how the database would go about it.

For one SELECT that surely does nothing else (`read_only`), to PostgreSQL, MySQL, MariaDB or SQLite.
Plain EXPLAIN, which runs nothing, with the parameters that the statement had: they go to the same
database once more and nowhere else. On a connection of our own, made as a health check makes one
(`database_checks`): the app's pool, its transactions and its event loop know nothing of it. There
the transaction is read-only, and a second is all that connecting and explaining may take.

One at a time for the process, at most `_MOST_A_MINUTE`, and one in ten minutes for one statement;
what comes meanwhile has no plan. Runs in a thread of its own, which ends with the plan. What goes
wrong (a table that only another connection sees, a time-out) leaves no plan, and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from opentelemetry.context import Context as TelemetryContext
from opentelemetry.trace import Span

from otelier import _guard, query_signals
from otelier._upstream import SUPPRESSIONS, attach
from otelier.context import RequestContext, current_request
from otelier.fixed import fixed
from otelier.instrumentation import plan_text
from otelier.instrumentation.allowance import Allowance
from otelier.instrumentation.attempts import Target, look
from otelier.instrumentation.database_checks import EngineAttempt
from otelier.instrumentation.engines import Kind
from otelier.instrumentation.notices import PLAN, Ids, shown, tell
from otelier.instrumentation.read_only import only_reads
from otelier.sdk.lean_span import ids

_MOST_A_MINUTE: Final = 6
_SECONDS_BETWEEN: Final = 600.0
"""For one statement: plans change with statistics, which are gathered every now and then."""
_MOST_PARAMETERS: Final = 1000


class NotReadOnly(Exception):
    """The connection is in no transaction that could be made read-only."""


def _postgres(cursor: Any, statement: str, parameters: Any) -> str:
    # For this transaction alone: behind a pooler (PgBouncer) others get the connection next.
    cursor.execute("SET TRANSACTION READ ONLY")
    cursor.execute("SET LOCAL statement_timeout = 900")
    cursor.execute("SET LOCAL lock_timeout = 100")
    cursor.execute("SHOW transaction_read_only")
    if cursor.fetchone()[0] != "on":
        raise NotReadOnly
    cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    return plan_text.of_postgres(cursor.fetchall())


def _mysql(
    cursor: Any, statement: str, parameters: Any, explain: str = "EXPLAIN FORMAT=TRADITIONAL"
) -> str:
    """The table, whatever `explain_format` says."""
    cursor.execute("START TRANSACTION READ ONLY")
    cursor.execute(f"{explain} {statement}", parameters)
    return plan_text.of_mysql(cursor.fetchall(), [column[0] for column in cursor.description])


def _sqlite(cursor: Any, statement: str, parameters: Any) -> str:
    cursor.execute("PRAGMA query_only = ON")
    cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return plan_text.of_sqlite(cursor.fetchall())


_ASK: Mapping[str, Callable[[Any, str, Any], str]] = {
    "postgresql": _postgres,
    "mysql": _mysql,
    "mariadb": partial(_mysql, explain="EXPLAIN"),  # it knows no other name of the table
    "sqlite": _sqlite,
}


@fixed
class _Question:
    kind: Kind
    ids: Ids
    request: RequestContext | None
    engine: Any
    statement: str
    parameters: Any


class Plans:
    """Asks for them."""

    def __init__(self) -> None:
        self._allowance = Allowance(_MOST_A_MINUTE)
        self._of_one = Allowance(1, _SECONDS_BETWEEN)
        self._going: threading.Thread | None = None

    def ask(
        self, kind: Kind, span: Span, engine: Any, statement: str, parameters: Any, many: bool
    ) -> None:
        """Of a statement that has just ended; returns at once."""
        if many or kind.database.system not in _ASK or len(parameters or ()) > _MOST_PARAMETERS:
            return
        # Half a millisecond is what it takes to be sure: that is the thread's.
        if (kind.of.operation or "SELECT").upper() != "SELECT":
            return
        if self._going is not None and self._going.is_alive():
            return
        if self._of_one.take(shown(kind)) is None or self._allowance.take("all") is None:
            return
        request = current_request.get()
        question = _Question(kind, ids(span), request, engine, statement, parameters)
        self._going = threading.Thread(
            target=_answer, args=(question,), name="otelier-explain", daemon=True
        )
        self._going.start()


def _answer(question: _Question) -> None:
    try:
        kind = question.kind
        if not only_reads(question.statement, kind.database.grammar):
            return
        attach(TelemetryContext(dict.fromkeys(SUPPRESSIONS, True)))
        plan = asyncio.run(_plan(question))
        if plan:
            more = {query_signals.PLAN: plan}
            tell(
                PLAN,
                "plan of a slow query",
                question.kind,
                None,
                more,
                question.request,
                question.ids,
            )
    except Exception as error:
        _guard.fault("explaining a query", error)


async def _plan(question: _Question) -> str | None:
    """On a loop of this thread, for async drivers too."""
    plans: list[str] = []
    engine = question.engine

    def ask(connection: Any) -> None:
        cursor = connection.cursor()
        try:
            explain = _ASK[question.kind.database.system]
            plans.append(explain(cursor, question.statement, question.parameters))
        finally:
            with suppress(Exception):  # it is closed next
                cursor.close()
                connection.rollback()

    key = "plan", id(engine)
    await look(Target("plan", question.kind.name, key, lambda: EngineAttempt(engine, ask)))
    return plans[0] if plans else None
