"""Where the user's limit on the length of attributes would cut a secret in two, neither leaves."""

from __future__ import annotations

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from otelier.export.deliver import Delivery
from otelier.export.readable import log_converter
from otelier.export.sinks import ExporterSink
from otelier.sdk.limits import Limits, bounded_value
from otelier.sdk.providers import Providers
from tests.secrets_corpus import CANARY, PLANTED, SHAPED

HALF = 8
VARIABLES = ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")
HALVES = sorted({(text, text.index(CANARY) + HALF) for text in PLANTED if CANARY in text})
SHAPES = [(text, 12) for text in SHAPED.values()]


def sent(monkeypatch: pytest.MonkeyPatch, variable: str, limit: int, value: object) -> str:
    """All that leaves of a value in every place that has attributes, of both lanes."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv(variable, str(limit))
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    made = Providers(Resource({"service.name": "tests"}))
    delivery = Delivery(
        [
            ExporterSink("traces", spans),
            ExporterSink("logs", logs, log_converter(made.resource)),
        ]
    )
    made.deliver_to(delivery)
    about: dict[str, object] = {"note": value, "notes": [value]}
    for name in ("otelier.tests", "tests"):
        span = made.tracer.get_tracer(name).start_span("s", attributes=about)  # type: ignore[arg-type]
        span.set_attribute("more", value)  # type: ignore[arg-type]
        span.add_event("e", about)  # type: ignore[arg-type]
        span.add_link(SpanContext(1, 1, True), about)  # type: ignore[arg-type]
        span.end()
    made.logger.get_logger("l").emit(LogRecord(body="b", attributes=about))
    assert delivery.flush(5)
    found = [
        [span.attributes, *(e.attributes for e in span.events), *(k.attributes for k in span.links)]
        for span in spans.get_finished_spans()
    ]
    records = [each.log_record.attributes for each in logs.get_finished_logs()]
    assert (len(found), len(records)) == (2, 1)
    return str((found, records))


@pytest.mark.parametrize("variable", VARIABLES)
def test_half_a_secret(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Masked before it is cut: attributes of spans, events, links and records, lists in them."""
    for text, limit in HALVES:
        shown = sent(monkeypatch, variable, limit, text)
        if variable == VARIABLES[1]:  # logs, events and links of the SDK are not cut by that
            assert CANARY not in shown, text
        assert CANARY[:HALF] not in shown, text


@pytest.mark.parametrize(("text", "limit"), SHAPES)
def test_the_head_of_a_shape(monkeypatch: pytest.MonkeyPatch, text: str, limit: int) -> None:
    """A token, key or number that the limit leaves too little of to be known."""
    assert text[:limit] not in sent(monkeypatch, VARIABLES[0], limit, f"{text} x")


def test_a_text_of_no_secret_has_the_whole_length() -> None:
    """Ordinary texts end exactly at the limit."""
    for length in (1, 9, 300, 4000):
        assert bounded_value("word " * 2000, length) == ("word " * 2000)[:length]
        assert bounded_value("x" * 9000, length) == "x" * length


def test_our_own_limit_leaves_it_to_the_encoder() -> None:
    """Where nobody has set one, the mask sees more than what is sent."""
    assert Limits().length > 4096
