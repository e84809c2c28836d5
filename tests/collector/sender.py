"""Sends OTLP to a collector as any application would: JSON over HTTP, one signal at a time."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

Attributes = Mapping[str, str | int]
CUMULATIVE = 2


def send_logs(
    url: str, ids: Sequence[str], resource: Attributes | None = None, body: str = "line"
) -> None:
    """One record for each id, in one request."""
    records = [
        {
            "timeUnixNano": str(time.time_ns()),
            "body": {"stringValue": body},
            "attributes": pairs({"http.request.id": each}),
        }
        for each in ids
    ]
    scope = [{"scope": {"name": "tests"}, "logRecords": records}]
    post(f"{url}/v1/logs", {"resourceLogs": [{**of(resource), "scopeLogs": scope}]})


def send_spans(url: str, spans: Sequence[Attributes]) -> None:
    now = time.time_ns()
    sent = [
        {
            "traceId": f"{number + 1:032x}",
            "spanId": f"{number + 1:016x}",
            "name": "span",
            "kind": 2,
            "startTimeUnixNano": str(now - 1_000_000),
            "endTimeUnixNano": str(now),
            "attributes": pairs(each),
        }
        for number, each in enumerate(spans)
    ]
    scope = [{"scope": {"name": "tests"}, "spans": sent}]
    post(f"{url}/v1/traces", {"resourceSpans": [{**of(None), "scopeSpans": scope}]})


def send_cumulative(url: str, counts: Sequence[int], begun: int) -> None:
    """A cumulative histogram and a cumulative counter with these values, one request for each."""
    for number, count in enumerate(counts):
        when = {
            "startTimeUnixNano": str(begun),
            "timeUnixNano": str(begun + (number + 1) * 1_000_000),
        }
        bucket = {**when, "count": str(count), "sum": count, "bucketCounts": [str(count), "0"]}
        histogram = {"dataPoints": [{**bucket, "explicitBounds": [1]}]}
        total = {"dataPoints": [{**when, "asInt": str(count)}], "isMonotonic": True}
        metrics = [
            {
                "name": "old.duration",
                "histogram": {**histogram, "aggregationTemporality": CUMULATIVE},
            },
            {"name": "old.calls", "sum": {**total, "aggregationTemporality": CUMULATIVE}},
        ]
        scope = [{"scope": {"name": "tests"}, "metrics": metrics}]
        post(f"{url}/v1/metrics", {"resourceMetrics": [{**of(None), "scopeMetrics": scope}]})


def post(url: str, message: object) -> None:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        assert json.load(response).get("partialSuccess", {}) == {}


def of(resource: Attributes | None) -> dict[str, Any]:
    return {"resource": {"attributes": pairs({"service.name": "tests", **(resource or {})})}}


def pairs(attributes: Attributes) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in attributes.items()
    ]
