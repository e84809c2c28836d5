"""Records of the SDK, masked, for exporters that are not ours (`console`, gRPC).

What has a secret is copied: other processors see the same record. Spans, log records and metrics
become what an exporter of the SDK knows, with each text masked as the encoder masks it. Runs in
the thread that delivers; a record that cannot be copied is refused by the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from otelier._upstream import ReadableLogRecord
from otelier.privacy import mask_attributes, mask_deep, mask_name

_last: tuple[Any, Any] = (None, None)


def span(found: Any) -> Any:
    """A span of either lane; the same one where there is nothing to mask."""
    if not isinstance(found, ReadableSpan):
        return found
    status, text = found.status, found.status.description
    told = (
        mask_name("name", found.name),
        mask_attributes(found.attributes),
        [_event(event) for event in found.events],
        [mask_attributes(link.attributes) for link in found.links],
        mask_name("status", text) if text else text,
        _resource(found.resource),
    )
    if told == (
        found.name,
        dict(found.attributes or {}),
        [(event.name, dict(event.attributes or {})) for event in found.events],
        [dict(link.attributes or {}) for link in found.links],
        text,
        found.resource,
    ):
        return found
    name, attributes, events, links, text, resource = told
    return ReadableSpan(
        name,
        context=found.get_span_context(),
        parent=found.parent,
        resource=resource,
        attributes=attributes,
        events=[
            Event(*about, event.timestamp)
            for about, event in zip(events, found.events, strict=True)
        ],
        links=[Link(link.context, about) for about, link in zip(links, found.links, strict=True)],
        kind=found.kind,
        status=Status(status.status_code, text),
        start_time=found.start_time,
        end_time=found.end_time,
        instrumentation_scope=found.instrumentation_scope,
    )


def _event(event: Any) -> tuple[Any, dict[str, Any]]:
    return mask_name("event", event.name), mask_attributes(event.attributes)


def log(found: Any) -> Any:
    """A `ReadableLogRecord`."""
    if not isinstance(found, ReadableLogRecord):
        return found
    record = found.log_record
    copy = type(record).__new__(type(record))
    copy.__dict__.update(record.__dict__)
    body = record.body
    copy.body = mask_name("body", body) if isinstance(body, str) else mask_deep("body", body)
    copy.attributes = mask_attributes(record.attributes)
    if record.event_name:
        copy.event_name = mask_name("event", record.event_name)
    return replace(found, log_record=copy, resource=_resource(found.resource))


def metrics(data: Any) -> Any:
    """All points with their attributes and those of their exemplars."""
    if not isinstance(data, MetricsData):
        return data
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
    more = (
        {}
        if not hasattr(point, "exemplars")
        else {
            "exemplars": [
                replace(each, filtered_attributes=mask_attributes(each.filtered_attributes))
                for each in point.exemplars or ()
            ]
        }
    )
    return replace(point, attributes=mask_attributes(point.attributes), **more)


def _resource(resource: Any) -> Any:
    """The one of this process is masked once."""
    global _last
    if resource is None:
        return None
    before, masked = _last
    if before is not resource:
        attributes: Mapping[str, Any] = mask_attributes(resource.attributes)
        same = attributes == dict(resource.attributes)
        masked = resource if same else Resource(attributes, resource.schema_url)
        _last = resource, masked
    return masked


MASKS: Mapping[str, Callable[[Any], Any]] = {"traces": span, "logs": log, "metrics": metrics}
