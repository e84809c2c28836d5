"""What stands behind contrib's instrumentors when the app's own code names them.

`FastAPIInstrumentor.instrument_app(app, server_request_hook=…)` and the like are habits, and keep
their meaning. Each class is replaced by one of the same name that is derived from it, and that
chooses between two lanes:

- ours, the lean one, for the stable names: those that Otelier sets;
- contrib's own code, where the user asks for the names of before 2023: another value of
  `OTEL_SEMCONV_STABILITY_OPT_IN` wins over our default.

Either way a request, statement or command is observed once. A class is replaced when the app has
imported contrib's module: until then nothing of ours for it is imported either. Runs where the app
calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import ModuleType
from typing import Any

from otelier._upstream import names_in_force
from otelier.instrumentation.observe import Patches

_FIRST_IMPORTED = {
    "fastapi": "asgi",  # contrib's for FastAPI imports that one
    "logging": "logging",
    "redis": "redis",
    "sqlalchemy": "sqlalchemy",
}
"""Which of contrib's packages an app has imported when it can ask for what ours stands in for."""


class Lane(Enum):
    """Whose code observes."""

    OURS = "ours"
    CONTRIB = "contrib"


def lane(kind: str) -> Lane:
    """kind: `http` or `database`."""
    return Lane.OURS if names_in_force(kind) == kind else Lane.CONTRIB


def prepare(patches: Patches, library: str, given: Mapping[str, Any]) -> None:
    """Stand in for contrib's classes for a library, once the app imports them.

    given: what our instrumentor for it was put in with.
    """
    if library in _FIRST_IMPORTED:
        patches.after_import(
            f"opentelemetry.instrumentation.{_FIRST_IMPORTED[library]}",
            lambda _: _put_in(patches, library, given),
        )


def _put_in(patches: Patches, library: str, given: Mapping[str, Any]) -> None:
    if library == "fastapi":
        from otelier.instrumentation import standin_http

        standin_http.put_in(patches, given["options"])
    elif library == "logging":
        from otelier.instrumentation import standin_logs

        standin_logs.put_in(patches, given["level"])
    else:
        from otelier.instrumentation import standin_stores

        standin_stores.put_in(patches, library, given)


def replace_class(
    patches: Patches, module: ModuleType, name: str, ours: type, **given: Any
) -> None:
    """Put a class made of `ours` and contrib's in the place of contrib's.

    given: what `ours` finds as attributes of the class.
    """

    def make(contrib: type) -> type:
        # Contrib's are singletons: ours is not the one that may have been made before.
        about = {"__module__": contrib.__module__, "__doc__": contrib.__doc__, "_instance": None}
        return type(name, (ours, contrib), {**about, **given})

    patches.replace(module, name, make)
