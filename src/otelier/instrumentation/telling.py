"""What is told of statements that have ended: the slow ones, and those that come again and again.

Called with a span that has ended and a duration that is recorded already: a fault in here costs
what was to be told and nothing else. Runs where the statement ended.
"""

from __future__ import annotations

from math import inf
from typing import Any

from opentelemetry.trace import Span

from otelier.instrumentation import repeats
from otelier.instrumentation.engines import Kind
from otelier.instrumentation.explain import Plans
from otelier.instrumentation.repeats import Repeats
from otelier.instrumentation.slow_queries import SlowQueries


class Telling:
    """slow_seconds: from when on a statement is slow, infinity if none is. count: is given every
    statement, for its request."""

    def __init__(self, slow_seconds: float, most_repeats: int, explain: bool) -> None:
        self.slow_seconds = slow_seconds or inf
        self.count = Repeats(most_repeats).count if most_repeats else repeats.count
        self._slow = SlowQueries()
        self._plans = Plans() if explain else None

    def slow(
        self,
        kind: Kind,
        span: Span,
        elapsed: float,
        cursor: Any,
        what: tuple[Any, str, Any, bool],
        error_type: str | None = None,
    ) -> None:
        """what: engine, statement, its parameters, and whether these are several sets."""
        is_told = self._slow.take(kind, span, elapsed, cursor, error_type)
        if is_told and self._plans is not None:
            self._plans.ask(kind, span, *what)
