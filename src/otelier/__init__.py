"""OpenTelemetry for FastAPI, SQLAlchemy and Redis.

The public names. Each is imported when it is first used: `import otelier` costs nothing and works
without any framework.
"""

from __future__ import annotations

from otelier.version import __version__

# As a type checker reads it: the launching process has no time for `typing` (8 ms).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from otelier.binding import bind, bind_user
    from otelier.health import health_check
    from otelier.inheritance import environ
    from otelier.logformat import JSONFormatter
    from otelier.sdk.business import business_counter, business_gauge, business_histogram
    from otelier.sdk.security import security_event

__all__ = [
    "JSONFormatter",
    "__version__",
    "bind",
    "bind_user",
    "business_counter",
    "business_gauge",
    "business_histogram",
    "environ",
    "health_check",
    "security_event",
]

_FOUND_IN = {
    "JSONFormatter": "otelier.logformat",
    "bind": "otelier.binding",
    "bind_user": "otelier.binding",
    "business_counter": "otelier.sdk.business",
    "business_gauge": "otelier.sdk.business",
    "business_histogram": "otelier.sdk.business",
    "environ": "otelier.inheritance",
    "health_check": "otelier.health",
    "security_event": "otelier.sdk.security",
}


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_FOUND_IN[name]), name)
    return found
