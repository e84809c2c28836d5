"""Measurements that cost an append, and what becomes of them.

The thread that measures appends a value to a deque (`metrics_series`), which needs no lock;
`Store.fold`, called by the worker every second or so, sorts the values into buckets. Whoever
measures keeps the callable that `series` returned for its attributes. Points come out as the SDK's
own data classes, beside those of instruments that other people made: every reader and exporter
gets both, in one request.

On a provider that is not ours the same calls go through the API.

Source: OpenTelemetry specification, metrics SDK (aggregation, temporality, cardinality limits,
exemplars) and metrics data model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from time import time_ns
from typing import Any, Protocol

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    Metric,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span, set_span_in_context

from otelier import _guard
from otelier.sdk.metrics_series import Amounts, Values

Record = Callable[[float, Span | None], None]
Add = Callable[[int], None]
Attributes = Mapping[str, Any]

MOST_SERIES = 2000
OVERFLOW: Attributes = {"otel.metric.overflow": True}

_DELTA = AggregationTemporality.DELTA
_is_waiting = attrgetter("waiting")


class Distribution(Protocol):
    """A histogram. `series` returns what records one value, with the span around it.

    `release` gives a series up: it is gone once every reader has had what is in it.
    """

    def series(self, attributes: Attributes) -> Record: ...

    def release(self, attributes: Attributes) -> None: ...


class Level(Protocol):
    """A counter, or an up-down counter. `series` returns the callable that adds to one value."""

    def series(self, attributes: Attributes) -> Add: ...

    def release(self, attributes: Attributes) -> None: ...


def distribution(
    meter: Meter, name: str, unit: str, description: str, boundaries: Sequence[float]
) -> Distribution:
    """A histogram of `meter`: lean where it is ours, else of its own making."""
    store: Store | None = getattr(meter, "otelier_store", None)
    if store is not None:
        lean = LeanDistribution(name, unit, description, boundaries, store)
        store.add(lean, meter)
        return lean
    histogram = meter.create_histogram(
        name, unit, description, explicit_bucket_boundaries_advisory=boundaries
    )

    def series(attributes: Attributes) -> Record:
        def record(value: float, span: Span | None) -> None:
            around = set_span_in_context(span) if span is not None else None
            histogram.record(value, attributes, around)

        return record

    return _Foreign(series)


def level(meter: Meter, name: str, unit: str, description: str) -> Level:
    """An up-down counter of `meter`: lean where it is ours, else of its own making."""
    lean = _lean_level(meter, name, unit, description, is_counter=False)
    return lean or _adding(meter.create_up_down_counter(name, unit, description))


def counter(meter: Meter, name: str, unit: str, description: str) -> Level:
    """A counter of `meter`, that only grows: lean where it is ours, else of its own making."""
    lean = _lean_level(meter, name, unit, description, is_counter=True)
    return lean or _adding(meter.create_counter(name, unit, description))


def _lean_level(
    meter: Meter, name: str, unit: str, description: str, *, is_counter: bool
) -> Level | None:
    store: Store | None = getattr(meter, "otelier_store", None)
    if store is None:
        return None
    lean = LeanLevel(name, unit, description, store, is_counter=is_counter)
    store.add(lean, meter)
    return lean


def _adding(foreign: Any) -> Level:
    def series(attributes: Attributes) -> Add:
        return lambda amount: foreign.add(amount, attributes)

    return _Foreign(series)


class _Foreign:
    def __init__(self, series: Callable[[Attributes], Any]) -> None:
        self.series = series

    def release(self, attributes: Attributes) -> None:
        """The API has no word for it."""


class Reading:
    """What one reader wants: temporality by kind of instrument, and when it last looked."""

    def __init__(
        self,
        histograms: AggregationTemporality,
        levels: AggregationTemporality,
        counters: AggregationTemporality,
    ) -> None:
        self.histograms = histograms
        self.levels = levels
        self.counters = counters
        self.since = time_ns()


class Store:
    """The lean instruments of one provider. readings: one for each of its readers."""

    def __init__(self, readings: Sequence[Reading], *, exemplars: bool = True) -> None:
        self.readings = readings
        self.exemplars = exemplars
        self.lock = threading.Lock()
        """Taken where values are folded and read, never where they are recorded."""
        self._instruments: dict[InstrumentationScope, list[Any]] = {}
        self._series: list[dict[Any, Any]] = []
        """Those of each instrument, which keeps them here by their attributes."""

    def add(self, instrument: Any, meter: Any) -> None:
        self._instruments.setdefault(meter.otelier_scope, []).append(instrument)
        self._series.append(instrument.by_attributes)

    def fold(self) -> None:
        """Sort what was recorded into its buckets."""
        with self.lock:
            for series in filter(_is_waiting, self._all_series()):
                _unbroken(series, series.fold)

    def collect(self, place: int) -> list[ScopeMetrics]:
        """The points of all instruments for the reader at `place`."""
        self.fold()
        reading, now = self.readings[place], time_ns()
        found = []
        with self.lock:
            for scope, instruments in list(self._instruments.items()):
                made = (instrument.metric(place, reading, now) for instrument in instruments)
                metrics = [metric for metric in made if metric is not None]
                if metrics:
                    found.append(ScopeMetrics(scope, metrics, scope.schema_url or ""))
            reading.since = now
        return found

    def forget(self) -> None:
        """After a fork: what the parent measured, and its lock, are the parent's."""
        self.lock = threading.Lock()
        for series in self._all_series():
            series.forget()

    def _all_series(self) -> list[Any]:
        # In C, as it is done at each look. `list` is one step of it, so that another thread may
        # add a series meanwhile.
        found = map(list, map(dict.values, filter(None, self._series)))
        return list(chain.from_iterable(found))


class _Instrument:
    def __init__(self, name: str, unit: str, description: str, store: Store) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.store = store
        self.by_attributes: dict[Any, Any] = {}
        self._released: dict[Any, set[int]] = {}
        """Series that nobody records into any more, and which readers have had all of them."""

    def release(self, attributes: Attributes) -> None:
        """Any thread, even the garbage collector in the midst of all this: no lock is taken."""
        self._released[frozenset(attributes.items())] = set()

    def _find(self, attributes: Attributes, make: Callable[[Attributes], Any]) -> Any:
        key = frozenset(attributes.items())
        self._released.pop(key, None)
        found = self.by_attributes.get(key)
        if found is None:
            if len(self.by_attributes) >= MOST_SERIES:
                attributes, key = OVERFLOW, frozenset(OVERFLOW.items())
            found = self.by_attributes.setdefault(key, make(attributes))
        return found

    def _points(self, place: int, since: int, now: int) -> list[Any]:
        found = (
            _unbroken(series, series.point, place, since, now)
            for series in list(self.by_attributes.values())
        )
        points = [point for point in found if point is not None]
        if self._released:
            self._forget_released(place)
        return points

    def _forget_released(self, place: int) -> None:
        for key, had in list(self._released.items()):
            had.add(place)
            if len(had) >= len(self.store.readings):
                self._released.pop(key, None)
                self.by_attributes.pop(key, None)

    def _metric(self, data: Any) -> Metric:
        return Metric(self.name, self.description, self.unit, data)


class LeanDistribution(_Instrument):
    """boundaries: upper ends of the buckets, inclusive; one more bucket is above them."""

    def __init__(
        self, name: str, unit: str, description: str, boundaries: Sequence[float], store: Store
    ) -> None:
        super().__init__(name, unit, description, store)
        self.boundaries = tuple(boundaries)

    def series(self, attributes: Attributes) -> Record:
        ends, store = self.boundaries, self.store
        found = self._find(
            attributes, lambda kept: Values(kept, ends, len(store.readings), store.exemplars)
        )
        record: Record = found.record
        return record

    def metric(self, place: int, reading: Reading, now: int) -> Metric | None:
        is_delta = reading.histograms is _DELTA
        points = self._points(place, reading.since if is_delta else 0, now)
        return self._metric(Histogram(points, reading.histograms)) if points else None


class LeanLevel(_Instrument):
    """A value that goes up and down, or only up."""

    def __init__(
        self, name: str, unit: str, description: str, store: Store, *, is_counter: bool = False
    ) -> None:
        super().__init__(name, unit, description, store)
        self._is_counter = is_counter

    def series(self, attributes: Attributes) -> Add:
        readers = len(self.store.readings)
        add: Add = self._find(attributes, lambda kept: Amounts(kept, readers)).add
        return add

    def metric(self, place: int, reading: Reading, now: int) -> Metric | None:
        temporality = reading.counters if self._is_counter else reading.levels
        points = self._points(place, reading.since if temporality is _DELTA else 0, now)
        return self._metric(Sum(points, temporality, self._is_counter)) if points else None


def _unbroken(series: Any, do: Callable[..., Any], *given: Any) -> Any:
    """One series that is broken starts again, and keeps no other from being sent."""
    try:
        return do(*given)
    except Exception as error:
        _guard.fault("counting measurements", error)
        series.forget()
        return None
