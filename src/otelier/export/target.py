"""Where a signal goes over OTLP/HTTP, and how: the standard variables as one value each.

Pure: takes a mapping, gives values and sentences; nothing is opened or looked up. Sources: OTLP
exporter specification, "Configuration Options"; seconds for time-outs and headers that need not
be URL-encoded, as upstream's Python exporter has it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit

from otelier.fixed import fixed

SIGNALS = ("traces", "metrics", "logs")

_DEFAULT = "http://localhost:4318"
_PREFIX = "OTEL_EXPORTER_OTLP_"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@fixed
class Target:
    """One receiver of one signal.

    url: whole, with the path. timeout: seconds for one request. compression: none, gzip,
    deflate, or auto, which is gzip to another machine.
    certificate: file with what to trust, instead of what the system trusts; client_certificate,
    client_key: files to show to it. proxy: URL of a forward proxy. variable: where the URL is from.
    """

    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    timeout: float = 10.0
    compression: str = "auto"
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    variable: str = f"{_PREFIX}ENDPOINT"

    @cached_property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @cached_property
    def is_remote(self) -> bool:
        """Whether it is on another machine, or may be."""
        return not _is_loopback(self.parts.hostname or "")

    def __repr__(self) -> str:
        return f"Target({self.shown})"

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it: user, password and query."""
        host = self.parts.netloc.rpartition("@")[2]
        return f"{self.variable}='{self.parts.scheme}://{host}{self.parts.path}'"

    @cached_property
    def place(self) -> tuple[str | None, ...]:
        """Equal for targets that can share a connection."""
        host = self.parts.netloc.rpartition("@")[2]
        files = (self.certificate, self.client_certificate, self.client_key)
        return (self.parts.scheme, host, self.proxy, *files)


def targets(
    values: Mapping[str, str], signals: Sequence[str] = SIGNALS
) -> tuple[dict[str, Target], list[str]]:
    """A target for each signal, and what cannot be used of the values, without any secret."""
    problems: list[str] = []
    found = {signal: _target(values, signal, problems) for signal in signals}
    return found, list(dict.fromkeys(problems))


def _target(values: Mapping[str, str], signal: str, problems: list[str]) -> Target:
    def read(name: str) -> tuple[str, str]:
        """A value and the variable it is from: the signal's own wins."""
        for variable in (f"{_PREFIX}{signal.upper()}_{name}", f"{_PREFIX}{name}"):
            if value := values.get(variable, "").strip():
                return value, variable
        return "", f"{_PREFIX}{name}"

    url, variable = read("ENDPOINT")
    if variable == f"{_PREFIX}ENDPOINT":
        url = f"{(url or _DEFAULT).removesuffix('/')}/v1/{signal}"
    certificate = (read("CERTIFICATE")[0] or values.get("REQUESTS_CA_BUNDLE", "")) or None
    return Target(
        url=url,
        headers=_authorized(url, _headers(*read("HEADERS"), problems)),
        timeout=_seconds(*read("TIMEOUT"), problems),
        compression=_compression(*read("COMPRESSION"), problems),
        certificate=certificate,
        client_certificate=read("CLIENT_CERTIFICATE")[0] or None,
        client_key=read("CLIENT_KEY")[0] or None,
        proxy=_proxy(values, url),
        variable=variable,
    )


def _headers(text: str, variable: str, problems: list[str]) -> dict[str, str]:
    """`key=value,…`; URL-encoded, unless a blank shows that it is not."""
    headers: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        name, value = unquote(name).strip().lower(), value.strip()
        if " " not in value:
            value = unquote(value).strip()
        if not _NAME.fullmatch(name) or "=" not in part or _BREAKS.search(value):
            problems.append(f"{variable}: a header that HTTP does not allow is left out")
        else:
            headers[name] = value
    return headers


def _authorized(url: str, headers: dict[str, str]) -> dict[str, str]:
    parts = urlsplit(url)
    if "@" in parts.netloc and "authorization" not in headers:
        headers["authorization"] = basic(parts)
    return headers


def basic(parts: SplitResult) -> str:
    """Value of a header for the user and password in a URL."""
    user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(user.encode()).decode()


def _seconds(text: str, variable: str, problems: list[str]) -> float:
    try:
        seconds = float(text or Target.timeout)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < 1e6:
        return seconds
    problems.append(f"{variable}={text!r} ignored: expected seconds; using {Target.timeout:g}")
    return Target.timeout


def _compression(text: str, variable: str, problems: list[str]) -> str:
    if text.lower() in ("", "none", "gzip", "deflate"):
        return text.lower() or Target.compression
    then = "using gzip to another machine"
    problems.append(f"{variable}={text!r} ignored: expected gzip, deflate or none; {then}")
    return Target.compression


def _proxy(values: Mapping[str, str], url: str) -> str | None:
    parts = urlsplit(url)

    def read(name: str) -> str:
        return values.get(name.lower()) or values.get(name.upper()) or ""

    proxy = read(f"{parts.scheme}_proxy") or read("all_proxy")
    if not proxy:
        return None
    if _is_loopback(parts.hostname or "") or _is_listed(parts, read("no_proxy")):
        return None  # this machine is never behind its proxy
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _is_listed(parts: SplitResult, no_proxy: str) -> bool:
    """`no_proxy`: names, each with all that ends in it, with a port or without; `*` for all."""
    host = parts.hostname or ""
    for name in (part.strip().lower().lstrip(".") for part in no_proxy.split(",")):
        for known in (host, f"{host}:{parts.port}"):
            if name and (name == "*" or known == name or known.endswith(f".{name}")):
                return True
    return False
