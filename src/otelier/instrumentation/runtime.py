"""The process that the app runs in, as metrics: what is measured is chosen here, once.

Made in the main thread before the app is imported. Event loops and garbage collections are
measured where they are; everything else is read when metrics are collected, in the thread that
delivers. What cannot be read (no `/proc`, no permission, another interpreter) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from opentelemetry.metrics import Meter, NoOpMeter, get_meter

from otelier import runtime_signals
from otelier.instrumentation.container import Container
from otelier.instrumentation.election import Election
from otelier.instrumentation.garbage import Garbage
from otelier.instrumentation.host import Host
from otelier.instrumentation.loops import Loops
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.instrumentation.process import Process, affinity
from otelier.instrumentation.thread_pool import ThreadPools
from otelier.sdk.observed import Read, Value
from otelier.sdk.observed import observe as observe_values
from otelier.version import __version__

ALL, PROCESS, OFF = "all", "process", "off"

_ABOUT = ("otelier.runtime", __version__, SCHEMA_URL)
_ROWS = {row.name: row for row in runtime_signals.ROWS}
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


def observe(what: str, lag_limit: float, *, is_sent: bool) -> Callable[[], object] | None:
    """Begin. what: one of the above; lag_limit: as of `Loops`; is_sent: whether metrics are.

    What comes back is to be called in event loops; None where these are of no interest.
    """
    is_measured = is_sent and what != OFF
    meter = get_meter(*_ABOUT[:2], schema_url=SCHEMA_URL) if is_measured else NoOpMeter(*_ABOUT)
    pools = ThreadPools()
    if is_measured:
        _observe_process(meter)
        tell(meter, pools.reads)
    if is_measured and what == ALL:
        tell(meter, Host(Election().is_won).reads, is_own=False)
    return Loops(meter, lag_limit, pools.meet).meet if is_measured or lag_limit else None


def _observe_process(meter: Meter) -> None:
    container = Container()

    def cpus() -> float:
        quota = None
        with suppress(*_UNREADABLE):
            quota = container.cpus()
        return min(affinity(), quota or affinity())

    for reads in (Process(cpus).reads, Garbage(meter).reads, container.reads):
        tell(meter, reads)


def tell(meter: Meter, reads: Mapping[str, Read], *, is_own: bool = True) -> None:
    """Make their instruments. is_own: as of `sdk.observed`."""
    for name, read in reads.items():
        row = _ROWS[name]
        about = meter, name, row.unit, row.meaning
        observe_values(*about, _readable(read), row.kind, is_own=is_own)


def _readable(read: Read) -> Read:
    def values() -> Sequence[Value]:
        try:
            return list(read())
        except _UNREADABLE:
            return ()

    return values
