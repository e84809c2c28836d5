"""What an outage costs: nothing while the queue has room, and what is lost otherwise is said."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from parts.collector import Collector
from parts.datadog import DatadogStandIn, attributes
from parts.elasticsearch import Elasticsearch
from tests.collector.sender import send_logs
from tests.collector.test_mapping import wait_until

Part = Callable[[Callable[[], AbstractContextManager[Any]]], Any]


@pytest.fixture
def datadog() -> Iterator[DatadogStandIn]:
    with DatadogStandIn() as intake:
        yield intake


def some(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(500)]


def send_in_small_requests(collector: Collector, ids: list[str]) -> None:
    for begin in range(0, len(ids), 10):
        send_logs(collector.http, ids[begin : begin + 10])


def through_the_stops(collector: Collector, kill_after: float = 0.0) -> list[str]:
    """Sends while the backend is away, with a KILL and a TERM of the collector in between."""
    send_in_small_requests(collector, some("before-kill"))
    collector.kill()
    collector.start()
    send_in_small_requests(collector, some("before-term"))
    collector.stop(kill_after)
    collector.start()
    send_in_small_requests(collector, some("after"))
    return some("before-kill") + some("before-term") + some("after")


def of_requests(datadog: DatadogStandIn) -> list[object]:
    return [attributes(record.attributes)["http.request.id"] for record in datadog.logs]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.usefixtures("program")
def test_datadog_away_and_the_collector_killed_loses_nothing(
    datadog: DatadogStandIn, tmp_path: Path, status: int
) -> None:
    datadog.answer_with(status)
    with Collector("datadog", datadog.environ, storage=tmp_path) as collector:
        sent = through_the_stops(collector)
        assert datadog.logs == []
        datadog.answer_with(None)
        wait_until(lambda: set(of_requests(datadog)) >= set(sent))
    assert set(of_requests(datadog)) == set(sent)


@pytest.mark.usefixtures("program")
def test_elasticsearch_away_and_the_collector_killed_loses_nothing(
    part: Part, tmp_path: Path
) -> None:
    """Its exporter does not give up a request when the collector is told to stop (core #15677
    would drop what it gave up), so the stop lasts until somebody kills: systemd, docker, we.
    """
    elasticsearch: Elasticsearch = part(Elasticsearch)
    elasticsearch.stop()
    with Collector("elasticsearch", elasticsearch.environ, storage=tmp_path) as collector:
        sent = through_the_stops(collector, kill_after=2.0)
        elasticsearch.start()
        deadline = time.monotonic() + 45
        while (found := stored(elasticsearch)) < set(sent) and time.monotonic() < deadline:
            time.sleep(0.5)
    assert found == set(sent)


def stored(elasticsearch: Elasticsearch) -> set[str]:
    found = elasticsearch.search("logs-*", "*", size=10_000)
    return {document["attributes"]["http.request.id"] for document in found}


@pytest.mark.parametrize("status", [401, 403, 413, 500])
@pytest.mark.usefixtures("program")
def test_what_the_intake_refuses_for_good_is_dropped_counted_and_said(
    datadog: DatadogStandIn, tmp_path: Path, status: int
) -> None:
    """A wrong key cannot be waited out: the exporter drops. It must not do so in silence."""
    datadog.answer_with(status)
    with Collector("datadog", datadog.environ, storage=tmp_path) as collector:
        send_logs(collector.http, some("refused"))
        wait_until(lambda: dropped(collector))
        assert dropped(collector) == len(some("refused"))
        assert f"HTTP Status Code {status}" in collector.stderr()


def dropped(collector: Collector) -> int:
    """Log records that could not be sent, as the collector counts them."""
    with urllib.request.urlopen(collector.metrics, timeout=5) as response:
        lines = response.read().decode().splitlines()
    name = "otelcol_exporter_send_failed_log_records"
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name))
