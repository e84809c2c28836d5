"""Every private name of an OpenTelemetry package that we use: an upgrade touches one file."""

from __future__ import annotations

import logging
from collections.abc import Collection

from opentelemetry.sdk._configuration import _BaseConfigurator as BaseConfigurator
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

__all__ = ["BaseConfigurator", "BatchLogRecordProcessor", "LoggerProvider", "silence_loader"]

_LOADER = "opentelemetry.instrumentation.auto_instrumentation._load"


def silence_loader(replaced: Collection[str]) -> None:
    """Drop the loader's lines about what Otelier does on purpose; its other lines stay.

    Another configurator is not loaded because ours is named, and contrib's entry for a library
    refuses a release that ours (`replaced`) observes.
    """

    def is_unexpected(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        first = message.partition(" only instruments ")[0]
        return first not in replaced and not message.startswith("Configuration of ")

    logging.getLogger(_LOADER).addFilter(is_unexpected)
