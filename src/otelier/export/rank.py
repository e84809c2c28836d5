"""How useful a record is where there is no room for all: the least useful is dropped first.

Pure, by what a record is: a span or log record of either lane, whatever else is `USUAL`. Asked only
while a receiver is away or a queue is full, never for each record of a healthy process.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Rank(IntEnum):
    """From what is dropped first to what is kept longest.

    DETAIL: log records below INFO. USUAL: spans that went well, INFO. WARNING: log records of that
    level. ERROR: failed spans, log records of ERROR and above, security events. MEASURED: metrics.
    """

    DETAIL = 0
    USUAL = 1
    WARNING = 2
    ERROR = 3
    MEASURED = 4


_INFO, _WARN, _ERROR = 9, 13, 17  # the first number of each level in the logs data model
_FAILED = 2  # as a status is numbered in the trace API and in OTLP


def rank_of(record: Any) -> Rank:
    """Never raises: it is asked inside requests."""
    try:
        return _rank(record)
    except (AttributeError, TypeError, ValueError):
        return Rank.USUAL


def _rank(record: Any) -> Rank:
    if getattr(record, "is_kept", False):
        return Rank.ERROR
    severity = _severity(record)
    if severity is None:
        return Rank.ERROR if _status(record) == _FAILED else Rank.USUAL
    if severity >= _ERROR:
        return Rank.ERROR
    if severity >= _WARN:
        return Rank.WARNING
    # 0 is "unspecified": nothing says that it is a detail.
    return Rank.DETAIL if 0 < severity < _INFO else Rank.USUAL


def _severity(record: Any) -> int | None:
    """Of a log record, in the logs data model's numbers; None of anything else."""
    found: Any = getattr(record, "severity_number", None)
    if found is None:
        inner: Any = getattr(record, "log_record", None)
        if inner is None:
            return None
        found = inner.severity_number or 0
    return int(getattr(found, "value", found))


def _status(record: Any) -> int:
    number: Any = getattr(record, "status_number", None)
    if number is None:
        status = getattr(getattr(record, "status", None), "status_code", 0)
        number = getattr(status, "value", status)
    return int(number)
