"""What the metrics of pools and transactions say, as numbers to compare."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from tests.conftest import Telemetry

PREFIX = "db.client.connection."
NAME = PREFIX + "pool.name"
LEVELS = ("max", "idle.max", "idle.min", "pending_requests")
TIMES = ("create_time", "wait_time", "use_time")


class Pooled:
    """Everything that was sent of pools; counted from the beginning, deltas added up."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._totals: dict[tuple[str, str], int] = {}
        self.names: Sequence[str] = ()
        self.points: Mapping[str, list[Any]] = {}

    def look(self) -> None:
        self.points = self._telemetry.points()
        counts = self.points.get(PREFIX + "count", ())
        self.names = sorted({point.attributes[NAME] for point in counts})
        for what in (*TIMES, "timeouts"):
            for point in self.points.get(PREFIX + what, ()):
                key = (point.attributes[NAME], what)
                more = point.count if what in TIMES else point.value
                self._totals[key] = self._totals.get(key, 0) + more

    def of(self, name: str) -> dict[str, Any]:
        """Of one pool, just now: what there is of it, by the last words of the metrics' names."""
        self.look()
        found: dict[str, Any] = {}
        for point in self.points.get(PREFIX + "count", ()):
            if point.attributes[NAME] == name:
                found[point.attributes[PREFIX + "state"]] = point.value
        for what in LEVELS:
            for point in self.points.get(PREFIX + what, ()):
                if point.attributes[NAME] == name:
                    found[what] = point.value
        for what in (*TIMES, "timeouts"):
            found[what] = self._totals.get((name, what), 0)
        return found


def ended(points: Mapping[str, list[Any]], metric: str) -> dict[tuple[Any, ...], int]:
    """How often each way to end was counted: outcome, and what else sets it apart."""
    found: dict[tuple[Any, ...], int] = {}
    for point in points.get(metric, ()):
        about = dict(point.attributes)
        key = (about["otelier.db.transaction.outcome"],)
        if about.get("otelier.db.transaction.two_phase"):
            key += ("two-phase",)
        if "error.type" in about:
            key += (about["error.type"],)
        found[key] = getattr(point, "count", None) or point.value
    return found


def collect_garbage() -> None:
    """Engines are in cycles."""
    for _ in range(3):
        gc.collect()
