"""An observed app asks another observed app: one trace, one request id, and no secret on the way.

Real parts: the launcher, uvicorn, contrib's packages for httpx, requests and aiohttp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from otelier.cli.receiver import CLIENT, SERVER, Receiver, Span
from tests.conventions import findings
from tests.e2e.serving import serve

SECRET = "swordfish"
ROUTES = ("aiohttp", "httpx", "httpx-async", "requests")
HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Asked:
    """What arrived, and what the observed app said at its start."""

    receiver: Receiver
    said: str


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """Each route asks another app, by a name that is listed and by one that is not."""
    with Receiver() as receiver:
        with (
            serve("doubles_app:plain", receiver, "--factory") as other,
            serve("clients_app:app", receiver, OTELIER_FORWARD_REQUEST_ID_TO="localhost") as server,
        ):
            for route in ROUTES:
                for host in HOSTS:
                    to = other.url.replace("127.0.0.1", f"ada:{SECRET}@{host}")
                    about = {"to": f"{to}/items/7?token={SECRET}"}
                    headers = {"x-request-id": f"{route}-{host}"}
                    answer = httpx.get(f"{server.url}/{route}", params=about, headers=headers)
                    assert answer.text == "200"
        yield Asked(receiver, server.stderr())


def test_the_start_line(asked: Asked) -> None:
    """The clients are named among what is observed."""
    (line,) = [line for line in asked.said.splitlines() if "; observes " in line]
    named = line.partition("; observes ")[2].split(", ")
    assert {"aiohttp-client", "httpx", "requests"} <= set(named)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("route", ROUTES)
def test_one_trace(asked: Asked, route: str, host: str) -> None:
    """The other app's SERVER span hangs under the CLIENT span, and that under the first's."""
    (first,) = [s for s in servers(asked, f"GET /{route}") if request_id(s) == f"{route}-{host}"]
    (client,) = [
        s for s in asked.receiver.spans if s.kind == CLIENT and s.parent_id == first.span_id
    ]
    (other,) = [s for s in servers(asked, "GET /items/{item}") if s.parent_id == client.span_id]
    assert first.trace_id == client.trace_id == other.trace_id
    assert client.name == "GET"
    assert client.attributes["server.address"] == host
    assert request_id(client) == request_id(first)
    assert (request_id(other) == request_id(first)) == (host == "localhost")


def test_no_other_client_spans(asked: Asked) -> None:
    """Our own delivery is not observed."""
    clients = [span for span in asked.receiver.spans if span.kind == CLIENT]
    assert len(clients) == len(ROUTES) * len(HOSTS)


def test_no_secret_leaves(asked: Asked) -> None:
    """Neither a password nor a value of a query, on any signal."""
    everything = [*asked.receiver.spans, *asked.receiver.logs, *asked.receiver.points]
    assert [item for item in everything if SECRET in repr(item)] == []


def test_names_are_published(asked: Asked) -> None:
    """Contrib's names too are those of the conventions."""
    receiver = asked.receiver
    assert findings(receiver.spans, receiver.logs, receiver.points) == []


def servers(asked: Asked, name: str) -> list[Span]:
    return [span for span in asked.receiver.spans if span.kind == SERVER and span.name == name]


def request_id(span: Span) -> str:
    return str(span.attributes["http.request.id"])
