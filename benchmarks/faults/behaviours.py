"""What a failing receiver does with a request. Each runs in its connection's thread."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from benchmarks.faults.receiver import TRACES, Behaviour, Post

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def hang(post: Post) -> None:
    """No answer while the fault lasts; nothing is taken."""
    post.body()
    post.receiver.over.wait()
    post.hang_up()


def late(seconds: float) -> Behaviour:
    """Taken, and confirmed after so long."""

    def behave(post: Post) -> None:
        post.take()
        time.sleep(seconds)
        post.confirm()

    return behave


def status(code: int, headers: Mapping[str, str] = MappingProxyType({})) -> Behaviour:
    """Not taken."""

    def behave(post: Post) -> None:
        post.body()
        post.answer(code, b"no", "text/plain", headers)

    return behave


def partial(rejected: int) -> Behaviour:
    """Taken without its first records, and said so."""

    def behave(post: Post) -> None:
        post.take(without=rejected)
        if post.path == TRACES:
            traces = ExportTraceServiceResponse()
            traces.partial_success.rejected_spans = rejected
            traces.partial_success.error_message = "too old"
            post.confirm(traces.SerializeToString())
        else:
            logs = ExportLogsServiceResponse()
            logs.partial_success.rejected_log_records = rejected
            logs.partial_success.error_message = "too old"
            post.confirm(logs.SerializeToString())

    return behave


def reset(post: Post) -> None:
    """The connection breaks when half of the body is there."""
    post.rfile.read(int(post.headers.get("content-length", 2)) // 2)
    post.reset()


def drip(seconds: float) -> Behaviour:
    """The answer comes byte by byte, one each so many seconds; taken if somebody waits for it."""

    def behave(post: Post) -> None:
        post.body()
        for byte in _ANSWER:
            if post.receiver.over.wait(seconds):
                post.hang_up()
                return
            post.wfile.write(bytes((byte,)))
        post.take()

    return behave
