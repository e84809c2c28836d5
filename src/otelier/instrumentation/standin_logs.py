"""`LoggingInstrumentor` and `LoggingHandler` in the app's own code.

Contrib's does two things. What it adds to records for the app's own formats (`otelTraceID` …, by
argument or `OTEL_PYTHON_LOG_CORRELATION`, and the hook) stays contrib's: without it such a format
fails. Sending them is ours: contrib decides whether, and instead of putting its handler on the root
logger it switches ours on, if it is not on already. How contrib's handler would be set up (its
level, attributes of the code) changes nothing. A handler that the app adds itself sends nothing
twice.
"""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry._logs import get_logger_provider

from otelier._upstream import HANDLER_SETUP, sends_to
from otelier.instrumentation import standin
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.instrumentation.observe import Patches


def put_in(patches: Patches, level: int) -> None:
    """level: the lowest that is sent for loggers whose level nobody has set."""
    package = "opentelemetry.instrumentation.logging"

    def replace(module: Any) -> None:
        standin.replace_class(patches, module, "LoggingInstrumentor", Logs, level=level)
        patches.replace(module, HANDLER_SETUP, lambda _: module.LoggingInstrumentor().send)

    patches.after_import(package, replace)
    patches.after_import(
        f"{package}.handler",
        lambda module: patches.replace(module.LoggingHandler, "emit", _emitting_once),
    )


class Logs:
    """Put before contrib's `LoggingInstrumentor`."""

    level: int
    _is_ours = False

    def send(self, **_: Any) -> logging.Handler:
        """In place of what puts contrib's handler on the root logger."""
        ours = LogsInstrumentor()
        if not ours.is_instrumented_by_opentelemetry:
            self._is_ours = True
            ours.instrument(level=self.level)
        return logging.NullHandler()

    def _uninstrument(self, **given: Any) -> None:
        super()._uninstrument(**given)  # type: ignore[misc]
        if self._is_ours:
            self._is_ours = False
            LogsInstrumentor().uninstrument()


def _emitting_once(original: Any) -> Any:
    def emit(handler: Any, record: logging.LogRecord) -> None:
        is_sent = LogsInstrumentor().is_instrumented_by_opentelemetry
        if not (is_sent and sends_to(handler) is get_logger_provider()):
            original(handler, record)

    return emit
