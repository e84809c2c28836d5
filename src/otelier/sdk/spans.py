"""What every span of a request carries, whoever started it.

For spans of the standard SDK; lean ones keep the request's box. Runs in the thread of the span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from otelier import _guard
from otelier.context import RequestContext, current_request

_BOX = "otelier_request"


class RequestStamp(SpanProcessor):
    """Writes the request's ids on a span as it starts, and what was bound since as it ends."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            request = current_request.get()
            if request is not None:
                span.set_attributes(request.attributes())
                setattr(span, _BOX, request)
        except Exception as error:
            _guard.fault("stamping a span", error)

    def _on_ending(self, span: Span) -> None:
        """The SDK's name for it: the last moment to write on a span."""
        try:
            request = getattr(span, _BOX, None)
            if request is not None:
                there = span.attributes or {}
                span.set_attributes(_added(request, there))
        except Exception as error:
            _guard.fault("stamping a span", error)


def _added(request: RequestContext, there: Mapping[str, Any]) -> dict[str, Any]:
    """What the span lacks. Its own values of names that are bound stay."""
    found: dict[str, Any] = {k: v for k, v in request.ids().items() if there.get(k) != v}
    found |= {k: v for k, v in (request.bound or {}).items() if k not in there}
    return found
