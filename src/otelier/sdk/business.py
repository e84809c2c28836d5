"""Numbers of the app's own trade: `business_counter`, `business_gauge`, `business_histogram`.

Thin: instruments of the OpenTelemetry API, by the scope `otelier.business`, whose attributes are
watched by `cardinality` (about 1 µs a call beside the instrument's own 5 to 10). They may be made
before there are providers, and where there are none, or with `OTEL_SDK_DISABLED`, they do nothing.
Names are the app's own and leave as they are. A name that cannot be used is an error where the
metric is made; whatever is recorded is none: what cannot be counted is left out and said in a line.
Any thread, task or forked child may record.

Source: OpenTelemetry specification, metrics API.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar

from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeter, Observation, get_meter

from otelier import _guard
from otelier.sdk.cardinality import Attributes, Sets, Value, is_id
from otelier.signals import SIGNALS
from otelier.version import __version__

Number = int | float | Decimal

MOST_METRICS: Final = 200
_SCOPE: Final = "otelier.business"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_UNIT = re.compile(r"[\x21-\x7e]{1,63}")
_TAKEN = frozenset(row.name for row in SIGNALS if row.unit)
_OWN_PREFIXES = ("otelier.", "otel.")


class Metric:
    """What the three kinds share."""

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        self._sets = Sets(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _number(self, given: Any, least: float = -math.inf) -> int | float | None:
        """None where it cannot be counted, which is said."""
        number = as_number(given)
        if number is None or number < least:
            wanted = "a number of 0 or more" if least == 0 else "a number"
            what = type(given).__name__[:40]
            self._sets.say(f"amount of type {what} left out, expected {wanted} in 64 bits")
            return None
        return number


class BusinessCounter(Metric):
    """What only grows: workflows created, actions executed."""

    def __init__(self, name: str, unit: str, description: str, meter: Meter) -> None:
        super().__init__(name, unit)
        self._add = meter.create_counter(name, unit, description).add

    def add(self, amount: Number = 1, attributes: Attributes | None = None, **more: Value) -> None:
        """Count so many more. attributes, more: by what they are told apart; few values each."""
        try:
            # A whole number, nearly always: a look is enough.
            if type(amount) is int and 0 <= amount < 2**63:
                number: float | None = amount
            else:
                number = self._number(amount, 0)
            if number is not None:
                self._add(number, self._sets.kept(_joined(attributes, more)) or None)
        except Exception as error:
            _guard.fault("counting a business metric", error)


class BusinessHistogram(Metric):
    """Sizes or durations, of which the spread matters: the value of an order, rows of an import."""

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        meter: Meter,
        boundaries: Sequence[float] | None = None,
    ) -> None:
        super().__init__(name, unit)
        self._record = meter.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=boundaries
        ).record

    def record(self, amount: Number, attributes: Attributes | None = None, **more: Value) -> None:
        """One more of this size, 0 or above. attributes, more: few values each."""
        try:
            number = self._number(amount, 0)
            if number is not None:
                self._record(number, self._sets.kept(_joined(attributes, more)))
        except Exception as error:
            _guard.fault("recording a business metric", error)


class BusinessGauge(Metric):
    """What is so many now: users who are active, jobs that wait. Sent until it is set anew."""

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        meter: Meter,
        read: Callable[[], Number] | None = None,
    ) -> None:
        super().__init__(name, unit)
        self._read = read
        self._values: dict[frozenset[tuple[str, Value]], Observation] = {}
        meter.create_observable_gauge(name, [self._observed], unit, description)

    def set(self, amount: Number, attributes: Attributes | None = None, **more: Value) -> None:
        """It is so many now. attributes, more: few values each."""
        try:
            number = self._number(amount)
            if number is not None:
                kept = self._sets.kept(_joined(attributes, more))
                self._values[frozenset(kept.items())] = Observation(number, kept)
        except Exception as error:
            _guard.fault("setting a business metric", error)

    def forget(self) -> None:
        """After a fork: what the parent has set, the parent says."""
        self._values.clear()

    def _observed(self, _: CallbackOptions) -> Iterable[Observation]:
        yield from list(self._values.values())
        yield from self._asked()

    def _asked(self) -> Iterator[Observation]:
        try:
            number = self._number(self._read()) if self._read is not None else None
        except Exception as error:  # it is the app's
            _guard.fault(f"reading business metric {self.name!r}", error)
            return
        if number is not None:
            yield Observation(number)


Kind = TypeVar("Kind", BusinessCounter, BusinessGauge, BusinessHistogram)

_made: dict[str, Metric] = {}
"""By name in small letters: names that differ in their capitals alone are one to OpenTelemetry."""


def business_counter(name: str, *, unit: str = "1", description: str = "") -> BusinessCounter:
    """A counter such as `workflow.created`; the same one whenever it is asked for again.

    name: up to 255 letters, digits, `_`, `.`, `-` and `/`, a letter first; none that Otelier sends
    itself. unit: UCUM, `{workflow}`. Raises ValueError for a name that cannot be used, or that is
    another kind of metric already.
    """
    return _make(BusinessCounter, name, unit, description)


def business_gauge(
    name: str, *, unit: str = "1", description: str = "", read: Callable[[], Number] | None = None
) -> BusinessGauge:
    """A gauge such as `user.active`; else as `business_counter`.

    read: asked for the value whenever metrics are collected, in the thread that delivers, where
    nobody wants to `set` it.
    """
    return _make(BusinessGauge, name, unit, description, read)


def business_histogram(
    name: str, *, unit: str = "1", description: str = "", boundaries: Sequence[float] | None = None
) -> BusinessHistogram:
    """A histogram such as `order.value`; else as `business_counter`.

    boundaries: upper ends of its buckets, ascending; by default those of OpenTelemetry, 0 to 10000.
    """
    if boundaries is not None:
        boundaries = [float(boundary) for boundary in boundaries]
        if boundaries != sorted(set(boundaries)) or not all(map(math.isfinite, boundaries)):
            raise ValueError(f"business metric {name!r:.80}: boundaries are numbers that ascend")
    return _make(BusinessHistogram, name, unit, description, boundaries)


def _make(kind: type[Kind], name: str, unit: str, description: str, *more: Any) -> Kind:
    if problem := _problem(name, unit):
        raise ValueError(f"business metric {name!r:.80}: {problem}")
    known = _made.get(name.lower())
    if known is None and len(_made) >= MOST_METRICS:
        what = f"business metric {name!r} is not sent: there is room for {MOST_METRICS}"
        _guard.say(what, cause="business: too many metrics")
        return kind(name, unit, description, NoOpMeter(_SCOPE), *more)
    if known is None:
        known = _made.setdefault(name.lower(), kind(name, unit, description, _meter(), *more))
    if not isinstance(known, kind):
        raise ValueError(f"business metric {name!r:.80}: it is a {type(known).__name__} already")
    return known


def _problem(name: object, unit: object) -> str:
    """Why there can be no such metric."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return (
            "a name is up to 255 letters, digits, '_', '.', '-' and '/', and begins with a letter"
        )
    if name.lower() in _TAKEN or name.lower().startswith(_OWN_PREFIXES):
        return "that name is used already"
    if is_id(name):
        return "it looks like an id, which belongs on no metric"
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        return "a unit is up to 63 printable characters without blanks, such as '{workflow}'"
    return ""


@cache
def _meter() -> Meter:
    return get_meter(_SCOPE, __version__)


def _joined(attributes: Attributes | None, more: Attributes) -> Attributes:
    if not more:
        return attributes or {}
    return {**attributes, **more} if isinstance(attributes, Mapping) else more


def as_number(given: Any) -> int | float | None:
    """What can be sent of a number: 64 bits of a whole one, else a float; None if that is none."""
    if isinstance(given, int):
        return int(given) if -(2**63) <= given < 2**63 else None
    try:
        number = float(given) if isinstance(given, float | Decimal) else given.__float__()
        return number if math.isfinite(number) else None
    except Exception:  # no number, or none that a float can hold
        return None


def _after_fork() -> None:
    for metric in list(_made.values()):
        if isinstance(metric, BusinessGauge):
            metric.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
