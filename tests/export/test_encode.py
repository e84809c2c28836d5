"""Batches to requests of OTLP: the same messages as upstream's encoder makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier.context import RequestContext, current_request
from otelier.export import attributes, encode
from otelier.export import encode_logs as our_logs
from otelier.export import encode_spans as our_spans
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from otelier.sdk.providers import TracerProvider
from tests.export.generated import RESOURCE, Chance, log_pair, metrics_data, span_pair

REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SEEDS = range(60)
SCOPE = InstrumentationScope("app")


def ordered(message: Any) -> bytes:
    """Its bytes with attributes in the order of their keys: NaN is not equal to itself."""
    _sort(message)
    return bytes(message.SerializeToString(deterministic=True))


def _sort(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in ("attributes", "filtered_attributes"):
            value.sort(key=lambda pair: pair.key)
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                _sort(each)


def decoded(signal: str, encoded: encode.Encoded) -> Any:
    request = REQUESTS[signal].FromString(encoded.body)
    assert encoded.refused == 0
    return request


def only(encoded: encode.Encoded, signal: str) -> Any:
    """The one record in a request."""
    request = decoded(signal, encoded)
    (of_resource,) = request.resource_spans if signal == "traces" else request.resource_logs
    (of_scope,) = of_resource.scope_spans if signal == "traces" else of_resource.scope_logs
    (record,) = of_scope.spans if signal == "traces" else of_scope.log_records
    return record


def values(record: Any) -> dict[str, str]:
    """Its text attributes; each key once."""
    found = {pair.key: pair.value.string_value for pair in record.attributes}
    assert len(found) == len(record.attributes)
    return found


def upstream_spans(twins: Sequence[ReadableSpan]) -> Any:
    """Upstream's request, and the trace states of links, which it leaves out."""
    request = encode_spans(twins)
    made = {
        span.span_id: span
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    }
    for twin in twins:
        links = made[twin.context.span_id.to_bytes(8, "big")].links
        for link, wanted in zip(twin.links, links, strict=True):
            pairs = link.context.trace_state.items()
            wanted.trace_state = ",".join(f"{key}={value}" for key, value in pairs)
    return request


@pytest.mark.parametrize("seed", SEEDS)
def test_spans_are_as_upstream_has_them(seed: int) -> None:
    """Lean ones, the SDK's, and a batch of both; scopes in the order they came in."""
    chance = Chance(seed)
    pairs = [span_pair(chance) for _ in range(20)]
    twins = [twin for _, twin in pairs]
    wanted = ordered(upstream_spans(twins))
    mixed = [pair[chance.randrange(2)] for pair in pairs]
    for batch in ([lean for lean, _ in pairs], twins, mixed):
        encoded = encode.traces(RESOURCE, batch)
        assert ordered(decoded("traces", encoded)) == wanted
        assert encoded.count == 20


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_logs_are_as_upstream_has_them(seed: int) -> None:
    """Lean records and both of the SDK's."""
    chance = Chance(seed)
    pairs = [log_pair(chance) for _ in range(20)]
    twins = [twin for _, twin in pairs]
    wanted = ordered(encode_logs(twins))  # type: ignore[arg-type]
    for batch in (twins, [lean or twin for lean, twin in pairs]):
        encoded = encode.logs(RESOURCE, batch)
        assert ordered(decoded("logs", encoded)) == wanted
        assert encoded.count == 20


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_are_as_upstream_has_them(seed: int) -> None:
    """Every kind of point, of several resources and scopes."""
    data = metrics_data(Chance(seed))
    encoded = encode.metrics(data)
    assert ordered(decoded("metrics", encoded)) == ordered(encode_metrics(data))
    points = [
        point
        for of_resource in data.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        for point in metric.data.data_points
    ]
    assert encoded.count == len(points)


def test_nothing_to_send() -> None:
    """An empty batch is an empty request."""
    assert encode.traces(RESOURCE, []) == encode.Encoded(b"", 0, 0)
    assert encode.logs(RESOURCE, iter(())) == encode.Encoded(b"", 0, 0)


def test_requests_can_be_joined() -> None:
    """Two of them, one after the other, are one request with the records of both."""
    spans = [span_pair(Chance(seed))[0] for seed in range(4)]
    bodies = [encode.traces(RESOURCE, spans[:2]).body, encode.traces(RESOURCE, spans[2:]).body]
    request = ExportTraceServiceRequest.FromString(b"".join(bodies))
    found = [s.spans for of in request.resource_spans for s in of.scope_spans]
    assert sum(map(len, found)) == 4


def test_another_resource_is_not_mistaken_for_the_last() -> None:
    """What is kept of one is its own."""
    log = LeanLog(SCOPE, 1, 1, 9, "INFO", "text")
    for name in ("one", "two", "one"):
        request = decoded("logs", encode.logs(Resource({"n": name}), [log]))
        assert request.resource_logs[0].resource.attributes[0].value.string_value == name


def log(**more: Any) -> LeanLog:
    return LeanLog(SCOPE, 1, 1, 9, "INFO", "text", **more)


@pytest.mark.parametrize(
    ("preset", "extra", "wanted"),
    [
        (None, None, {"http.request.id": "id", "user.id": "box"}),
        ({"a": "p"}, {"b": "e"}, {"a": "p", "b": "e", "http.request.id": "id", "user.id": "box"}),
        ({"a": "p"}, {"a": "e"}, {"a": "e", "http.request.id": "id", "user.id": "box"}),
        ({"user.id": "p"}, None, {"http.request.id": "id", "user.id": "p"}),
        (None, {"user.id": "e"}, {"http.request.id": "id", "user.id": "e"}),
        ({"user.id": "p"}, {"user.id": "e"}, {"http.request.id": "id", "user.id": "e"}),
    ],
)
def test_which_attribute_wins(
    preset: dict[str, str] | None, extra: dict[str, str] | None, wanted: dict[str, str]
) -> None:
    """The record's own before the constant before the request's; a second time too."""
    box = RequestContext("id")
    box.user_id = "box"
    record = log(preset=Preset(preset) if preset else None, extra=extra, box=box)
    for _ in range(2):
        assert values(only(encode.logs(RESOURCE, [record]), "logs")) == wanted
    alone = record._replace(box=None)
    found = values(only(encode.logs(RESOURCE, [alone]), "logs"))
    assert found == {**(preset or {}), **(extra or {})}


@pytest.mark.parametrize("body", ["password=hunter2", "password=hünter2", "x " * 99 + "token=abc"])
def test_a_body_that_is_masked_already(body: str) -> None:
    """Is not looked at again; any other is."""
    for is_masked in (True, False):
        record = log()._replace(body=body, is_masked=is_masked)
        found = only(encode.logs(RESOURCE, [record]), "logs").body.string_value
        assert (found == body) == is_masked


def test_ids_that_change_are_encoded_again() -> None:
    """What was kept of a request is forgotten when its user or session becomes known."""
    box = RequestContext("id")
    record = log(box=box)
    assert values(only(encode.logs(RESOURCE, [record]), "logs")) == {"http.request.id": "id"}
    kept = box.encoded
    only(encode.logs(RESOURCE, [record]), "logs")
    assert box.encoded is kept
    box.user_id = "ann"
    assert values(only(encode.logs(RESOURCE, [record]), "logs"))["user.id"] == "ann"
    box.session_id = "s"
    assert values(only(encode.logs(RESOURCE, [record]), "logs"))["session.id"] == "s"
    box.user_id = None
    assert "user.id" not in values(only(encode.logs(RESOURCE, [record]), "logs"))


def test_ids_that_change_meanwhile_are_not_kept() -> None:
    """A user who becomes known while the ids are encoded is on the next record."""

    class Racing(RequestContext):
        reads = 0

        def attributes(self) -> dict[str, str]:
            found = super().attributes()
            self.reads += 1
            if self.reads == 1:
                self.user_id = "ann"
            return found

    box = Racing("id")
    only(encode.logs(RESOURCE, [log(box=box)]), "logs")
    assert values(only(encode.logs(RESOURCE, [log(box=box)]), "logs"))["user.id"] == "ann"


def test_a_preset_is_encoded_once() -> None:
    """Its bytes stay with it, for spans and for log records."""
    preset = Preset({"a": "1"})
    only(encode.logs(RESOURCE, [log(preset=preset)]), "logs")
    kept = preset.on_log
    only(encode.logs(RESOURCE, [log(preset=preset)]), "logs")
    assert kept
    assert (preset.on_log is kept, preset.on_span) == (True, None)


def test_spans_of_our_tracer() -> None:
    """With its request's ids, under its scope."""
    made: list[Any] = []
    provider = TracerProvider(RESOURCE)
    provider.put = made.append
    box = RequestContext("id")
    token = current_request.set(box)
    span = provider.get_tracer("otelier.tests", "1.0").start_span("name", attributes={"a": "b"})
    span.end()
    current_request.reset(token)
    request = decoded("traces", encode.traces(RESOURCE, made))
    (of_scope,) = request.resource_spans[0].scope_spans
    assert (of_scope.scope.name, of_scope.spans[0].name) == ("otelier.tests", "name")
    assert values(of_scope.spans[0]) == {"a": "b", "http.request.id": "id"}


@pytest.mark.parametrize(
    ("known", "most"),
    [
        (attributes._known_keys, attributes._MOST_KEYS),
        (our_spans._known_names, our_spans._MOST_NAMES),
        (our_logs._known_severities, our_logs._MOST_SEVERITIES),
        (encode._known_scopes, encode._MOST_SCOPES),
    ],
)
def test_what_is_kept_is_bounded(known: dict[Any, Any], most: int) -> None:
    """Keys, names, severities and scopes that are data do not fill the memory."""
    lean, _ = span_pair(Chance(1))
    known.clear()
    sizes = []
    for number in range(most + 10):
        lean.title, lean.extra = f"name {number}", {f"key {number}": 1}
        encode.traces(RESOURCE, [lean])
        scope = InstrumentationScope(f"scope {number}")
        record = LeanLog(scope, 1, 1, 9, f"S{number}", "text")
        encode.logs(RESOURCE, [record])
        sizes.append(len(known))
    assert max(sizes) == most


def test_a_lean_span_costs_less_than_a_fourth() -> None:
    """Of what upstream takes for the same span; measured it is an eighth."""
    from benchmarks.encoder import race, spans, twins

    lean = spans(40)
    sdk = twins(lean)
    mine, theirs = race(
        lambda: encode.traces(RESOURCE, lean),
        lambda: encode_spans(sdk).SerializeToString(),
        rounds=10,
    )
    assert mine < theirs / 4
