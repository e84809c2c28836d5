"""From the settings to providers whose records are delivered, and flushed at a stop.

Made once in a process, in its main thread, before any code of the app runs. What cannot be made
is left out and returned as a sentence: the app starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otelier.export import exporters
from otelier.export.deliver import Delivery
from otelier.export.exporters import Found, Means
from otelier.export.lifecycle import Lifecycle
from otelier.export.spool import Spool
from otelier.export.target import SIGNALS, targets
from otelier.export.transport import Transport
from otelier.fixed import fixed
from otelier.instrumentation.servers import role
from otelier.loading import Settings
from otelier.sdk.own_metrics import OwnMetrics
from otelier.sdk.providers import Providers

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_QUEUE, _DELAY = "OTEL_{}_MAX_QUEUE_SIZE", "OTEL_{}_SCHEDULE_DELAY"
_METRICS = "OTEL_EXPORTER_OTLP_METRICS_"
_PULLED_IN_VAIN = (
    "metrics are pulled from one process, and this one only watches over others: nothing of the app"
    " is in a scrape (hint: let workers send metrics by OTLP, see docs/prometheus.md)"
)


@fixed
class Pipeline:
    """providers: installed. lifecycle: flushes them. problems: what was left out."""

    providers: Providers
    delivery: Delivery
    lifecycle: Lifecycle
    problems: Sequence[str]


def build(read: Settings, environ: Mapping[str, str], resource: Resource) -> Pipeline:
    """Make and install everything.

    environ: without the values that were refused.
    """
    aimed, problems = targets(environ)
    transport = Transport()
    current: list[Providers] = []
    found: dict[str, Found] = {}
    for signal in SIGNALS:
        # Asked at each batch: a forked child has another resource.
        means = Means(aimed[signal], lambda: current[0].resource(), transport)
        found[signal] = exporters.sinks(
            signal, read.exporters(signal), read.protocol(signal), means
        )
        problems += found[signal].problems
    providers = _providers(read, resource, found["metrics"].readers)
    current.append(providers)
    role.warning = _PULLED_IN_VAIN if found["metrics"].readers else ""
    spool, reason = _spool(read)
    problems += [reason] if reason else []
    delivery = _delivery(read, providers, found, spool)
    providers.deliver_to(delivery)
    providers.install()
    if found["metrics"].sinks or found["metrics"].readers:
        delivery.start()  # there may be much to measure before there is a span
    lifecycle = Lifecycle((), read["OTELIER_STOP_TIMEOUT"], deliver=delivery.flush)
    lifecycle.install()
    return Pipeline(providers, delivery, lifecycle, problems)


def _providers(read: Settings, resource: Resource, readers: list[Any]) -> Providers:
    exemplars = read["OTEL_METRICS_EXEMPLAR_FILTER"]
    buckets = read[f"{_METRICS}DEFAULT_HISTOGRAM_AGGREGATION"]
    return Providers(
        resource,
        readers,
        temporality=read[f"{_METRICS}TEMPORALITY_PREFERENCE"],
        exemplars=exemplars != "always_off",
        lean_metrics=exemplars != "always_on" and buckets == "explicit_bucket_histogram",
    )


def _spool(read: Settings) -> tuple[Spool | None, str]:
    """The spool, or why there is none although it was asked for."""
    if not read["OTELIER_SPOOL_DIR"]:
        return None, ""
    folder = Path(read["OTELIER_SPOOL_DIR"]).expanduser()
    try:
        return Spool(folder, read["OTELIER_SPOOL_BYTES"]), ""
    except OSError as error:
        reason = error.strerror or str(error)
        return None, f"OTELIER_SPOOL_DIR={str(folder)!r} ignored: {reason}; using memory alone"


def _delivery(
    read: Settings, providers: Providers, found: Mapping[str, Found], spool: Spool | None
) -> Delivery:
    limits: dict[str, Any] = {}
    if queues := _set(read, _QUEUE):
        limits["capacity"] = max(queues)
    if delays := _set(read, _DELAY):
        limits["interval"] = min(delays) / 1000
    delivery = Delivery(
        [sink for each in found.values() for sink in each.sinks],
        collect=lambda: [] if role.is_supervisor else own.join(providers.collect()),
        metric_interval=read["OTEL_METRIC_EXPORT_INTERVAL"] / 1000,
        room=read["OTELIER_BUFFER_BYTES"],
        spool=spool,
        tick=providers.fold,
        **limits,
    )
    is_delta = read[f"{_METRICS}TEMPORALITY_PREFERENCE"] != "cumulative"
    own = OwnMetrics(lambda: delivery.account, providers.resource, is_delta=is_delta)
    return delivery


def _set(read: Settings, variable: str) -> list[int]:
    """What the user has chosen for spans (`BSP`) and log records (`BLRP`)."""
    values = (read[variable.format(kind)] for kind in ("BSP", "BLRP"))
    return [value for value in values if value]
