"""What FastAPI records by itself: kept or stopped, so that everything is there once.

FastAPI observes itself where nobody else does, and stands down for the layer. Then a request that
it refuses would leave no record: it is made here, under FastAPI's own name. The exporters that it
may add to the app's providers are never added: everything would be sent twice.
"""

from __future__ import annotations

import time
from functools import partial
from types import ModuleType
from typing import Any

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelier import _guard, signals
from otelier._upstream import current_span
from otelier.context import current_request
from otelier.export.record import LeanLog
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.sdk.lean_span import ids
from otelier.sdk.logs import Write, telling
from otelier.version import __version__

_SCOPE = InstrumentationScope("otelier.http", __version__, SCHEMA_URL)
_WARN = 13


def observe(patches: Patches) -> None:
    """Hook FastAPI once it is imported."""
    patches.after_import("fastapi.telemetry._runtime", partial(_stop_exporters, patches))
    patches.after_import("fastapi.routing", partial(_keep_refusals, patches))


def _stop_exporters(patches: Patches, runtime: ModuleType) -> None:
    patches.replace(runtime, "_configure_from_environment", lambda _: _configure_nothing)


def _configure_nothing(config: Any) -> None:
    """In place of what adds exporters."""


def _keep_refusals(patches: Patches, routing: ModuleType) -> None:
    write = telling(get_logger_provider())

    def make(original: Any) -> Any:
        def validation_failed(error: Any) -> None:
            try:
                _record_refusal(write, error)
            except Exception as fault:
                _guard.fault("keeping a refusal", fault)
            original(error)

        return validation_failed

    patches.replace(routing, "_validation_failed", make)


def _record_refusal(write: Write, error: Any) -> None:
    request, now = current_request.get(), time.time_ns()
    attributes: dict[str, Any] = {signals.VALIDATION_ERRORS: len(error.errors())}
    if request is not None and request.route is not None:
        attributes[signals.ROUTE] = request.route
    write(
        LeanLog(
            _SCOPE,
            now,
            now,
            _WARN,
            "WARN",
            "Request validation failed",
            None,
            attributes,
            request,
            *ids(current_span()),
            event_name="fastapi.validation.failed",
        )
    )
