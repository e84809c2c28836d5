"""Redis commands, by the contrib instrumentation with the right arguments.

Adds what it leaves out (`db.operation.name`), and gives a pipeline one short name. Values and keys
are never sent: the text of a command is its name and a `?` for each argument.

Source: semantic conventions, database client spans, Redis.
"""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelier import signals
from otelier.instrumentation.observe import Patches

_PIPELINE = "PIPELINE"


class CacheInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Stands in for contrib's `redis`; does nothing unless it is switched on by our distro."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, *, on: bool = False, **_: Any) -> None:
        self._patches = Patches()
        if on:
            self._patches.after_import("redis", _instrument)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()
        from opentelemetry.instrumentation.redis import RedisInstrumentor

        RedisInstrumentor().uninstrument()


def _instrument(redis: ModuleType) -> None:
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    RedisInstrumentor().instrument(
        request_hook=_name_command, response_hook=_name_pipeline, skip_dep_check=True
    )


def _name_command(span: Any, client: Any, args: Any, options: Any) -> None:
    if args and span.is_recording():
        span.set_attribute(signals.DB_OPERATION, str(args[0]).upper())


def _name_pipeline(span: Any, client: Any, response: Any) -> None:
    if span.is_recording() and "db.redis.pipeline_length" in span.attributes:
        span.update_name(_PIPELINE)
        span.set_attribute(signals.DB_OPERATION, _PIPELINE)
