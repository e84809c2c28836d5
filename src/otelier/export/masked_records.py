"""Records of the SDK, masked, for exporters that are not ours (`console`, gRPC).

What they are given is a copy: other processors see the same record. Spans, log records and metrics
become what an exporter of the SDK knows, with each text masked as the encoder masks it. Runs in
the thread that delivers; a record that cannot be copied is refused by the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from otelier._upstream import ReadableLogRecord
from otelier.privacy import mask_attributes, mask_deep, mask_name

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

_last: tuple[Any, Any] = (None, None)


def span(found: Any) -> ReadableSpan:
    """A span of either lane."""
    status = found.status
    return ReadableSpan(
        mask_name("name", found.name),
        context=found.get_span_context(),
        parent=found.parent,
        resource=_resource(found.resource),
        attributes=mask_attributes(found.attributes),
        events=[
            Event(mask_name("event", each.name), mask_attributes(each.attributes), each.timestamp)
            for each in found.events
        ],
        links=[Link(each.context, mask_attributes(each.attributes)) for each in found.links],
        kind=found.kind,
        status=Status(status.status_code, mask_name("status", status.description))
        if status.description
        else status,
        start_time=found.start_time,
        end_time=found.end_time,
        instrumentation_scope=found.instrumentation_scope,
    )


def log(found: Any) -> ReadableLogRecord:
    """A `ReadableLogRecord`."""
    record = found.log_record
    copy = type(record).__new__(type(record))
    copy.__dict__.update(record.__dict__)
    body = record.body
    copy.body = mask_name("body", body) if isinstance(body, str) else mask_deep("body", body)
    copy.attributes = mask_attributes(record.attributes)
    if record.event_name:
        copy.event_name = mask_name("event", record.event_name)
    return replace(found, log_record=copy, resource=_resource(found.resource))


def metrics(data: MetricsData) -> MetricsData:
    """All points with their attributes and those of their exemplars."""
    return replace(
        data,
        resource_metrics=[
            replace(
                of,
                resource=_resource(of.resource),
                scope_metrics=[
                    replace(scope, metrics=[_metric(metric) for metric in scope.metrics])
                    for scope in of.scope_metrics
                ],
            )
            for of in data.resource_metrics
        ],
    )


def _metric(metric: Any) -> Any:
    points = [_point(point) for point in metric.data.data_points]
    about = mask_name("metric", metric.description) if metric.description else metric.description
    return replace(metric, description=about, data=replace(metric.data, data_points=points))


def _point(point: Any) -> Any:
    exemplars = [
        replace(each, filtered_attributes=mask_attributes(each.filtered_attributes))
        for each in point.exemplars or ()
    ]
    return replace(point, attributes=mask_attributes(point.attributes), exemplars=exemplars)


def _resource(resource: Any) -> Any:
    """The one of this process is masked once."""
    global _last
    if resource is None:
        return None
    before, masked = _last
    if before is not resource:
        attributes: Mapping[str, Any] = mask_attributes(resource.attributes)
        masked = Resource(attributes, resource.schema_url)
        _last = resource, masked
    return masked


MASKS: Mapping[str, Callable[[Any], Any]] = {"traces": span, "logs": log, "metrics": metrics}
