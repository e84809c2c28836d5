"""What every span of a request carries, whoever started it.

For spans of the standard SDK; lean ones keep the request's box. Runs in the thread of the span.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from otelier import _guard
from otelier.context import current_request


class RequestStamp(SpanProcessor):
    """Writes on a span what is known as it starts; what is bound later, the box itself does."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            request = current_request.get()
            if request is not None:
                span.set_attributes(request.attributes())
                request.watch(span)
        except Exception as error:
            _guard.fault("stamping a span", error)
