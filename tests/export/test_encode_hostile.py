"""What no encoder likes: none of it raises, and none of it costs a neighbour."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from otelier import _guard
from otelier.export import encode
from otelier.export.anyvalue import Limits
from otelier.export.preset import Preset
from otelier.export.record import LeanLog
from tests.export.generated import RESOURCE, Chance, span_pair

SCOPE = InstrumentationScope("app")


class Mute:
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Sly(str):
    """A text that lies about itself."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        raise RuntimeError("no")

    def __getitem__(self, _: Any) -> str:
        raise RuntimeError("no")


def looped(kind: type) -> Any:
    """A value that contains itself."""
    if kind is dict:
        found: Any = {}
        found["again"] = found
    else:
        found = []
        found.append(found)
    return found


def unfolding() -> Any:
    """A small object with 10**9 items in it."""
    value: Any = "x"
    for _ in range(9):
        value = [value] * 10
    return value


HOSTILE: dict[str, Any] = {
    "surrogate": "a\ud800b",
    "many surrogates": "\udcff" * 5000,
    "huge": 2**64,
    "hugest": -(10**4000),
    "looped list": looped(list),
    "looped dict": looped(dict),
    "unfolding": unfolding(),
    "mute": Mute(),
    "mute inside": [{"a": (Mute(), 1)}],
    "sly": Sly("text"),
    "keys": {1: "a", None: "b", (1, 2): "c", Mute(): "d", "\ud800": "e"},
    "object": object(),
    "class": Mute,
    "set": {1, 2},
    "generator": (n for n in range(3)),
    "complex": 1j,
    "bytes": b"\xff\x00" * 5000,
    "bytearray": bytearray(b"ab"),
    "none": None,
    "long": "x" * 10**6,
}


def lean_span(extra: dict[Any, Any] | None = None) -> Any:
    lean, _ = span_pair(Chance(3))
    lean.preset, lean.extra, lean.box = Preset({"constant": "1"}), extra, None
    return lean


def sdk_span(attributes: Any) -> ReadableSpan:
    return ReadableSpan("name", SpanContext(1, 2, False), None, RESOURCE, attributes)


def spans(*records: Any) -> tuple[list[Any], int]:
    encoded = encode.traces(RESOURCE, records)
    request = ExportTraceServiceRequest.FromString(encoded.body)
    found = [s for r in request.resource_spans for o in r.scope_spans for s in o.spans]
    assert len(found) == encoded.count
    return found, encoded.refused


def logs(*records: Any) -> tuple[list[Any], int]:
    encoded = encode.logs(RESOURCE, records)
    request = ExportLogsServiceRequest.FromString(encoded.body)
    found = [s for r in request.resource_logs for o in r.scope_logs for s in o.log_records]
    assert len(found) == encoded.count
    return found, encoded.refused


def log(body: Any = "text", **more: Any) -> LeanLog:
    return LeanLog(SCOPE, 1, 1, 9, "INFO", body, **more)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value(name: str) -> None:
    """Becomes something, of bounded size, and its neighbours stay what they are."""
    value = HOSTILE[name]
    around = {"before": "b", "hostile": value, "after": 1}
    found, refused = spans(lean_span(around), sdk_span(around))
    assert refused == 0
    for span in found:
        by_key = {pair.key: pair.value for pair in span.attributes}
        assert (by_key["before"].string_value, by_key["after"].int_value) == ("b", 1)
        assert "hostile" in by_key
        assert span.ByteSize() < 1_000_000
    (record,), refused = logs(log(value, preset=Preset(around)))
    assert refused == 0
    assert record.attributes[0].value.string_value == "b"
    assert record.HasField("body")


def test_what_hostile_values_become() -> None:
    """As much as can be said of them."""
    (span,), _ = spans(lean_span(HOSTILE))
    found = {pair.key: pair.value for pair in span.attributes}
    assert found["surrogate"].string_value == "a?b"
    assert found["huge"].string_value == str(2**64)
    assert found["mute"].string_value == "<Mute>"
    assert found["sly"].string_value == "<Sly>"
    assert found["none"].WhichOneof("value") is None
    assert len(found["long"].string_value) == Limits().value
    assert len(found["bytes"].bytes_value) == Limits().value
    assert {pair.key for pair in found["keys"].kvlist_value.values} >= {"1", "None", "<Mute>", "?"}


KEYS: dict[str, Any] = {
    "int": 1,
    "none": None,
    "tuple": (1, 2),
    "mute": Mute(),
    "empty": "",
    "surrogate": "\ud800",
    "long": "k" * 10**5,
    "sly": Sly("k"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_hostile_key(name: str) -> None:
    """Is text in the end."""
    key = KEYS[name]
    for found, refused in (spans(lean_span({key: "v"})), logs(log(extra={key: "v"}))):
        assert refused == 0
        assert found[0].attributes[-1].value.string_value == "v"
        assert len(found[0].attributes[-1].key) <= Limits().value


@pytest.mark.parametrize("time", [None, -1, 2**64, 1.5, "now", float("nan"), float("inf")])
def test_a_time_that_is_none(time: Any) -> None:
    """The app may set any: the record goes all the same."""
    lean = lean_span()
    lean.started_at = lean.ended_at = time
    lean.event_list = [("event", time, None, 0)]
    twin = ReadableSpan(
        "name", SpanContext(1, 2, False), events=[Event("event", None, time)], start_time=time
    )
    found, refused = spans(lean, twin)
    assert (len(found), refused) == (2, 0)
    assert logs(log()._replace(time=time))[1] == 0


@pytest.mark.parametrize("name", [None, "", 5, [5], Mute, "a\ud800", "n" * 10**5], ids=range(7))
def test_a_name_that_is_none(name: Any) -> None:
    """Or not text, or too long."""
    lean = lean_span()
    lean.title = name
    found, refused = spans(lean, lean)
    assert refused == 0
    assert len(found[0].name) <= Limits().value
    assert found[0].name == found[1].name


def test_names_of_hostile_records() -> None:
    """Surrogates in everything that is text."""
    bad = "a\ud800"
    lean = lean_span()
    lean.event_list, lean.status_number, lean.status_text = [(bad, 1, {bad: bad}, 0)], 2, bad
    (span,), refused = spans(lean)
    assert (span.events[0].name, span.status.message, refused) == ("a?", "a?", 0)
    record = LeanLog(InstrumentationScope(bad), 1, 1, 9, bad, bad, event_name=bad)
    (found,), refused = logs(record)
    assert (found.severity_text, found.body.string_value, found.event_name) == ("a?", "a?", "a?")


BROKEN: tuple[Any, ...] = (
    None,
    5,
    object(),
    SimpleNamespace(lean=True),
    SimpleNamespace(lean=True, trace_id="x", parent_id=0),
    ReadableSpan("without context"),
)


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_record_that_cannot_be_encoded(
    broken: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is left out alone, counted and said."""
    monkeypatch.setattr(_guard, "_said_at", {})
    found, refused = spans(lean_span(), broken, sdk_span({}))
    assert (len(found), refused) == (2, 1)
    assert "encoding traces failed" in capsys.readouterr().err
    found, refused = logs(broken, log())
    assert (len(found), refused) == (1, 1)


def test_only_what_cannot_be_encoded() -> None:
    """Is no request at all."""
    assert encode.traces(RESOURCE, [None]) == encode.Encoded(b"", 0, 1)


def metrics(*points: Any, kind: Any = Gauge) -> tuple[list[Any], encode.Encoded]:
    data = kind(points) if kind is Gauge else Sum(points, AggregationTemporality.DELTA, True)
    found = Metric("name", None, None, data)
    scoped = ScopeMetrics(SCOPE, [found], "")
    encoded = encode.metrics(MetricsData([ResourceMetrics(RESOURCE, [scoped], "")]))
    request = ExportMetricsServiceRequest.FromString(encoded.body)
    made = [m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics]
    return made, encoded


def point(value: Any, **more: Any) -> NumberDataPoint:
    return NumberDataPoint({"a": "b"}, 1, 2, value, **more)


@pytest.mark.parametrize("broken", [None, "x", 10**400, object()], ids=range(4))
@pytest.mark.parametrize("kind", [Gauge, Sum])
def test_a_point_that_cannot_be_encoded(broken: Any, kind: Any) -> None:
    """Is left out alone, whether it is the point's own value or an example's."""
    bad = [point(broken), point(1, exemplars=[Exemplar({}, broken, 1)])]
    (made,), encoded = metrics(point(1), *bad, point(2.5), kind=kind)
    kept = (made.gauge if kind is Gauge else made.sum).data_points
    assert [(p.as_int, p.as_double) for p in kept] == [(1, 0.0), (0, 2.5)]
    assert (encoded.count, encoded.refused) == (2, 2)


def test_a_count_beyond_64_bits() -> None:
    """Is told as a number that is near."""
    (made,), _ = metrics(point(2**70))
    assert made.gauge.data_points[0].as_double == 2.0**70


def test_metrics_without_points() -> None:
    """Nor anything that is not known: nothing is sent, and what was lost is counted."""
    assert metrics()[1] == encode.Encoded(b"", 0, 0)
    assert metrics(point("x"))[1] == encode.Encoded(b"", 0, 1)
    strange = Metric("name", "", "", SimpleNamespace(data_points=[1, 2]))  # type: ignore[arg-type]
    scoped = ScopeMetrics(SCOPE, [strange], "")
    encoded = encode.metrics(MetricsData([ResourceMetrics(RESOURCE, [scoped], "")]))
    assert encoded == encode.Encoded(b"", 0, 2)
