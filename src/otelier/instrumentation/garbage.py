"""Garbage collection: how often, of how many objects, and how long it stopped the interpreter.

Numbers are the interpreter's own, read when metrics are collected, less what a forked child had of
its parent's. A pause is measured by `gc.callbacks`, in the thread that collects, which no other
can do meanwhile: 1.5 microseconds a collection.

Source: semantic conventions, CPython metrics.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

from opentelemetry.metrics import Meter

from otelier import runtime_signals as names
from otelier.sdk import metrics
from otelier.sdk.observed import Read, Value
from otelier.sdk.providers import after_fork

# Seconds: the youngest generation takes some 10 microseconds, a large heap half a second.
_BUCKETS = (0.00001, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1)


class Garbage:
    """From now on, in this process."""

    def __init__(self, meter: Meter) -> None:
        pauses = metrics.distribution(
            meter, names.PAUSES, "s", "How long a garbage collection took.", _BUCKETS
        )
        generations = range(len(gc.get_stats()))
        self._record = [pauses.series({names.GENERATION: one}) for one in generations]
        self._began = 0.0
        self.forget()
        gc.callbacks.append(self._called)
        after_fork(self.forget)

    def leave(self) -> None:
        gc.callbacks.remove(self._called)

    def forget(self) -> None:
        """In a forked child, too."""
        self._before = gc.get_stats()

    @property
    def reads(self) -> Mapping[str, Read]:
        """By the name of their metric."""
        return {
            names.COLLECTIONS: lambda: self._since("collections"),
            names.COLLECTED: lambda: self._since("collected"),
            names.UNCOLLECTABLE: lambda: self._since("uncollectable"),
        }

    def _since(self, what: str) -> Iterator[Value]:
        for generation, (now, before) in enumerate(zip(gc.get_stats(), self._before, strict=True)):
            yield now[what] - before[what], {names.GENERATION: generation}

    def _called(self, phase: str, about: Mapping[str, Any]) -> None:
        if phase == "start":
            self._began = perf_counter()
        elif self._began:
            self._record[about["generation"]](perf_counter() - self._began, None)
