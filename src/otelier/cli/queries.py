"""An example query for each metric, in the words of Datadog and of Elasticsearch (ES|QL).

Made from the rows of the table of signals: a counter as a rate, a histogram as its 95th percentile,
a level as its average. Names of fields are those that arrive through the collector's configuration:
Datadog keeps OpenTelemetry's, Elasticsearch stores them below `metrics.`, a counter's delta as a
plain number; attributes can be named without their prefix. Pure.
"""

from __future__ import annotations

from otelier.signals import Signal

SERVICE = "shop"
STREAMS = "metrics-*.otel-*"
BUCKET_SECONDS = 60

_LEVELS = frozenset(("gauge", "up-down counter"))


def datadog(row: Signal) -> str:
    """A metric query, as in a notebook, a dashboard or a monitor."""
    of = f"{row.name}{{service:{SERVICE}}}"
    if row.kind == "histogram":
        return f"p95:{of}"
    return f"avg:{of}" if row.kind in _LEVELS else f"sum:{of}.as_rate()"


def esql(row: Signal) -> str:
    """A whole query, a value for each minute."""
    field = elasticsearch_field(row)
    return (
        f'FROM {STREAMS} | WHERE service.name == "{SERVICE}"'
        f" | STATS {_aggregated(row, field)} BY minute = BUCKET(@timestamp, 1 minute)"
    )


def elasticsearch_field(row: Signal) -> str:
    """Where its values are, in a document of one of the data streams."""
    return f"metrics.{row.name}"


def _aggregated(row: Signal, field: str) -> str:
    if row.kind == "histogram":
        return f"p95 = PERCENTILE(TO_EXPONENTIAL_HISTOGRAM({field}), 95)"
    if row.kind in _LEVELS:
        return f"average = AVG({field})"
    return f"per_second = SUM({field}) / {BUCKET_SECONDS}.0"
