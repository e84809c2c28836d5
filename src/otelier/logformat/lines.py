"""One JSON object in one line of ASCII for each record, whatever is in it.

Written by hand: what is constant (names, sources, levels, services) is text already, so that only
values are encoded. Fields of the app keep their types, cannot take the place of ours, and are
bounded, each and together. Nothing here raises an `Exception`; any thread may call, and a lost race
costs one more encoding.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, TypeVar

from opentelemetry.trace import get_current_span

from otelier.context import RequestContext, current_request
from otelier.logformat.entry import Entry, described, exception_of, read, text_of, where_of
from otelier.logformat.names import EXTRA, FIELDS, LEFT_OUT, Names
from otelier.logformat.plain import LONGEST_MESSAGE, LONGEST_VALUE, free_name, plain, said, sound
from otelier.privacy import mask_text

Mask = Callable[[str, Any], Any]
"""(name, value) to what may be shown of the value: a plain one, as `plain` makes them."""

Ids = tuple[int, ...]
"""Trace id and span id first; what comes behind them is on no line."""

Site = tuple[str, str]
"""What all records of one line of code have in common: between the digits of the time and the
message, and behind the message."""

Kept = TypeVar("Kept")

_MOST_KEPT: Final = 4096
_MOST_FIELDS: Final = 100
_MOST_CHARACTERS: Final = 65_536
_ACROSS: Final = 2**63
_BOUNDED: Final = frozenset((int, float, bool))
_PARTS: Final = {"message": "exception.message", "stack": "exception.stacktrace"}

_NOT_YET: Final[tuple[object, Ids, str]] = (None, (), "")

_dumps: Final = json.JSONEncoder(
    check_circular=False, allow_nan=False, separators=(",", ":")
).encode


def current_ids() -> Ids:
    """Trace id and span id of the current span, 0 where there is none."""
    context = get_current_span().get_span_context()
    return context.trace_id, context.span_id


class Lines:
    """fields: `otelier`, `datadog` or `ecs`. service: attributes of the resource; those that the
    names know are on every line. mask: asked about the message, each field of the app, and the text
    and traceback of an exception. ids: gives those of the current span.
    """

    def __init__(
        self,
        fields: str = "otelier",
        service: Mapping[str, Any] | None = None,
        mask: Mask | None = None,
        ids: Callable[[], Ids] = current_ids,
    ) -> None:
        self._names = names = FIELDS[fields]
        self._mask = mask
        self._ids = ids
        self._message = f",{quoted(names.message)}:"
        span = "%d" if names.span_is_decimal else "%016x"
        self._trace = f',"{names.trace_id}":"%032x","{names.span_id}":"{span}"'
        self._request, self._user = f',"{names.request_id}":', f',"{names.user_id}":'
        self._no_trace = self._no_request = self._no_user = ""
        if fields == "otelier":  # always the same fields
            self._no_trace = ',"trace_id":null,"span_id":null'
            self._no_request, self._no_user = f"{self._request}null", f"{self._user}null"
        about = _service(names, service or {})
        self._service = _fields({name: self._called(value) for name, value in about.items()})
        self._second = (0, "")
        self._sites: dict[tuple[Any, ...], Site] = {}
        self._keys: dict[str, str] = {}
        self._presets: dict[int, tuple[Mapping[str, Any], str]] = {}

    def of(self, record: logging.LogRecord, entry: Entry | None = None) -> str:
        """The line of a record of `logging`, without its end. entry: what it says, if known."""
        try:
            if entry is None:
                entry = read(record)
            where = entry.where or where_of(record)
            has_more = record.exc_info or record.exc_text or entry.event
            if entry.ids is None:  # nobody has looked
                entry.ids, entry.box = self._ids(), current_request.get()
            line = self._line(
                record.created,
                self._sites.get(where) or self._site_of(record, where),
                entry.text,
                entry.ids,
                entry.box,
                entry.extra,
                self._exception(record, entry.event) if has_more else None,
                "",
                entry.is_masked,
            )
            if record.stack_info:
                shown = self._shown(self._names.stack_info, said(record.stack_info))
                return f"{line[:-1]}{_fields({self._names.stack_info: shown})}}}"
            return line
        except Exception as error:
            return self._least(record, error)

    def of_values(
        self,
        seconds: float,
        level: str,
        text: str,
        source: tuple[Any, Any, Any, Any],
        ids: Ids,
        box: RequestContext | None,
        extra: Mapping[Any, Any] | None,
        exception: Mapping[str, Any] | None = None,
        preset: Mapping[str, Any] | None = None,
        is_masked: bool = False,
    ) -> str:
        """The line of a record that is none of `logging`. source: logger, module, function, line.

        ids: of the trace and of the span, 0 for none. exception: as `described`. preset: further
        fields, of an object that never changes: they are written once. is_masked: of the text.
        """
        where = level, source
        site = self._sites.get(where) or self._site(where, level, source)
        fixed = ""
        if preset:
            meets = extra and not preset.keys().isdisjoint(extra)
            if meets or (box is not None and box.bound):
                extra = {**preset, **(extra or {})}
            else:
                fixed = self._preset(preset)
        if exception:
            exception = {part: self._part(part, value) for part, value in exception.items()}
        text = text if is_masked else sound(text)
        return self._line(seconds, site, text, ids, box, extra, exception, fixed, is_masked)

    def _line(
        self,
        seconds: float,
        site: Site,
        text: str,
        ids: Ids,
        box: RequestContext | None,
        extra: Mapping[Any, Any] | None,
        exception: Mapping[str, Any] | None,
        fixed: str,
        is_masked: bool,
    ) -> str:
        if self._mask is not None and not is_masked:
            text = self._mask("message", text)
            if type(text) is not str:
                text = said(text)
        if box is None:
            joined = self._joined(ids)
        else:
            whose, of, joined = box.as_fields or _NOT_YET
            if whose is not self or of != ids:
                joined = self._join(ids, box)
            if box.bound:
                extra = {**box.bound, **(extra or {})}
        second, opening = self._second
        whole = int(seconds)
        if whole != second:
            opening = self._begin(whole)
        behind = joined + fixed + self._extra(extra) if extra else joined + fixed
        if exception is not None:
            behind += self._failure(exception)
        message, source = site
        # An f-string takes a quarter more; the fraction is cut off, as by `int`.
        return "%s%06d%s%s%s%s}" % (  # noqa: UP031
            opening, (seconds - whole) * 1e6, message, quoted(text), source, behind
        )  # fmt: skip

    def _preset(self, preset: Mapping[str, Any]) -> str:
        known = self._presets.get(id(preset))
        if known is None or known[0] is not preset:
            known = preset, self._extra(preset)
            _kept(self._presets, id(preset), known)
        return known[1]

    def _begin(self, whole: int) -> str:
        """A second: the opening, and the time (RFC 3339, UTC) up to its microseconds."""
        shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        opening = f'{{"{self._names.timestamp}":"{shown}.'
        self._second = whole, opening
        return opening

    def _site_of(self, record: logging.LogRecord, where: tuple[Any, ...]) -> Site:
        source = record.name, record.module, record.funcName, record.lineno
        return self._site(where, record.levelname, source)

    def _site(self, where: tuple[Any, ...], level: str, source: tuple[Any, ...]) -> Site:
        names = self._names
        opening = f'Z"{_fields({names.level: sound(level)})}{self._message}'
        logger = plain(source[0])
        logger = self._called(logger) if type(logger) is str else logger
        places = (names.module, names.function, names.line)
        about = {name: plain(value) for name, value in zip(places, source[1:], strict=True)}
        made = opening, _fields({names.logger: logger, **about})
        return _kept(self._sites, where, made)

    def _join(self, ids: Ids, box: RequestContext) -> str:
        """The same as `_joined`, and kept for the next record of this request."""
        user, session = box.user_id, box.session_id
        made = self._joined(ids, box.request_id, user, session)
        if box.user_id is user and box.session_id is session:
            box.as_fields = self, ids, made
        return made

    def _joined(
        self, ids: Ids, request: str = "", user: str | None = None, session: str | None = None
    ) -> str:
        """What joins the record to its trace, its request and its user, and the service."""
        made = self._trace % ids[:2] if ids[0] else self._no_trace
        made += self._request + quoted(request) if request else self._no_request
        if user is None:
            made += self._no_user
        else:
            made += self._user + quoted(sound(user, LONGEST_VALUE))
        if session is not None:
            made += f',"{self._names.session_id}":{quoted(sound(session, LONGEST_VALUE))}'
        return made + self._service

    def _extra(self, extra: Mapping[Any, Any]) -> str:
        """Fields of the app: known names and ordinary values, else `_any_extra`."""
        if len(extra) > _MOST_FIELDS:
            return self._any_extra(extra)
        keys, mask = self._keys, self._mask
        parts: list[str] = []
        for name, value in extra.items():
            if (key := keys.get(name)) is None:
                return self._any_extra(extra)
            if mask is not None:
                value = mask(name, value if type(value) in _BOUNDED else plain(value))
            kind = type(value)
            if kind is str and len(value) <= LONGEST_VALUE and value.isascii():
                parts += (key, quoted(value))
            elif kind is int and -_ACROSS <= value < _ACROSS:
                parts += (key, int.__repr__(value))
            elif kind is float and value - value == 0:
                parts += (key, float.__repr__(value))
            else:
                parts += (key, _dumps(plain(value)))
        made = "".join(parts)
        return made if len(made) <= _MOST_CHARACTERS else self._any_extra(extra)

    def _any_extra(self, extra: Mapping[Any, Any]) -> str:
        """Those with a name of ours are together in one; what finds no room is counted."""
        parts: list[str] = []
        clashing: dict[str, Any] = {}
        left = max(0, len(extra) - _MOST_FIELDS)
        room = _MOST_CHARACTERS
        for name, value in self._named(extra).items():
            if room < 0:
                left += 1
                continue
            shown = self._shown(name, plain(value))
            if self._names.clashes(name, shown):
                clashing[name] = shown
            else:
                parts.append(f",{quoted(name)}:{_dumps(shown)}")
                room -= len(parts[-1])
        if clashing:
            parts.append(_fields({EXTRA: clashing}))
        if left:
            parts.append(_fields({LEFT_OUT: left}))
        return "".join(parts)

    def _named(self, extra: Mapping[Any, Any]) -> dict[str, Any]:
        """The same under names that are texts, the first hundred; they are known from now on."""
        made: dict[str, Any] = {}
        for key, value in islice(extra.items(), _MOST_FIELDS):
            name = free_name(made, key)
            if (shown := self._called(name)) != name:
                name = free_name(made, shown)
            made[name] = value
            if name == key and name.isascii() and not self._may_clash(name):
                _kept(self._keys, name, f",{quoted(name)}:")
        return made

    def _may_clash(self, name: str) -> bool:
        """Whether it depends on the value, which is looked at each time."""
        return name in self._names.parents or self._names.clashes(name, None)

    def _called(self, name: str) -> str:
        """What a logger or a field is called, which may be data."""
        return name if self._mask is None else mask_text(name)

    def _shown(self, name: str, value: Any) -> Any:
        return value if self._mask is None else self._mask(name, value)

    def _part(self, name: str, value: Any) -> Any:
        if name in _PARTS:
            return self._shown(_PARTS[name], said(value, LONGEST_MESSAGE))
        if isinstance(value, dict):
            return {part: self._part(part, each) for part, each in value.items()}
        return [self._part("", each) for each in value] if isinstance(value, list) else value

    def _exception(
        self, record: logging.LogRecord, event: Mapping[str, Any] | None
    ) -> dict[str, Any] | None:
        if (error := exception_of(record)) is not None:
            return described(error, self._shown)
        if event and (stack := event.get("exception")):
            return {"stack": self._shown("exception.stacktrace", plain(stack))}
        if record.exc_text:
            return {"stack": self._shown("exception.stacktrace", said(record.exc_text))}
        return None

    def _failure(self, exception: Mapping[str, Any]) -> str:
        names = self._names
        if names.exception_parts is None:
            return _fields({names.exception or "exception": exception})
        parts = names.exception_parts
        return _fields({parts[part]: value for part, value in exception.items()})

    def _least(self, record: logging.LogRecord, error: Exception) -> str:
        """Of a record that is none any more, what can be said of it; all of ours is there."""
        created = getattr(record, "created", None)
        usual = isinstance(created, float) and 0 <= created < 1e11
        values = vars(record) if hasattr(record, "__dict__") else {}
        where = ("name", "module", "funcName", "lineno")
        try:
            return self.of_values(
                created if usual and created is not None else time.time(),
                said(values.get("levelname", "")),
                text_of(record),
                tuple(said(values.get(name, "")) for name in where),  # type: ignore[arg-type]
                (0, 0),
                None,
                None,
                {"type": type(error).__name__, "message": said(error), "stack": ""},
            )
        except Exception:  # the mask, which is somebody else's
            now = time.time()
            return f'{self._begin(int(now))}{int(now % 1 * 1e6):06d}Z"{self._message}""}}'


def _fields(values: Mapping[str, Any]) -> str:
    """With a comma before each."""
    return "".join(f",{quoted(name)}:{_dumps(value)}" for name, value in values.items())


def _service(names: Names, resource: Mapping[str, Any]) -> dict[str, str]:
    known = names.service or {}
    found = {called: said(resource[name]) for name, called in known.items() if name in resource}
    return {**(names.constant or {}), **found}


def _kept(kept: dict[Any, Kept], key: Any, value: Kept) -> Kept:
    """Names and lines come from the app's code; where they do not, the memory stays bounded."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value
    return value
