"""Rows of the table of signals: what is told of slow and repeated statements, and of caches."""

from __future__ import annotations

from otelier.signal import DATABASE, Signal, attribute

QUERY_HASH = "otelier.db.query.hash"
QUERY_SECONDS = "otelier.db.query.seconds"
RETURNED_ROWS = "db.response.returned_rows"
CHANGED_ROWS = "otelier.db.query.changed_rows"
REPEATS = "otelier.db.query.repeats"
HELD_BACK = "otelier.db.query.held_back"
PLAN = "otelier.db.query.plan"
CACHE_OPERATIONS = "otelier.cache.operations"
CACHE_HIT_COUNT = "otelier.cache.hit_count"
CACHE_MISS_COUNT = "otelier.cache.miss_count"

_SLOW, _REPEATED, _EXPLAINED = "slow query", "repeated query", "query plan"
_TOLD = f"records of a {_SLOW}, a {_REPEATED}, a {_EXPLAINED}"
_SERVER = "server span, access record"


def _of_requests(name: str, meaning: str) -> Signal:
    return attribute(name, meaning, _SERVER, "", "int")


ROWS = (
    attribute(QUERY_HASH, "of its text without literals: SHA-256, 16 digits", _TOLD, ""),
    attribute(QUERY_SECONDS, "how long the statement took", f"record of a {_SLOW}", "", "double"),
    attribute(
        RETURNED_ROWS, "rows, if the driver says so", f"record of a {_SLOW}", DATABASE, "int"
    ),
    attribute(
        CHANGED_ROWS,
        "rows that it wrote or deleted, if the driver says so",
        f"record of a {_SLOW}",
        "",
        "int",
    ),
    attribute(
        REPEATS, "how often the request sent it in all", f"record of a {_REPEATED}", "", "int"
    ),
    attribute(
        HELD_BACK,
        "of the same statement, since the last record: those that had none of their own",
        f"records of a {_SLOW}, a {_REPEATED}",
        "",
        "int",
    ),
    attribute(PLAN, "how the database would go about it", f"record of a {_EXPLAINED}", ""),
    _of_requests(CACHE_OPERATIONS, "Redis commands and pipelines of a request that had some"),
    _of_requests(CACHE_HIT_COUNT, "keys or fields that these found"),
    _of_requests(CACHE_MISS_COUNT, "keys or fields that they did not find"),
)
