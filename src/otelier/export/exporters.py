"""Names of exporters to sinks.

`otlp` over HTTP is ours; over gRPC, and under any other name, it is what OpenTelemetry's own entry
points name. A missing package or a refusing exporter costs that exporter alone: it is returned as
a sentence, and the app starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from otelier._upstream import entry_points
from otelier.export import encode
from otelier.export.encode import Encoded
from otelier.export.sinks import ExporterSink, OTLPSink, Sink
from otelier.export.target import Target
from otelier.export.transport import Transport
from otelier.fixed import fixed

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


@dataclass(eq=False, repr=False)
class Found:
    """What the names of one signal stand for.

    readers: exporters of metrics that are pulled from (Prometheus): they belong to the meter
    provider. problems: what went wrong, a sentence each.
    """

    sinks: list[Sink] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@fixed
class Means:
    """What sinks are made with.

    target: of our own OTLP; None leaves it to upstream's exporter. resource: asked at each batch,
    as a forked child has another one. limits: the SDK's, put on log records for its exporters.
    transport: shared by the signals, so that one receiver gets one connection.
    """

    target: Target | None
    resource: Callable[[], Resource]
    transport: Transport
    limits: Any = None


def sinks(signal: str, names: Sequence[str], protocol: str, means: Means) -> Found:
    """Sinks of one signal (`traces`, `metrics`, `logs`)."""
    found = Found()
    for name in _meant(names, protocol):
        try:
            if name == "otlp_proto_http" and means.target:
                encode = partial(_encode, signal, means.resource)
                found.sinks.append(OTLPSink(signal, means.target, encode, means.transport))
            else:
                _wrap(signal, _exporter(signal, name), means, found)
        except Exception as error:
            found.problems.append(_problem(signal, name, error))
    return found


def load(signal: str, names: Sequence[str], protocol: str) -> tuple[list[Any], list[str]]:
    """The SDK's exporters themselves, and what went wrong."""
    exporters: list[Any] = []
    problems: list[str] = []
    for name in _meant(names, protocol):
        try:
            exporters.append(_exporter(signal, name))
        except Exception as error:
            problems.append(_problem(signal, name, error))
    return exporters, problems


def _meant(names: Sequence[str], protocol: str) -> list[str]:
    return [_OTLP[protocol] if name == "otlp" else name for name in names if name != "none"]


def _problem(signal: str, name: str, error: Exception) -> str:
    shown = "otlp" if name in _OTLP.values() else name
    return f"{signal} exporter {shown!r} left out: {error}"


def _wrap(signal: str, exporter: Any, means: Means, found: Found) -> None:
    from opentelemetry.sdk.metrics.export import MetricReader

    if isinstance(exporter, MetricReader):
        found.readers.append(exporter)
    elif signal == "logs":
        from otelier.export.readable import log_converter

        converter = log_converter(means.resource, means.limits)
        found.sinks.append(ExporterSink(signal, exporter, converter))
    else:
        found.sinks.append(ExporterSink(signal, exporter))


def _encode(signal: str, resource: Callable[[], Resource], batch: Sequence[Any]) -> Encoded:
    if signal == "metrics":
        return encode.metrics(batch[0])
    return (encode.traces if signal == "traces" else encode.logs)(resource(), batch)


def _exporter(signal: str, name: str) -> Any:
    found = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
    if not found:
        raise LookupError(f"nothing installed is called {name!r}")
    return next(iter(found)).load()()
