"""Series: what has been measured under one set of attributes of one instrument.

Recording is one step in C, in any thread, without a lock: a value and its span, or an amount, are
put into a deque. Nothing is made for them: what lives until the next fold is what makes Python's
garbage collector come, and what it looks at then.

All else is called by `metrics.Store`, under its lock: `fold` where something waits, `point` for
each reader, which has what it has been given before kept apart from what it has not.

Source: OpenTelemetry specification, metrics SDK (aggregation, temporality, exemplars).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Sequence
from itertools import repeat, starmap
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

if TYPE_CHECKING:
    from otelier.sdk.metrics import Add, Attributes, Record


class _Buckets:
    """What one reader has not been given yet, or has been given in all."""

    def __init__(self, size: int) -> None:
        self.counts = [0] * size
        self.sum = 0.0
        self.min = float("inf")
        self.max = float("-inf")
        self.exemplars: dict[int, Exemplar] = {}


class Values:
    """One series of a histogram. waiting: what was recorded and is in no bucket yet, by turns a
    value and its span.

    boundaries: upper ends of the buckets, inclusive; one more bucket is above them. readers: how
    many there are. exemplars: whether they are to be kept.
    """

    def __init__(
        self, attributes: Attributes, boundaries: tuple[float, ...], readers: int, exemplars: bool
    ) -> None:
        self._attributes = dict(attributes)
        self._boundaries = boundaries
        self._ends = (*boundaries, float("inf"))
        self._exemplars = exemplars
        self._since = time_ns()
        self.waiting: deque[Any] = deque()
        self._buckets = [self._empty() for _ in range(readers)]
        extend = self.waiting.extend
        self.record: Record = lambda value, span: extend((value, span))

    def fold(self) -> None:
        taken = _taken(self.waiting)
        values = sorted(taken[::2])
        least, most = values[0], values[-1]
        total, found = sum(values), self._counted(values)
        for buckets in self._buckets:
            buckets.sum += total
            if least < buckets.min:
                buckets.min = least
            if most > buckets.max:
                buckets.max = most
            for place, count in found:
                buckets.counts[place] += count
            if self._exemplars and (missing := dict(found).keys() - buckets.exemplars.keys()):
                self._keep_exemplars(buckets, missing, taken)

    def _counted(self, values: Sequence[float]) -> list[tuple[int, int]]:
        """Buckets and how many are in each; of sorted values a step takes a whole bucket."""
        found = []
        begin, ends, size = 0, self._ends, len(values)
        while begin < size:
            place = bisect_left(ends, values[begin])
            # From the next one: a NaN is in no order, and must not hold it up.
            end = bisect_right(values, ends[place], begin + 1)
            found.append((place, end - begin))
            begin = end
        return found

    def _keep_exemplars(
        self,
        buckets: _Buckets,
        missing: Collection[int],
        taken: Sequence[Any],
    ) -> None:
        """One of each bucket and reading is enough. missing: buckets that have none."""
        for value, span in zip(taken[::2], taken[1::2], strict=True):
            if span is None:
                continue
            place = bisect_left(self._ends, value)
            if place not in missing or place in buckets.exemplars:
                continue
            context = span.get_span_context()
            if context.trace_flags.sampled:
                at = getattr(span, "ended_at", 0) or time_ns()
                buckets.exemplars[place] = Exemplar(
                    {}, value, at, context.span_id, context.trace_id
                )

    def point(self, place: int, since: int, now: int) -> HistogramDataPoint | None:
        """since: for a delta, when it began; 0 for everything so far."""
        buckets = self._buckets[place]
        count = sum(buckets.counts)
        if not count:
            return None
        if since:
            self._buckets[place] = self._empty()
        exemplars = list(buckets.exemplars.values())
        buckets.exemplars = {}
        return HistogramDataPoint(
            self._attributes,
            max(since, self._since) if since else self._since,
            now,
            count,
            buckets.sum,
            list(buckets.counts),
            self._boundaries,
            buckets.min,
            buckets.max,
            exemplars,
        )

    def forget(self) -> None:
        self.waiting.clear()
        self._since = time_ns()
        self._buckets = [self._empty() for _ in self._buckets]

    def _empty(self) -> _Buckets:
        return _Buckets(len(self._ends))


class Amounts:
    """One series of a counter of either kind. waiting: amounts that are not in the sum yet."""

    def __init__(self, attributes: Attributes, readers: int) -> None:
        self._attributes = dict(attributes)
        self._since = time_ns()
        self.waiting: deque[int] = deque()
        self._total = 0
        self._given: list[int | None] = [None] * readers
        self.add: Add = self.waiting.append

    def fold(self) -> None:
        self._total += sum(_taken(self.waiting))

    def point(self, place: int, since: int, now: int) -> NumberDataPoint | None:
        given = self._given[place]
        self._given[place] = self._total
        value = self._total - (given or 0) if since else self._total
        if since and given is not None and not value:
            return None
        begun = max(since, self._since) if since else self._since
        return NumberDataPoint(self._attributes, begun, now, value)

    def forget(self) -> None:
        self.waiting.clear()
        self._total = 0
        self._since = time_ns()
        self._given = [None for _ in self._given]


def _taken(waiting: deque[Any]) -> list[Any]:
    """All that is in it now; what comes meanwhile stays. In C: half the time of a loop."""
    return list(starmap(waiting.popleft, repeat((), len(waiting))))
