"""`python -m benchmarks throughput`: export work a core, and memory when nobody takes it.

In this process, without a server. First an app is called that leaves two spans a request, its own
and that of a query, and all is sent to a sink in another process: what every thread but the app's
takes, from queue to confirmed answer, is export work. Then the sink ends, spans are made at an even
rate, and memory is watched. The first needs a core for some seconds, the second a fifth of one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from opentelemetry.trace import SpanKind, get_tracer

from benchmarks import page
from benchmarks.accounting import resident_mib
from benchmarks.loop import APPS, WARM, Observed, seconds
from benchmarks.results import machine
from benchmarks.sink import Sink
from benchmarks.table import grid

WISH = 50_000
"""Spans a second of export work, on one core."""

BLOCKS, REQUESTS = 5, 4_000
RATE, AWAY_SECONDS = 10_000, 60.0
TICKS, SAMPLES = 100, 6

_ONLY_SPANS = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
_ATTRIBUTES: Mapping[str, str | int] = {
    "http.request.method": "GET",
    "url.scheme": "http",
    "url.path": "/api/v1/contacts/17",
    "http.route": "/api/v1/contacts/{contact_id}",
    "server.address": "127.0.0.1",
    "server.port": 8000,
    "network.protocol.version": "1.1",
    "http.response.status_code": 200,
}


@dataclass(frozen=True)
class Block:
    """spans: that have arrived, of those expected. work: CPU seconds of all threads but one."""

    spans: float
    expected: int
    work: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=int, default=RATE, help="spans a second, without a sink")
    parser.add_argument("--seconds", type=float, default=AWAY_SECONDS, help="of that; 0 for none")
    parser.add_argument("--write-docs", action="store_true", help="write docs/delivery.md")


def run(options: argparse.Namespace) -> int:
    os.environ.update(_ONLY_SPANS)
    with Sink() as sink:
        observed = Observed(sink.url)
        blocks = asyncio.run(_blocks(observed, sink))
    samples = list(_away(options.rate, options.seconds)) if options.seconds else []
    parts = [_throughput(blocks), *([_memory(samples, options.rate)] if samples else [])]
    sys.stdout.write("\n\n".join(parts) + "\n")
    if options.write_docs:
        page.fill("delivery.md", "throughput", machine("a sink on loopback"), *parts)
    return int(any(block.spans != block.expected for block in blocks))


async def _blocks(observed: Observed, sink: Sink) -> list[Block]:
    app = APPS["sql"]()
    found = []
    with observed:
        await seconds(app, WARM)
        observed.flush()
        for _ in range(BLOCKS):
            had, began = sink.counts().spans, _work()
            await seconds(app, REQUESTS)
            observed.flush()
            found.append(Block(sink.counts().spans - had, 2 * REQUESTS, _work() - began))
    return found


def _work() -> float:
    """CPU seconds of the other threads; the calling one has run the app."""
    return time.process_time() - time.thread_time()


def _away(rate: int, length: float) -> Iterator[tuple[float, float]]:
    """Seconds since its begin and MiB, some times."""
    tracer = get_tracer("otelier.throughput")
    began = time.monotonic()
    yield 0.0, resident_mib(os.getpid())
    for sample in range(SAMPLES):
        for tick in range(round(TICKS * length / SAMPLES)):
            for _ in range(rate // TICKS):
                span = tracer.start_span("GET /x", None, SpanKind.SERVER, _ATTRIBUTES)
                span.end()
            due = began + length * sample / SAMPLES + tick / TICKS
            time.sleep(max(0.0, due - time.monotonic()))
        yield time.monotonic() - began, resident_mib(os.getpid())


def _throughput(blocks: list[Block]) -> str:
    rates = sorted(block.spans / block.work for block in blocks)
    micros = median(block.work / block.spans for block in blocks) * 1e6
    arrived, expected = sum(b.spans for b in blocks), sum(b.expected for b in blocks)
    return (
        f"Export work: {median(rates):,.0f} spans a second of one core "
        f"({rates[0]:,.0f} – {rates[-1]:,.0f}; the wish is {WISH:,}), {micros:.1f} µs a span; "
        f"{arrived:,.0f} of {expected:,} have arrived."
    )


def _memory(samples: list[tuple[float, float]], rate: int) -> str:
    head = ["seconds without a receiver", *(f"{at:.0f}" for at, _ in samples)]
    body = [f"MiB at {rate:,} spans a second", *(f"{mib:.0f}" for _, mib in samples)]
    return grid(head, [body])
