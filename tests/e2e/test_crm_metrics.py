"""The demonstration shows every metric there is, and the CRM's own numbers are right.

Real parts: PostgreSQL, Redis, uvicorn; the CRM and the traffic of `make demo`. Prometheus text is
what upstream's exporter says, by the variable that is standard for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo import traffic
from demo.__main__ import SOON
from otelier.cli.receiver import Point, Receiver
from otelier.cli.signals import NOT_IN_THE_CRM
from otelier.signals import SIGNALS
from parts import free_ports
from parts.server import Server, command
from tests.e2e.conftest import BUSINESS, CRM

MINIMAL = CRM.parent / "minimal"
METRICS = {row.name for row in SIGNALS if row.unit}
MOST_EXCUSED = 3


@dataclass(frozen=True)
class Run:
    """What arrived by OTLP, and what a scrape said before the stop."""

    receiver: Receiver
    scraped: str
    said: str

    def points(self, name: str) -> list[Point]:
        return [point for point in self.receiver.points if point.name == name]


@pytest.fixture(scope="module")
def run(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    port, scrape = free_ports(2)
    with Receiver() as receiver:
        environ = {
            **SOON,
            **stores,
            "OTEL_SERVICE_NAME": "crm",
            "OTELIER_REDIS_INFO": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_METRICS_EXPORTER": "otlp,prometheus",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(scrape),
        }
        line = command("uvicorn", "crm.app:app", port, tmp_path_factory.mktemp("crm"))
        with Server(line, port, CRM, environ) as server:
            assert traffic.first_request(server.url).status_code == 200
            traffic.send(server.url)
            scraped = httpx.get(f"http://localhost:{scrape}/metrics").text
        yield Run(receiver, scraped, server.stderr())


def test_every_metric_is_emitted(run: Run) -> None:
    """All of the table but those that are excused, of which there are few, with a reason."""
    arrived = {point.name for point in run.receiver.points}
    assert METRICS - arrived - set(NOT_IN_THE_CRM) == set()


def test_counters_are_increases(run: Run) -> None:
    """As the queries of the reference page take them: each point is what came since the last."""
    counters = {row.name for row in SIGNALS if row.kind == "counter"}
    points = [point for point in run.receiver.points if point.name in counters]
    assert points
    assert [point for point in points if not (point.is_delta and point.is_monotonic)] == []


def test_excuses() -> None:
    """At most three, each for a metric that there is, and with a reason."""
    assert len(NOT_IN_THE_CRM) <= MOST_EXCUSED
    assert set(NOT_IN_THE_CRM) <= METRICS
    assert all(NOT_IN_THE_CRM.values())


def test_no_excuse_is_left_over(run: Run) -> None:
    """What arrives needs none, but where the tests themselves run in a container with a limit."""
    limited = {name for name in NOT_IN_THE_CRM if name.startswith("otelier.container.")}
    arrived = {point.name for point in run.receiver.points}
    assert set(NOT_IN_THE_CRM) & arrived - limited == set()


def test_business_numbers(run: Run) -> None:
    """As many as the traffic has made: by OTLP in delta points, in the scrape altogether."""
    enrolments = traffic.ROUNDS // 10
    runs = traffic.ROUNDS // 4
    assert sum(point.value for point in run.points("workflow.created")) == enrolments
    assert sum(point.value for point in run.points("enrolment.bulk")) == enrolments
    assert sum(point.count for point in run.points("enrolment.size")) == enrolments
    executed = {"welcome": 0.0, "enrol": 0.0}
    for point in run.points("action.executed"):
        executed[point.attributes["action.kind"]] += point.value
    assert executed == {"welcome": runs, "enrol": 3 * enrolments}
    assert run.points("user.active")[-1].value == 1
    assert {point.name for point in run.receiver.points} >= BUSINESS


def test_a_scrape(run: Run) -> None:
    """Requests, statements and business numbers in one text that a Prometheus parser reads, with
    the totals of the whole run."""
    families = {each.name: each for each in text_string_to_metric_families(run.scraped)}
    requests = families["http_server_request_duration_seconds"]
    assert requests.type == "histogram"
    counted = sum(s.value for s in requests.samples if s.name.endswith("_count"))
    assert counted == sum(p.count for p in run.points("http.server.request.duration"))
    created = families["workflow_created"]
    assert [s.value for s in created.samples if s.name.endswith("_total")] == [4]
    assert [s.value for s in families["user_active"].samples] == [1]
    assert {"db_client_operation_duration_seconds", "otelier_cache_hits"} <= families.keys()
    assert families["db_client_connection_count"].type == "gauge"
    services = [s.labels["service_name"] for s in families["target_info"].samples]
    assert services == ["crm"]


def test_nothing_is_wrong(run: Run) -> None:
    """No fault, and no attribute that was left out."""
    assert [line for line in run.said.splitlines() if "; the app goes on" in line] == []
    assert "business metric" not in run.said


def test_several_workers_cannot_be_scraped(receiver: Receiver, tmp_path: Path) -> None:
    """The process that has the port serves nobody: it says so, once."""
    port, scrape = free_ports(2)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(scrape),
    }
    line = command("gunicorn", "app:app", port, tmp_path)
    with Server(line, port, MINIMAL, environ) as server:
        assert httpx.get(f"{server.url}/hello/you").status_code == 200
        scraped = httpx.get(f"http://localhost:{scrape}/metrics")
    assert (scraped.status_code, "http_server_request" in scraped.text) == (200, False)
    assert server.stderr().count("this one only watches over others") == 1
