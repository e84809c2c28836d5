"""Outgoing requests, by the real libraries to a real server: one CLIENT span each, masked, joined.

Two names of this machine, `localhost` and `127.0.0.1`, are two hosts.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode, get_tracer

from otelier import _guard
from otelier.context import RequestContext, current_request
from otelier.distro import CLIENTS
from otelier.instrumentation.clients import Clients, Forwarding, usable
from otelier.instrumentation.masked import mask_text, mask_url
from tests.conftest import Telemetry
from tests.conventions import published

HEADER = "X-Request-ID"
ID = "given-7"
SECRET = "swordfish"

pytest.importorskip("aiohttp", reason="NOT TESTED: pip install 'otelier[clients]'")


@dataclass
class Server:
    """What it was asked: path and headers of each request."""

    port: int = 0
    asked: list[tuple[str, Mapping[str, list[str]]]] = field(default_factory=list)

    def url(self, path: str, host: str = "localhost", user: str = "") -> str:
        return f"http://{user}{host}:{self.port}{path}"

    @property
    def headers(self) -> Mapping[str, list[str]]:
        """Of the only request."""
        ((_, headers),) = self.asked
        return headers

    def ids(self) -> list[list[str]]:
        return [headers.get(HEADER.lower(), []) for _, headers in self.asked]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            names = [name.lower() for name in self.headers]
            headers = {name: self.headers.get_all(name) or [] for name in names}
            made.asked.append((self.path, headers))
            first, _, rest = self.path.strip("/").partition("/")
            if first == "to":
                host, _, rest = rest.partition("/")
                self.send_response(302)
                self.send_header("location", made.url(f"/{rest}", host))
            else:
                self.send_response(int(first.partition("?")[0]))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        made.port = listening.server_port
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        listening.shutdown()


def by_httpx(url: str, **headers: str) -> int:
    import httpx

    with httpx.Client(follow_redirects=True) as client:
        return client.get(url, headers=headers).status_code


def by_async_httpx(url: str, **headers: str) -> int:
    import httpx

    async def ask() -> int:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url, headers=headers)).status_code

    return asyncio.run(ask())


def by_requests(url: str, **headers: str) -> int:
    import requests

    return requests.get(url, headers=headers, timeout=20).status_code


def by_aiohttp(url: str, **headers: str) -> int:
    import aiohttp

    async def ask() -> int:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status

    return asyncio.run(ask())


Ask = Callable[..., int]
ASKS: list[Ask] = [by_httpx, by_async_httpx, by_requests, by_aiohttp]

each = pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.__name__.removeprefix("by_"))


def observed(*hosts: str) -> Clients:
    clients = Clients(Forwarding(HEADER, frozenset(hosts)))
    entries = {e.name: e for e in entry_points(group="opentelemetry_instrumentor")}
    for name, library in CLIENTS.items():
        if name in entries:
            clients.observe(library, partial(usable, entries[name]))
    return clients


@pytest.fixture
def clients(telemetry: Telemetry, propagator: None) -> Iterator[Callable[..., None]]:
    """Switch the clients on, with hosts to which the id goes; no fault of ours may come up."""
    _guard.faults.clear()
    made: list[Clients] = []
    yield lambda *hosts: made.append(observed(*hosts))
    for one in made:
        one.restore()
    assert dict(_guard.faults) == {}


@pytest.fixture
def inside() -> Iterator[RequestContext]:
    """A request is in progress."""
    box = RequestContext(ID)
    token = current_request.set(box)
    yield box
    current_request.reset(token)


@each
def test_one_client_span(
    ask: Ask, server: Server, clients: Any, inside: RequestContext, telemetry: Telemetry
) -> None:
    """It is named by its method, hangs under the current span, has the request's id, and its
    context is in the header."""
    clients()
    with get_tracer("test").start_as_current_span("server") as above:
        assert ask(server.url("/200")) == 200
    span, parent = telemetry.spans
    assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
    assert span.parent
    assert parent.context
    assert span.parent.span_id == above.get_span_context().span_id == parent.context.span_id
    assert span.attributes
    assert span.context
    assert span.attributes["http.request.id"] == ID
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["server.address"] == "localhost"
    assert span.attributes["server.port"] == server.port
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    (traceparent,) = server.headers["traceparent"]
    assert traceparent.split("-")[1:3] == [trace_id, span_id]
    assert "baggage" not in server.headers


@each
def test_names_are_published(ask: Ask, server: Server, clients: Any, telemetry: Telemetry) -> None:
    """Of what contrib sends with our arguments, nothing is deprecated or unknown."""
    clients()
    ask(server.url("/404"))
    (span,) = telemetry.spans
    points = telemetry.points()
    assert set(points) == {"http.client.request.duration"}
    names = set(span.attributes or ()) | set(points["http.client.request.duration"][0].attributes)
    assert {
        name for name in names if not (found := published(name)) or found.state == "deprecated"
    } == set()


@each
def test_secrets_stay(ask: Ask, server: Server, clients: Any, telemetry: Telemetry) -> None:
    """The server gets the address as it is; the span has no value, password or fragment of it."""
    clients()
    ask(server.url(f"/200?token={SECRET}&{SECRET}#{SECRET}", user=f"ada:{SECRET}@"))
    ((path, _),) = server.asked
    assert path == f"/200?token={SECRET}&{SECRET}"
    (span,) = telemetry.spans
    assert span.attributes
    assert span.attributes["url.full"] == server.url("/200?token=REDACTED&REDACTED")
    assert SECRET not in span.to_json()


@each
def test_a_host_that_does_not_answer(
    ask: Ask, server: Server, clients: Any, telemetry: Telemetry
) -> None:
    """The library's exception passes; the span says its class, and its text without the address."""
    clients()
    with pytest.raises(Exception, match=r".") as raised:
        ask(f"http://ada:{SECRET}@127.0.0.1:9/x?token={SECRET}")
    (span,) = telemetry.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes
    # aiohttp names a subclass that its own connector raises.
    assert str(span.attributes["error.type"]).startswith(raised.type.__name__[:6])
    events = [event for event in span.events if event.name == "exception"]
    assert len(events) == 1
    assert SECRET not in span.to_json()


def test_an_exception_that_tells_the_address(
    server: Server, clients: Any, telemetry: Telemetry
) -> None:
    """Those that give up after many redirects have it in their text."""
    import aiohttp

    clients()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await session.get(server.url(f"/to/localhost/200?token={SECRET}"), max_redirects=1)

    with pytest.raises(aiohttp.TooManyRedirects, match=SECRET):
        asyncio.run(ask())
    (span,) = telemetry.spans
    assert "TooManyRedirects" in span.to_json()
    assert SECRET not in span.to_json()


@each
def test_the_id_goes_to_nobody(ask: Ask, server: Server, clients: Any, inside: Any) -> None:
    """Unless a host is listed."""
    clients()
    ask(server.url("/200"))
    assert server.ids() == [[]]


@each
def test_the_id_goes_to_the_hosts_listed(
    ask: Ask, server: Server, clients: Any, inside: Any
) -> None:
    """And to no other, by whatever name it is asked for."""
    clients("localhost", "elsewhere.example")
    ask(server.url("/200"))
    ask(server.url("/200", "127.0.0.1"))
    assert server.ids() == [[ID], []]


@each
def test_the_id_that_the_app_sets_stays(
    ask: Ask, server: Server, clients: Any, inside: Any
) -> None:
    """Ours is not added to it, and it goes where the app sends it."""
    clients("localhost")
    ask(server.url("/200"), **{HEADER: "own"})
    ask(server.url("/to/127.0.0.1/200"), **{HEADER: "own"})
    assert server.ids() == [["own"]] * 3


@each
def test_the_id_outside_a_request(ask: Ask, server: Server, clients: Any) -> None:
    """There is none."""
    clients("localhost")
    ask(server.url("/200"))
    assert server.ids() == [[]]


@each
@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/to/localhost/200", [[ID], [ID]]),
        ("/to/127.0.0.1/200", [[ID], []]),
        ("/to/localhost/to/127.0.0.1/200", [[ID], [ID], []]),
    ],
)
def test_redirects(
    ask: Ask, path: str, ids: list[list[str]], server: Server, clients: Any, inside: Any
) -> None:
    """The id that we added does not follow to a host that is not listed."""
    clients("localhost")
    assert ask(server.url(path)) == 200
    assert server.ids() == ids


@each
def test_where_nothing_is_observed(
    ask: Ask, server: Server, clients: Any, inside: Any, telemetry: Telemetry
) -> None:
    """Inside a quiet request there is no span and no header of ours."""
    clients("localhost")
    with suppress_instrumentation():
        ask(server.url("/200"))
    assert not telemetry.spans
    assert not {"traceparent", HEADER.lower()} & set(server.headers)


@each
def test_a_fault_of_ours(
    ask: Ask, server: Server, clients: Any, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request goes out, and the fault is counted."""
    clients("localhost")

    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(Forwarding, "add", fail)
    assert ask(server.url("/200")) == 200
    assert _guard.faults == {"forwarding the request id": 1}
    _guard.faults.clear()


@each
def test_a_fault_of_the_mask(
    ask: Ask, server: Server, clients: Any, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be masked is not sent; the request goes out, and so does the app's exception."""
    clients()

    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("otelier.instrumentation.masked.mask_url", fail)
    monkeypatch.setattr("otelier.instrumentation.masked.mask_text", fail)
    assert ask(server.url(f"/200?token={SECRET}")) == 200
    with pytest.raises(Exception, match=r".") as raised:
        ask(f"http://127.0.0.1:9/x?token={SECRET}")
    assert raised.type is not RuntimeError
    assert SECRET not in "".join(span.to_json() for span in telemetry.spans)
    assert set(_guard.faults) == {"masking an outgoing request", "masking an exception"}
    _guard.faults.clear()


LAZY = """
import sys
from otelier.distro import CLIENTS
from otelier.instrumentation.clients import Clients, Forwarding

class Instrumentor:
    def instrument(self, **arguments):
        print("instrumented", sorted(arguments))

clients = Clients(Forwarding("X-Request-ID", frozenset()))
for library in CLIENTS.values():
    clients.observe(library, lambda: Instrumentor)
print([library for library in CLIENTS.values() if library in sys.modules])
import httpx
import httpx
"""


def test_a_release_that_contrib_does_not_observe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says it, nothing is put in, and nothing counts as a fault."""
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="httpx")
    monkeypatch.setattr("opentelemetry.instrumentation.dependencies.version", lambda _: "0.1")
    assert usable(entry) is None
    assert "httpx is not observed: This instrumentation " in capsys.readouterr().err
    assert not _guard.faults


def test_nothing_is_imported_for_the_app() -> None:
    """A library is observed once the app imports it, and once."""
    done = subprocess.run(
        [sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\ninstrumented ['skip_dep_check', 'tracer_provider']\n"


@each
def test_restoring(ask: Ask, server: Server, telemetry: Telemetry, inside: Any) -> None:
    """What was put in is taken out."""
    observed("localhost").restore()
    ask(server.url("/200"))
    assert not telemetry.spans
    assert not {"traceparent", HEADER.lower()} & set(server.headers)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://a.example/x", "http://a.example/x"),
        ("http://ada:s@a.example:81/x?q=s&r#s", "http://a.example:81/x?q=REDACTED&REDACTED"),
        ("http://ada@[::1]/?q=s", "http://[::1]/?q=REDACTED"),
        ("http://[", "REDACTED"),
        ("/x?q=ä", "/x?q=REDACTED"),
    ],
)
def test_mask_url(url: str, masked: str) -> None:
    """Host, path and the keys of the query stay."""
    assert mask_url(url) == masked


def test_mask_text() -> None:
    """A text loses queries and users, and nothing else."""
    text = "no answer of http://ada:s@a.example/x?q=s&r=t (Caused by url: /y?token=s) why?"
    assert mask_text(text) == (
        "no answer of http://REDACTED:REDACTED@a.example/x?q=REDACTED&r=REDACTED"
        " (Caused by url: /y?token=REDACTED) why?"
    )
