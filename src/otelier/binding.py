"""What an app says of the request in progress: `bind_user`, `bind`.

Said once, it is on the SERVER span that has begun, on every later span, log record and error of the
request, and in what is left to background tasks and threads. Outside of a request, and without
Otelier at work, nothing happens. Any thread may call; nothing is raised.
"""

from __future__ import annotations

import re
from typing import Final

from otelier import _guard, identity
from otelier.context import SAID, current_request
from otelier.privacy import mask_cut
from otelier.signals import SIGNALS

MOST_BOUND: Final = 16
LONGEST: Final = 256

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_TAKEN = frozenset(signal.name for signal in SIGNALS) | {
    "message",
    "request_id",
    "session_id",
    "span_id",
    "timestamp",
    "trace_id",
    "user_id",
}
_OWN_PREFIXES = ("otelier.", "otel.")

Value = str | int | float | bool


def bind_user(id: object, session: object = None) -> None:  # noqa: A002  # its promised name
    """Say who the user of this request is, and in which session.

    id, session: texts, whole numbers or UUIDs of at most 256 printable characters; anything else
    is left out. `None` for `id` takes back what was known. How they leave is set by
    `OTELIER_USER_ID`. Neither is put on metrics or into baggage.
    """
    try:
        request = current_request.get()
        if request is None:
            return
        request.name_user(identity.shown(id), SAID)
        if session is not None or id is None:
            request.session_id = identity.shown(session)
    except Exception as error:
        _guard.fault("binding a user", error)


def bind(**values: object) -> None:
    """Say more of this request: each key becomes an attribute of its spans and log records.

    Texts (cut to 256 characters), numbers and booleans; anything else as its text; `None` takes a
    key back. A request has room for 16 keys, and names that Otelier uses itself are refused; both
    are said on stderr. A name that contains a dot goes in as `bind(**{"tenant.id": 7})`.
    """
    try:
        request = current_request.get()
        if request is None:
            return
        bound = dict(request.bound or {})
        for key, value in values.items():
            if value is None:
                bound.pop(key, None)
            elif _may_be(key, len(bound) - (key in bound)):
                bound[key] = _bounded(value)
        request.bind(bound)
    except Exception as error:
        _guard.fault("binding a value", error)


def _may_be(key: str, beside: int) -> bool:
    """Whether there is room for it beside so many others, and it is nobody's name."""
    reason = ""
    if not _KEY.fullmatch(key):
        reason = "a key has up to 64 letters, digits, dots and underscores"
    elif key in _TAKEN or key.startswith(_OWN_PREFIXES):
        reason = "that name is used already"
    elif beside >= MOST_BOUND:
        reason = f"a request has room for {MOST_BOUND} keys"
    if reason:
        _guard.say(f"bind({key[:64]!r}) ignored: {reason}", cause=f"bind: {reason}")
    return not reason


def _bounded(value: object) -> Value:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    text = str(value)
    text = text if len(text) <= LONGEST else mask_cut(text, LONGEST)
    return text.encode("utf-8", "replace").decode("utf-8")
