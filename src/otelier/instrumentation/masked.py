"""Spans of contrib's HTTP clients, with what they say masked.

Contrib masks a dozen known names in a query and lets the others through, and sends the texts of
exceptions, in which the whole address stands once more. Here every value of a query is masked,
user and fragment go, and of an exception only its class and a text without addresses is left. A
provider for those packages alone: it hands on to the global one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
)

from otelier import _guard, signals
from otelier.errors import type_name
from otelier.privacy import mask_text, mask_url

_ADDRESSES = ("url.full", "http.url")
_PEER = "network.peer.address"


def _masked(name: str, value: Any) -> Any:
    return mask_url(value) if name in _ADDRESSES and isinstance(value, str) else value


def _about(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return _corrected(attributes)
    except Exception as error:
        _guard.fault("masking an outgoing request", error)
        return {}


def _corrected(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {name: _masked(name, value) for name, value in (attributes or {}).items()}
    # The convention has an IP address there; contrib has the name that was asked for.
    if _PEER in found and not _is_ip(found[_PEER]):
        del found[_PEER]
        found.pop("network.peer.port", None)
    return found


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class MaskedProvider(TracerProvider):
    """Gives tracers of the global provider, masked."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        return MaskedTracer(trace.get_tracer_provider().get_tracer(*args, **kwargs))


class MaskedTracer(Tracer):
    """Starts masked spans."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        *args: Any,
        **more: Any,
    ) -> Span:
        about = _about(attributes)
        return MaskedSpan(self._tracer.start_span(name, context, kind, about, *args, **more))

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # theirs is of a private class
        self, name: str, *args: Any, **more: Any
    ) -> Iterator[Span]:
        how = ("record_exception", "set_status_on_exception", "end_on_exit")
        flags = {key: more.pop(key) for key in how if key in more}
        span = self.start_span(name, *args, **more)
        with trace.use_span(span, **{"end_on_exit": True, **flags}):
            yield span


class MaskedSpan(Span):
    """Hands everything on; texts and addresses masked."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes({k: _masked(k, value) for k, value in attributes.items()})

    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, _masked(key, value))

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        self._span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        # The description is the text of an exception, which the event has.
        self._span.set_status(status.status_code if isinstance(status, Status) else status)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        try:
            about = {
                signals.EXCEPTION_TYPE: type_name(exception),
                signals.EXCEPTION_MESSAGE: mask_text(str(exception)),
            }
            self._span.add_event("exception", {**about, **(attributes or {})}, timestamp)
        except Exception as error:  # its class is the library's own and cannot say what it is
            _guard.fault("masking an exception", error)

    def end(self, end_time: int | None = None) -> None:
        self._span.end(end_time)
