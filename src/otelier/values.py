"""Texts to values: one parser for each kind of variable.

Each takes what the user wrote, blanks around it gone, and raises `Refused` where it cannot be
used; nothing else is raised, whatever the text. Which variable has which parser is in `settings`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from urllib.parse import urlsplit


class Refused(ValueError):
    """A value that cannot be used; the text says what is expected.

    better: what the user most likely meant, used instead of the default.
    """

    def __init__(self, reason: str, better: str | None = None) -> None:
        super().__init__(reason)
        self.better = better


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Refused("expected true or false")
    return text.lower() == "true"


def text(value: str) -> str:
    return value


def names(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def one_of(*known: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in known:
            raise Refused(f"expected {' or '.join(known)}")
        return value.lower()

    return parse


def some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    def parse(value: str) -> tuple[str, ...]:
        found = names(value.lower())
        if wrong := [name for name in found if name not in known]:
            raise Refused(f"expected {', '.join(known)}, not {wrong[0]!r}")
        return tuple(dict.fromkeys(found))

    return parse


def number(low: float, high: float, unit: str) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            parsed = float(value)
        except ValueError:
            parsed = float("nan")
        if not low <= parsed <= high:
            raise Refused(f"expected {unit}, a number from {low:g} to {high:g}")
        return parsed

    return parse


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def size(least: str) -> Callable[[str], int]:
    """Bytes: `67108864`, `64M`, `64MB` or `64MiB`; K, M, G and T are powers of 1024."""

    def parse(value: str) -> int:
        found = re.fullmatch(r"([0-9]{1,18})\s*([KMGT]?)(iB|B)?", value, re.IGNORECASE)
        parsed = int(found[1]) * _UNITS[found[2].upper()] if found else 0
        if value != least and parsed < parse(least):
            raise Refused(f"expected bytes such as 256MiB, at least {least}")
        return parsed

    return parse


def count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", value) or not 0 < int(value) < 2**31:
        raise Refused("expected a whole number above 0")
    return int(value)


def limit(value: str) -> int:
    """A number that things may come to; 0 for none at all."""
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Refused("expected a whole number, 0 for off")
    return int(value)


def endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        sound = False
    if not sound:
        better = f"http://{value}" if re.fullmatch(r"[A-Za-z0-9.-]+:\d{1,5}", value) else None
        raise Refused("expected a URL such as http://localhost:4318", better)
    return value


def protocol(value: str) -> str:
    if value not in ("http/protobuf", "grpc"):
        raise Refused("expected http/protobuf or grpc")
    if value == "grpc" and not entry_points(
        group="opentelemetry_traces_exporter", name="otlp_proto_grpc"
    ):
        raise Refused("its exporter is missing (hint: pip install 'otelier[grpc]')")
    return value


_EXTRAS = {
    ("metrics_exporter", "prometheus"): " (hint: pip install 'otelier[prometheus]')",
}


def installed(kind: str, *standard: str) -> Callable[[str], tuple[str, ...]]:
    """Names that OpenTelemetry knows, or that a package offers as `opentelemetry_kind`."""

    def parse(value: str) -> tuple[str, ...]:
        found = names(value)
        for name in found:
            if name not in standard and not entry_points(group=f"opentelemetry_{kind}", name=name):
                hint = _EXTRAS.get((kind, name), "")
                raise Refused(f"nothing installed is called {name!r}{hint}")
        if len(found) <= value.count(","):  # the SDK looks for a name there
            raise Refused("nothing stands beside a comma", ",".join(found) or None)
        return found

    return parse


def pairs(value: str) -> dict[str, str]:
    parsed: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        key, equals, item = part.partition("=")
        if not equals or not key.strip():
            raise Refused("expected key=value, several of them separated by commas")
        parsed[key.strip()] = item.strip()
    return parsed


def patterns(value: str) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(part) for part in names(value))
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(f"not a regular expression ({error})") from None


def header_names(value: str) -> tuple[re.Pattern[str], ...]:
    """Regular expressions for names of headers, in whatever case."""
    return tuple(re.compile(pattern.pattern, re.IGNORECASE) for pattern in patterns(value))


def methods(value: str) -> frozenset[str]:
    """HTTP methods (RFC 9110, 9.1), which are case-sensitive."""
    found = names(value)
    if wrong := [name for name in found if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)]:
        raise Refused(f"{wrong[0]!r} is not a method such as GET")
    return frozenset(found)


def paths(value: str) -> frozenset[str]:
    if wrong := [path for path in names(value) if not path.startswith("/")]:
        raise Refused(f"{wrong[0]!r} does not start with '/'")
    return frozenset(names(value))


def health_paths(value: str) -> tuple[str, ...]:
    """`off`, or one path for each endpoint: health, live, ready."""
    if value.lower() == "off":
        return ()
    found = names(value)
    if len(found) != 3 or len(paths(value)) != 3:
        raise Refused("expected off, or three paths such as /health,/health/live,/health/ready")
    return found


def health_detail(value: str) -> str:
    """`loopback` or a token, as it fits into a header (RFC 6750, 2.1)."""
    if value.lower() == "loopback":
        return "loopback"
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,256}", value):
        raise Refused("expected loopback, or a token of at least 16 letters, digits and ._~+/=-")
    return value


def hosts(value: str) -> frozenset[str]:
    """Names or addresses of hosts, without scheme and port, in lower case."""
    found = names(value.lower())
    if wrong := [host for host in found if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", host)]:
        raise Refused(f"{wrong[0]!r} is not the name of a host such as api.example.org")
    return frozenset(found)


def headers(value: str) -> tuple[str, ...]:
    """Names of headers, as they are written; at least one."""
    found = names(value)
    if not found or not all(re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) for name in found):
        raise Refused("expected the name of a header, letters, digits and hyphens")
    return found


def level(value: str) -> int:
    levels = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
    if value.lower() not in levels:
        raise Refused(f"expected one of {', '.join(levels)}")
    return levels[value.lower()]


def readable_file(value: str) -> str:
    if not os.path.isfile(value) or not os.access(value, os.R_OK):
        raise Refused("there is no such file that can be read")
    return value


def never(reason: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        raise Refused(reason)

    return parse
