"""The main promise, in every way in which people start an app.

Real parts: PostgreSQL, Redis, uvicorn, gunicorn, FastAPI's command line and the launcher, with the
CRM example as it is. Everything is counted at an OTLP receiver, by the request id that the answer
carried.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from otelier.cli.receiver import CLIENT, ERROR, SERVER, Receiver
from parts import free_ports
from parts.server import MODES, Server, command
from tests.conventions import findings
from tests.e2e.conftest import BUSINESS, CRM

CONTACT = "/api/v1/contacts/{contact_id}"
TEST = "/api/v1/workflows/{workflow_id}/test"
READS = 20
README = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True)
class Asked:
    """A request that was answered."""

    route: str
    request_id: str
    status: int


def ask_everything(url: str) -> list[Asked]:
    """Twenty reads, a stream, an executemany, a background task, a 404 and an unhandled error."""
    asked = []
    headers = {"Authorization": "Bearer ada-token"}
    with httpx.Client(base_url=url, headers=headers, timeout=20) as client:

        def ask(method: str, path: str, route: str, **more: object) -> None:
            answer = client.request(method, path, **more)  # type: ignore[arg-type]
            (request_id,) = answer.headers.get_list("x-request-id")
            asked.append(Asked(route, request_id, answer.status_code))

        for number in range(READS):
            ask("GET", f"/api/v1/contacts/{1 + number % 3}", CONTACT)
        ask("GET", "/api/v1/contacts/export", "/api/v1/contacts/export")
        enrolment = {"contact_ids": [1, 2, 3]}
        ask("POST", "/api/v1/workflows/1/enrol", ENROL, json=enrolment)
        ask("POST", "/api/v1/workflows/1/run/1", "/api/v1/workflows/{workflow_id}/run/{contact_id}")
        ask("GET", "/nowhere", "")
        ask("POST", "/api/v1/workflows/1/test", TEST)
    return asked


ENROL = "/api/v1/workflows/{workflow_id}/enrol"


@pytest.mark.parametrize("mode", MODES)
def test_mode(mode: str, stores: dict[str, str], receiver: Receiver, tmp_path: Path) -> None:
    """One SERVER span with its route, its SQL and Redis children and its records, each request."""
    (port,) = free_ports(1)
    environ = {**stores, "OTEL_SERVICE_NAME": "crm", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    line = command(mode, "crm.app:app", port, tmp_path)
    with Server(line, port, CRM, environ) as server:
        asked = ask_everything(server.url)
    assert len({one.request_id for one in asked}) == len(asked)
    check_spans(asked, receiver)
    check_children(asked, receiver)
    check_records(asked, receiver)
    check_metrics(asked, receiver)
    check_processes(receiver)
    check_start_line(server, receiver.url)
    check_names(receiver)
    unobserved = Server(
        command(mode, "crm.app:app", port, tmp_path), port, CRM, stores, observed=False
    )
    with unobserved as bare:
        pass
    assert server.code == bare.code


def check_spans(asked: list[Asked], receiver: Receiver) -> None:
    servers = [span for span in receiver.spans if span.kind == SERVER]
    by_id = Counter(span.attributes["http.request.id"] for span in servers)
    assert by_id == Counter({one.request_id: 1 for one in asked})
    routes = {one.request_id: one for one in asked}
    for span in servers:
        one = routes[span.attributes["http.request.id"]]
        assert span.attributes.get("http.route", "") == one.route
        assert span.attributes["http.response.status_code"] == one.status
        assert span.name == f"{span.attributes['http.request.method']} {one.route}".strip()
        assert (span.status == ERROR) == (one.status >= 500)
        assert [name for name, _ in span.events] == (["exception"] if one.route == TEST else [])
        assert span.end > span.start
        assert span.parent_id == ""


def check_children(asked: list[Asked], receiver: Receiver) -> None:
    """Every Redis and SQL span of a request hangs under its SERVER span and carries its id."""
    systems = defaultdict(set)
    traces = {s.trace_id: s for s in receiver.spans if s.kind == SERVER}
    for span in receiver.spans:
        if span.kind == CLIENT and span.trace_id in traces:
            server = traces[span.trace_id]
            assert span.parent_id == server.span_id
            assert span.attributes["http.request.id"] == server.attributes["http.request.id"]
            systems[span.attributes["http.request.id"]].add(span.attributes["db.system.name"])
    for one in asked:
        assert "redis" in systems[one.request_id] or one.route == ""
        assert "postgresql" in systems[one.request_id] or one.route in (CONTACT, TEST, "")
    reads = [one.request_id for one in asked if one.route == CONTACT]
    assert any("postgresql" in systems[request_id] for request_id in reads)
    inside = [span for span in receiver.spans if span.trace_id in traces]
    batches = [span.attributes.get("db.operation.batch.size") for span in inside]
    assert [size for size in batches if size is not None] == [3]
    assert not [s.name for s in receiver.spans if s.name == "connect"]


def check_records(asked: list[Asked], receiver: Receiver) -> None:
    """The app's records and one access record a request, under the request's ids."""
    trace_ids = {
        s.attributes["http.request.id"]: s.trace_id for s in receiver.spans if s.kind == SERVER
    }
    records = [log for log in receiver.logs if "http.request.id" in log.attributes]
    for log in records:
        assert log.trace_id == trace_ids[log.attributes["http.request.id"]]
    access = Counter(ids(log for log in records if log.scope == "otelier.access"))
    assert access == Counter({one.request_id: 1 for one in asked})
    spoken = Counter(ids(log for log in records if log.scope.startswith("crm.")))
    assert spoken == Counter({one.request_id: 1 for one in asked if one.route != ""})
    assert not [log for log in receiver.logs if log.scope.endswith(".access") and not log.trace_id]


def ids(logs: Iterable[object]) -> Iterable[str]:
    return (log.attributes["http.request.id"] for log in logs)  # type: ignore[attr-defined]


def check_metrics(asked: list[Asked], receiver: Receiver) -> None:
    """As many durations as requests, by route, in delta points; none in progress at the end."""
    counted: Counter[str] = Counter()
    for point in receiver.points:
        if point.name == "http.server.request.duration":
            assert point.is_delta
            assert point.unit == "s"
            counted[point.attributes.get("http.route", "")] += point.count
    assert counted == Counter(one.route for one in asked)


def check_processes(receiver: Receiver) -> None:
    """An instance id for each process, forked ones too, and nothing of it shared."""
    pairs = {
        (item.resource["process.pid"], item.resource["service.instance.id"])
        for item in [*receiver.spans, *receiver.logs, *receiver.points]
    }
    assert len({pid for pid, _ in pairs}) == len(pairs) == len({instance for _, instance in pairs})


# Libraries for outgoing requests: installed for other tests, and not in the README's example.
OPTIONAL = "aiohttp-client|httpx2?|loguru|requests|structlog"


def check_start_line(server: Server, endpoint: str) -> None:
    """Exactly one, whatever the number of workers, and it is the README's."""
    lines = [line for line in server.stderr().splitlines() if line.startswith("otelier: ")]
    start, other = lines
    assert other == "otelier: opentelemetry-distro is installed too and stays off"
    shown = re.sub(rf"\b({OPTIONAL})(, |$)", "", start).removesuffix(", ")
    assert shown.replace(endpoint, "http://localhost:4318") in README.read_text()


def check_names(receiver: Receiver) -> None:
    """Every name that arrives is published, with its type and unit, and in the table of signals."""
    also = {"workflow", "contacts", "action.kind", *BUSINESS}  # the app's own
    assert findings(receiver.spans, receiver.logs, receiver.points, also=also) == []
