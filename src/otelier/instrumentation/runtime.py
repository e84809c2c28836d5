"""The process that the app runs in, as metrics: what is measured is chosen here, once.

Made in the main thread before the app is imported. All but the lag of event loops is read when
metrics are collected, in the thread that delivers. What cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.metrics import NoOpMeter, get_meter

from otelier.instrumentation.loops import Loops
from otelier.instrumentation.observe import SCHEMA_URL
from otelier.version import __version__

ALL, PROCESS, OFF = "all", "process", "off"


def observe(what: str, lag_limit: float, *, is_sent: bool) -> Callable[[], object] | None:
    """Begin. what: one of the above; lag_limit: as of `Loops`; is_sent: whether metrics are.

    What comes back is to be called in event loops; None where these are of no interest.
    """
    is_measured = is_sent and what != OFF
    about = ("otelier.runtime", __version__, SCHEMA_URL)
    meter = get_meter(about[0], about[1], schema_url=about[2]) if is_measured else NoOpMeter(*about)
    return Loops(meter, lag_limit).meet if is_measured or lag_limit else None
