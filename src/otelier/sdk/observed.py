"""Values that are read when metrics are collected: nothing is recorded meanwhile.

An up-down counter whose points are what `read` says at that moment, in the thread that delivers.
A series that `read` no longer names is no longer sent. A `read` that fails is a fault, and costs
its own metric alone.

Source: OpenTelemetry specification, metrics API (asynchronous up-down counter).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time_ns
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import AggregationTemporality, Metric, NumberDataPoint, Sum

from otelier import _guard
from otelier.sdk.metrics import Reading, Store

Value = tuple[int, Mapping[str, Any]]
"""A value and its attributes."""

Read = Callable[[], Iterable[Value]]


def observe(meter: Meter, name: str, unit: str, description: str, read: Read) -> None:
    """Make the instrument on `meter`: lean where it is ours, else of its own making."""
    store: Store | None = getattr(meter, "otelier_store", None)
    if store is not None:
        store.add(LeanObserved(name, unit, description, read), meter)
        return

    def callback(_: CallbackOptions) -> Sequence[Observation]:
        return [Observation(value, attributes) for value, attributes in _values(read)]

    meter.create_observable_up_down_counter(name, [callback], unit, description)


class LeanObserved:
    """One instrument; to its store it is the only series of itself."""

    def __init__(self, name: str, unit: str, description: str, read: Read) -> None:
        self._name = name
        self._unit = unit
        self._description = description
        self._read = read
        self._since = time_ns()
        self.by_attributes: Mapping[str, LeanObserved] = {name: self}

    def fold(self) -> None:
        """There is nothing to sort."""

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
        # Whatever a reader prefers for counters: changes of what is only looked at are not known.
        data = Sum(points, AggregationTemporality.CUMULATIVE, False)
        return Metric(self._name, self._description, self._unit, data)


def _values(read: Read) -> list[Value]:
    try:
        return list(read())
    except Exception as error:
        _guard.fault("reading values to be sent", error)
        return []
