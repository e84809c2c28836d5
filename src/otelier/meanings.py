"""Values of which their key tells what they are: addresses, lists, ids of requests.

Each function takes such a value, and `mask_text` for what is an ordinary text in it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from otelier.addresses import mask_query, mask_url
from otelier.marks import REDACTED, mark
from otelier.pattern import pattern

MaskText = Callable[[str], str]

_LONGEST_QUERY = 4096  # a mark may be longer than what it stands for

_TELLS_A_TOKEN = pattern(r"bearer|token|auth", re.IGNORECASE)
_PROTOCOL = pattern(r"[a-z0-9._/+-]{1,24}")
_SOUND_ID = pattern(r"[A-Za-z0-9._-]{1,64}")


def _protocols(text: str, mask_text: MaskText) -> str:
    """Subprotocols of a websocket: browsers can send a token nowhere else, behind its kind."""
    shown, is_token = [], False
    for name in text.split(","):
        plain = name.strip()
        hides = is_token or not _PROTOCOL.fullmatch(plain)
        shown.append(mark("token") if hides and plain else mask_text(plain))
        is_token = is_token or _TELLS_A_TOKEN.search(plain) is not None
    return ", ".join(shown)


def _id(text: str, mask_text: MaskText) -> str:
    """Of a request, as a client has it: one that is not taken as its id is not shown either."""
    return mask_text(text) if _SOUND_ID.fullmatch(text) else mark("value")


def _host(text: str, mask_text: MaskText) -> str:
    """What stands before an `@` is no part of it, and may be a password."""
    before, _, host = text.rpartition("@")
    return f"{REDACTED}@{mask_text(host)}" if before else mask_text(text)


def _query(text: str, mask_text: MaskText) -> str:
    return mask_query(text.removeprefix("?"))[:_LONGEST_QUERY]


def _url(text: str, mask_text: MaskText) -> str:
    return mask_text(mask_url(text))


MEANINGS: Mapping[str, Callable[[str, MaskText], str]] = {
    "http.request.header.sec-websocket-protocol": _protocols,
    "http.response.header.sec-websocket-protocol": _protocols,
    "http.request.header.host": _host,
    "http.request.header.x-request-id": _id,
    "http.request.header.x-correlation-id": _id,
    "url.query": _query,
    "url.full": _url,
    "http.url": _url,
}
