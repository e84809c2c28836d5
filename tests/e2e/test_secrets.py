"""Secrets through every door of an app, and not one of them in a byte that leaves the process.

Real uvicorn, PostgreSQL and Redis. What is searched is raw: bodies at the receiver, the lines on
stdout (ours, by `OTELIER_LOG_FORMAT=json`), stderr, and the files of a spool while the receiver is
away. Each door has a mark that must be there, so that nothing passes because nothing was said.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import connect

from parts import free_ports
from parts.server import Server

HERE = Path(__file__).parent
ONE_EACH = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: uvicorn closes it after a failure."""

# Doors behind which the app itself says the text: by POST, with the mark that it leaves.
SAID = {
    "message": b"mark-message",
    "arguments": b"mark-arguments",
    "extra": b"mark-extra",
    "loguru": b"mark-loguru",
    "structlog": b"mark-structlog",
    "exception": b"mark-exception",
    "cause": b"mark-cause",
    "logged_exception": b"mark-logged_exception",
    "span_name": b"mark-span_name",
    "span_attribute": b"mark-span_attribute",
    "span_event": b"mark-span_event",
    "span_status": b"mark-span_status",
    "span_link": b"mark-span_link",
    "scope": b"mark-scope",
    "validation": b"mark_validation",
    "json": b"mark-json",
    "literal": b"mark_literal",
    "broken_statement": b"mark_broken_statement",
    "integrity": b"mark_integrity",
    "redis": b"MARKREDIS",
    "outgoing": b"mark-outgoing",
    "notes": b"mark-notes",
    "group": b"mark-group",
    "address": b"mark-address",
    "objects": b"mark-objects",
    "values": b"mark-values",
    "answer": b"x-mark-answer",
}
ASKED = {
    "form": b"mark-form",
    "query": b"mark_query",
    "headers": b"x-mark-headers",
    "socket": b"/socket/mark-socket",
    "resource": b"mark.resource",
}
MARKS = SAID | ASKED


def letters(door: str, kind: str, size: int) -> str:
    """As good as random, and the same each time."""
    digest = hashlib.sha512(f"{door} {kind}".encode()).digest()
    return "".join(c for c in base64.b64encode(digest).decode() if c.isalnum())[:size]


def card(door: str) -> str:
    digits = "4" + str(int(hashlib.sha256(door.encode()).hexdigest(), 16))[:14]
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return digits + str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)


def shapes(door: str) -> dict[str, tuple[str, str]]:
    """By kind: a text as people write it, and the secret in it."""
    long = {kind: letters(door, kind, 40) for kind in "abcdefghijklmnop"}
    jwt = f"eyJhbGciOiJIUzI1NiJ9.{long['a']}.{long['b']}"
    number = card(door)
    google = f"AIza{long['d'][:35]}"
    return {
        "jwt": (f"sent {jwt} to it", long["b"]),
        "bearer": (f"Authorization: Bearer {long['c']}", long["c"]),
        "google": (f"key {google}", long["d"][:35]),
        "aws": (f"AKIA{long['e'][:16].upper()} is denied", long["e"][:16].upper()),
        "stripe": ("sk_" + f"live_{long['f']}", long["f"]),
        "github": (f"clone by ghp_{long['g']}", long["g"]),
        "slack": (f"xoxb-1234567890-{long['h']}", long["h"]),
        "card": (f"paid by {number}", number),
        "dsn": (f"cannot reach postgresql://app:{long['i']}@db.internal:5432/crm", long["i"]),
        "password": (f"login failed: user=bob password={long['j']}", long["j"]),
        "json": (f'got {{"user": "bob", "client_secret": "{long["k"]}"}}', long["k"]),
        "cookie": (f"Cookie: theme=dark; sessionid={long['l']}", long["l"]),
        "private": (
            f"-----BEGIN {'PRIVATE'} KEY-----\n{long['m']}\n-----END {'PRIVATE'} KEY-----",
            long["m"],
        ),
        "link": (f"GET /reset?token={long['n']} took 3 ms", long["n"]),
        "aws_secret": (f"aws_secret_access_key = {long['o']}", long["o"]),
    }


class Sink:
    """Keeps the bodies of all requests, unpacked; answers with a status."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.bodies += (self.path.encode(), bytes(self.headers), body)
                self.send_response(sink.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Sink:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Planting:
    """Goes through the doors; `secrets` has what must not be seen again, by door and kind."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}

    def _secret(self, door: str, kind: str, secret: str) -> str:
        self.secrets[f"{door}/{kind}"] = secret
        return secret

    def resource(self) -> str:
        """The value of OTEL_RESOURCE_ATTRIBUTES."""
        found = []
        for kind, (text, secret) in shapes("resource").items():
            if kind not in ("cookie", "private"):
                self._secret("resource", kind, secret)
                found.append(f"mark.resource.{kind}={quote(text)}")
        bare = self._secret("resource", "key", letters("resource", "key", 32))
        return ",".join((*found, f"vault.token={bare}"))

    def by_post(self, client: httpx.Client) -> None:
        for door in SAID:
            for kind, (text, secret) in shapes(door).items():
                bare = self._secret(door, f"{kind}, bare", letters(door, f"bare {kind}", 28))
                self._secret(door, kind, secret)
                client.post(f"/{door}", json={"text": text, "bare": bare})

    def asked(self, client: httpx.Client, url: str) -> None:
        for kind, (text, secret) in shapes("query").items():
            self._secret("query", kind, secret)
            client.get("/query", params={"mark_query": text, "email": secret})
        for kind, (text, secret) in shapes("headers").items():
            if kind not in ("private",):
                self._secret("headers", kind, secret)
                client.get("/headers", headers={"x-mark-headers": text, "x-api-key": secret})
        for name in ("authorization", "cookie", "proxy-authorization", "x-auth-token"):
            secret = self._secret("headers", name, letters("headers", name, 30))
            client.get("/headers", headers={name: f"session={secret}"})
        secret = self._secret("form", "password", letters("form", "password", 20))
        client.post("/form", data={"user": "bob", "password": secret})
        for kind in ("jwt", "google", "stripe", "github", "slack", "card"):
            text, secret = shapes("socket")[kind]
            self._secret("socket", kind, secret)
            word = next(part for part in text.split() if secret in part)
            where = f"{url.replace('http', 'ws')}/socket/mark-socket {word}?token={secret}"
            given = self._secret("socket", f"{kind}, subprotocol", letters("socket", kind, 30))
            with connect(where.replace(" ", "%20"), subprotocols=["bearer", given]):
                pass


@contextmanager
def planted(
    stores: Mapping[str, str], sink: Sink, **more: str
) -> Iterator[tuple[Planting, Server]]:
    """An app that has been through all of it."""
    (port,) = free_ports(1)
    planting = Planting()
    environ = {
        **stores,
        "OTEL_SERVICE_NAME": "doors",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_RESOURCE_ATTRIBUTES": planting.resource(),
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": ".*",
        "OTELIER_LOG_FORMAT": "json",
        **more,
    }
    line = ["uvicorn", "secrets_app:app", "--port", str(port)]
    with (
        Server(line, port, HERE, environ) as server,
        httpx.Client(base_url=server.url, timeout=20, limits=ONE_EACH) as client,
    ):
        planting.by_post(client)
        planting.asked(client, server.url)
        yield planting, server


def leaks(secrets: Mapping[str, str], where: bytes) -> list[str]:
    """The doors whose secrets are there, as they were or quoted for a URL."""
    return [
        door
        for door, secret in secrets.items()
        if secret.encode() in where or quote(secret, safe="").encode() in where
    ]


def test_what_leaves(stores: dict[str, str]) -> None:
    """Neither what is sent nor what is printed has a secret, and each door has been heard."""
    with Sink() as sink:
        with planted(stores, sink) as (planting, server):
            pass
        sent = b"\n".join(sink.bodies)
    assert len(set(planting.secrets.values())) >= 60
    places = {"sent": sent, "stdout": server.stdout().encode(), "stderr": server.stderr().encode()}
    found = {name: leaks(planting.secrets, content) for name, content in places.items()}
    assert found == {"sent": [], "stdout": [], "stderr": []}
    assert [door for door, mark in MARKS.items() if mark not in sent] == []
    printed = ("message", "arguments", "extra", "exception", "cause", "integrity", "structlog")
    assert [door for door in printed if MARKS[door] not in places["stdout"]] == []
    assert "; the app goes on" not in server.stderr()


def test_what_is_kept_on_disk(stores: dict[str, str], tmp_path: Path) -> None:
    """The spool has every door's records, and no secret."""
    with Sink() as sink:
        sink.status = 503
        with planted(stores, sink, OTELIER_SPOOL_DIR=str(tmp_path)) as (planting, server):
            pass
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    kept = b"\n".join((*files, *map(unpacked, files)))
    assert leaks(planting.secrets, kept) == []
    assert leaks(planting.secrets, server.stderr().encode()) == []
    assert [door for door, mark in MARKS.items() if mark not in kept] == []


def unpacked(content: bytes) -> bytes:
    """What gzip has made small within a file, wherever it begins."""
    found = []
    for at in range(len(content)):
        if content.startswith(b"\x1f\x8b\x08", at):
            found.append(gzip.decompress(content[at:]))
    return b"\n".join(found)


@pytest.mark.parametrize("door", ["message"])
def test_the_search_finds(door: str) -> None:
    """A secret in any of its spellings is a leak with its door's name."""
    assert leaks({door: "a/b+c"}, b"x a%2Fb%2Bc y") == [door]
    assert leaks({door: "abc"}, b"xabcx") == [door]
    assert leaks({door: "abc"}, b"ab") == []
