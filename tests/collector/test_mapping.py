"""What a backend gets to see: its own names, its own temporality, requests of its own size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from parts.collector import Collector
from parts.datadog import DatadogStandIn, attributes
from tests.collector.sender import send_cumulative, send_logs, send_spans

ARRIVAL_SECONDS = 15.0


@pytest.fixture
def datadog() -> Iterator[DatadogStandIn]:
    with DatadogStandIn() as intake:
        yield intake


@pytest.fixture
def collector(program: str, datadog: DatadogStandIn) -> Iterator[Collector]:
    assert program
    with Collector("datadog", datadog.environ) as running:
        yield running


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_datadog_gets_its_own_names_beside_the_standard_ones(
    collector: Collector, datadog: DatadogStandIn
) -> None:
    standard: dict[str, str | int] = {
        "http.request.id": "r-1",
        "user.id": "ada",
        "session.id": "s-1",
        "otelier.error.fingerprint": "f00d",
        "otelier.error.category": "application",
        "db.system.name": "postgresql",
    }
    send_spans(collector.http, [standard])
    wait_until(lambda: datadog.spans)
    (span,) = datadog.spans
    assert attributes(span.attributes) == standard | {
        "http.request_id": "r-1",
        "usr.id": "ada",
        "session_id": "s-1",
        "error.fingerprint": "f00d",
        "error.category": "application",
        "db.system": "postgresql",
    }


def test_what_is_not_there_is_not_made_up(collector: Collector, datadog: DatadogStandIn) -> None:
    send_spans(collector.http, [{"db.system": "redis"}])
    wait_until(lambda: datadog.spans)
    assert attributes(datadog.spans[0].attributes) == {"db.system": "redis"}


def test_log_records_get_them_too(collector: Collector, datadog: DatadogStandIn) -> None:
    send_logs(collector.http, ["r-1"])
    wait_until(lambda: datadog.logs)
    found = attributes(datadog.logs[0].attributes)
    assert found == {"http.request.id": "r-1", "http.request_id": "r-1"}


def test_cumulative_metrics_of_others_arrive_as_delta(
    collector: Collector, datadog: DatadogStandIn
) -> None:
    """A series that began after the collector did: its first point counts too."""
    send_cumulative(collector.http, [2, 5, 5, 9], begun=time.time_ns())
    wait_until(lambda: datadog.histogram_count("old.duration") >= 9)
    assert datadog.histogram_count("old.duration") == 9
    calls = [metric for metric in datadog.metrics if metric.name == "old.calls"]
    assert sum(point.as_int for metric in calls for point in metric.sum.data_points) == 9
    assert {status for _, status in datadog.answers} == {200}


def test_a_request_above_datadogs_limits_arrives_in_parts(
    collector: Collector, datadog: DatadogStandIn
) -> None:
    """9 MB of spans and of logs: the limits are 3.2 and 5 MB."""
    send_spans(collector.http, [{"text": "x" * 3000} for _ in range(3000)])
    send_logs(collector.http, [str(number) for number in range(3000)], body="x" * 3000)
    wait_until(lambda: len(datadog.spans) >= 3000 and len(datadog.logs) >= 3000)
    assert (len(datadog.spans), len(datadog.logs)) == (3000, 3000)
    assert {status for _, status in datadog.answers} == {200}
