"""Statements that took long: a record for each, with the line of the app that sent it.

At most `MOST_A_MINUTE` for one statement; the next record after that minute tells how many had
none. Runs where the statement ended, for slow ones alone: the others pay a comparison.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

from otelier import query_signals, signals
from otelier.context import current_request
from otelier.instrumentation.allowance import Allowance
from otelier.instrumentation.callers import calling_line
from otelier.instrumentation.engines import Kind
from otelier.instrumentation.notices import MOST_A_MINUTE, SLOW, held_back, shown, tell
from otelier.sdk.lean_span import ids


class SlowQueries:
    """Tells of them."""

    def __init__(self) -> None:
        self._allowance = Allowance(MOST_A_MINUTE)

    def take(
        self, kind: Kind, span: Span, elapsed: float, cursor: Any, error_type: str | None = None
    ) -> bool:
        """Whether it has been told. cursor: None where there is nothing to be read from it."""
        rest = self._allowance.take(shown(kind))
        if rest is None:
            return False
        more: dict[str, Any] = {query_signals.QUERY_SECONDS: elapsed, **held_back(rest)}
        if error_type is not None:
            more[signals.ERROR_TYPE] = error_type
        more.update(_rows(cursor))
        line = calling_line()
        text = f"slow query, {elapsed * 1e3:.0f} ms"
        tell(SLOW, text, kind, line, more, current_request.get(), ids(span))
        return True


def _rows(cursor: Any) -> dict[str, int]:
    """As far as the driver knows at this point: SQLite's says nothing of a SELECT."""
    try:
        number, returns = cursor.rowcount, cursor.description is not None
    except Exception:  # the driver's own: None, closed, or without a result
        return {}
    if not isinstance(number, int) or number < 0:
        return {}
    return {query_signals.RETURNED_ROWS if returns else query_signals.CHANGED_ROWS: number}
