"""One run, two backends: every request of an observed app is found in each, by its request id.

Real parts: uvicorn under the launcher, the collector as `otelier collector run` starts it, and
Elasticsearch. Datadog's intake is a stand-in (parts/datadog.py says in what). The counts are of
requests, not of documents: nothing may be missing and nothing may be there twice.
"""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelier import signals
from otelier.cli.queries import elasticsearch_field
from otelier.signals import SIGNALS
from parts import free_ports
from parts.collector import Collector
from parts.datadog import DatadogStandIn, attributes
from parts.elasticsearch import Elasticsearch
from parts.server import Server, command

MINIMAL = Path(__file__).parents[2] / "examples" / "minimal"
REQUESTS = 200
SAID = "saying hello"
DURATION = "http.server.request.duration"
# The environment of the app is e2e-Test: a namespace has no hyphen and no capital.
NAMESPACE = "e2e_test"
ARRIVAL_SECONDS = 30.0
# span_metrics flushes every ten seconds.
SPAN_METRICS_SECONDS = 15.0

Part = Callable[[Callable[[], AbstractContextManager[Any]]], Any]


@dataclass(frozen=True)
class Run:
    """What was asked, and the two places where it must be."""

    ids: list[str]
    datadog: DatadogStandIn
    elasticsearch: Elasticsearch
    collector: Collector


@pytest.fixture(scope="module")
def run(part: Part, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("backends")
    elasticsearch = part(Elasticsearch)
    datadog = part(DatadogStandIn)
    environ = {**datadog.environ, **elasticsearch.environ}
    storage = folder / "queues"
    collector = part(lambda: Collector("datadog,elasticsearch", environ, storage=storage))
    ids = ask_the_app(collector, folder)
    finished = Run(ids, datadog, elasticsearch, collector)
    wait_until_arrived(finished)
    return finished


def ask_the_app(collector: Collector, folder: Path) -> list[str]:
    (port,) = free_ports(1)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
        "OTEL_SERVICE_NAME": "minimal",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=e2e-Test",
    }
    ids = [f"e2e-{number}" for number in range(REQUESTS)]
    with Server(command("uvicorn", "app:app", port, folder), port, MINIMAL, environ) as server:
        with ThreadPoolExecutor(8) as pool:
            echoed = list(pool.map(lambda each: ask(server.url, each), ids))
        assert echoed == ids
        # Metrics leave when the app stops.
        assert server.stop() in (0, -15)
    return ids


def ask(url: str, request_id: str) -> str:
    request = urllib.request.Request(f"{url}/hello/you", headers={"x-request-id": request_id})
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.headers["x-request-id"])


def wait_until_arrived(run: Run) -> None:
    """Until as many as were asked are there, or time is up; the tests say what is missing."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        spans = run.elasticsearch.count(f"traces-*-{NAMESPACE}", "kind:Server")
        logs = run.elasticsearch.count(f"logs-*-{NAMESPACE}", f'body.text:"{SAID}"')
        metrics = run.elasticsearch.histogram_count(DURATION)
        there = len(run.datadog.spans), datadog_said(run), run.datadog.histogram_count(DURATION)
        if min(spans, logs, metrics, there[0], there[1].total(), there[2]) >= REQUESTS:
            return
        time.sleep(0.5)


def datadog_said(run: Run) -> Counter[object]:
    """The app's own line, by request id as Datadog calls it."""
    own = [record for record in run.datadog.logs if record.body.string_value == SAID]
    return Counter(attributes(record.attributes)["http.request_id"] for record in own)


def datadog_servers(run: Run) -> dict[object, list[Span]]:
    found: dict[object, list[Span]] = {}
    for span in run.datadog.spans:
        if span.kind == Span.SPAN_KIND_SERVER:
            request_id = attributes(span.attributes)["http.request_id"]
            found.setdefault(request_id, []).append(span)
    return found


def test_datadog_has_one_server_span_of_each_request(run: Run) -> None:
    found = {name: len(spans) for name, spans in datadog_servers(run).items()}
    assert found == dict.fromkeys(run.ids, 1)


def test_datadog_has_the_log_line_of_each_request_once(run: Run) -> None:
    assert datadog_said(run) == Counter(run.ids)


def test_datadog_counts_each_request_once(run: Run) -> None:
    assert run.datadog.histogram_count(DURATION) == REQUESTS


def test_datadog_refused_nothing(run: Run) -> None:
    assert {status for _, status in run.datadog.answers} == {200}


def test_datadog_gets_request_statistics_made_of_all_spans(run: Run) -> None:
    deadline = time.monotonic() + SPAN_METRICS_SECONDS
    while (calls := server_calls(run.datadog)) < REQUESTS and time.monotonic() < deadline:
        time.sleep(0.5)
    assert calls == REQUESTS


def server_calls(datadog: DatadogStandIn) -> int:
    named = [metric for metric in datadog.metrics if metric.name == "traces.span.metrics.calls"]
    points = [point for metric in named for point in metric.sum.data_points]
    kinds = [(attributes(point.attributes)["span.kind"], point.as_int) for point in points]
    return sum(number for kind, number in kinds if kind == "SPAN_KIND_SERVER")


def test_elasticsearch_finds_one_server_span_by_each_request_id(run: Run) -> None:
    index = f"traces-generic.otel-{NAMESPACE}"
    found = {
        each: documents(run, index, f'kind:Server AND http.request.id:"{each}"') for each in run.ids
    }
    assert {each: len(hits) for each, hits in found.items()} == dict.fromkeys(run.ids, 1)
    routes = {hits[0]["attributes"]["http.route"] for hits in found.values()}
    assert routes == {"/hello/{name}"}


def test_elasticsearch_finds_the_log_line_by_each_request_id(run: Run) -> None:
    index = f"logs-generic.otel-{NAMESPACE}"
    found = {
        each: documents(run, index, f'http.request.id:"{each}" AND body.text:"{SAID}"')
        for each in run.ids
    }
    assert {each: len(hits) for each, hits in found.items()} == dict.fromkeys(run.ids, 1)


def documents(run: Run, index: str, query: str) -> list[dict[str, Any]]:
    return run.elasticsearch.search(index, query)


def test_elasticsearch_counts_each_request_once(run: Run) -> None:
    assert run.elasticsearch.histogram_count(DURATION) == REQUESTS


def test_queries_of_the_page_name_what_is_there(run: Run) -> None:
    """Datadog has every metric under its name; Elasticsearch has its field, as numbers that can be
    summed for counters and levels and with counts for histograms, found by the service's name."""
    arrived = {metric.name for metric in run.datadog.metrics}
    rows = [row for row in SIGNALS if row.unit and row.name in arrived]
    assert {row.kind for row in rows} >= {"counter", "histogram", "up-down counter"}
    caps = run.elasticsearch.call("GET", f"/metrics-*-{NAMESPACE}/_field_caps?fields=*")["fields"]
    for row in rows:
        field = elasticsearch_field(row)
        of = f"{field}.counts" if row.kind == "histogram" else field
        (kind,) = (name for name in caps[of] if name != "object")
        assert kind in ("long", "double"), (of, kind)
        query = f'service.name:"minimal" AND _exists_:{of}'
        assert run.elasticsearch.count(f"metrics-*-{NAMESPACE}", query) > 0, query


def test_a_counter_of_the_page_can_be_summed(run: Run) -> None:
    """What the query adds up is what was counted: each point is an increase."""
    (row,) = (row for row in SIGNALS if row.name == signals.EXPORT_RECORDED)
    of_spans = {
        "query_string": {"query": 'service.name:"minimal" AND otelier.export.signal:traces'}
    }
    sums = {"sum": {"sum": {"field": elasticsearch_field(row)}}}
    body = {"size": 0, "query": of_spans, "aggs": sums}
    found = run.elasticsearch.call("POST", f"/metrics-*-{NAMESPACE}/_search", body)
    assert found["aggregations"]["sum"]["value"] == REQUESTS


def test_a_request_has_one_trace_id_in_both_and_in_its_log_lines(run: Run) -> None:
    in_datadog = {
        request_id: spans[0].trace_id.hex() for request_id, spans in datadog_servers(run).items()
    }
    spans = run.elasticsearch.search("traces-*", "kind:Server")
    logs = run.elasticsearch.search("logs-*", f'body.text:"{SAID}"')
    for found in (spans, logs):
        assert {
            hit["attributes"]["http.request.id"]: hit["trace_id"] for hit in found
        } == in_datadog


def test_what_is_made_for_datadog_stays_out_of_elasticsearch(run: Run) -> None:
    assert run.elasticsearch.count("traces-*", "_exists_:attributes.http.request_id") == 0
    assert run.elasticsearch.histogram_count("traces.span.metrics.duration") == 0


def test_the_collector_warned_of_nothing(run: Run) -> None:
    lines = run.collector.stderr().splitlines()
    assert [line for line in lines if "\twarn\t" in line or "\terror\t" in line] == []
