"""The box that travels with one request.

One mutable `RequestContext` a request, made by the outermost ASGI layer. Everything later changes
it in place, so a value set in a sync dependency is seen by every log record and span that follows.
It travels in one ContextVar and, under `SCOPE_KEY`, in the ASGI scope: the scope tells a nested
layer from a new request that a server started inside its predecessor's context. What is bound is
replaced as a whole and never changed, so that any thread may read it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol
from weakref import WeakValueDictionary

from opentelemetry.trace import INVALID_SPAN, Span

from otelier._random import bits
from otelier.signals import REQUEST_ID, SESSION_ID, USER_ID

SCOPE_KEY = "otelier.request"

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

SAID = -1
"""The place of what the app itself says, before that of every source."""
_NOBODY = 1 << 30

Pairs = Sequence[tuple[bytes, bytes]]


class Notice(Protocol):
    """Told once, at the end of a request; never raises."""

    def tell(self, request: RequestContext) -> None: ...


class RequestContext:
    """What is known of the request in progress."""

    # Of the class until they are set: most requests set few of them.

    _user_id: str | None = None
    _user_place = _NOBODY
    _session_id: str | None = None
    bound: Mapping[str, str | int | float | bool] | None = None
    """What the app has bound beside the ids; see `bind`."""
    open_spans: WeakValueDictionary[int, Span] | None = None
    """Spans that have only a copy of all this: those of the standard SDK, by their ids."""
    encoded: tuple[bytes, bytes] | None = None
    """Ids and bound values as attributes of a span and of a log record; the encoder keeps them
    here."""
    as_fields: tuple[object, tuple[int, ...], str] | None = None
    """Ids as fields of a line: whose lines, trace and span, and the text; lines keep them here."""
    mount_prefix = ""
    route: str | None = None
    routed_by: object = None
    """The route that has told it."""
    broken_by: BaseException | None = None
    """What broke off an answer that middleware ends as if it were whole."""
    handled: BaseException | None = None
    """The exception that Starlette has looked a handler up for."""
    server_span: Span = INVALID_SPAN
    """Until the app returns."""
    state: Mapping[str, object] | None = None
    """What `request.state` writes to, where it is looked at; until the app returns."""
    db_statements = 0
    db_seconds = 0.0
    """SQL statements that have ended, and how long they took together. Added to without a lock:
    between reading and writing a number, CPython with its global lock changes no thread."""
    db_shapes: dict[Hashable, int] | None = None
    """How often each statement came, where repetitions are looked for."""
    db_ended = 0.0
    """When the last one ended, by `perf_counter`."""
    notice: Notice | None = None
    """What is to be told of these statements once the app has returned."""
    cache_operations = cache_hits = cache_misses = 0
    """Redis commands and pipelines that have ended, keys that they found and did not find."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        """Never changed."""

    @property
    def user_id(self) -> str | None:
        return self._user_id

    @user_id.setter
    def user_id(self, value: str | None) -> None:
        self._user_id = value
        self._changed({} if value is None else {USER_ID: value})

    @property
    def session_id(self) -> str | None:
        return self._session_id

    @session_id.setter
    def session_id(self, value: str | None) -> None:
        self._session_id = value
        self._changed({} if value is None else {SESSION_ID: value})

    def wants_user(self, place: int) -> bool:
        """Whether a source at this place would be heard."""
        return place < self._user_place

    def name_user(self, user_id: str | None, place: int) -> None:
        """Take the user's id from a source, unless an earlier source has told it already.

        place: of the source in the order that the user has chosen; `SAID` always counts, and None
        from there takes away what was known.
        """
        if place < self._user_place or place == SAID:
            self._user_place = place
            self.user_id = user_id

    def bind(self, values: Mapping[str, str | int | float | bool]) -> None:
        """Put these in place of all that was bound."""
        before = self.bound or {}
        self.bound = values or None
        self._changed({k: v for k, v in values.items() if before.get(k) != v})

    def watch(self, span: Span) -> None:
        """Write on this span too what is bound while it is open; it is not kept alive."""
        if self.open_spans is None:
            self.open_spans = WeakValueDictionary()
        self.open_spans[span.get_span_context().span_id] = span

    def _changed(self, added: Mapping[str, str | int | float | bool]) -> None:
        self.as_fields = None
        self.encoded = None  # after the change: `encoded` is not kept where ids differ by then
        if self.open_spans is not None and added:
            for found in self.open_spans.valuerefs():  # a list, whatever other threads add
                span = found()
                if span is not None and span.is_recording():
                    span.set_attributes(added)

    def attributes(self) -> dict[str, str | int | float | bool]:
        """What joins a span or log record to its request, and what is bound to it."""
        return {**self.bound, **self.ids()} if self.bound else self.ids()  # type: ignore[return-value]

    def ids(self) -> dict[str, str]:
        """What joins a span or log record to its request."""
        found = {REQUEST_ID: self.request_id}
        if self._user_id is not None:
            found[USER_ID] = self._user_id
        if self._session_id is not None:
            found[SESSION_ID] = self._session_id
        return found


current_request: ContextVar[RequestContext | None] = ContextVar("otelier_request", default=None)


def find_request_id(headers: Mapping[bytes, bytes], pairs: Pairs, names: Sequence[bytes]) -> str:
    """The first valid id under these names, in their order; a new one where there is none.

    Valid is what matches `[A-Za-z0-9._-]{1,64}` and came once. Nothing of a refused value is kept:
    it reaches no log, no span and no answer. headers: by name; pairs: the same as they came.
    """
    for name in names:
        value = headers.get(name)
        if value is not None and (found := valid_request_id(value)):
            once = len(headers) == len(pairs) or sum(name == other for other, _ in pairs) == 1
            if once:
                return found
    return new_request_id()


def valid_request_id(value: bytes | None) -> str | None:
    """The id as text; None of what is no id."""
    if value is not None and len(value) <= 64:
        text = value.decode("latin-1")
        if _VALID_REQUEST_ID.fullmatch(text):
            return text
    return None


def new_request_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): sorts by time, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    number = milliseconds << 80 | bits(12) << 64 | bits(62) | _VERSION_AND_VARIANT
    text = number.to_bytes(16, "big").hex()  # several formats would take twice as long
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
