"""HTTP/1.1 for one thread: a kept connection to each receiver, and one time limit a request.

The client is the standard library's `http.client`: nothing to install or to pool, no other
library's instrumentation to trace it, and 2 ms to import where `requests` takes 60. Redirects
are not followed. The limit covers connecting, sending and the whole answer, however slowly it
trickles; it does not cover the system's name look-up, which cannot be interrupted, nor does a
TLS handshake that trickles end with it. Everything raises; `sinks` says what it means.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # for host names: the delivery thread imports nothing
import io
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ssl import SSLContext, create_default_context
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from otelier.export.target import Target, basic
from otelier.fixed import fixed
from otelier.version import __version__

try:
    import certifi
except ImportError:
    certifi = None  # type: ignore[assignment]

_LONGEST_BODY = 65_536
_PIECE = 262_144


@fixed
class Response:
    """What came back. headers: names in lower case. body: its first 64 KB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends bodies; owned by the thread that delivers."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, ...], HTTPConnection] = {}
        self._contexts: dict[tuple[str | None, ...], SSLContext] = {}

    def post(
        self, target: Target, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> Response:
        """One request; sent a second time only if a kept connection proves to be dead."""
        deadline = time.monotonic() + seconds
        kept = self._kept.pop(target.place, None)
        if kept is not None:
            wire = cast(_Wire, kept.sock)
            wire.begin(deadline)
            try:
                return self._exchange(kept, target, body, headers)
            except TimeoutError:
                raise
            except OSError:
                if wire.received:
                    raise
        return self._exchange(self._connect(target, deadline), target, body, headers)

    def close(self) -> None:
        """Drop the connections. In a forked child the parent's stay open: nothing is sent."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _exchange(
        self, connection: HTTPConnection, target: Target, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        keep = False
        try:
            # Who finds the body too large may answer and close before all of it is sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", _path(target), body, _all_headers(target, headers))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            body = b""
            # The status says what became of the batch: a body that breaks off changes nothing.
            with suppress(OSError, HTTPException):
                body = answer.read(_LONGEST_BODY)
                answer.read(1)  # closes it if there is nothing more
                keep = answer.isclosed() and not answer.length and connection.sock is not None
            answer.close()
        finally:
            if keep:
                self._kept[target.place] = connection
            else:
                connection.close()
        return Response(answer.status, told, body)

    def _connect(self, target: Target, deadline: float) -> HTTPConnection:
        is_secure = target.parts.scheme == "https"
        proxy = urlsplit(target.proxy) if target.proxy else None
        parts = proxy or target.parts
        host, port = parts.hostname or "", parts.port or (443 if is_secure and not proxy else 80)
        seconds = max(0.001, deadline - time.monotonic())
        if is_secure:
            connection: HTTPConnection = HTTPSConnection(
                host, port, timeout=seconds, context=self._context(target)
            )
            if proxy:
                connection.set_tunnel(
                    target.parts.hostname or "", target.parts.port or 443, _for_proxy(proxy)
                )
        else:
            connection = HTTPConnection(host, port, timeout=seconds)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        wire = _Wire(connection.sock)
        wire.begin(deadline)
        connection.auto_open = 0
        connection.sock = cast(socket.socket, wire)
        return connection

    def _context(self, target: Target) -> SSLContext:
        if target.place not in self._contexts:
            self._contexts[target.place] = _trusting(target)
        return self._contexts[target.place]


class _Wire:
    """A socket each of whose steps gets what is left of the time. received: bytes of the answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.begin(0.0)

    def begin(self, deadline: float) -> None:
        self.deadline = deadline
        self.received = 0

    def sendall(self, data: Any) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):  # TLS grants each piece the whole time-out
            self.limit()
            self._sock.sendall(view[start : start + _PIECE])

    def makefile(self, mode: str, buffering: int | None = None) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self, self._sock.makefile("rb", buffering=0)))

    def limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)

    def close(self) -> None:
        self._sock.close()


class _Answer(io.RawIOBase):
    def __init__(self, wire: _Wire, raw: io.RawIOBase) -> None:
        self._wire = wire
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._wire.limit()
        received = self._raw.readinto(buffer)
        self._wire.received += received or 0
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


def _path(target: Target) -> str:
    parts = target.parts
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if target.proxy and parts.scheme == "http":
        return f"http://{parts.netloc.rpartition('@')[2]}{path}"
    return path


def _all_headers(target: Target, headers: Mapping[str, str]) -> dict[str, bytes]:
    """As bytes: a header of the user's may hold more than Latin-1, and a failure would show it."""
    proxy = urlsplit(target.proxy) if target.proxy and target.parts.scheme == "http" else None
    merged = {
        "user-agent": f"otelier/{__version__}",
        **(_for_proxy(proxy) if proxy else {}),
        **target.headers,
        **headers,
    }
    return {name: value.encode() for name, value in merged.items()}


def _for_proxy(proxy: SplitResult) -> dict[str, str]:
    return {"proxy-authorization": basic(proxy)} if "@" in proxy.netloc else {}


def _trusting(target: Target) -> SSLContext:
    context = create_default_context()
    if target.certificate:
        context = create_default_context(**_store(target.certificate))
    elif not context.cert_store_stats()["x509_ca"]:
        _trust_certifi(context)
    if target.client_certificate:
        context.load_cert_chain(target.client_certificate, target.client_key)
    return context


def _store(path: str) -> dict[str, Any]:
    return {"capath": path} if os.path.isdir(path) else {"cafile": path}


def _trust_certifi(context: SSLContext) -> None:
    """For images without certificates of their own."""
    if certifi is not None:
        context.load_verify_locations(certifi.where())
