"""Sentry's events of a request are in the trace that our records of it are in.

Wraps `Scope.get_trace_context`, which Sentry asks for each event: where it traces nothing itself,
what it would answer is an id of its own that nobody else knows. While it traces, and outside of
every span, the answer stays. What it sends to others, its headers and its settings are not touched.

Runs wherever the app makes an event, in the caller's context; nothing of ours raises into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from otelier import _guard
from otelier._upstream import current_span
from otelier.context import current_request
from otelier.instrumentation.observe import Patches
from otelier.sdk.lean_span import ids
from otelier.signals import REQUEST_ID


def join(patches: Patches) -> None:
    """Once the app has imported Sentry, now or later."""

    def put_in(module: ModuleType) -> None:
        patches.replace(module.Scope, "get_trace_context", _naming_ours)

    patches.after_import("sentry_sdk.scope", put_in)


def _naming_ours(original: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    @wraps(original)
    def get_trace_context(scope: Any) -> dict[str, Any]:
        context = original(scope)
        try:
            # Else it is of a span of Sentry's.
            if context.get("span_id") == scope.get_active_propagation_context().span_id:
                return _ours() or context
        except Exception as error:
            _guard.fault("telling Sentry of the trace", error)
        return context

    return get_trace_context


def _ours() -> dict[str, Any]:
    """Trace, span and request as they are now; empty outside of a span."""
    trace_id, span_id, _ = ids(current_span())
    if not trace_id:
        return {}
    found: dict[str, Any] = {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}
    request = current_request.get()
    if request is not None:
        found["data"] = {REQUEST_ID: request.request_id}
    return found
