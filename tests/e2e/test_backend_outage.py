"""From an observed app through a collector that keeps its queues, while the backend is away.

Load all the time; the collector is killed with -9 in the middle, without the app knowing; then the
backend comes back. Every request must be found afterwards, its span and its log line, by its id;
what is there twice is allowed, and counted. Once by `otlp_http` (Datadog, a stand-in) and once by
`elasticsearch` (a real one). `OTELIER_OUTAGE_SECONDS=180` makes it the three minutes of
docs/delivery.md; the suite has a few seconds.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from parts import free_ports
from parts.collector import Collector
from parts.datadog import DatadogStandIn, attributes
from parts.elasticsearch import Elasticsearch
from parts.server import Server, command
from tests.e2e.test_backends import MINIMAL, SAID, ask

AWAY = float(os.environ.get("OTELIER_OUTAGE_SECONDS", "6"))
RATE = 20
SETTLES = 90.0

pytestmark = pytest.mark.timeout(AWAY + SETTLES + 240)

Part = Callable[[Callable[[], AbstractContextManager[Any]]], Any]


def ask_for(server: Server, seconds: float, ids: list[str]) -> None:
    """At a steady rate; `ids` gets each request's."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        ids.append(f"out-{len(ids)}")
        assert ask(server.url, ids[-1]) == ids[-1]
        time.sleep(1 / RATE)


def through_an_outage(collector: Collector, folder: Path, back: Callable[[], object]) -> list[str]:
    """Ids of the requests that were answered meanwhile."""
    (port,) = free_ports(1)
    ids: list[str] = []
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http}
    with Server(command("uvicorn", "app:app", port, folder), port, MINIMAL, environ) as server:
        ask_for(server, AWAY / 3, ids)
        collector.kill()
        ask_for(server, AWAY / 3, ids)
        collector.start()
        ask_for(server, AWAY / 3, ids)
        back()
        ask_for(server, 1.0, ids)
        assert server.stop() in (0, -15)
        said = [line for line in server.stderr().splitlines() if "lost so far" in line]
        assert all(line.endswith("lost so far: nothing") for line in said), said
    return ids


def missing_after(ids: list[str], count: Callable[[], tuple[Counter[object], ...]]) -> int:
    """Waits until spans and lines of all are there; returns how many are there twice."""
    deadline = time.monotonic() + SETTLES
    while time.monotonic() < deadline and any(set(ids) - set(found) for found in count()):
        time.sleep(1)
    for found in count():
        assert set(ids) - set(found) == set()
    return sum(found[each] - 1 for found in count() for each in ids)


def test_by_otlp_http(part: Part, tmp_path: Path) -> None:
    """Nothing is lost between the app and Datadog's intake."""
    datadog = part(DatadogStandIn)
    datadog.answer_with(503)

    def found() -> tuple[Counter[object], ...]:
        spans = [span for span in datadog.spans if span.kind == Span.SPAN_KIND_SERVER]
        lines = [record for record in datadog.logs if record.body.string_value == SAID]
        return tuple(
            Counter(attributes(each.attributes)["http.request_id"] for each in kind)
            for kind in (spans, lines)
        )

    storage = tmp_path / "queues"
    collector = part(lambda: Collector("datadog", datadog.environ, storage=storage))
    ids = through_an_outage(collector, tmp_path, lambda: datadog.answer_with(None))
    twice = missing_after(ids, found)
    print(f"{len(ids)} requests, none lost, {twice} records twice")


def test_by_elasticsearch(part: Part, tmp_path: Path) -> None:
    """Nothing is lost between the app and Elasticsearch, stopped and started again."""
    elasticsearch: Elasticsearch = part(Elasticsearch)
    elasticsearch.stop()

    def found() -> tuple[Counter[object], ...]:
        spans = elasticsearch.search("traces-*", "kind:Server", size=10_000)
        lines = elasticsearch.search("logs-*", f'body.text:"{SAID}"', size=10_000)
        return tuple(
            Counter(hit["attributes"]["http.request.id"] for hit in hits) for hits in (spans, lines)
        )

    storage = tmp_path / "queues"
    collector = part(lambda: Collector("elasticsearch", elasticsearch.environ, storage=storage))
    ids = through_an_outage(collector, tmp_path, elasticsearch.start)
    twice = missing_after(ids, found)
    print(f"{len(ids)} requests, none lost, {twice} records twice")
