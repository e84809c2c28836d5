"""One request over a real socket: its headers, its time limit, and connections that are kept."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from otelier.export.target import Target
from otelier.export.transport import Transport
from otelier.version import __version__
from tests.export.receiver import (
    Receiver,
    Step,
    answer,
    half,
    hang,
    hang_up,
    headless,
    receiving,
    reset,
    trickle,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def post(receiver: Receiver, transport: Transport, seconds: float = 5, **more: object) -> int:
    target = Target(receiver.url, **more)  # type: ignore[arg-type]
    return transport.post(target, b"", {"content-type": "x"}, seconds).status


def test_headers(receiver: Receiver) -> None:
    """Ours, the user's, which win, and no more than needed."""
    post(receiver, Transport(), headers={"api-key": "grün", "x": "1"})
    sent = {name.lower(): value for name, value in receiver.requests[0].headers.items()}
    assert sent.pop("host") == f"127.0.0.1:{receiver.port}"
    assert sent.pop("api-key").encode("latin-1").decode() == "grün"
    assert sent == {
        "accept-encoding": "identity",
        "content-length": "0",
        "content-type": "x",
        "user-agent": f"otelier/{__version__}",
        "x": "1",
    }
    post(receiver, Transport(), headers={"user-agent": "mine"})
    assert receiver.requests[1].headers["User-Agent"] == "mine"


def test_one_connection_for_all(receiver: Receiver) -> None:
    """Kept from request to request, whatever the answer."""
    receiver.steps.extend((answer(503, b"busy"), answer(400, b"x" * 60_000)))
    transport = Transport()
    assert [post(receiver, transport) for _ in range(4)] == [503, 400, 200, 200]
    assert receiver.server.connections == 1


def test_a_dead_connection_is_replaced(receiver: Receiver) -> None:
    """A server may close what was idle: the request is made again, once, on a new one."""
    transport = Transport()
    post(receiver, transport)
    receiver.steps.append(hang_up)
    assert post(receiver, transport) == 200
    assert receiver.server.connections == 2
    receiver.steps.extend((hang_up, hang_up))
    with pytest.raises(ConnectionError):
        post(receiver, transport)


@pytest.mark.parametrize("how", [reset, half], ids=["reset", "half"])
def test_a_body_that_breaks_off(receiver: Receiver, how: Step) -> None:
    """The status has said what became of the batch; the connection is not used again."""
    transport = Transport()
    post(receiver, transport)
    receiver.steps.append(how)
    assert post(receiver, transport) == 200
    assert len(receiver.requests) == 2
    assert post(receiver, transport) == 200
    assert receiver.server.connections == 2


def test_a_head_that_breaks_off(receiver: Receiver) -> None:
    """Is an error, and the request is not made a second time: it may have been taken."""
    transport = Transport()
    post(receiver, transport)
    receiver.steps.append(headless)
    with pytest.raises((OSError, HTTPException)):
        post(receiver, transport)
    assert len(receiver.requests) == 2


def test_nothing_follows_a_redirect(receiver: Receiver) -> None:
    """The login page of a proxy is no receiver."""
    receiver.usual = answer(302, Location=receiver.url)
    assert post(receiver, Transport()) == 302
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("step", [hang(), trickle], ids=["hang", "trickle"])
def test_the_whole_answer_has_one_limit(receiver: Receiver, step: Step) -> None:
    """Silence and a byte now and then cost the same."""
    receiver.usual = step
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        post(receiver, Transport(), 0.4)
    assert 0.35 < time.monotonic() - began < 1.0


def test_sending_has_the_same_limit() -> None:
    """A receiver that reads nothing does not hold a large body for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            Transport().post(target, b"x" * 30_000_000, {}, 0.4)
        assert time.monotonic() - began < 1.5


def test_an_endless_answer(receiver: Receiver) -> None:
    """Its first 64 KB are read, and the connection is given up."""
    receiver.steps.append(answer(200, b"x" * 1_000_000))
    transport = Transport()
    got = transport.post(Target(receiver.url), b"", {}, 5)
    assert (got.status, len(got.body)) == (200, 65_536)
    assert post(receiver, transport) == 200
    assert receiver.server.connections == 2


def test_an_early_no(receiver: Receiver) -> None:
    """Who finds a body too large may say so and close without reading it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            client, _ = server.accept()
            client.recv(100)
            client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            client.close()

        threading.Thread(target=refuse, daemon=True).start()
        target = Target(f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert Transport().post(target, b"x" * 30_000_000, {}, 5).status == 413


def test_a_proxy(receiver: Receiver) -> None:
    """Plain HTTP goes through it whole, with its own authorization."""
    target = Target(
        "http://user:pass@c.example/v1/traces?a=b",
        proxy=f"http://me:hush@127.0.0.1:{receiver.port}",
    )
    assert Transport().post(target, b"", {}, 5).status == 200
    request = receiver.requests[0]
    assert request.path == "http://c.example/v1/traces?a=b"
    assert request.headers["Proxy-Authorization"] == "Basic bWU6aHVzaA=="
    assert request.headers["Host"] == "c.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of `localhost` in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *more], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@pytest.fixture
def secure(certificate: Path) -> Iterator[Receiver]:
    """A receiver over TLS that wants to see a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with receiving() as receiver:
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        yield receiver


def test_tls(secure: Receiver, certificate: Path) -> None:
    """Trusts the given file, shows its own, and keeps the connection."""
    url = f"https://localhost:{secure.port}/"
    one = str(certificate)
    transport = Transport()
    target = Target(url, certificate=one, client_certificate=one)
    assert [transport.post(target, b"x" * 600_000, {}, 5).status for _ in range(2)] == [200, 200]
    assert secure.server.connections == 1
    with pytest.raises(ssl.SSLCertVerificationError):
        transport.post(Target(url), b"", {}, 5)


def test_tls_through_a_proxy(secure: Receiver, certificate: Path) -> None:
    """A tunnel is asked for; the proxy sees nothing but the name."""
    asked: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65_536):
            sink.sendall(data)

    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        while b"\r\n\r\n" not in b"".join(asked):
            asked.append(client.recv(4096))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        upstream = socket.create_connection(("127.0.0.1", secure.port))
        threading.Thread(target=pump, args=(client, upstream), daemon=True).start()
        pump(upstream, client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        one = str(certificate)
        target = Target(
            f"https://localhost:{secure.port}/v1",
            proxy=f"http://me:hush@127.0.0.1:{server.getsockname()[1]}",
            certificate=one,
            client_certificate=one,
        )
        assert Transport().post(target, b"", {}, 5).status == 200
    head = b"".join(asked).decode().lower()
    assert head.startswith(f"connect localhost:{secure.port} ")
    assert "proxy-authorization: basic bwu6ahvzaa==" in head
    assert "v1" not in head
