"""What a request asks for, as attributes: the part that many requests share, and the rest.

Method, scheme, host and user agent of one client are the same in each of its requests: that part
is made once and kept, for as many clients as fit. Path, query and address are of the one request.

Source: semantic conventions, HTTP server spans; RFC 3986, section 3.2; RFC 9110, section 8.6.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from otelier import signals
from otelier.export.preset import Preset
from otelier.instrumentation.headers import text_of
from otelier.privacy import mask_query

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)

_LONGEST = 4096
_LONGEST_AGENT = 256
_MOST_KEPT = 1024
_LONGEST_KEPT = 512  # of host and agent together: a client must not fill the memory

Headers = Mapping[bytes, bytes]


class Asked:
    """What many requests share.

    preset: their attributes. title: the span's name as long as there is no route.
    """

    __slots__ = ("is_websocket", "method", "preset", "scheme", "title", "version")

    def __init__(
        self, scope: Mapping[str, Any], host: bytes | None, agent: bytes | None, method: str
    ) -> None:
        self.method = method
        self.scheme = scope.get("scheme", "http")
        self.version: str | None = scope.get("http_version")
        self.is_websocket = scope["type"] == "websocket"
        self.title = "HTTP" if method == "_OTHER" else method
        found: dict[str, Any] = {signals.METHOD: method, signals.URL_SCHEME: self.scheme}
        if self.is_websocket:
            found[signals.PROTOCOL_NAME] = "websocket"
        if self.version:
            found[signals.PROTOCOL_VERSION] = self.version
        if agent:
            found[signals.USER_AGENT] = text_of(agent, _LONGEST_AGENT)
        self.preset = Preset({**found, **_server(scope, host)})


class Askings:
    """Finds the shared part. methods: those that are called by their names."""

    def __init__(self, methods: Collection[str] = METHODS) -> None:
        self._methods = frozenset(methods)
        self._kept: dict[tuple[Any, ...], Asked] = {}

    def find(self, scope: Mapping[str, Any], headers: Headers) -> Asked:
        host, agent = headers.get(b"host"), headers.get(b"user-agent")
        method = scope.get("method", "GET")
        key = (
            method,
            host,
            agent,
            scope.get("http_version"),
            scope.get("scheme"),
            scope["type"],
            None if host is not None else _hashable(scope.get("server")),
        )
        found = self._kept.get(key)
        if found is None:
            known = method if method in self._methods else "_OTHER"
            found = Asked(scope, host, agent, known)
            if len(host or b"") + len(agent or b"") + len(method) <= _LONGEST_KEPT:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = found
        return found


def of_this_request(scope: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Attributes that differ from request to request. method: as it is called."""
    found: dict[str, Any] = {signals.URL_PATH: scope.get("path", "")[:_LONGEST]}
    if query := scope.get("query_string"):
        found[signals.URL_QUERY] = mask_query(query)[:_LONGEST]
    if client := scope.get("client"):
        found[signals.CLIENT_ADDRESS] = client[0]
    if method == "_OTHER":
        found[signals.METHOD_ORIGINAL] = scope.get("method", "")[:_LONGEST_AGENT]
    return found


def body_size(headers: Headers) -> int | None:
    """What the client has said of the size of the body, in bytes; None where it has not."""
    said = headers.get(b"content-length")
    if said is None or len(said) > 15 or not said.isdigit():
        return None
    return int(said)


def _hashable(server: Any) -> Any:
    return tuple(server) if server else None


def _server(scope: Mapping[str, Any], host: bytes | None) -> dict[str, Any]:
    """Host and port that the client asked for; the socket's where it named none."""
    if host is None:
        address, port = scope.get("server") or (None, None)
    else:
        # What stands before an `@` is no part of a host, and may be a password.
        named = host.decode("latin-1").rpartition("@")[2]
        address, port = _authority(named, scope.get("scheme", "http"))
    found: dict[str, Any] = {}
    if address:
        found[signals.SERVER_ADDRESS] = address[:_LONGEST_AGENT]
        if port is not None:
            found[signals.SERVER_PORT] = port
    return found


def _authority(text: str, scheme: str) -> tuple[str, int | None]:
    """`example.org:8000`, `[::1]:8000` or a bare name, as RFC 3986 section 3.2 has them."""
    address, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return address.strip("[]"), int(port)
    return text.strip("[]"), 443 if scheme in ("https", "wss") else 80
