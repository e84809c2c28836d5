"""What a request has asked of database and cache, as attributes of its span and access record.

Runs once a request, where its answer has ended.
"""

from __future__ import annotations

from typing import Any

from otelier import query_signals, signals
from otelier.context import RequestContext


def spent_by(request: RequestContext) -> dict[str, Any] | None:
    """None for a request that has asked neither."""
    if not (request.db_statements or request.cache_operations):
        return None
    found: dict[str, Any] = {}
    if request.db_statements:
        found[signals.REQUEST_STATEMENTS] = request.db_statements
        found[signals.REQUEST_SECONDS] = request.db_seconds
    if request.cache_operations:
        found[query_signals.CACHE_OPERATIONS] = request.cache_operations
        if request.cache_hits or request.cache_misses:
            found[query_signals.CACHE_HIT_COUNT] = request.cache_hits
            found[query_signals.CACHE_MISS_COUNT] = request.cache_misses
    return found
