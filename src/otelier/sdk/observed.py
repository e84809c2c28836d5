"""Values that are read when metrics are collected: nothing is recorded meanwhile.

An instrument whose points are what `read` says at that moment, in the thread that delivers. A
series that `read` no longer names is no longer sent. A `read` that fails is a fault, and costs its
own metric alone. Of a counter, what a reader has been given is kept where it wants changes.

Source: OpenTelemetry specification, metrics API (asynchronous instruments).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time_ns
from typing import Any, ClassVar

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)

from otelier import _guard
from otelier.sdk.metrics import Reading, Store

Value = tuple[int | float, Mapping[str, Any]]
"""A value and its attributes."""

Read = Callable[[], Iterable[Value]]

_DELTA = AggregationTemporality.DELTA


def observe(
    meter: Meter,
    name: str,
    unit: str,
    description: str,
    read: Read,
    kind: str = "up-down counter",
    *,
    is_own: bool = True,
) -> None:
    """Make the instrument on `meter`: lean where it is ours, else of its own making.

    kind: up-down counter, gauge or counter. is_own: what a counter counts began with this process;
    else what it first says is where it begins.
    """
    store: Store | None = getattr(meter, "otelier_store", None)
    if store is not None:
        store.add(_LEAN[kind](name, unit, description, read, is_own), meter)
        return

    def callback(_: CallbackOptions) -> Sequence[Observation]:
        return [Observation(value, attributes) for value, attributes in _values(read)]

    make = {
        "counter": meter.create_observable_counter,
        "gauge": meter.create_observable_gauge,
        "up-down counter": meter.create_observable_up_down_counter,
    }[kind]
    make(name, [callback], unit, description)


class LeanObserved:
    """One instrument; to its store it is the only series of itself, in which nothing waits."""

    waiting: ClassVar[Sequence[Any]] = ()

    def __init__(
        self, name: str, unit: str, description: str, read: Read, is_own: bool = True
    ) -> None:
        self._name = name
        self._unit = unit
        self._description = description
        self._read = read
        self._is_own = is_own
        self._since = time_ns()
        self.by_attributes: dict[Any, Any] = {name: self}

    def forget(self) -> None:
        """After a fork."""
        self._since = time_ns()

    def metric(self, place: int, reading: Reading, now: int) -> Metric | None:
        points = [
            NumberDataPoint(dict(attributes), self._since, now, value)
            for value, attributes in _values(self._read)
        ]
        if not points:
            return None
        return Metric(self._name, self._description, self._unit, self._data(points))

    def _data(self, points: Sequence[NumberDataPoint]) -> Any:
        # Whatever a reader prefers for counters: changes of what is only looked at are not known.
        return Sum(points, AggregationTemporality.CUMULATIVE, False)


class LeanGauge(LeanObserved):
    def _data(self, points: Sequence[NumberDataPoint]) -> Any:
        return Gauge(points)


class LeanCounted(LeanObserved):
    """A counter that somebody else keeps: the system, the interpreter."""

    _given: dict[Any, int | float]

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self._given = {}

    def forget(self) -> None:
        super().forget()
        self._given = {}

    def metric(self, place: int, reading: Reading, now: int) -> Metric | None:
        values = _values(self._read)
        if reading.counters is _DELTA:
            values, since = self._changes(place, values), max(reading.since, self._since)
        else:
            since = self._since
        if not values:
            return None
        points = [NumberDataPoint(dict(about), since, now, value) for value, about in values]
        data = Sum(points, reading.counters, True)
        return Metric(self._name, self._description, self._unit, data)

    def _changes(self, place: int, values: Sequence[Value]) -> list[Value]:
        """Since this reader was last given them; nothing of what has begun again."""
        changes: list[Value] = []
        for value, attributes in values:
            key = place, frozenset(attributes.items())
            before = self._given.get(key, 0 if self._is_own else None)
            self._given[key] = value
            if before is not None and value >= before:
                changes.append((value - before, attributes))
        return changes


_LEAN: Mapping[str, type[LeanObserved]] = {
    "counter": LeanCounted,
    "gauge": LeanGauge,
    "up-down counter": LeanObserved,
}


def _values(read: Read) -> list[Value]:
    try:
        return list(read())
    except Exception as error:
        _guard.fault("reading values to be sent", error)
        return []
