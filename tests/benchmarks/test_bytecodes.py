"""Where the work of a request is: what is counted, and to whom."""

from __future__ import annotations

import re

from benchmarks import bytecodes
from benchmarks.bytecodes import Row
from benchmarks.start import _NOWHERE
from otelier.cli.receiver import Receiver

HERE = "/somewhere/src/otelier/"
LIBRARIES = "/venv/lib/python3.11/site-packages/"


def test_whose_it_is() -> None:
    """Otelier's by what it is for, installed or in a checkout; others by their package."""
    files = {
        f"{HERE}export/encode_logs.py": "otelier: encoding",
        f"{LIBRARIES}otelier/export/queue.py": "otelier: delivery",
        f"{HERE}logformat/lines.py": "otelier: lines on stdout",
        f"{HERE}secret_signs.py": "otelier: masks",
        f"{HERE}instrumentation/cache_calls.py": "otelier: Redis",
        f"{HERE}sdk/metrics.py": "otelier: metrics",
        f"{HERE}instrumentation/exchange.py": "otelier: request",
        f"{LIBRARIES}opentelemetry/sdk/trace/__init__.py": "opentelemetry",
        f"{LIBRARIES}sqlalchemy/engine/base.py": "sqlalchemy",
        "/somewhere/benchmarks/app/program.py": "the app",
        "/usr/lib/python3.11/asyncio/streams.py": "Python's library",
    }
    assert {file: bytecodes.part(file) for file in files} == files


def test_the_table() -> None:
    """A request's share; what is little is put together and still in the sum."""
    bare: list[Row] = [(f"{LIBRARIES}redis/client.py", "get", 4_000, 10)]
    more: list[Row] = [
        *bare,
        (f"{HERE}export/encode.py", "_records", 3_000, 2),
        (f"{HERE}sdk/metrics.py", "record", 500, 2),
    ]
    assert list(bytecodes.parts({"bare": bare, "otelier": more}, 10)) == [
        ["redis", "400", "400"],
        ["otelier: encoding", "0", "300"],
        ["all else", "0", "50"],
        ["in all", "400", "750"],
    ]


def test_a_request_is_counted() -> None:
    """Of a real server; bare there is nothing of Otelier in it."""
    bare = bytecodes.count("/ping", 20, _NOWHERE)
    entries = bytecodes._ENTRIES["otelier"]
    with Receiver() as receiver:
        to = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        observed = bytecodes.count("/ping", 20, {**_NOWHERE, **entries, **to})
    calls = {
        re.sub(r".*/otelier/", "", f"{file}:{name}"): number
        for file, name, _, number in observed
        if bytecodes.part(file).startswith("otelier: ")
    }
    assert calls["instrumentation/http.py:Layer._begin"] == 20
    assert calls["export/encode_spans.py:lean"] == 20
    assert not [row for row in bare if bytecodes.part(row[0]).startswith("otelier: ")]
    assert sum(row[2] for row in bare) < sum(row[2] for row in observed)
