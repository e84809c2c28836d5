"""Where a user's id may be found: what `OTELIER_USER_FROM` says, as values.

    scope.user                        the ASGI scope (Starlette's authentication); `scope.user.id` …
    state.user.id                     `request.state`
    app.auth:get_current_user:id      what a FastAPI dependency returns, and an attribute of it
    claim:sub                         a claim of a token that the app has verified
    header:X-User@10.0.0.0/8          a header, if one of these proxies sends it; several with `|`

Pure. Who looks there is `instrumentation.user`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from otelier.fixed import fixed
from otelier.values import Refused, names

Network = IPv4Network | IPv6Network

_NAME = r"[^\W\d]\w*"
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME})*")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


@fixed
class Source:
    """One place. kind: `scope`, `state`, `dependency`, `claim` or `header`.

    name: of the entry, dependency (`module:function`), claim or header (lower case).
    path: attributes or keys that lead on from there. networks: whose headers count.
    """

    kind: str
    name: str
    path: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()


def user_sources(value: str) -> tuple[Source, ...]:
    """The sources, in their order."""
    found = tuple(_source(part) for part in names(value))
    if not found:
        raise Refused("expected a list such as scope.user,state.user.id,app.auth:get_user:id")
    return found


def networks(value: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas; none at all for `none`."""
    return () if value.lower() == "none" else _networks(names(value))


def _source(text: str) -> Source:
    head, colon, rest = text.partition(":")
    if not colon:
        return _entry(text)
    if head == "claim" and rest:
        return Source("claim", rest)
    if head == "header":
        return _header(text, rest)
    function, _, path = rest.partition(":")
    if not _PATH.fullmatch(head) or not _PATH.fullmatch(function):
        raise Refused(f"{text!r} is no dependency such as app.auth:get_current_user:id")
    return Source("dependency", f"{head}:{function}", _steps(text, path))


def _entry(text: str) -> Source:
    kind, _, rest = text.partition(".")
    name, _, path = rest.partition(".")
    if kind not in ("scope", "state") or not _PATH.fullmatch(name):
        raise Refused(f"{text!r} is no source such as scope.user or state.user.id")
    return Source(kind, name, _steps(text, path))


def _header(text: str, rest: str) -> Source:
    name, at, proxies = rest.partition("@")
    if not _HEADER.fullmatch(name):
        raise Refused(f"{text!r} names no header")
    if not at:
        raise Refused(f"{text!r} needs the proxies that may send it, header:{name}@10.0.0.0/8")
    return Source("header", name.lower(), (), _networks(tuple(proxies.split("|"))))


def _steps(text: str, path: str) -> tuple[str, ...]:
    if path and not _PATH.fullmatch(path):
        raise Refused(f"{text!r} does not end in the name of an attribute")
    return tuple(path.split(".")) if path else ()


def _networks(parts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in parts)
    except ValueError:
        raise Refused("expected addresses or networks such as 10.0.0.0/8") from None
