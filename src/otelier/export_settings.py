"""Rows of the table of variables: where what is recorded goes, and in which shape."""

from __future__ import annotations

from otelier.setting import Setting, per_signal
from otelier.values import endpoint, installed, number, one_of, pairs, protocol, readable_file

TO_RECEIVERS: tuple[Setting, ...] = (
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}ENDPOINT",
        "where to send to: a collector or a backend that speaks OTLP over HTTP",
        endpoint,
        default="http://localhost:4318",
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}PROTOCOL",
        "`http/protobuf`, or `grpc` with `pip install 'otelier[grpc]'`",
        protocol,
        default="http/protobuf",
        ours=True,
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}HEADERS",
        "headers for the receiver, `key=value,…`, often with its key",
        pairs,
        secret=True,
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}TIMEOUT",
        "seconds that one request to the receiver may take",
        number(0.001, 600, "seconds"),
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}COMPRESSION",
        "`gzip`, `deflate` or `none`; unset: gzip to another machine, none to this one",
        one_of("gzip", "deflate", "none"),
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}CERTIFICATE",
        "file with the certificate to trust",
        readable_file,
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}CLIENT_CERTIFICATE",
        "file with the certificate to show to the receiver",
        readable_file,
    ),
    *per_signal(
        "OTEL_EXPORTER_OTLP_{}CLIENT_KEY",
        "file with the key of that certificate",
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
        name="OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        meaning="`explicit_bucket_histogram`, or `base2_exponential_bucket_histogram` at a higher cost "
        "for each request",
        parse=one_of("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
        default="explicit_bucket_histogram",
    ),
    Setting(
        name="OTEL_METRICS_EXEMPLAR_FILTER",
        meaning="which measurements name the trace that they were taken in: "
        "`trace_based`, `always_on` or `always_off`",
        parse=one_of("trace_based", "always_on", "always_off"),
        default="trace_based",
    ),
)
