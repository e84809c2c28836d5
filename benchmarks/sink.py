"""Where one contender sends to: `python -m benchmarks.sink`, a process that keeps and counts.

It takes every path and stands in for an OTLP endpoint, a Datadog agent and an APM server alike, as
far as a sender asks. While the load runs it only keeps the bytes; they are counted when somebody
asks. It says its port on standard output, answers each line on standard input with one of JSON, and
ends with its input.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType, TracebackType

from benchmarks.counting import Counts, count

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10.0

# What senders ask for before they send, or read in the answer.
AGENT = {"endpoints": ["/v0.4/traces", "/v0.5/traces"], "client_drop_p0s": False}
ANSWERS = {
    "/": {"version": "8.15.0"},  # an APM server
    "/info": AGENT,
    "/v0.4/traces": {"rate_by_service": {"service:,env:": 1.0}},
    "/v0.5/traces": {"rate_by_service": {"service:,env:": 1.0}},
}
OTLP = ("/v1/traces", "/v1/logs", "/v1/metrics")
INTAKE = "/intake/v2/events"


class Kept:
    """Bodies that wait to be counted, and the count of those that do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, str, bytes]] = []
        self._counts = Counts()

    def add(self, path: str, encoding: str, body: bytes) -> None:
        with self._lock:
            self._waiting.append((path, encoding, body))

    def counts(self) -> Counts:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for path, encoding, body in waiting:
            self._counts += count(path, plain(encoding, body))
        return self._counts


def plain(encoding: str, body: bytes) -> bytes:
    """Of what was compressed as `content-encoding` says."""
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
    return body


class Handler(BaseHTTPRequestHandler):
    """Keeps what comes, and answers what its sender takes for success."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    kept: Kept

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        self.kept.add(path, self.headers.get("content-encoding", ""), self.body())
        if path in OTLP:
            self.answer(200, b"", "application/x-protobuf")
        else:
            self.answer(202 if path == INTAKE else 200, json.dumps(ANSWERS.get(path, {})).encode())

    do_PUT = do_POST  # noqa: N815

    def do_GET(self) -> None:
        known = ANSWERS.get(self.path.partition("?")[0])
        self.answer(200 if known else 404, json.dumps(known or {}).encode())

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while length := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: it is asked for its count."""


class Sink:
    """The process, from outside: `with Sink() as sink: sink.url, sink.counts()`."""

    def __enter__(self) -> Sink:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sink"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{self._line()}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=STOP_SECONDS)

    def counts(self) -> Counts:
        """Of all that has come so far."""
        if self._process.stdin is None:
            raise RuntimeError("the sink has no input")
        self._process.stdin.write("counts\n")
        self._process.stdin.flush()
        return Counts(**json.loads(self._line()))

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("a sink has ended")
        return line.strip()


def main() -> None:
    Handler.kept = Kept()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say(str(server.server_port))
    for _ in sys.stdin:
        _say(json.dumps(asdict(Handler.kept.counts())))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
