"""What an answer to a batch means: was it taken, may it be sent again, and when?

Pure. The table follows OTLP 1.x, "Failures": 429, 502, 503 and 504 are sent again. Beyond it: an
answer that faults the receiver or its settings (a wrong key, a login page, a wrong path) loses no
data, as it may be put right there; it is asked again slowly. Only what faults the batch drops it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from otelier.export import messages
from otelier.fixed import fixed


class Fate(Enum):
    """What becomes of a batch.

    AGAIN: sent again soon, the receiver is away or busy. SLOWLY: sent again every half minute, the
    receiver or a setting has to be changed first. SUSPECT: the receiver failed over it; it goes
    last, and is dropped if it fails again and again while others pass.
    """

    DELIVERED = auto()
    AGAIN = auto()
    SLOWLY = auto()
    SUSPECT = auto()
    TOO_LARGE = auto()
    REFUSED = auto()


@fixed
class Answer:
    """The fate of one batch.

    reason: why not; hint: what may help; both may be shown. wait: seconds that the receiver asked
    for. rejected: records that it took the batch without. is_there: whether there is a receiver.
    """

    fate: Fate
    reason: str = ""
    hint: str = ""
    wait: float | None = None
    rejected: int = 0
    is_there: bool = True


_FATES: Mapping[int, Fate] = {
    400: Fate.REFUSED,
    408: Fate.AGAIN,
    413: Fate.TOO_LARGE,
    422: Fate.REFUSED,
    429: Fate.AGAIN,
    502: Fate.AGAIN,
    503: Fate.AGAIN,
    504: Fate.AGAIN,
}

_KEY = "OTEL_EXPORTER_OTLP_HEADERS carries the key"
_PATH = "OTEL_{}_EXPORTER=none if it takes no {}"
_HINTS: Mapping[int, str] = {401: _KEY, 403: _KEY, 404: _PATH}
_REDIRECT = "a redirect is not followed, name the receiver itself"

_LONGEST_WAIT = 3600.0
_LONGEST_MESSAGE = 200


def meaning(signal: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Of an HTTP answer. headers: names in lower case."""
    if 200 <= status < 300:
        return _taken(signal, body, headers.get("content-type", ""))
    hint = _REDIRECT if 300 <= status < 400 else _HINTS.get(status, "")
    return Answer(
        _FATES.get(status) or (Fate.SUSPECT if status >= 500 else Fate.SLOWLY),
        f"it answers {status}",
        hint.format(signal.upper(), signal),
        retry_after(headers.get("retry-after", ""), time.time()),
    )


def retry_after(value: str, now: float) -> float | None:
    """Seconds to wait, from a number or a date (RFC 9110, 10.2.3); an hour at most."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds != seconds:  # float() takes "nan"
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _taken(signal: str, body: bytes, content_type: str) -> Answer:
    # The collector's way to say that nothing was rejected is an empty `partial_success`.
    if body in (b"", b"\n\x00"):
        return Answer(Fate.DELIVERED)
    try:
        rejected, message = messages.partial_success(signal, body, content_type)
    except Exception:  # no answer of OTLP, but its status says that the batch was taken
        return Answer(Fate.DELIVERED)
    return Answer(Fate.DELIVERED, message[:_LONGEST_MESSAGE], rejected=max(0, rejected))
