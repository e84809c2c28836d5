"""Lean instruments count as the SDK's do: the same measurements in both, point by point."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otelier import _guard
from otelier.sdk import metrics
from otelier.sdk.observed import observe
from otelier.sdk.providers import Providers

BOUNDARIES = (1, 2, 5)
VALUES = (0.5, 1, 1.5, 2, 4.9, 5, 5.1, 100, 0)
CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA


class Meters:
    """Both lanes on one provider, and one reader of each temporality."""

    def __init__(self, **more: Any) -> None:
        kinds = (Counter, Histogram, ObservableCounter, UpDownCounter)
        self.readers = [
            InMemoryMetricReader(dict.fromkeys(kinds, temporality))
            for temporality in (CUMULATIVE, DELTA)
        ]
        self.providers = Providers(Resource({"service.name": "tests"}), self.readers, **more)
        lean = self.providers.meter.get_meter("otelier.tests", "1", "https://s/1")
        standard = self.providers.meter.get_meter("tests", "1", "https://s/1")
        self.meters = (lean, standard)
        self.histograms = [
            metrics.distribution(meter, "h", "s", "a histogram", BOUNDARIES)
            for meter in self.meters
        ]
        self.levels = [metrics.level(meter, "l", "{x}", "a level") for meter in self.meters]

    def points(self, place: int) -> list[dict[str, list[Any]]]:
        """Of each lane, by name of the metric."""
        data = self.readers[place].get_metrics_data()
        found: list[dict[str, list[Any]]] = [{}, {}]
        for of_resource in data.resource_metrics if data else ():
            assert of_resource.resource.attributes["service.name"] == "tests"
            for scope in of_resource.scope_metrics:
                lane = 0 if scope.scope.name == "otelier.tests" else 1
                assert (scope.scope.version, scope.scope.schema_url) == ("1", "https://s/1")
                for metric in scope.metrics:
                    found[lane][metric.name] = list(metric.data.data_points)
        return found


def shape(points: Sequence[Any]) -> list[dict[str, Any]]:
    """All but the times."""
    left_out = ("start_time_unix_nano", "time_unix_nano", "exemplars")
    return [
        {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(point).items()
            if name not in left_out
        }
        for point in points
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_a_histogram(place: int) -> None:
    """Buckets, sum, least and greatest are those of the SDK, in three collections."""
    meters = Meters()
    for values in (VALUES, (), (3,)):
        for histogram in meters.histograms:
            record = histogram.series({"a": 1})
            for value in values:
                record(value, None)
        lean, standard = meters.points(place)
        assert shape(lean.get("h", ())) == shape(standard.get("h", ()))
    assert lean["h"][0].count == (1 if place else len(VALUES) + 1)


def test_measured_at_random() -> None:
    """Many values at once, ends of buckets among them, fall where the SDK's do."""
    meters, chance = Meters(), Random(5)
    ends = (*BOUNDARIES, 0)
    values = [chance.choice((*ends, chance.expovariate(1))) for _ in range(500)]
    for histogram in meters.histograms:
        record = histogram.series({})
        for value in values:
            record(value, None)
    lean, standard = (found["h"][0] for found in meters.points(0))
    assert lean.bucket_counts == list(standard.bucket_counts)
    assert (lean.min, lean.max) == (min(values), max(values))


def test_what_is_no_number() -> None:
    """It is counted, and holds nothing up, though it has no place in any order."""
    meters = Meters()
    record = meters.histograms[0].series({})
    for value in (1, math.nan, -math.inf, math.inf, math.nan):
        record(value, None)
    (point,) = meters.points(0)[0]["h"]
    assert point.count == sum(point.bucket_counts) == 5


@pytest.mark.parametrize("place", [0, 1])
def test_a_level(place: int) -> None:
    """Goes up and down as the SDK's."""
    meters = Meters()
    for amounts in ((1, 1, -1), (), (-1,)):
        for level in meters.levels:
            add = level.series({"a": 1})
            for amount in amounts:
                add(amount)
        lean, standard = meters.points(place)
        if amounts:  # the SDK has a point of an interval without measurements, or has none
            assert shape(lean["l"]) == shape(standard["l"])


def test_intervals_follow_each_other() -> None:
    """A delta begins where the last one ended; a total begins once."""
    meters = Meters()
    record = meters.histograms[0].series({})
    begun: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
    for _ in range(2):
        record(1, None)
        for place, intervals in begun.items():
            (point,) = meters.points(place)[0]["h"]
            intervals.append((point.start_time_unix_nano, point.time_unix_nano))
    assert begun[0][0][0] == begun[0][1][0]
    assert begun[1][0][1] == begun[1][1][0]


@pytest.mark.parametrize("place", [0, 1])
def test_a_counter(place: int) -> None:
    """Only grows, as the SDK's; as a delta or as a total, by what its reader wants of counters."""
    meters = Meters()
    counters = [metrics.counter(meter, "c", "{x}", "a counter") for meter in meters.meters]
    for amounts in ((1, 1), (3,)):
        for counter in counters:
            add = counter.series({"a": 1})
            for amount in amounts:
                add(amount)
        lean, standard = meters.points(place)
        assert shape(lean["c"]) == shape(standard["c"])
    assert lean["c"][0].value == (3 if place else 5)


def test_a_series_that_is_given_up() -> None:
    """Every reader has its last values once, and then it is gone; until somebody wants it again."""
    meters = Meters()
    histogram, level = meters.histograms[0], meters.levels[0]
    histogram.series({"a": 1})(1, None)
    level.series({"a": 1})(1)
    for instrument in (histogram, level):
        instrument.release({"a": 1})
        instrument.release({"a": 2})  # never was
    for expected in ({"h", "l"}, set()):
        assert [set(meters.points(place)[0]) for place in (0, 1)] == [expected] * 2
        meters.providers.collect()  # there is a third reader
    record = histogram.series({"a": 1})
    histogram.release({"a": 1})
    assert histogram.series({"a": 1}) is record
    record(1, None)
    assert [meters.points(0)[0]["h"][0].count for _ in range(2)] == [1, 1]


def test_values_that_are_read() -> None:
    """As the SDK reads them: what there is at that moment, and nothing of what is there no more."""
    meters = Meters()
    values = [(2, {"a": 1}), (0, {"a": 2})]
    for meter in meters.meters:
        observe(meter, "o", "{x}", "values", lambda: values)
    for expected in (2, 2, 1):
        del values[expected:]
        for place in (0, 1):
            lean, standard = meters.points(place)
            assert shape(lean["o"]) == shape(standard["o"])
            assert len(lean["o"]) == expected


def test_counters_and_gauges_that_are_read() -> None:
    """A counter's reader is given what was added, or all of it; a gauge's what there is."""
    meters = Meters()
    values: list[tuple[float, dict[str, int]]] = []
    for meter in meters.meters:
        for kind in ("counter", "gauge"):
            observe(meter, kind, "{x}", "values", lambda: values, kind)
    for amount in (2, 5, 5.5):
        values[:] = [(amount, {"a": 1})]
        for place in (0, 1):
            lean, standard = meters.points(place)
            for kind in ("counter", "gauge"):
                assert shape(lean[kind]) == shape(standard[kind])
                assert [point.value for point in lean[kind]] == [
                    point.value for point in standard[kind]
                ]


def test_what_was_counted_before() -> None:
    """A delta has nothing of the time before the first look, nor of what has begun again."""
    meters = Meters()
    values: list[tuple[float, dict[str, int]]] = [(100, {})]
    observe(meters.meters[0], "o", "{x}", "values", lambda: values, "counter", is_own=False)
    found = []
    for amount in (100, 103, 103, 1, 3):
        values[:] = [(amount, {})]
        points = meters.points(1)[0].get("o", [])
        found.append([point.value for point in points])
    assert found == [[], [3], [0], [], [2]]


def test_values_that_cannot_be_read() -> None:
    """It is a fault, and the others are sent."""
    meters = Meters()
    _guard.faults.clear()
    observe(meters.meters[0], "o", "{x}", "values", lambda: [(1 // 0, {})])
    meters.levels[0].series({})(1)
    assert set(meters.points(0)[0]) == {"l"}
    assert dict(_guard.faults) == {"reading values to be sent": 1}
    _guard.faults.clear()


def test_a_series_for_each_set_of_attributes() -> None:
    """The order of attributes makes no difference, their values do."""
    meters = Meters()
    for attributes in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 3}):
        meters.histograms[0].series(attributes)(1, None)
    assert sorted(point.count for point in meters.points(0)[0]["h"]) == [1, 2]


def test_too_many_series() -> None:
    """Beyond the limit everything is counted, in one series that says so."""
    meters = Meters()
    for number in range(metrics.MOST_SERIES + 50):
        meters.histograms[0].series({"n": number})(1, None)
    points = meters.points(0)[0]["h"]
    assert len(points) == metrics.MOST_SERIES + 1
    (overflow,) = [point for point in points if point.attributes == metrics.OVERFLOW]
    assert overflow.count == 50


def span(flags: int) -> NonRecordingSpan:
    return NonRecordingSpan(SpanContext(5, 6, False, TraceFlags(flags)))


@pytest.mark.parametrize("exemplars", [True, False])
def test_exemplars(*, exemplars: bool) -> None:
    """A sampled span is named for its bucket, one of each; another one is not."""
    meters = Meters(exemplars=exemplars)
    record = meters.histograms[0].series({})
    for value, flags in ((1, 0), (1, 1), (1, 1), (100, 1)):
        record(value, span(flags))
    (point,) = meters.points(1)[0]["h"]
    found = sorted((e.value, e.trace_id, e.span_id) for e in point.exemplars)
    assert found == ([(1, 5, 6), (100, 5, 6)] if exemplars else [])


def test_measured_in_many_threads() -> None:
    """Nothing is lost while the worker sorts."""
    meters = Meters()
    record, add = meters.histograms[0].series({}), meters.levels[0].series({})

    def measure() -> None:
        for _ in range(5000):
            record(1, None)
            add(1)

    threads = [threading.Thread(target=measure) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        meters.providers.fold()
    for thread in threads:
        thread.join()
    lean = meters.points(0)[0]
    assert (lean["h"][0].count, lean["l"][0].value) == (20_000, 20_000)


def test_a_broken_series_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted as a fault, starts again, and the others are sent."""
    _guard.faults.clear()
    meters = Meters()
    meters.histograms[0].series({"n": 1})("no number", None)  # type: ignore[arg-type]
    meters.histograms[0].series({"n": 2})(1, None)
    assert [point.attributes for point in meters.points(0)[0]["h"]] == [{"n": 2}]
    assert dict(_guard.faults) == {"counting measurements": 1}
    meters.histograms[0].series({"n": 1})(1, None)
    assert len(meters.points(0)[0]["h"]) == 2


def test_after_a_fork() -> None:
    """What was measured before is the parent's."""
    meters = Meters()
    record = meters.histograms[0].series({})
    record(1, None)
    assert meters.providers.store
    meters.providers.store.forget()
    record(2, None)
    (point,) = meters.points(0)[0]["h"]
    assert (point.count, point.sum) == (1, 2)


def test_left_to_the_sdk() -> None:
    """Without the lean lane the same calls make the SDK's points."""
    meters = Meters(lean_metrics=False)
    for histogram, level in zip(meters.histograms, meters.levels, strict=True):
        histogram.series({"a": 1})(1, span(1))
        level.series({"a": 1})(1)
    lean, standard = meters.points(0)
    assert shape(lean["h"]) == shape(standard["h"])
    assert shape(lean["l"]) == shape(standard["l"])


def test_on_a_provider_of_somebody_else() -> None:
    """The same calls go through the API."""
    meter = NoOpMeterProvider().get_meter("otelier.tests")
    metrics.distribution(meter, "h", "s", "d", BOUNDARIES).series({})(1, None)
    metrics.level(meter, "l", "1", "d").series({})(1)
