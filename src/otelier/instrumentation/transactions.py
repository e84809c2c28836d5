"""SQLAlchemy's transactions: how they end and how long they took, savepoints apart.

Listeners tell of beginnings and of savepoints. They are told before COMMIT or ROLLBACK is sent, so
the methods of `Connection` that send these are wrapped: a COMMIT that fails is a rollback, with its
error. What SQLAlchemy calls a transaction counts: a connection that is closed after a mere SELECT
ends in a rollback, as it does in the database. With AUTOCOMMIT there are none.

Runs in whatever thread or greenlet uses the connection, which keeps when its transaction began.
Nothing of ours leaves a hook as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any

from opentelemetry.metrics import Meter

from otelier import _guard, signals
from otelier._upstream import SUPPRESSIONS, current_context
from otelier.context import current_request
from otelier.errors import type_name
from otelier.instrumentation.engines import Database, Engines
from otelier.instrumentation.observe import Patches
from otelier.sdk import metrics

COMMIT, ROLLBACK, RELEASE = "commit", "rollback", "release"

_SUPPRESSED, _SUPPRESSED_PLAIN = SUPPRESSIONS

_BEGAN = "otelier_began"
"""Attribute of a connection: `perf_counter` when its transaction began; None outside of one."""

_NONE = -1.0
"""In place of that: what SQLAlchemy calls a transaction and the database does not, or nothing is to
be observed."""

_ENDING = "ending a transaction"

# Seconds: a transaction holds several statements.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)

# Methods that send the end of a transaction: what they send, and whether it has two phases.
_ENDS: Mapping[str, tuple[str, bool]] = {
    "_commit_impl": (COMMIT, False),
    "_rollback_impl": (ROLLBACK, False),
    "_commit_twophase_impl": (COMMIT, True),
    "_rollback_twophase_impl": (ROLLBACK, True),
}


class Transactions:
    """Counts and measures them."""

    def __init__(self, meter: Meter, engines: Engines) -> None:
        self._engines = engines
        self._count = metrics.counter(
            meter, signals.TRANSACTIONS, "{transaction}", "Transactions that ended."
        )
        self._duration = metrics.distribution(
            meter, signals.TRANSACTION_DURATION, "s", "Duration of transactions.", _BUCKETS
        )
        self._savepoints = metrics.counter(
            meter, signals.SAVEPOINTS, "{savepoint}", "Savepoints that ended on their own."
        )
        self.listeners: Mapping[str, Callable[..., None]] = {
            "begin": self._begins,
            "begin_twophase": self._begins,
            "release_savepoint": self._releases,
            "rollback_savepoint": self._rolls_back,
        }

    def put_in(self, patches: Patches) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Connection, Engine

        for name, listener in self.listeners.items():
            event.listen(Engine, name, listener)
        for name, (outcome, two_phase) in _ENDS.items():
            patches.replace(Connection, name, self._watching(outcome, two_phase))

    def leave(self) -> None:
        """The patches are restored by whoever gave them."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        for name, listener in self.listeners.items():
            if event.contains(Engine, name, listener):
                event.remove(Engine, name, listener)

    def _watching(self, outcome: str, two_phase: bool) -> Callable[[Any], Any]:
        ends, ended = self._ends, self._ended

        def make(original: Any) -> Any:
            @wraps(original)
            def end(conn: Any, *args: Any, **options: Any) -> Any:
                began = ends(conn, outcome)
                if began is None:
                    return original(conn, *args, **options)
                try:
                    done = original(conn, *args, **options)
                except BaseException as error:
                    ended(conn, began, ROLLBACK, two_phase, error)
                    raise
                ended(conn, began, outcome, two_phase, None)
                return done

            return end

        return make

    def _begins(self, conn: Any, xid: Any = None) -> None:
        try:
            context = current_context()
            is_off = context.get(_SUPPRESSED) or context.get(_SUPPRESSED_PLAIN)
            is_none = is_off or conn._is_autocommit_isolation()
            conn.otelier_began = _NONE if is_none else perf_counter()
        except Exception as error:
            _guard.fault("beginning a transaction", error)

    def _ends(self, conn: Any, outcome: str) -> float | None:
        """When it began; None if there is none."""
        try:
            began: float | None = getattr(conn, _BEGAN, None)
            conn.otelier_began = None
            if began is not None or outcome is not COMMIT:
                return None if began == _NONE else began
            self._begins(conn)  # SQLAlchemy 1.4 commits some statements by itself
            return self._ends(conn, ROLLBACK)
        except Exception as error:
            _guard.fault(_ENDING, error)
            return None

    def _ended(
        self, conn: Any, began: float, outcome: str, two_phase: bool, failure: BaseException | None
    ) -> None:
        try:
            elapsed = perf_counter() - began
            database = self._engines.of(conn)
            key = outcome, two_phase, "" if failure is None else _kind(failure)
            found = database.ends.get(key)
            if found is None:
                found = database.ends[key] = self._made(database, *key)
            count, record = found
            request = current_request.get()
            count(1)
            record(elapsed, None if request is None else request.server_span)
        except Exception as error:
            _guard.fault(_ENDING, error)

    def _made(
        self, database: Database, outcome: str, two_phase: bool, error_type: str
    ) -> tuple[metrics.Add, metrics.Record]:
        about = {**database.about, signals.TRANSACTION_OUTCOME: outcome}
        if two_phase:
            about[signals.TWO_PHASE] = True
        if error_type:
            about[signals.ERROR_TYPE] = error_type
        return self._count.series(about), self._duration.series(about)

    def _releases(self, conn: Any, name: Any, context: Any) -> None:
        self._ends_savepoint(conn, RELEASE)

    def _rolls_back(self, conn: Any, name: Any, context: Any) -> None:
        self._ends_savepoint(conn, ROLLBACK)

    def _ends_savepoint(self, conn: Any, outcome: str) -> None:
        try:
            about = self._engines.of(conn).about
            self._savepoints.series({**about, signals.TRANSACTION_OUTCOME: outcome})(1)
        except Exception as error:
            _guard.fault("ending a savepoint", error)


def _kind(failure: BaseException) -> str:
    """SQLAlchemy wraps what the driver raises, which says more."""
    return type_name(getattr(failure, "orig", None) or failure)
