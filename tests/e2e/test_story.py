"""One story per request: its id and its user on every span, record and error, and nobody else's.

Real parts: uvicorn under the launcher, on both HTTP parsers where it matters. Each request has a
number; its id, user, session and tenant hold it, and so must all that comes of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
import pytest
from websockets.asyncio.client import connect

from otelier.cli.receiver import SERVER, Receiver
from tests.e2e.serving import Caller, access_record, serve, server_span
from tests.e2e.speaking import Connection

BINDING = ("sync", "async", "yield")
NAMED = ("named", "named-async", "named-yield")
FROM = ",".join(
    f"story_app:{name}:id"
    for name in ("current_user", "current_user_async", "current_user_yielded")
)
ID, USER, SESSION = "http.request.id", "user.id", "session.id"


def paths(kinds: Sequence[str], prefix: str = "") -> list[str]:
    shapes = ("plain", "threads", "stream", "fails", "socket")
    return [f"{prefix}/{kind}/{shape}" for kind in kinds for shape in shapes]


def headers(number: int) -> dict[str, str]:
    return {"x-request-id": f"id-{number}", "authorization": f"Bearer {number}"}


async def ask_all(url: str, crowd: Mapping[int, str]) -> None:
    """All at once, on a connection each."""

    async def one(number: int, path: str) -> None:
        if "socket" in path:
            address = f"{url.replace('http', 'ws')}{path}/{number}"
            more = {"additional_headers": headers(number), "open_timeout": 60}
            async with connect(address, **more) as websocket:
                assert await websocket.recv() == str(number)
            return
        answer = await whole(url, f"{path}/{number}", headers(number))
        assert answer.startswith(b"HTTP/1.1 500" if "fails" in path else b"HTTP/1.1 200")
        assert re.findall(rb"(?im)^x-request-id: (.*)\r$", answer) == [b"id-%d" % number]

    await asyncio.gather(*(one(*each) for each in crowd.items()))


async def whole(url: str, path: str, given: Mapping[str, str]) -> bytes:
    """The answer's bytes; httpx looks through all that wait for each that is asked."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def check(receiver: Receiver, crowd: Mapping[int, str]) -> None:
    """Everything that came carries the ids of the number that is in it."""
    numbers = {
        span.trace_id: int(span.attributes["url.path"].rpartition("/")[2])
        for span in receiver.spans
        if span.kind == SERVER
    }
    assert sorted(numbers.values()) == sorted(crowd)
    everything = [*receiver.spans, *(log for log in receiver.logs if log.trace_id in numbers)]
    for one in everything:
        number = numbers[one.trace_id]
        expected = expected_of(number, crowd[number])
        assert {name: one.attributes.get(name) for name in expected} == expected, one
    for span in receiver.spans:
        if span.kind != SERVER:
            assert int(span.name.split()[1]) == numbers[span.trace_id]
    said = [log for log in receiver.logs if log.scope == "story"]
    assert all(int(str(log.body).split()[1]) == numbers[log.trace_id] for log in said)
    assert len(said) == sum(records_of(path) for path in crowd.values())
    failures = [log for log in receiver.logs if "exception.stacktrace" in log.attributes]
    assert len(failures) == len([path for path in crowd.values() if "fails" in path])


def expected_of(number: int, path: str) -> dict[str, str | None]:
    expected: dict[str, str | None] = {ID: f"id-{number}", USER: f"user-{number}"}
    binds = any(f"/{kind}/" in path for kind in BINDING)
    expected[SESSION] = f"session-{number}" if binds else None
    expected["tenant"] = f"tenant-{number}" if binds else None
    if path.endswith("/open"):
        expected[USER] = None
    return expected


def records_of(path: str) -> int:
    return {"plain": 3, "threads": 2, "fails": 2}.get(path.rpartition("/")[2], 1)


def test_a_thousand_users_at_once(receiver: Receiver) -> None:
    """Dependencies of every kind, bound or only named, in every kind of route; bare, and mounted
    behind middleware."""
    kinds = (*BINDING, *NAMED)
    every = [*paths(kinds), *paths(kinds, "/mounted"), "/open", "/mounted/open"]
    crowd = {number: every[number % len(every)] for number in range(1000)}
    with serve(
        "story_app:app", receiver, OTELIER_USER_FROM=FROM, OTELIER_LOOP_LAG_MS="0"
    ) as server:
        asyncio.run(ask_all(server.url, crowd))
    check(receiver, crowd)
    assert_not_in_metrics(receiver)


@pytest.mark.parametrize(("parser", "connections", "depth"), [("h11", 1, 1), ("httptools", 2, 8)])
def test_nothing_passes_on(parser: str, connections: int, depth: int, receiver: Receiver) -> None:
    """By turns somebody and nobody, kept alive or pipelined on one connection, under middleware."""
    crowd = {n: ("/sync/plain", "/open", "/named/stream", "/open")[n % 4] for n in range(200)}

    async def one(url: str, numbers: Sequence[int]) -> None:
        connection = await Connection.open(url)
        for start in range(0, len(numbers), depth):
            some = numbers[start : start + depth]
            asked = {f"{crowd[n]}/{n}": headers(n) for n in some}
            assert await connection.ask_with(asked) == [b"%d" % n for n in some]
        connection.close()

    async def everybody(url: str) -> None:
        numbers = list(crowd)
        await asyncio.gather(*(one(url, numbers[i::connections]) for i in range(connections)))

    options = ("--http", parser)
    with serve(
        "story_app:behind", receiver, *options, OTELIER_USER_FROM=FROM, OTELIER_LOOP_LAG_MS="0"
    ) as server:
        asyncio.run(everybody(server.url))
    check(receiver, crowd)


def test_starlettes_authentication(receiver: Receiver) -> None:
    """The user of Starlette's own middleware, without a line about Otelier."""
    crowd = dict(enumerate(("/open", "/mounted/open") * 10))
    with serve("story_app:authenticated", receiver, OTELIER_USER_FROM="scope.user") as server:
        asyncio.run(ask_all(server.url, crowd))
        httpx.get(f"{server.url}/nowhere", headers=headers(900))
        httpx.get(f"{server.url}/open/901", headers={"x-request-id": "id-901"})
    users = {
        str(log.attributes[ID]): log.attributes.get(USER)
        for log in receiver.logs
        if log.scope in ("otelier.access", "story")
    }
    assert users == {f"id-{n}": f"user-{n}" for n in (*crowd, 900)} | {"id-901": None}


def test_on_the_edge(receiver: Receiver) -> None:
    """Strangers begin a trace of their own, linked to theirs; who is trusted goes on with it. A
    header tells the user if the socket's other end is listed, whomever it speaks for."""
    stranger, friend = Caller(), Caller()
    variables = {
        "OTELIER_TRUST": "10.0.0.0/8",
        "OTELIER_USER_FROM": "header:X-Far@10.0.0.0/8,header:X-Near@127.0.0.0/8",
    }
    with serve("story_app:app", receiver, **variables) as server:
        given = {**stranger.headers, "x-near": "alice"}
        httpx.get(f"{server.url}/open/1", headers=given)
        given = {**friend.headers, "x-forwarded-for": "10.1.2.3", "x-far": "spoofed"}
        httpx.get(f"{server.url}/open/2", headers=given)
    by_path = {s.attributes["url.path"]: s for s in receiver.spans if s.kind == SERVER}
    first, second = by_path["/open/1"], by_path["/open/2"]
    assert first.trace_id != stranger.trace_id
    assert first.parent_id == ""
    assert first.links == ((stranger.trace_id, stranger.span_id),)
    assert first.attributes[USER] == "alice"
    assert (second.trace_id, second.parent_id) == (friend.trace_id, friend.span_id)
    assert second.links == ()
    assert USER not in second.attributes


HOSTILE = {
    "newline": b"a\nplanted",
    "cr": b"a\rplanted",
    "ansi": b"\x1b[31mplanted",
    "bidi": "\u202eplanted".encode(),
    "invalid utf-8": b"\xff\xfeplanted",
    "nul": b"\x00planted",
    "empty": b"",
    "blank": b"planted planted",
    "markup": b"<planted>",
    "long": b"planted" * 1000,
    "a megabyte": b"planted" * 150_000,
    "duplicate": b"planted\r\nX-Request-ID: planted-too",
    "split": b"ok\r\nSet-Cookie: planted=1",
}


@dataclass(frozen=True)
class Spoken:
    """One server that has ended: what it was sent, what it answered, and what it sent on."""

    receiver: Receiver
    hostile: Mapping[str, bytes]
    named: Mapping[str, tuple[Caller, httpx.Response]]
    refused: bytes
    said: str


@pytest.fixture(scope="module", params=["httptools", "h11"])
def spoken(request: pytest.FixtureRequest) -> Iterator[Spoken]:
    variables = {
        "OTELIER_REQUEST_ID_HEADER": "X-Correlation-ID,X-Request-ID",
        "OTELIER_RESPONSE_HEADERS": "traceresponse,server-timing,x-response-time",
    }
    options = ("--http", request.param)
    with Receiver() as receiver:
        with serve("story_app:app", receiver, *options, **variables) as server:
            hostile = {name: raw(server.url, value) for name, value in HOSTILE.items()}
            named = {path: name(server.url, path) for path in ANSWERS}
            refused = raw(server.url, b"the-id", "/nowhere", _UPGRADE)
            said = server.stderr()
        yield Spoken(receiver, hostile, named, refused, said)


def test_hostile_ids(spoken: Spoken) -> None:
    """None reaches an answer, a log or a span; what is answered has an id of ours."""
    for name, answer in spoken.hostile.items():
        assert b"planted" not in answer, name
        if answer.startswith(b"HTTP/1.1 200"):
            ids = re.findall(rb"(?im)^x-correlation-id: (.*)\r$", answer)
            wanted = 2 if name == "split" else 36
            assert [len(found) for found in ids] == [wanted], (name, answer)
    assert sum(a.startswith(b"HTTP/1.1 200") for a in spoken.hostile.values()) >= 5
    records = (*spoken.receiver.spans, *spoken.receiver.logs)
    sent = [str((record.attributes, getattr(record, "body", ""))) for record in records]
    assert len(sent) > 10
    assert not [text for text in sent if "planted" in text]
    assert "planted" not in spoken.said


def test_a_refused_websocket_has_its_id(spoken: Spoken) -> None:
    """The server's own answer to it, with nothing else in it that is ours."""
    head, _, body = spoken.refused.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    assert (status, body) == (b"HTTP/1.1 403 Forbidden", b"")
    assert [line for line in lines if line.startswith(b"x-")] == [b"x-correlation-id: the-id"]


_UPGRADE = (
    b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
)


def raw(
    url: str, request_id: bytes, path: str = "/open/1", more: bytes = b"connection: close\r\n"
) -> bytes:
    """The whole answer to a request with this header, sent as it is."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        head = f"GET {path} HTTP/1.1\r\nhost: x\r\n".encode() + more + b"X-Request-ID: "
        answer = b""
        try:
            connection.sendall(head + request_id + b"\r\n\r\n")
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # refused before it was whole
        return answer


ANSWERS = {
    "/open/1": 200,
    "/nowhere": 404,
    "/moved": 307,
    "/open/1/": 307,
    "/sync/stream/1": 200,
    "/sync/fails/1": 500,
    "/sync/fails/1?handler=fails": 500,
    "/mounted/nowhere": 404,
    "/carried": 200,
}


def name(url: str, path: str) -> tuple[Caller, httpx.Response]:
    """Ask with an id under the second name, one that is not valid under the first, and baggage."""
    caller = Caller()
    given = {"x-request-id": "the-id", "x-correlation-id": "not valid", "baggage": "user=eve"}
    return caller, httpx.get(url + path, headers={**given, **caller.headers})


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_its_id(spoken: Spoken, path: str) -> None:
    """404, redirects, streams, errors: of the app, of Starlette, and of uvicorn itself."""
    caller, answer = spoken.named[path]
    assert answer.status_code == ANSWERS[path]
    assert answer.headers.get_list("x-correlation-id") == ["the-id"]
    assert "x-request-id" not in answer.headers
    (trace,) = answer.headers.get_list("traceresponse")
    span = server_span(spoken.receiver, caller)
    assert re.fullmatch(rf"00-{caller.trace_id}-{span.span_id}-0[13]", trace)
    assert answer.headers.get_list("server-timing") == [f'traceparent;desc="{trace}"']
    assert float(answer.headers["x-response-time"]) >= 0


def test_strangers_baggage_goes_nowhere(spoken: Spoken) -> None:
    """The app does not see it, and what it asks of others does not carry it."""
    caller, answer = spoken.named["/carried"]
    carried = answer.json()
    assert carried.pop("traceparent").split("-")[1] == caller.trace_id
    assert carried == {}


def test_a_child_process_goes_on(receiver: Receiver) -> None:
    """What a request starts with the variables of `otelier.environ()` has its trace and its id."""
    caller = Caller()
    with serve("story_app:app", receiver) as server:
        given = {**caller.headers, "x-request-id": "parent-id"}
        assert httpx.get(f"{server.url}/child", headers=given, timeout=60).status_code == 200
    (log,) = [log for log in receiver.logs if log.scope == "child"]
    assert log.attributes[ID] == "parent-id"
    assert (log.trace_id, log.span_id) == (caller.trace_id, server_span(receiver, caller).span_id)
    assert access_record(receiver, caller).attributes[ID] == "parent-id"


@pytest.mark.parametrize(
    ("variables", "flag", "least", "most"),
    [
        ({}, "00", 200, 200),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}, "01", 0, 10),
    ],
)
def test_a_clients_flag(
    variables: dict[str, str], flag: str, least: int, most: int, receiver: Receiver
) -> None:
    """It neither hides a request nor forces one to be kept."""
    with serve("story_app:app", receiver, **variables) as server, httpx.Client() as client:
        for number in range(200):
            given = {"traceparent": Caller().header[:-2] + flag}
            client.get(f"{server.url}/open/{number}", headers=given)
    spans = [span for span in receiver.spans if span.kind == SERVER]
    assert least <= len(spans) <= most


def assert_not_in_metrics(receiver: Receiver) -> None:
    told = [str(point.attributes) for point in receiver.points]
    assert told
    assert not [text for text in told if "user-" in text or "session-" in text]
