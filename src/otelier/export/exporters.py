"""Names of exporters to exporters, by OpenTelemetry's own entry points.

`otlp` becomes OTLP over HTTP or gRPC as the protocol says. A missing package or a refusing
exporter costs that exporter alone: it is returned as a sentence, and the app starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def load(signal: str, names: Sequence[str], protocol: str) -> tuple[list[Any], list[str]]:
    """Exporters for one signal (`traces`, `metrics`, `logs`), and what went wrong."""
    exporters: list[Any] = []
    problems: list[str] = []
    for name in names:
        if name != "none":
            try:
                exporters.append(_exporter(signal, _OTLP[protocol] if name == "otlp" else name))
            except Exception as error:
                problems.append(f"{signal} exporter {name!r} left out: {error}")
    return exporters, problems


def _exporter(signal: str, name: str) -> Any:
    found = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
    if not found:
        raise LookupError(f"nothing installed is called {name!r}")
    return next(iter(found)).load()()
