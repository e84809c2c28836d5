"""Who is compared, and how each is started as its own documentation says, on its own defaults.

Two things are set for all: where to send to, and a service name. Where a product needs a switch to
send what it is compared for, the switch is in its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BARE, OTELIER, UPSTREAM = "bare", "otelier", "upstream"

# What one request of a turn must at least have as spans: the request, Redis, every second time SQL.
# In ten requests of the mix: 6 × 2.5 + 3 × (request, INSERT, SET) + 1.
LEAST_SPANS: Mapping[str, float] = {"ping": 1.0, "item": 2.5, "mix": 2.5}
LEAST_LOGS: Mapping[str, float] = {"ping": 0.0, "item": 2.0, "mix": 1.5}

_OTLP = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{sink}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}


@dataclass(frozen=True)
class Contender:
    """package: whose version is shown; launcher: what stands before uvicorn, in its `bin`.

    environ: `{sink}` stands for where to send; flush_seconds: how long the last record may wait by
    its defaults; logs: whether it is one that sends log records as such; retry_seconds: the longest
    pause between two attempts to deliver.
    """

    name: str
    package: str
    launcher: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    flush_seconds: float = 5.0
    logs: bool = True
    retry_seconds: float = 30.0

    def variables(self, sink: str) -> dict[str, str]:
        return {name: value.format(sink=sink) for name, value in self.environ.items()}


CONTENDERS: Sequence[Contender] = (
    Contender(BARE, "fastapi", flush_seconds=0.0, logs=False),
    Contender(OTELIER, "otelier", ("opentelemetry-instrument",), _OTLP),
    Contender(
        UPSTREAM,
        "opentelemetry-distro",
        ("opentelemetry-instrument",),
        {**_OTLP, "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true"},
    ),
    Contender(
        "edot",
        "elastic-opentelemetry",
        ("opentelemetry-instrument",),
        {**_OTLP, "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true"},
    ),
    Contender(
        "ddtrace",
        "ddtrace",
        ("ddtrace-run",),
        {"DD_SERVICE": "shop", "DD_TRACE_AGENT_URL": "{sink}"},
        flush_seconds=1.0,
        logs=False,
    ),
    Contender(
        "elastic-apm",
        "elastic-apm",
        (),
        {
            "BENCH_AGENT": "elastic-apm",
            "ELASTIC_APM_SERVICE_NAME": "shop",
            "ELASTIC_APM_SERVER_URL": "{sink}",
            "ELASTIC_APM_CLOUD_PROVIDER": "none",  # asks no network who runs this machine
        },
        flush_seconds=10.0,
        logs=False,
    ),
    Contender(
        "logfire",
        "logfire",
        (),
        {**_OTLP, "BENCH_AGENT": "logfire"},
        logs=False,
        retry_seconds=128.0,
    ),
)
NAMES = tuple(contender.name for contender in CONTENDERS)
SHORT = (BARE, OTELIER, UPSTREAM)


def chosen(names: Sequence[str]) -> list[Contender]:
    """Those, and bare, which the others are compared with. Raises ValueError."""
    if unknown := set(names) - set(NAMES):
        raise ValueError(f"no contender is called {sorted(unknown)[0]!r}; there are {NAMES}")
    return [one for one in CONTENDERS if one.name in names or one.name == BARE]
