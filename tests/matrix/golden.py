"""What arrived, without all that differs from one run to the next.

Sorted lines that can be compared and read: spans with the name of their parent, log records, and
points of metrics with their counts. Ids, times, ports, folders and tracebacks become marks.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from otelier.cli.receiver import Log, Point, Receiver, Span

FILE = Path(__file__).parent / "golden.txt"

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}

# Present or absent is all that two runs can have in common.
_MARKED = (
    "code.file.path",
    "code.line.number",
    "exception.stacktrace",
    "http.request.id",
    "otelier.db.seconds",
    "server.port",
)

_OF_DELIVERY = ("otel.sdk.", "otelier.export.")
# Which kind of pool a database file gets, and how large redis-py's are, depends on the release.
_OF_POOLS = ("db.client.connection.",)
# Of the machine and of Python, of which each has its own; `tests/e2e/test_runtime.py` has them.
_OF_THE_RUNTIME = ("container.", "cpython.", "process.", "system.", "otelier.gc.")
# How often is a matter of time, as the loop is looked at by the second.
_BY_TIME = ("otelier.event_loop.lag",)

_VARYING = (
    (re.compile(r"in \d+\.\d ms"), "in <time> ms"),
    (re.compile(r"\S+/shop\.db"), "<folder>/shop.db"),
    (re.compile(r"sqlalche\.me/e/\d+/"), "sqlalche.me/e/<release>/"),
)


def of(receiver: Receiver) -> list[str]:
    """All of it, sorted."""
    spans = {span.span_id: span for span in receiver.spans}
    return [
        *_lines("span", (_span(span, spans) for span in receiver.spans)),
        *_lines("log", (_log(log, spans) for log in receiver.logs if _is_compared(log))),
        *_points(receiver.points),
    ]


def read() -> list[str]:
    return FILE.read_text().splitlines() if FILE.exists() else []


def write(golden: Iterable[str]) -> None:
    FILE.write_text("".join(f"{line}\n" for line in golden))


def differences(expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """`- span …` for what is missing, `+ span …` for what is there and should not be."""
    missing, more = Counter(expected), Counter(found)
    lines = [f"- {line}" for line in (missing - more).elements()]
    return lines + [f"+ {line}" for line in (more - missing).elements()]


def _is_compared(log: Log) -> bool:
    """What the server says of itself, and FastAPI of refused requests, is only in some releases."""
    theirs = log.scope.startswith("uvicorn") or "fastapi.validation.error_count" in log.attributes
    return bool(log.trace_id) and not theirs


def _span(span: Span, spans: Mapping[str, Span]) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": _KINDS[span.kind],
        "scope": span.scope,
        "parent": spans[span.parent_id].name if span.parent_id in spans else span.parent_id,
        "status": span.status,
        "attributes": _attributes(span.attributes),
        "events": [[name, _attributes(attributes)] for name, attributes in span.events],
    }


def _log(log: Log, spans: Mapping[str, Span]) -> dict[str, Any]:
    return {
        "body": _value(log.body),
        "severity": log.severity,
        "scope": log.scope,
        "span": spans[log.span_id].name,
        "attributes": _attributes(log.attributes),
    }


def _points(points: Iterable[Point]) -> list[str]:
    """Points of one series together; how often a gauge was read says nothing."""
    counts: Counter[str] = Counter()
    for point in points:
        if point.name.startswith((*_OF_DELIVERY, *_OF_POOLS, *_OF_THE_RUNTIME)):
            continue  # how many wait, and how many are on their way, is another number each time
        series = {
            "name": point.name,
            "unit": point.unit,
            "kind": point.kind,
            "attributes": _attributes(point.attributes),
        }
        counts[_line("metric", series)] += point.name not in _BY_TIME and point.count
    return sorted(
        f"{series} x {count}" if '"histogram"' in series else series
        for series, count in counts.items()
    )


def _lines(kind: str, things: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted(_line(kind, thing) for thing in things)


def _line(kind: str, thing: Mapping[str, Any]) -> str:
    """The name first, so that neighbours in the file belong together."""
    first = {key: thing[key] for key in ("name", "body") if key in thing}
    rest = {key: thing[key] for key in sorted(thing) if key not in first}
    attributes = dict(sorted(rest.pop("attributes").items()))
    text = json.dumps({**first, **rest, "attributes": attributes}, ensure_ascii=False)
    return f"{kind} {text}"


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"<{name}>" if name in _MARKED else _value(value)
        for name, value in attributes.items()
    }


def _value(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, mark in _VARYING:
            value = pattern.sub(mark, value)
    return value
