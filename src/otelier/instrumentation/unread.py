"""A server's access lines that nobody would read: they are not even made.

Our access record stands in their place. Where no handler of the app wants the line either, what it
is made of (the frame that logs, a record of twenty fields) would be thrown away: six hundred
bytecodes a request, a tenth of what observing it takes.

A logger learns of it with its first such line, by an `isEnabledFor` of its own, which says no for
as long as it holds. Whatever else may want to see a record be made keeps it: a filter, a record of
the app's own class, a logger's that makes or handles records itself, somebody else's hook in
`logging`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from otelier import _guard

_NAME = "isEnabledFor"
_MAKERS = ("_log", "makeRecord", "handle", "callHandlers")


class Unread:
    """is_unread: asked about a logger, for each of its records."""

    def __init__(self, is_unread: Callable[[logging.Logger], bool]) -> None:
        self._is_unread = is_unread
        self._watched: list[logging.Logger] = []
        self._pythons = _makers()
        self._ours = self._pythons

    def begin(self) -> None:
        """Our own hooks in `logging` are in their places."""
        self._ours = _makers()

    def leave(self) -> None:
        while self._watched:
            vars(self._watched.pop()).pop(_NAME, None)

    def may_spare(self, logger: logging.Logger) -> bool:
        """Whether nobody would see a record of this logger be made."""
        return (
            logging.getLogRecordFactory() is logging.LogRecord
            and all(made.__module__ == logging.__name__ for made in self._pythons)
            and all(map(_is_one_of, _makers(type(logger)), self._pythons, self._ours))
        )

    def watch(self, logger: logging.Logger) -> None:
        """Ask before each of its records, from now on."""
        if _NAME in vars(logger):  # ours, or somebody else's
            return

        def isEnabledFor(level: int) -> bool:
            try:
                if self._is_unread(logger):
                    return False
            except Exception as error:
                _guard.fault("looking for who reads an access line", error)
            return type(logger).isEnabledFor(logger, level)

        vars(logger)[_NAME] = isEnabledFor
        self._watched.append(logger)


def _makers(kind: type[logging.Logger] = logging.Logger) -> tuple[Any, ...]:
    return tuple(getattr(kind, name) for name in _MAKERS)


def _is_one_of(made: Any, *known: Any) -> bool:
    return made in known
