"""Measurements that cost an append, and what becomes of them.

The thread that measures appends a value to a deque, which needs no lock; `Store.fold`, called by
the worker every second or so, sorts the values into buckets. A series is one set of attributes of
one instrument; whoever measures keeps the callable that `series` returned for it. Points come out
as the SDK's own data classes, beside those of instruments that other people made: every reader
and exporter gets both, in one request.

On a provider that is not ours the same calls go through the API.

Source: OpenTelemetry specification, metrics SDK (aggregation, temporality, cardinality limits,
exemplars) and metrics data model.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import Any, Protocol

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span, set_span_in_context

from otelier import _guard

Record = Callable[[float, Span | None], None]
Add = Callable[[int], None]
Attributes = Mapping[str, Any]

MOST_SERIES = 2000
OVERFLOW: Attributes = {"otel.metric.overflow": True}

_DELTA = AggregationTemporality.DELTA


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

    def add(self, instrument: Any, meter: Any) -> None:
        self._instruments.setdefault(meter.otelier_scope, []).append(instrument)

    def fold(self) -> None:
        """Sort what was recorded into its buckets."""
        with self.lock:
            for series in self._all_series():
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
        instruments = [each for group in list(self._instruments.values()) for each in group]
        return [series for each in instruments for series in list(each.by_attributes.values())]


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
        record: Record = self._find(attributes, lambda kept: _Values(kept, self)).record
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
        add: Add = self._find(attributes, lambda kept: _Amounts(kept, self)).add
        return add

    def metric(self, place: int, reading: Reading, now: int) -> Metric | None:
        temporality = reading.counters if self._is_counter else reading.levels
        points = self._points(place, reading.since if temporality is _DELTA else 0, now)
        return self._metric(Sum(points, temporality, self._is_counter)) if points else None


class _Buckets:
    """What one reader has not been given yet, or has been given in all."""

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.sum = 0.0
        self.min = float("inf")
        self.max = float("-inf")
        self.exemplars: dict[int, Exemplar] = {}


class _Values:
    """One series of a histogram."""

    def __init__(self, attributes: Attributes, of: LeanDistribution) -> None:
        self._attributes = dict(attributes)
        self._boundaries = of.boundaries
        self._exemplars = of.store.exemplars
        self._since = time_ns()
        self._values: deque[tuple[float, Span | None]] = deque()
        self._buckets = [self._empty() for _ in of.store.readings]
        append = self._values.append

        def record(value: float, span: Span | None) -> None:
            append((value, span))

        self.record = record

    def fold(self) -> None:
        taken = [self._values.popleft() for _ in range(len(self._values))]
        if not taken:
            return
        values = [value for value, _ in taken]
        places = [bisect_left(self._boundaries, value) for value in values]
        for buckets in self._buckets:
            buckets.sum += sum(values)
            buckets.min = min(buckets.min, *values)
            buckets.max = max(buckets.max, *values)
            counts = buckets.counts
            for place in places:
                counts[place] += 1
            if self._exemplars and not buckets.exemplars.keys() >= set(places):
                _keep_exemplars(buckets, places, taken)

    def point(self, place: int, since: int, now: int) -> HistogramDataPoint | None:
        """since: for a delta, when it began; 0 for everything so far."""
        buckets = self._buckets[place]
        count = sum(buckets.counts)
        if not count:
            return None
        if since:
            self._buckets[place] = self._empty()
        exemplars = list(buckets.exemplars.values())
        buckets.exemplars = {}
        return HistogramDataPoint(
            self._attributes,
            max(since, self._since) if since else self._since,
            now,
            count,
            buckets.sum,
            list(buckets.counts),
            self._boundaries,
            buckets.min,
            buckets.max,
            exemplars,
        )

    def forget(self) -> None:
        self._values.clear()
        self._since = time_ns()
        self._buckets = [self._empty() for _ in self._buckets]

    def _empty(self) -> _Buckets:
        return _Buckets(len(self._boundaries) + 1)


class _Amounts:
    """One series of a counter of either kind."""

    def __init__(self, attributes: Attributes, of: LeanLevel) -> None:
        self._attributes = dict(attributes)
        self._since = time_ns()
        self._amounts: deque[int] = deque()
        self._total = 0
        self._given: list[int | None] = [None for _ in of.store.readings]
        self.add: Add = self._amounts.append

    def fold(self) -> None:
        amounts = self._amounts
        for _ in range(len(amounts)):
            self._total += amounts.popleft()

    def point(self, place: int, since: int, now: int) -> NumberDataPoint | None:
        given = self._given[place]
        self._given[place] = self._total
        value = self._total - (given or 0) if since else self._total
        if since and given is not None and not value:
            return None
        begun = max(since, self._since) if since else self._since
        return NumberDataPoint(self._attributes, begun, now, value)

    def forget(self) -> None:
        self._amounts.clear()
        self._total = 0
        self._since = time_ns()
        self._given = [None for _ in self._given]


def _unbroken(series: Any, do: Callable[..., Any], *given: Any) -> Any:
    """One series that is broken starts again, and keeps no other from being sent."""
    try:
        return do(*given)
    except Exception as error:
        _guard.fault("counting measurements", error)
        series.forget()
        return None


def _keep_exemplars(
    buckets: _Buckets, places: Sequence[int], taken: Sequence[tuple[float, Span | None]]
) -> None:
    """One of each bucket and reading is enough."""
    for place, (value, span) in zip(places, taken, strict=True):
        if span is None or place in buckets.exemplars:
            continue
        context = span.get_span_context()
        if context.trace_flags.sampled:
            at = getattr(span, "ended_at", 0) or time_ns()
            buckets.exemplars[place] = Exemplar({}, value, at, context.span_id, context.trace_id)
