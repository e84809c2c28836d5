"""Log records for exporters that know only the SDK's."""

from __future__ import annotations

import json

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier.context import RequestContext
from otelier.export.preset import Preset
from otelier.export.readable import log_converter
from otelier.export.record import LeanLog

RESOURCE = Resource({"service.name": "tests"})
SCOPE = InstrumentationScope("app")
LIMITS = LogRecordLimits(max_attributes=5)
convert = log_converter(lambda: RESOURCE, LIMITS)


def test_a_lean_record() -> None:
    """Nothing of it is lost, keys of the record win over those of the request."""
    box = RequestContext("id-1")
    box.user_id = "ann"
    lean = LeanLog(
        SCOPE, 11, 12, 17, "ERROR", "text",
        Preset({"a": 1, "b": 1}), {"b": 2, "user.id": "bob"}, box, 0xAB, 0xCD, 1, "happened",
    )  # fmt: skip
    found = convert(lean)
    record = found.log_record
    assert isinstance(found, ReadableLogRecord)
    assert (found.resource, found.instrumentation_scope) == (RESOURCE, SCOPE)
    assert found.limits is LIMITS
    assert dict(record.attributes or {}) == {
        "http.request.id": "id-1",
        "user.id": "bob",
        "a": 1,
        "b": 2,
    }
    assert (record.timestamp, record.observed_timestamp) == (11, 12)
    assert (record.trace_id, record.span_id, record.trace_flags) == (0xAB, 0xCD, 1)
    assert (record.severity_number, record.severity_text) == (SeverityNumber.ERROR, "ERROR")
    assert (record.body, record.event_name) == ("text", "happened")
    assert json.loads(found.to_json())["trace_id"] == f"0x{0xAB:032x}"


def test_a_lean_record_outside_of_a_span() -> None:
    """Has no ids, whatever span is current where it is converted."""
    record = convert(LeanLog(SCOPE, 1, 1, 9, "INFO", "text")).log_record
    assert (record.trace_id, record.span_id) == (0, 0)
    assert dict(record.attributes or {}) == {}


def test_a_record_of_the_sdk() -> None:
    """Is passed on as its own processors would."""
    own = Resource({"service.name": "own"})
    written = ReadWriteLogRecord(LogRecord(body="text"), own, SCOPE, LIMITS)
    found = convert(written)
    assert isinstance(found, ReadableLogRecord)
    assert found.log_record is written.log_record
    assert (found.resource, found.instrumentation_scope, found.limits) == (own, SCOPE, LIMITS)
    assert convert(found) is found
