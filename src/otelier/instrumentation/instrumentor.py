"""The interface of contrib's `BaseInstrumentor`, for ours.

Contrib's own asks which releases of a library are installed, for which it imports `packaging` and
`wrapt`: time and memory of every start, and ours observe whatever release the app imports. One
object of each class, as there; what calls it cannot tell the difference.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, Self

_log = logging.getLogger(__name__)


class Instrumentor:
    """A subclass has `_instrument` and `_uninstrument`, which take what is given here."""

    _instance: Self | None = None
    _is_in = False

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        return self._is_in

    def instrumentation_dependencies(self) -> Collection[str]:
        """None that would have to be met."""
        return ()

    def instrument(self, **given: Any) -> None:
        """Put it in, once. What contrib's takes about releases has no meaning here."""
        if self._is_in:
            _log.warning("Attempting to instrument while already instrumented")
            return
        given.pop("skip_dep_check", None)
        given.pop("raise_exception_on_conflict", None)
        self._instrument(**given)
        self._is_in = True

    def uninstrument(self, **given: Any) -> None:
        """Take it out again."""
        if not self._is_in:
            _log.warning("Attempting to uninstrument while already uninstrumented")
            return
        self._uninstrument(**given)
        self._is_in = False

    def _instrument(self, **given: Any) -> None:
        raise NotImplementedError

    def _uninstrument(self, **given: Any) -> None:
        raise NotImplementedError
