"""What user code asks to be done beside the observation of a request: hooks, headers, event spans.

An ASGI app between the layer and the app, for those who asked. It finds the SERVER span in the
request's box. A hook that fails is recorded on the span, as contrib does, and the app goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from opentelemetry.context import Context
from opentelemetry.instrumentation.propagators import (
    ResponsePropagator,
    get_global_response_propagator,
)
from opentelemetry.propagators.textmap import Setter
from opentelemetry.trace import Span, Tracer, set_span_in_context
from opentelemetry.util.http import (
    SanitizeValue,
    normalise_request_header_name,
    normalise_response_header_name,
)

from otelier import _guard, signals
from otelier.context import SCOPE_KEY, RequestContext
from otelier.fixed import fixed
from otelier.instrumentation.echo import Message
from otelier.instrumentation.exchange import Send
from otelier.instrumentation.http import App, Receive, Scope

Hook = Callable[..., object]
_EVENT_TYPE = "asgi.event.type"


@fixed
class Headers:
    """Which headers are sent, by patterns of their names, and which without their values."""

    request: Sequence[str]
    response: Sequence[str]
    masked: Sequence[str]

    def of_request(self, headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, Sequence[str]]:
        return self._matching(headers, self.request, normalise_request_header_name)

    def of_response(self, headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, Sequence[str]]:
        return self._matching(headers, self.response, normalise_response_header_name)

    def _matching(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        wanted: Sequence[str],
        attribute: Callable[[str], str],
    ) -> Mapping[str, Sequence[str]]:
        if not wanted:
            return {}
        found: dict[str, list[str]] = {}
        for name, value in headers:
            found.setdefault(_text(name), []).append(_text(value))
        return SanitizeValue(self.masked).sanitize_header_values(found, list(wanted), attribute)


@fixed
class Wishes:
    """The arguments of contrib's `instrument`, `instrument_app` and `OpenTelemetryMiddleware`."""

    server_request_hook: Hook | None
    client_request_hook: Hook | None
    client_response_hook: Hook | None
    details: Callable[[Scope], tuple[str, Mapping[str, Any]]] | None
    headers: Headers
    receive_spans: bool
    send_spans: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Wishes:
        """Contrib makes a span of each ASGI event unless it is told not to, ours if it is told to:
        by a hook for these spans, or by `exclude_spans` without them.
        """
        excluded = given.get("exclude_spans")
        return cls(
            given.get("server_request_hook"),
            given.get("client_request_hook"),
            given.get("client_response_hook"),
            given.get("default_span_details"),
            _headers(given),
            bool(given.get("client_request_hook")) or _names(excluded, "receive"),
            bool(given.get("client_response_hook")) or _names(excluded, "send"),
        )

    @property
    def any_now(self) -> bool:
        """Whether there is something to do; who answers with the trace's ids may come later."""
        return self._is_any or _propagator() is not None

    @cached_property
    def _is_any(self) -> bool:
        return bool(
            self.server_request_hook
            or self.details
            or self.headers.request
            or self.headers.response
            or self.receive_spans
            or self.send_spans
        )


def _names(excluded: Sequence[str] | None, event: str) -> bool:
    return excluded is not None and event not in excluded


def _headers(given: Mapping[str, Any]) -> Headers:
    """Those of the settings are the layer's."""
    return Headers(
        *(
            given.get(f"http_capture_headers_{what}") or ()
            for what in ("server_request", "server_response", "sanitize_fields")
        )
    )


class Asides:
    """The app, with what was wished for around it."""

    def __init__(self, app: App, wishes: Wishes, tracer: Tracer) -> None:
        self._app = app
        self._wishes = wishes
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: RequestContext | None = scope.get(SCOPE_KEY)
        if request is not None and request.server_span.get_span_context().is_valid:
            self._begin(request.server_span, scope)
            receive = self._receiving(request, scope, receive)
            send = self._sending(request, scope, send)
        await self._app(scope, receive, send)

    def _begin(self, span: Span, scope: Scope) -> None:
        try:
            if self._wishes.details is not None:
                name, attributes = self._wishes.details(scope)
                span.update_name(name)
                span.set_attributes(attributes)
            if span.is_recording():
                span.set_attributes(self._wishes.headers.of_request(scope.get("headers") or ()))
        except Exception as error:
            _guard.fault("describing a request", error)
        _run(self._wishes.server_request_hook, span, scope)

    def _receiving(self, request: RequestContext, scope: Scope, receive: Receive) -> Receive:
        if not self._wishes.receive_spans:
            return receive

        async def receiving() -> Message:
            with self._tracer.start_as_current_span(_name(request, scope, "receive")) as span:
                message = await receive()
                _run(self._wishes.client_request_hook, span, scope, message)
                span.set_attribute(_EVENT_TYPE, message["type"])
            return message

        return receiving

    def _sending(self, request: RequestContext, scope: Scope, send: Send) -> Send:
        propagator = _propagator()
        if not (self._wishes.send_spans or self._wishes.headers.response or propagator):
            return send

        async def sending(message: Message) -> None:
            try:
                self._note(request, scope, message)
                if propagator is not None:
                    around = set_span_in_context(request.server_span, Context())
                    propagator.inject(message, around, _ANSWER)
            except Exception as error:
                _guard.fault("noting an answer", error)
            await send(message)

        return sending

    def _note(self, request: RequestContext, scope: Scope, message: Message) -> None:
        span = request.server_span
        if "headers" in message and span.is_recording():
            span.set_attributes(self._wishes.headers.of_response(message["headers"]))
        if self._wishes.send_spans:
            with self._tracer.start_as_current_span(_name(request, scope, "send")) as event:
                _run(self._wishes.client_response_hook, event, scope, message)
                event.set_attribute(_EVENT_TYPE, message["type"])
                if "status" in message:
                    event.set_attribute(signals.STATUS_CODE, message["status"])


def _name(request: RequestContext, scope: Scope, event: str) -> str:
    parts = (scope.get("method"), request.route, scope["type"], event)
    return " ".join(part for part in parts if part)


def _run(hook: Hook | None, span: Span, *given: Any) -> None:
    if hook is not None:
        try:
            hook(span, *given)
        except Exception as error:
            span.record_exception(error)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _propagator() -> ResponsePropagator | None:
    """The one that the app has set for its answers."""
    return get_global_response_propagator()  # type: ignore[no-any-return,no-untyped-call]


class _Answer(Setter[Message]):
    """Adds a header to a message, for a propagator."""

    def set(self, carrier: Message, key: str, value: str) -> None:
        header = [key.lower().encode("latin-1"), value.encode("latin-1")]
        carrier["headers"] = [*carrier.get("headers", ()), header]


_ANSWER = _Answer()
