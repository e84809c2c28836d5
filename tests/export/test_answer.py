"""What an answer means, status by status."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from otelier.export.answer import Fate, meaning, retry_after


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.DELIVERED),
        (202, Fate.DELIVERED),
        (301, Fate.SLOWLY),
        (302, Fate.SLOWLY),
        (400, Fate.REFUSED),
        (401, Fate.SLOWLY),
        (403, Fate.SLOWLY),
        (404, Fate.SLOWLY),
        (405, Fate.SLOWLY),
        (408, Fate.AGAIN),
        (413, Fate.TOO_LARGE),
        (422, Fate.REFUSED),
        (429, Fate.AGAIN),
        (500, Fate.SUSPECT),
        (501, Fate.SUSPECT),
        (502, Fate.AGAIN),
        (503, Fate.AGAIN),
        (504, Fate.AGAIN),
        (599, Fate.SUSPECT),
    ],
)
def test_statuses(status: int, fate: Fate) -> None:
    """OTLP's own are sent again soon; only what faults the batch is given up."""
    assert meaning("traces", status, {}, b"whatever").fate is fate


def test_hints() -> None:
    """What may help, with the variable's name."""
    assert "OTEL_EXPORTER_OTLP_HEADERS" in meaning("logs", 401, {}, b"").hint
    assert meaning("logs", 404, {}, b"").hint.startswith("OTEL_LOGS_EXPORTER=none")
    assert "redirect" in meaning("logs", 302, {}, b"").hint


def test_retry_after() -> None:
    """A number or a date; an hour at most; nonsense is nothing."""
    now = time.time()
    assert retry_after("7", now) == 7
    assert retry_after("1.5", now) == 1.5
    assert retry_after("-7", now) == 0
    assert retry_after("999999999", now) == 3600
    assert 8 < (retry_after(formatdate(now + 10, usegmt=True), now) or 0) <= 10
    assert retry_after(formatdate(now - 10, usegmt=True), now) == 0
    assert [retry_after(text, now) for text in ("", "soon", "nan", "Wed, 99")] == [None] * 4


def test_it_took_less_than_it_was_given() -> None:
    """The number that was rejected, and why, from protobuf and from JSON."""
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = 3
    logs.partial_success.error_message = "too old"
    answer = meaning("logs", 200, {}, logs.SerializeToString())
    assert (answer.fate, answer.rejected, answer.reason) == (Fate.DELIVERED, 3, "too old")
    points = ExportMetricsServiceResponse()
    points.partial_success.rejected_data_points = 4
    assert meaning("metrics", 200, {}, points.SerializeToString()).rejected == 4
    json = b'{"partialSuccess": {"rejectedDataPoints": "5", "errorMessage": "no"}}'
    answer = meaning("metrics", 200, {"content-type": "application/json"}, json)
    assert (answer.rejected, answer.reason) == (5, "no")


@pytest.mark.parametrize("body", [b"", b"\n\x00", b"OK", b"<html>", b"\xff" * 50, b"{}"])
def test_bodies_that_say_nothing(body: bytes) -> None:
    """The status alone says that all was taken."""
    for kind in ("application/json", "application/x-protobuf", ""):
        answer = meaning("traces", 200, {"content-type": kind}, body)
        assert (answer.fate, answer.rejected) == (Fate.DELIVERED, 0)
