"""What of this machine the collector needs: ports, a folder, certificates, a way to the backend.

Each function looks, changes nothing but making the folder, and yields what is wrong.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from otelier.cli.collector import variables as v
from otelier.cli.collector.choice import BACKENDS, Choice, Problem

CONNECT_SECONDS = 3.0


def default_storage() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/otelier/collector")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "otelier" / "collector"


def occupied_ports(choice: Choice) -> Iterator[Problem]:
    """Each port that something else listens on, by the variable that moves it."""
    for variable in v.PORTS:
        host = "127.0.0.1" if variable == v.METRICS_PORT else choice.value(v.HOST)
        port = int(choice.value(variable))
        if error := _bind_error(host.strip("[]"), port):
            at = f"{host}:{port}"
            if error.errno == errno.EADDRINUSE:
                said, hint = f"{at} is occupied", f"end what listens there, or set {variable}"
            else:
                reason = os.strerror(error.errno) if error.errno else str(error)
                said = f"{at} cannot be bound: {reason.lower()}"
                hint = f"set {variable}, or {v.HOST}"
            yield Problem(f"{said} ({variable})", hint)


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As the collector does: a port whose last user has just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def unusable_storage(choice: Choice) -> Iterator[Problem]:
    """Makes the folder; refuses one that cannot be written or that a running collector holds."""
    if not (folder := choice.storage):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        yield Problem(
            f"{v.STORAGE}={str(folder)!r} refused: queues cannot be kept there: {reason}",
            f"set {v.STORAGE} to a folder that can be written, or to off",
        )
        return
    if any(_is_held(path) for path in folder.glob("exporter_*")):
        yield Problem(
            f"{v.STORAGE}={str(folder)!r} refused: another collector keeps its queues there",
            f"each needs its own: set {v.STORAGE}",
        )


def _is_held(path: Path) -> bool:
    with path.open("rb") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def unusable_certificate(choice: Choice) -> Iterator[Problem]:
    if "expose" not in choice.features:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(choice.value(v.TLS_CERT), choice.value(v.TLS_KEY))
    except (OSError, ValueError) as error:
        yield Problem(
            f"{v.TLS_CERT}={choice.value(v.TLS_CERT)!r} and {v.TLS_KEY}="
            f"{choice.value(v.TLS_KEY)!r} refused: {str(error).lower()}",
            "expected two readable files in PEM form, a certificate and its own key",
        )


def unreachable(choice: Choice) -> Iterator[Problem]:
    """Backends that take no connection now. Not asked behind a proxy, which alone would know."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY")):
        return
    for name in choice.backends:
        if url := endpoint(choice, name):
            parts = urlsplit(url)
            address = (parts.hostname or "", parts.port or {"http": 80}.get(parts.scheme, 443))
            try:
                socket.create_connection(address, CONNECT_SECONDS).close()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                variable = BACKENDS[name].endpoint if choice.value(BACKENDS[name].endpoint) else ""
                yield Problem(
                    f"{name} cannot be reached at {address[0]}:{address[1]}: {reason}",
                    f"check {variable or v.DD_SITE}, the name, the port and the firewall",
                )


def endpoint(choice: Choice, backend: str) -> str:
    """Where the backend's data goes; empty when it goes nowhere."""
    if url := choice.value(BACKENDS[backend].endpoint):
        return url
    return f"https://otlp.{choice.value(v.DD_SITE)}" if backend == "datadog" else ""
