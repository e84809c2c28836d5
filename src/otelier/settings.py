"""THE table of variables.

Each row is read by the program, `otelier settings`, the reference page and the tests. `OTEL_…`
where OpenTelemetry has a variable, `OTELIER_…` otherwise. Nothing here raises on a user's value
and nothing here reads the environment: `load` takes a mapping and returns what was wrong as data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from otelier.values import (
    Refused,
    boolean,
    count,
    endpoint,
    header,
    installed,
    level,
    names,
    never,
    number,
    one_of,
    pairs,
    paths,
    patterns,
    protocol,
    readable_file,
    text,
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One variable.

    default: what is used when it is unset or refused; None leaves it unset.
    parse: text to value; raises `Refused`.
    ours: whether `default` is Otelier's opinion, put into the environment for the SDK to read.
    secret: whether its value may hold a secret, and is never printed.
    """

    name: str
    meaning: str
    parse: Callable[[str], Any]
    default: str | None = None
    ours: bool = False
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A variable whose value is not used: said once at start, and by `otelier settings`."""

    variable: str
    value: str
    reason: str
    instead: str | None

    def __str__(self) -> str:
        then = f"using {shown(self.instead)!r}" if self.instead else "going on without it"
        return f"{self.variable}={self.value} ignored: {self.reason}; {then}"


@dataclass(frozen=True)
class Settings:
    """The values in force, by variable name."""

    values: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, variable: str) -> Any:
        return self.values[variable]


def load(environ: Mapping[str, str]) -> Settings:
    """Read every row from `environ`. An empty text counts as unset."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for row in SETTINGS:
        text = environ.get(row.name, "").strip()
        values[row.name] = row.parse(row.default) if row.default else None
        if text:
            try:
                values[row.name] = row.parse(text)
                if row.parse is endpoint and not _speaks_grpc(environ, row.name):
                    _check_port(text)
            except Refused as refused:
                if refused.better and not _speaks_grpc(environ, row.name):
                    refused.better = refused.better.replace(":4317", ":4318")
                problems.append(_problem(row, text, refused))
                if refused.better:
                    values[row.name] = row.parse(refused.better)
    problems += filter(None, (_oversized_batch(values, kind) for kind in ("BSP", "BLRP")))
    return Settings(values, tuple(problems))


def _oversized_batch(values: Mapping[str, Any], kind: str) -> Problem | None:
    """The SDK refuses a batch that is larger than its queue; its defaults are 512 and 2048."""
    batch, queue = f"OTEL_{kind}_MAX_EXPORT_BATCH_SIZE", f"OTEL_{kind}_MAX_QUEUE_SIZE"
    size, room = values[batch] or 512, values[queue] or 2048
    if size <= room:
        return None
    return Problem(
        variable=batch, value=repr(size), reason=f"larger than {queue}", instead=str(room)
    )


def _problem(row: Setting, text: str, refused: Refused) -> Problem:
    return Problem(
        variable=row.name,
        value="(not shown)" if row.secret else repr(shown(text)[:80]),
        reason=str(refused),
        instead=refused.better or row.default,
    )


def shown(value: str) -> str:
    """A value without the user and password that a URL may hold."""
    return re.sub(r"//[^/@\s]*@", "//(not shown)@", value)


def _check_port(value: str) -> None:
    if urlsplit(value).port == 4317:
        reason = "port 4317 is for gRPC and OTLP over HTTP goes to port 4318"
        raise Refused(reason, value.replace(":4317", ":4318"))


def _speaks_grpc(environ: Mapping[str, str], endpoint_variable: str) -> bool:
    own = environ.get(endpoint_variable.replace("_ENDPOINT", "_PROTOCOL"), "").strip()
    try:
        return protocol(own or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip()) == "grpc"
    except Refused:
        return False


def _per_signal(
    pattern: str, meaning: str, parse: Callable[[str], Any], **more: Any
) -> list[Setting]:
    """The general variable, then one for each signal that wins over it."""
    rows = [Setting(name=pattern.format(""), meaning=meaning, parse=parse, **more)]
    for signal in ("traces", "metrics", "logs"):
        rows.append(
            Setting(
                name=pattern.format(f"{signal.upper()}_"),
                meaning=f"the same for {signal} alone",
                parse=parse,
                secret=more.get("secret", False),
            )
        )
    return rows


def _counts(meaning: str, *variables: str) -> list[Setting]:
    return [Setting(name=name, meaning=meaning, parse=count) for name in variables]


SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="OTEL_SDK_DISABLED",
        meaning="`true` switches everything off: no hook, header or log capture remains",
        parse=boolean,
        default="false",
    ),
    Setting(
        name="OTEL_SERVICE_NAME",
        meaning="name of the service; guessed from `pyproject.toml`, the command or the folder if unset",
        parse=text,
    ),
    Setting(
        name="OTEL_RESOURCE_ATTRIBUTES",
        meaning="attributes of the service, `key=value,…`; "
        "`deployment.environment.name` is sent in both of its spellings",
        parse=pairs,
    ),
    Setting(
        name="OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        meaning="resource detectors of the SDK; ours adds host, container and process",
        parse=names,
        default="otelier",
        ours=True,
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}ENDPOINT",
        "where to send to: a collector or a backend that speaks OTLP over HTTP",
        endpoint,
        default="http://localhost:4318",
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}PROTOCOL",
        "`http/protobuf`, or `grpc` with `pip install 'otelier[grpc]'`",
        protocol,
        default="http/protobuf",
        ours=True,
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}HEADERS",
        "headers for the receiver, `key=value,…`, often with its key",
        pairs,
        secret=True,
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}TIMEOUT",
        "seconds that one request to the receiver may take",
        number(0.001, 600, "seconds"),
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}COMPRESSION",
        "`gzip`, `deflate` or `none`",
        one_of("gzip", "deflate", "none"),
    ),
    *_per_signal(
        "OTEL_EXPORTER_OTLP_{}CERTIFICATE",
        "file with the certificate to trust",
        readable_file,
    ),
    *(
        Setting(
            name=f"OTEL_{signal}_EXPORTER",
            meaning=f"where {signal.lower()} go: `otlp`, `console`, `none` or an installed exporter",
            parse=installed(f"{signal.lower()}_exporter", "otlp", "none"),
            default="otlp",
            ours=True,
        )
        for signal in ("TRACES", "METRICS", "LOGS")
    ),
    Setting(
        name="OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        meaning="`delta`, `cumulative` or `lowmemory`; Datadog and Elasticsearch want delta, Prometheus cumulative",
        parse=one_of("delta", "cumulative", "lowmemory"),
        default="delta",
        ours=True,
    ),
    Setting(
        name="OTEL_TRACES_SAMPLER",
        meaning=f"one of {', '.join(f'`{name}`' for name in SAMPLERS)}; "
        "the default lets no client decide, and leaves thinning to the collector",
        parse=installed("traces_sampler", *SAMPLERS),
        default="always_on",
        ours=True,
    ),
    Setting(
        name="OTEL_TRACES_SAMPLER_ARG",
        meaning="the share of traces that a ratio sampler keeps",
        parse=number(0, 1, "a share"),
    ),
    Setting(
        name="OTEL_PROPAGATORS",
        meaning="how trace context travels; baggage of strangers is not taken in unless it is listed here",
        parse=installed("propagator", "tracecontext", "baggage", "none"),
        default="tracecontext",
        ours=True,
    ),
    Setting(
        name="OTEL_SEMCONV_STABILITY_OPT_IN",
        meaning="which semantic conventions upstream's instrumentations follow",
        parse=names,
        default="http,database",
        ours=True,
    ),
    Setting(
        name="OTEL_METRIC_EXPORT_INTERVAL",
        meaning="milliseconds between two exports of metrics",
        parse=number(100, 3_600_000, "milliseconds"),
    ),
    *_counts(
        "batching of the SDK's span and log processors",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BLRP_SCHEDULE_DELAY",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    ),
    Setting(
        name="OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        meaning="libraries to leave alone: `fastapi`, `sqlalchemy`, `redis`, `logging`, …; `*` for all",
        parse=names,
    ),
    Setting(
        name="OTEL_PYTHON_EXCLUDED_URLS",
        meaning="regular expressions, separated by commas; a request whose URL matches is not observed",
        parse=patterns,
    ),
    Setting(
        name="OTEL_PYTHON_FASTAPI_EXCLUDED_URLS",
        meaning="the same, and wins over it",
        parse=patterns,
    ),
    Setting(
        name="OTEL_CONFIG_FILE",
        meaning="refused in one line: Otelier is configured by variables alone",
        parse=never("Otelier is configured by variables alone"),
    ),
    Setting(
        name="FASTAPI_OTEL_AUTO_CONFIGURE",
        meaning="refused when `true`: FastAPI would add exporters of its own and everything would be sent twice",
        parse=one_of("false", "0"),
    ),
    Setting(
        name="OTELIER_REQUEST_ID_HEADER",
        meaning="header that carries the request id, in a request and in its answer",
        parse=header,
        default="X-Request-ID",
    ),
    Setting(
        name="OTELIER_QUIET_PATHS",
        meaning="paths of health probes: their requests, and all that these do, are not observed",
        parse=paths,
        default="/health,/health/live,/health/ready,/healthz,/livez,/readyz",
    ),
    Setting(
        name="OTELIER_LOG_LEVEL",
        meaning="lowest level of log records sent when the app sets no level of its own",
        parse=level,
        default="info",
    ),
    Setting(
        name="OTELIER_STOP_TIMEOUT",
        meaning="seconds that delivering what is left may take at a stop, for all signals together",
        parse=number(0, 60, "seconds"),
        default="5",
    ),
)

BY_NAME: Mapping[str, Setting] = {row.name: row for row in SETTINGS}
