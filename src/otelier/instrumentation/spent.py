"""What a request has asked of database and cache, as attributes of its span and access record.

Runs once a request, where its answer has ended.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from otelier import query_signals, signals
from otelier.context import RequestContext


class Spent(NamedTuple):
    """Counts, which come again and again."""

    statements: int
    operations: int
    hits: int
    misses: int

    def attributes(self) -> dict[str, Any]:
        """None of a kind that was not asked."""
        found: dict[str, Any] = {}
        if self.statements:
            found[signals.REQUEST_STATEMENTS] = self.statements
        if self.operations:
            found[query_signals.CACHE_OPERATIONS] = self.operations
            if self.hits or self.misses:
                found[query_signals.CACHE_HIT_COUNT] = self.hits
                found[query_signals.CACHE_MISS_COUNT] = self.misses
        return found


def seconds_spent(request: RequestContext) -> dict[str, Any] | None:
    """What is never the same twice; None for a request that has not asked the database."""
    return {signals.REQUEST_SECONDS: request.db_seconds} if request.db_statements else None
