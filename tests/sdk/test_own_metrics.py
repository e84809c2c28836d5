"""What Otelier says of itself: numbers that add up, and silence where there is nothing to say."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import _guard, signals
from otelier.export.account import Balance
from otelier.sdk.own_metrics import OwnMetrics
from otelier.signals import SIGNALS

RESOURCE = Resource({"service.name": "s"})


def balance(signal: str = "traces", **numbers: Any) -> Balance:
    usual = {"recorded": 0, "delivered": 0, "spooled": 0, "queued": 0, "in_flight": 0}
    return Balance(signal, "sink", **{**usual, **numbers}, component="otlp_http_exporter")


class Told:
    """Own metrics of an account that a test sets."""

    def __init__(self, **more: Any) -> None:
        self.account: list[Balance] = []
        self.own = OwnMetrics(lambda: self.account, lambda: RESOURCE, **more)

    def collect(self, *account: Balance) -> dict[tuple[str, str], int]:
        """Values by name and by error type or signal."""
        self.account = list(account)
        return {
            (
                metric.name,
                str(about.get(signals.ERROR_TYPE, about.get(signals.EXPORT_SIGNAL, ""))),
            ): v
            for data in self.own.join([])
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
            for about, v in ((p.attributes, p.value) for p in metric.data.data_points)
        }


SPAN = "otel.sdk.exporter.span.exported"
PROCESSED = "otel.sdk.processor.span.processed"
SIZE = "otel.sdk.processor.span.queue.size"
FLYING = "otel.sdk.exporter.span.inflight"


def test_what_became_of_every_span() -> None:
    """What was recorded is what was exported or lost, waits, is on disk or on its way."""
    _guard.faults.clear()
    lost = {"queue full": 3, "refused by the receiver": 5}
    told = Told().collect(
        balance(recorded=100, delivered=60, spooled=20, queued=8, in_flight=4, dropped=lost)
    )
    assert told == {
        (SPAN, ""): 60,
        (SPAN, "refused_by_the_receiver"): 5,
        (FLYING, ""): 4,
        (SIZE, ""): 8,
        (PROCESSED, ""): 65,
        (PROCESSED, "queue_full"): 3,
        ("otelier.export.recorded", "traces"): 100,
        ("otelier.export.spooled", "traces"): 20,
    }
    assert told[PROCESSED, ""] + told[PROCESSED, "queue_full"] + 8 + 20 + 4 == 100


def test_counters_say_what_has_come_since() -> None:
    """Under delta; what is a level is told as it is, and where it is nothing too."""
    told = Told()
    told.collect(balance(recorded=10, delivered=8, queued=2))
    then = told.collect(balance(recorded=15, delivered=15))
    assert (then[SPAN, ""], then["otelier.export.recorded", "traces"], then[SIZE, ""]) == (7, 5, 0)
    again = told.collect(balance(recorded=16, delivered=16))
    assert (again[SIZE, ""], again[FLYING, ""], again["otelier.export.spooled", "traces"]) == (
        0,
        0,
        0,
    )
    whole = Told(is_delta=False)
    whole.collect(balance(recorded=10, delivered=8))
    assert whole.collect(balance(recorded=15, delivered=15))[SPAN, ""] == 15


def test_silence() -> None:
    """Nothing recorded, or nothing but our own sending since the last time: nothing is sent."""
    _guard.faults["something"] = 1
    told = Told()
    assert told.collect() == {}
    assert told.collect(balance()) == {}
    spans = balance(recorded=1, delivered=1)
    assert told.collect(spans, balance("metrics", recorded=3, delivered=3)) != {}
    assert told.collect(spans, balance("metrics", recorded=9, delivered=9)) == {}
    _guard.faults.clear()


def test_beside_the_apps() -> None:
    """In the request that goes out anyway."""
    told = Told()
    told.account = [balance(recorded=1, delivered=1)]
    collected = [MetricsData([ResourceMetrics(RESOURCE, [], "schema")])]
    (data,) = told.own.join(collected)
    (of_resource,) = data.resource_metrics
    assert (of_resource.resource, of_resource.schema_url) == (RESOURCE, "schema")
    assert [scope.scope.name for scope in of_resource.scope_metrics] == ["otelier.export"]


def test_a_short_command_says_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory is told once it has run for a while, and at once beside anything else."""
    from otelier.sdk import own_metrics

    def collected(*scopes: str) -> list[MetricsData]:
        found = [ScopeMetrics(InstrumentationScope(name), [], "") for name in scopes]
        return [MetricsData([ResourceMetrics(RESOURCE, found, "")])]

    own = Told().own
    assert own.join(collected("otelier.runtime")) == []
    assert len(own.join(collected("otelier.runtime", "the.app"))) == 1
    busy = Told()
    busy.account = [balance(recorded=1, delivered=1)]
    assert len(busy.own.join(collected("otelier.runtime"))) == 1
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(own_metrics, "time_ns", lambda: later)
    assert len(own.join(collected("otelier.runtime"))) == 1


def test_a_forked_child_begins_at_nothing() -> None:
    """No counter falls."""
    told = Told()
    told.collect(balance(recorded=100, delivered=100))
    if (pid := os.fork()) == 0:
        os._exit(0 if told.collect(balance(recorded=2, delivered=2))[SPAN, ""] == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_each_name_is_in_the_table() -> None:
    """With its kind and unit."""
    rows = {row.name: row for row in SIGNALS}
    told = Told()
    lost = {"queue full": 1, "refused by the receiver": 1}
    names = {
        name
        for signal in ("traces", "logs", "metrics")
        for name, _ in told.collect(
            balance(signal, recorded=9, delivered=3, spooled=1, queued=2, in_flight=1, dropped=lost)
        )
    }
    assert len(names) >= 10
    assert all(rows[name].unit for name in names)
