"""`SQLAlchemyInstrumentor` and `RedisInstrumentor` in the app's own code.

Where ours observes already, put in by the distro, it takes over what the app's code gives: hooks,
providers, comments in statements, and, as contrib's has it, a span for a command of Redis that is
in no request. It goes back to what the distro gave when the app takes its own out. In contrib's
lane, the names of before 2023, ours steps back for as long. Contrib's refuses SQLAlchemy 2.1, and
does not run on it: there is only ours then. An engine or a client that is named is observed like
all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from otelier import _guard
from otelier.instrumentation import standin
from otelier.instrumentation.cache import CacheInstrumentor
from otelier.instrumentation.database import DatabaseInstrumentor
from otelier.instrumentation.observe import Patches
from otelier.instrumentation.standin import Lane


def put_in(patches: Patches, library: str, standing: Mapping[str, Any] | None) -> None:
    """standing: what the distro has put ours in with, if it has."""
    name, ours = {
        "sqlalchemy": ("SQLAlchemyInstrumentor", Database),
        "redis": ("RedisInstrumentor", Cache),
    }[library]

    def put(module: ModuleType) -> None:
        standin.replace_class(patches, module, name, ours, standing=standing)

    patches.after_import(f"opentelemetry.instrumentation.{library}", put)


class _Store:
    """Put before contrib's: which of the two is on, if any."""

    ours: Any
    standing: Mapping[str, Any] | None
    also: Mapping[str, Any] = {}
    _is_ours = False

    def instrument(self, **given: Any) -> Any:
        if self._lane() is Lane.CONTRIB:
            self._put_in(None)
            return super().instrument(**given)  # type: ignore[misc]
        if not self._is_ours:
            self._is_ours = True
            self._put_in({**(self.standing or {}), **self.also, **given, "on": True})
        return None

    def uninstrument(self, **given: Any) -> Any:
        if not self._is_ours:
            super().uninstrument(**given)  # type: ignore[misc]
        self._is_ours = False
        self._put_in(self.standing)

    def _put_in(self, arguments: Mapping[str, Any] | None) -> None:
        """Ours, with these arguments; out with it for None."""
        ours = self.ours()
        if ours.is_instrumented_by_opentelemetry:
            ours.uninstrument()
        if arguments is not None:
            ours.instrument(**arguments)

    def _lane(self) -> Lane:
        return standin.lane("database")


class Database(_Store):
    """Before `SQLAlchemyInstrumentor`."""

    ours = DatabaseInstrumentor

    def _lane(self) -> Lane:
        chosen = super()._lane()
        if chosen is Lane.CONTRIB and self._check_dependency_conflicts():  # type: ignore[attr-defined]
            _guard.write(
                "opentelemetry-instrumentation-sqlalchemy refuses the installed SQLAlchemy; "
                "statements get the stable names"
            )
            return Lane.OURS
        return chosen


class Cache(_Store):
    """Before `RedisInstrumentor`."""

    ours = CacheInstrumentor
    also: Mapping[str, Any] = {"root_spans": True}

    def _put_in(self, arguments: Mapping[str, Any] | None) -> None:
        """Others may have wrapped what ours has hooked: that is left as it is where it can be."""
        if arguments is not None and CacheInstrumentor().is_instrumented_by_opentelemetry:
            CacheInstrumentor().change(**arguments)
        else:
            super()._put_in(arguments)

    @classmethod
    def instrument_client(cls, client: Any, *args: Any, **given: Any) -> None:
        if not CacheInstrumentor().is_instrumented_by_opentelemetry:
            super().instrument_client(client, *args, **given)  # type: ignore[misc]

    @classmethod
    def uninstrument_client(cls, client: Any) -> None:
        if not CacheInstrumentor().is_instrumented_by_opentelemetry:
            super().uninstrument_client(client)  # type: ignore[misc]
