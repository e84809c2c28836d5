"""An app that reports to Sentry: its events are in our traces, and what we do stays right.

Real parts: sentry-sdk, the launcher, uvicorn, httpx. Where Sentry sends to is a stand-in that reads
its envelopes (develop.sentry.dev/sdk/data-model/envelopes).
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from otelier.cli.receiver import ERROR, SERVER, Receiver
from tests.e2e.serving import Caller, records, serve, server_span

Event = dict[str, Any]


class Ingest(BaseHTTPRequestHandler):
    """Keeps the events of each envelope."""

    kept: list[Event]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.splitlines()
        about = [json.loads(line) for line in lines if line.startswith(b"{")]
        self.kept += [item for item in about if "event_id" in item and "contexts" in item]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def sentry() -> Iterator[tuple[str, list[Event]]]:
    """Its DSN, and the events that have come."""
    kept: list[Event] = []
    handler = type("Kept", (Ingest,), {"kept": kept})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://key@127.0.0.1:{server.server_port}/1", kept
        server.shutdown()
        thread.join()


class Reported:
    """What came of three requests: an exception, a message, a request to another app."""

    def __init__(self, **variables: str) -> None:
        self.fails, self.says, self.asks = Caller(), Caller(), Caller()
        with sentry() as (dsn, self.events), Receiver() as self.receiver:
            where = {"SENTRY": dsn, **variables}
            with (
                serve("doubles_app:plain", self.receiver, "--factory") as other,
                serve("sentry_app:app", self.receiver, **where) as server,
                httpx.Client(base_url=server.url) as client,
            ):
                about = {"to": f"{other.url}/items/7"}
                # Last what fails: uvicorn closes the connection then.
                self.answers = [
                    client.get("/says", headers=self.says.headers).status_code,
                    client.get("/asks", params=about, headers=self.asks.headers).status_code,
                    client.get("/fails", headers=self.fails.headers).status_code,
                ]

    def event(self, caller: Caller, text: str) -> Event:
        """The only one that says it; whose trace it is in is the question."""
        (found,) = [event for event in self.events if text in json.dumps(event)]
        return found


@pytest.fixture(scope="module")
def reported() -> Reported:
    return Reported()


def test_its_events_are_in_our_trace(reported: Reported) -> None:
    """An exception that nobody handles, and a message from within a thread."""
    assert reported.answers == [200, 200, 500]
    for caller, text in ((reported.fails, "on purpose"), (reported.says, '"said"')):
        span = server_span(reported.receiver, caller)
        trace = reported.event(caller, text)["contexts"]["trace"]
        assert (trace["trace_id"], trace["span_id"]) == (caller.trace_id, span.span_id)
        assert trace["data"]["http.request.id"] == span.attributes["http.request.id"]


def test_outside_of_a_request_it_has_its_own(reported: Reported) -> None:
    """What is reported while the app is imported."""
    trace = reported.event(Caller(), '"started"')["contexts"]["trace"]
    assert len(trace["trace_id"]) == 32
    assert trace["trace_id"] not in {span.trace_id for span in reported.receiver.spans}


def test_our_error_is_there_once(reported: Reported) -> None:
    """As without Sentry."""
    span = server_span(reported.receiver, reported.fails)
    assert (span.status, [name for name, _ in span.events]) == (ERROR, ["exception"])
    errors = [log for log in records(reported.receiver, reported.fails) if log.severity == "ERROR"]
    assert [log.attributes["exception.type"] for log in errors] == ["LookupError"]


@pytest.mark.parametrize("rate", ["", "1.0"])
def test_traceparent_is_ours(reported: Reported, rate: str) -> None:
    """The other app is in our trace, whether Sentry traces or not."""
    found = Reported(SENTRY_RATE=rate) if rate else reported
    (other,) = [
        span
        for span in found.receiver.spans
        if span.name == "GET /items/{item}" and span.kind == SERVER
    ]
    assert other.trace_id == found.asks.trace_id
    if rate:
        trace = found.event(found.fails, "LookupError")["contexts"]["trace"]
        assert trace["trace_id"] != found.fails.trace_id
