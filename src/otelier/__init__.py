"""OpenTelemetry for FastAPI, SQLAlchemy and Redis.

The public names. Each is imported when it is first used: the launching process needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from otelier.version import __version__

if TYPE_CHECKING:
    from otelier.binding import bind, bind_user
    from otelier.inheritance import environ

__all__ = ["__version__", "bind", "bind_user", "environ"]

_FOUND_IN = {
    "bind": "otelier.binding",
    "bind_user": "otelier.binding",
    "environ": "otelier.inheritance",
}


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FOUND_IN[name]), name)
    return found
