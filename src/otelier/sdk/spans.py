"""What every span of a request carries, whoever started it."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from otelier import _guard
from otelier.context import current_request


class RequestStamp(SpanProcessor):
    """Writes the request's ids on a span as it starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            request = current_request.get()
            if request is not None:
                span.set_attributes(request.attributes())
        except Exception as error:
            _guard.fault("stamping a span", error)
