"""Hits and misses of Redis: whether what was read was there.

Counted by key (MGET) or field (HMGET), from the reply as redis-py gives it to the app: what comes
out of redis-py's own client-side cache is a hit. A reply that is an error is neither. Which
commands read something that may be missing is a table; a command that is not in it is not counted.

Runs where the command ended, in 0.2 microseconds. No key and no value is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.metrics import Meter

from otelier import signals
from otelier.context import RequestContext
from otelier.sdk import metrics

Found = tuple[int, int]
"""How many were there, and how many were not."""


def _one(reply: Any) -> Found:
    return (0, 1) if reply is None else (1, 0)


def _many(reply: Any) -> Found:
    if not isinstance(reply, list):
        return _one(reply)  # of a hash that is not there
    missing = sum(1 for each in reply if each is None)
    return len(reply) - missing, missing


def _whole(reply: Any) -> Found:
    return (1, 0) if reply else (0, 1)


READS: Mapping[str, Callable[[Any], Found]] = {
    **dict.fromkeys(("GET", "GETDEL", "GETEX", "GETSET", "HGET", "JSON.GET"), _one),
    **dict.fromkeys(("HGETDEL", "HGETEX", "HMGET", "JSON.MGET", "MGET"), _many),
    "HGETALL": _whole,
}
"""What the reply of a command says, by its name in capitals."""


class Lookups:
    """The reads of one command from one server."""

    __slots__ = ("_about", "_by_pattern", "_hits", "_read")

    def __init__(self, hits: Hits, read: Callable[[Any], Found], about: Mapping[str, Any]) -> None:
        self._hits = hits
        self._read = read
        self._about = about
        self._by_pattern: dict[str | None, tuple[metrics.Add, metrics.Add]] = {}

    def take(
        self, reply: Any, pattern: str | None = None, request: RequestContext | None = None
    ) -> None:
        """pattern: what the keys look like, where that may be said. request: that has asked."""
        if isinstance(reply, Exception):
            return  # one of a pipeline's that failed
        there, missing = self._read(reply)
        series = self._by_pattern.get(pattern)
        if series is None:
            series = self._by_pattern[pattern] = self._made(pattern)
        if request is not None:
            request.cache_hits += there
            request.cache_misses += missing
        if there:
            series[0](there)
        if missing:
            series[1](missing)

    def _made(self, pattern: str | None) -> tuple[metrics.Add, metrics.Add]:
        about = self._about if pattern is None else {**self._about, signals.KEY_PATTERN: pattern}
        return self._hits.there.series(about), self._hits.missing.series(about)


class Hits:
    """The two counters."""

    def __init__(self, meter: Meter) -> None:
        self.there = metrics.counter(meter, signals.CACHE_HITS, "{key}", "Keys that were there.")
        self.missing = metrics.counter(
            meter, signals.CACHE_MISSES, "{key}", "Keys that were not there."
        )

    def of(self, name: str, about: Mapping[str, Any]) -> Lookups | None:
        """Where the replies of a command go; None if they say nothing of hits."""
        read = READS.get(name.upper())
        return Lookups(self, read, about) if read is not None else None


def take_all(
    lookups: Sequence[Lookups | None], replies: Any, request: RequestContext | None
) -> None:
    """Of a pipeline, in the order of its commands."""
    if isinstance(replies, list) and len(replies) == len(lookups):
        for each, reply in zip(lookups, replies, strict=True):
            if each is not None:
                each.take(reply, None, request)
