"""OpenTelemetry for FastAPI, SQLAlchemy and Redis.

The public names are imported when they are first used: `import otelier` costs nothing, and works
without any framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otelier.version import __version__

if TYPE_CHECKING:
    from otelier.logformat import JSONFormatter
    from otelier.sdk.security import security_event

__all__ = ["JSONFormatter", "__version__", "security_event"]

_HOMES = {"JSONFormatter": "otelier.logformat", "security_event": "otelier.sdk.security"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
