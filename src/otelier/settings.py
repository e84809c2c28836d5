"""THE table of variables.

Each row is read by the program, `otelier settings`, the reference page and the tests. `OTEL_…`
where OpenTelemetry has a variable, `OTELIER_…` otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from otelier.export_settings import TO_RECEIVERS
from otelier.identity import MODES, user_key
from otelier.setting import Setting, counts
from otelier.sources import networks, user_sources
from otelier.values import (
    boolean,
    header_names,
    headers,
    health_detail,
    health_paths,
    hosts,
    installed,
    level,
    limit,
    methods,
    names,
    never,
    number,
    one_of,
    pairs,
    paths,
    patterns,
    size,
    some_of,
    text,
)

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
    *TO_RECEIVERS,
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
        default="60000",
    ),
    *counts(
        "milliseconds until a span or log record that was recorded is sent, 750 unless set; "
        "the smaller of the two counts for both",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BLRP_SCHEDULE_DELAY",
    ),
    *counts(
        "spans, or log records, that may wait in memory, as many as fit into `OTELIER_BUFFER_BYTES` "
        "unless set; the larger of the two counts for both",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
    ),
    Setting(
        name="OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        meaning="libraries to leave alone: `fastapi`, `sqlalchemy`, `redis`, `logging`, `loguru`, `structlog`, …; `*` for all",
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
        name="OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
        meaning="headers of a request to put on its span: names or regular expressions, "
        "separated by commas",
        parse=header_names,
    ),
    Setting(
        name="OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
        meaning="the same of its answer",
        parse=header_names,
    ),
    Setting(
        name="OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
        meaning="those of them whose values are replaced by `REDACTED`",
        parse=header_names,
    ),
    Setting(
        name="OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        meaning="methods that are called by their names, in place of those of the standard; "
        "every other one is `_OTHER`",
        parse=methods,
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
        meaning="header that carries the request id, in a request and in its answer; of several, "
        "separated by commas, the first with a valid id counts, and the answer has the first name",
        parse=headers,
        default="X-Request-ID",
    ),
    Setting(
        name="OTELIER_RESPONSE_HEADERS",
        meaning="headers that answers gain: `traceresponse`, `server-timing` (both name the trace), "
        "`x-response-time` (milliseconds until the answer began)",
        parse=some_of("traceresponse", "server-timing", "x-response-time"),
    ),
    Setting(
        name="OTELIER_USER_FROM",
        meaning="where the user's id is found without code, first source first: `scope.user`, "
        "`state.user.id`, `app.auth:get_user:id` (a dependency), `claim:sub`, "
        "`header:X-User@10.0.0.0/8`",
        parse=user_sources,
    ),
    Setting(
        name="OTELIER_USER_ID",
        meaning="how ids of users and sessions leave: `raw`, `hash` or `off`; one that looks like an "
        "e-mail address is always hashed, or left out without a key",
        parse=one_of(*MODES),
        default="raw",
    ),
    Setting(
        name="OTELIER_USER_KEY",
        meaning="secret that they are hashed with (HMAC-SHA-256); as `k2:SECRET`, hashes begin with `k2:`",
        parse=user_key,
        secret=True,
    ),
    Setting(
        name="OTELIER_TRUST",
        meaning="networks, `10.0.0.0/8,…`, whose trace context is gone on with; others begin a trace "
        "of their own, linked to theirs; `none` trusts nobody, unset everybody",
        parse=networks,
    ),
    Setting(
        name="OTELIER_FORWARD_REQUEST_ID_TO",
        meaning="hosts, `name,…`, to which outgoing requests carry the request id; "
        "trace context goes to every host",
        parse=hosts,
    ),
    Setting(
        name="OTELIER_QUIET_PATHS",
        meaning="paths of health probes: their requests, and all that these do, are not observed",
        parse=paths,
        default="/health,/health/live,/health/ready,/healthz,/livez,/readyz",
    ),
    Setting(
        name="OTELIER_HEALTH_PATHS",
        meaning="paths of the three health endpoints, unless the app has them itself: state of all "
        "that the app needs, live, ready; `off` for none",
        parse=health_paths,
        default="/health,/health/live,/health/ready",
    ),
    Setting(
        name="OTELIER_HEALTH_DETAIL",
        meaning="who is told by the first of them what is wrong where: `loopback` (whoever asks from "
        "this machine, without a proxy), or a token that comes as `Authorization: Bearer …`; "
        "unset, nobody",
        parse=health_detail,
        secret=True,
    ),
    Setting(
        name="OTELIER_LOG_LEVEL",
        meaning="lowest level of log records sent when the app sets no level of its own",
        parse=level,
        default="info",
    ),
    Setting(
        name="OTELIER_LOG_FORMAT",
        meaning="log records on stdout as `json` or `console` lines, in place of the app's formats too; "
        "`auto` leaves an app alone that has output of its own; `off` leaves all alone",
        parse=one_of("auto", "json", "console", "off"),
        default="auto",
    ),
    Setting(
        name="OTELIER_LOG_FIELDS",
        meaning="names of the fields in JSON lines: `otelier`, `datadog` or `ecs`",
        parse=one_of("otelier", "datadog", "ecs"),
        default="otelier",
    ),
    Setting(
        name="OTELIER_MASK",
        meaning="what is masked besides secrets: `email`, `ip` or both, separated by a comma",
        parse=some_of("email", "ip"),
    ),
    Setting(
        name="OTELIER_SAFE_QUERY_KEYS",
        meaning="keys of URL queries, `name,…`, whose values stay; all other values are masked",
        parse=names,
    ),
    Setting(
        name="OTELIER_SQLCOMMENTER",
        meaning="`true` names driver, framework and (if its driver does not prepare it) trace in each SQL statement",
        parse=boolean,
        default="false",
    ),
    Setting(
        name="OTELIER_SLOW_QUERY_MS",
        meaning="milliseconds from which on an SQL statement is slow and has a record; `0` for none",
        parse=number(0, 3_600_000, "milliseconds"),
        default="500",
    ),
    Setting(
        name="OTELIER_N_PLUS_ONE",
        meaning="how often a request may send one SQL statement without a record; `0` for ever",
        parse=limit,
        default="20",
    ),
    Setting(
        name="OTELIER_EXPLAIN",
        meaning="`true` asks the database for its plan of a slow SELECT, on a connection of its own",
        parse=boolean,
        default="false",
    ),
    Setting(
        name="OTELIER_REDIS_INFO",
        meaning="`true` asks each Redis server for its `INFO` with the metrics (memory, evictions, "
        "keys, clients), by one process of a host; not where the collector's `redis` receiver does that",
        parse=boolean,
        default="false",
    ),
    Setting(
        name="OTELIER_RUNTIME_METRICS",
        meaning="what is measured of the process: `all`, `process` (not the host: where the collector's "
        "`hostmetrics` receiver does that), or `off`",
        parse=one_of("all", "process", "off"),
        default="all",
    ),
    Setting(
        name="OTELIER_LOOP_LAG_MS",
        meaning="milliseconds of lag from which on a blocked event loop has a record; `0` for none",
        parse=number(0, 3_600_000, "milliseconds"),
        default="250",
    ),
    Setting(
        name="OTELIER_BUFFER_BYTES",
        meaning="memory for what waits to be sent; when it is full the least useful is dropped first, "
        "and counted. 64 MiB is an outage of about half an hour at 100 requests a second",
        parse=size("1MiB"),
        default="64MiB",
    ),
    Setting(
        name="OTELIER_SPOOL_DIR",
        meaning="folder for what does not get through, kept over restarts; nothing is written unless set",
        parse=text,
    ),
    Setting(
        name="OTELIER_SPOOL_BYTES",
        meaning="bytes in that folder at most, of all processes that share it",
        parse=size("1MiB"),
        default="512MiB",
    ),
    Setting(
        name="OTELIER_STOP_TIMEOUT",
        meaning="seconds that delivering what is left may take at a stop, for all signals together",
        parse=number(0, 60, "seconds"),
        default="5",
    ),
)

BY_NAME: Mapping[str, Setting] = {row.name: row for row in SETTINGS}
