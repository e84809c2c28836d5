"""What Otelier says of itself, as metrics beside the app's: what became of every record.

Plain numbers are read when metrics are collected, in the thread that delivers, and come out as the
SDK's data classes; there are no instruments, and nothing is counted twice. Names are those that the
semantic conventions have for an SDK, ours where they have none. A process that has recorded nothing
says nothing, and neither does one in which nothing has happened since, so that no supervisor sends
anything and no idle process keeps itself awake. What is read of every process (its memory, its
threads) is nothing either where the process is over at once, as a command is.

Source: semantic conventions, OpenTelemetry SDK metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import getpid
from time import time_ns
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import _guard, signals
from otelier.export import line
from otelier.export.account import Balance
from otelier.fixed import fixed
from otelier.signals import SIGNALS, Signal
from otelier.version import __version__

_ROWS: Final = {row.name: row for row in SIGNALS}
_SCOPE: Final = InstrumentationScope("otelier.export", __version__)
_COUNTER = "counter"
_WORDS: Final = {"traces": "span", "logs": "log", "metrics": "metric_data_point"}
_OF_EVERY_PROCESS: Final = frozenset({"otelier.runtime"})
_YOUNG: Final = 10.0
"""Seconds; a start and a short command need less."""
_AT_THE_RECEIVER = frozenset((line.REFUSED, line.REJECTED, line.TOO_LARGE, line.POISON))
_DELTA, _CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE

Attributes = tuple[tuple[str, str], ...]


@fixed
class Number:
    """One value of one metric of the table `signals`; of a counter, since the start."""

    name: str
    value: int
    attributes: Attributes = ()


class OwnMetrics:
    """Joins our own numbers to what has been collected.

    account: the balances. is_delta: whether counters say what has come since the last time.
    """

    def __init__(
        self,
        account: Callable[[], Sequence[Balance]],
        resource: Callable[[], Resource],
        *,
        is_delta: bool = True,
    ) -> None:
        self._account = account
        self._resource = resource
        self._is_delta = is_delta
        self._last: dict[tuple[str, Attributes], int] = {}
        self._begin()

    def join(self, collected: list[MetricsData]) -> list[MetricsData]:
        """With a scope of our own, if there is something to say."""
        if self._process != getpid():
            self._begin()  # a forked child has lost and delivered nothing yet
        numbers = list(_numbers(self._account()))
        if self._is_young and not numbers and _scopes(collected) <= _OF_EVERY_PROCESS:
            return []
        metrics = self._metrics(numbers)
        if not metrics or not (collected or self._has_moved(numbers)):
            return collected
        self._last = {(number.name, number.attributes): number.value for number in numbers}
        scope = ScopeMetrics(_SCOPE, metrics, "")
        return _joined(collected, scope, self._resource())

    @property
    def _is_young(self) -> bool:
        return time_ns() - self._started_at < _YOUNG * 1e9

    def _begin(self) -> None:
        self._process = getpid()
        self._last = {}
        self._started_at = self._last_at = time_ns()

    def _has_moved(self, numbers: Sequence[Number]) -> bool:
        """Whether there was more than our own sending of metrics."""
        return any(
            number.value != self._last.get((number.name, number.attributes), 0)
            for number in numbers
            if "metric_data_point" not in number.name and dict(number.attributes) != _OF_METRICS
        )

    def _metrics(self, numbers: Sequence[Number]) -> list[Metric]:
        now = time_ns()
        began = self._last_at if self._is_delta else self._started_at
        self._last_at = now
        by_name: dict[str, list[NumberDataPoint]] = {}
        for number in numbers:
            is_counter = _ROWS[number.name].kind == _COUNTER
            is_delta = self._is_delta and is_counter
            last = self._last.get((number.name, number.attributes), 0)
            value = number.value - last if is_delta else number.value
            # A level of 0 is an answer: nothing waits. A counter that has counted nothing is none.
            if value or not is_counter:
                start = began if is_delta else self._started_at
                point = NumberDataPoint(dict(number.attributes), start, now, value)
                by_name.setdefault(number.name, []).append(point)
        return [self._metric(_ROWS[name], points) for name, points in by_name.items()]

    def _metric(self, row: Signal, points: list[NumberDataPoint]) -> Metric:
        is_counter = row.kind == _COUNTER
        temporality = _DELTA if is_counter and self._is_delta else _CUMULATIVE
        return Metric(row.name, row.meaning, row.unit, Sum(points, temporality, is_counter))


_OF_METRICS: Final = {signals.EXPORT_SIGNAL: "metrics"}


def _numbers(account: Sequence[Balance]) -> Iterator[Number]:
    for place, balance in enumerate(account):
        if balance.recorded:
            yield from _of_exporter(balance, place)
            yield from _of_queue(balance)
    if any(balance.recorded for balance in account):
        for doing, count in list(_guard.faults.items()):
            yield Number(signals.FAULTS, count, ((signals.FAULT_CAUSE, doing),))


def _of_exporter(balance: Balance, place: int) -> Iterator[Number]:
    """What has been given to the receiver, and what it made of it."""
    word = _WORDS[balance.signal]
    kind = balance.component
    about = ((signals.COMPONENT_TYPE, kind), (signals.COMPONENT_NAME, f"{kind}/{place}"))
    exported = f"otel.sdk.exporter.{word}.exported"
    yield Number(exported, balance.delivered, about)
    for reason, count in balance.dropped.items():
        if balance.signal == "metrics" or reason in _AT_THE_RECEIVER:
            yield Number(exported, count, (*about, _error(reason)))
    yield Number(f"otel.sdk.exporter.{word}.inflight", balance.in_flight, about)


def _of_queue(balance: Balance) -> Iterator[Number]:
    """What has been recorded, what waits, and what was lost before it could be sent."""
    of = ((signals.EXPORT_SIGNAL, balance.signal),)
    yield Number(signals.EXPORT_RECORDED, balance.recorded, of)
    yield Number(signals.EXPORT_SPOOLED, balance.spooled, of)
    if balance.signal == "metrics":
        return
    word = _WORDS[balance.signal]
    kind = f"batching_{word}_processor"
    about = ((signals.COMPONENT_TYPE, kind), (signals.COMPONENT_NAME, f"{kind}/0"))
    yield Number(f"otel.sdk.processor.{word}.queue.size", balance.queued, about)
    processed = f"otel.sdk.processor.{word}.processed"
    before = {r: n for r, n in balance.dropped.items() if r not in _AT_THE_RECEIVER}
    waits = balance.queued + balance.spooled + balance.in_flight
    yield Number(processed, balance.recorded - waits - sum(before.values()), about)
    for reason, count in before.items():
        yield Number(processed, count, (*about, _error(reason)))


def _scopes(collected: Sequence[MetricsData]) -> set[str]:
    return {
        scope.scope.name
        for data in collected
        for of_resource in data.resource_metrics
        for scope in of_resource.scope_metrics
    }


def _error(reason: str) -> tuple[str, str]:
    return signals.ERROR_TYPE, reason.replace(" ", "_")


def _joined(
    collected: list[MetricsData], scope: ScopeMetrics, resource: Resource
) -> list[MetricsData]:
    if not collected or not collected[0].resource_metrics:
        return [MetricsData([ResourceMetrics(resource, [scope], resource.schema_url)])]
    first, *others = collected
    found = list(first.resource_metrics)
    ours = found[0]
    found[0] = ResourceMetrics(ours.resource, [*ours.scope_metrics, scope], ours.schema_url)
    return [MetricsData(found), *others]
