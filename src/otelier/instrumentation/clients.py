"""Outgoing HTTP, by contrib's instrumentations of httpx, requests and aiohttp.

They are used where somebody has installed them (`pip install 'otelier[clients]'`) and put in once
the app imports the library, since they import it themselves. Their spans go through a provider of
ours that masks addresses and texts of exceptions; trace context they send themselves. The request
id goes to the hosts that are listed and to no other, redirects included. All of it runs in the
task or thread that asks; a fault of ours is counted, and the request goes out.

Source: semantic conventions, HTTP client spans.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from functools import partial
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from otelier import _guard
from otelier.context import current_request
from otelier.fixed import fixed
from otelier.instrumentation.masked import MaskedProvider
from otelier.instrumentation.observe import Patches

_ADDED = "otelier.request_id_added"


@fixed
class Forwarding:
    """header: the name under which the request id is sent. hosts: to whom, in lower case."""

    header: str
    hosts: Collection[str] = ()

    def id_for(self, url: str) -> str | None:
        """The id of the request in progress, if the host of this address is to have it."""
        request = current_request.get() if self.hosts else None
        if request is None or not self.includes(url):
            return None
        return request.request_id

    def includes(self, url: str) -> bool:
        return (urlsplit(url).hostname or "") in self.hosts

    def add(self, url: str, headers: MutableMapping[str, str]) -> bool:
        """Whether it was added: what the app sets itself stays."""
        request_id = self.id_for(url)
        if request_id is None or self.header in headers:
            return False
        headers[self.header] = request_id
        return True


class Clients:
    """Puts the instrumentations in, each once, when its library is imported."""

    def __init__(self, forwarding: Forwarding) -> None:
        self._forwarding = forwarding
        self._patches = Patches()
        self._instrumentors: list[Any] = []
        self._waiting: list[tuple[str, Callable[[], Any], ModuleType]] = []
        self._is_busy = False

    def observe(self, library: str, load: Callable[[], Any]) -> None:
        """library: the module that the app imports. load: gives the class of the instrumentor, None
        if that is not for this release of it."""
        self._patches.after_import(library, partial(self._imported, library, load))

    def restore(self) -> None:
        """Take out again what was put in."""
        while self._instrumentors:
            self._instrumentors.pop().uninstrument()
        self._patches.restore()

    def _imported(self, library: str, load: Callable[[], Any], module: ModuleType) -> None:
        """One after the other: contrib's module for httpx imports httpx2 while it is half made."""
        self._waiting.append((library, load, module))
        if self._is_busy:
            return
        self._is_busy = True
        while self._waiting:
            waiting = self._waiting.pop(0)
            try:
                self._instrument(*waiting)
            except Exception as error:
                _guard.fault(f"observing {waiting[0]}", error)
        self._is_busy = False

    def _instrument(self, library: str, load: Callable[[], Any], module: ModuleType) -> None:
        if (made := load()) is None:
            return
        instrumentor = made()
        arguments = _ARGUMENTS[library](self._forwarding, module) if self._forwarding.hosts else {}
        instrumentor.instrument(tracer_provider=MaskedProvider(), skip_dep_check=True, **arguments)
        self._instrumentors.append(instrumentor)
        if library == "requests" and self._forwarding.hosts:
            forgetting = partial(_forgetting, self._forwarding)
            self._patches.replace(module.sessions.SessionRedirectMixin, "rebuild_auth", forgetting)


def usable(entry: EntryPoint) -> Any | None:
    """Contrib's class; None, said in a line, where it is not for the release that is installed."""
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    conflict = get_dist_dependency_conflicts(entry.dist) if entry.dist else None
    if conflict is None:
        return entry.load()
    _guard.say(f"{entry.name} is not observed: {conflict}", cause=entry.name)
    return None


def _httpx(forwarding: Forwarding, _: ModuleType) -> Mapping[str, Any]:
    """Every hop of a redirect is a request of its own, with the headers of the one before it; its
    `extensions` are handed on as well, and tell that it was we who added the header."""

    def on_request(_: Any, request: Any) -> None:
        try:
            url, extensions = str(request.url), request.extensions
            if extensions.pop(_ADDED, False):
                request.headers.pop(forwarding.header, None)
            if forwarding.add(url, request.headers):
                extensions[_ADDED] = True
        except Exception as error:
            _guard.fault("forwarding the request id", error)

    async def on_async_request(span: Any, request: Any) -> None:
        on_request(span, request)

    return {"request_hook": on_request, "async_request_hook": on_async_request}


def _requests(forwarding: Forwarding, _: ModuleType) -> Mapping[str, Any]:
    def on_request(_: Any, request: Any) -> None:
        try:
            if forwarding.add(request.url, request.headers):
                setattr(request.headers, _MARK, True)
        except Exception as error:
            _guard.fault("forwarding the request id", error)

    return {"request_hook": on_request}


# The headers of a redirected request are a copy: an attribute does not survive it.
_MARK = "_otelier_added"


def _forgetting(forwarding: Forwarding, original: Any) -> Any:
    """`Session.rebuild_auth` runs for each hop of a redirect, which the instrumentation does not
    see: the id that we added stays behind where the next host is not listed."""

    def rebuild_auth(session: Any, request: Any, response: Any) -> Any:
        try:
            added = getattr(response.request.headers, _MARK, False)
            if added and forwarding.includes(request.url):
                setattr(request.headers, _MARK, True)
            elif added:
                request.headers.pop(forwarding.header, None)
        except Exception as error:
            _guard.fault("forwarding the request id", error)
        return original(session, request, response)

    return rebuild_auth


def _aiohttp(forwarding: Forwarding, aiohttp: ModuleType) -> Mapping[str, Any]:
    config = aiohttp.TraceConfig()
    config.on_request_start.append(partial(_started, forwarding))
    config.on_request_redirect.append(partial(_redirected, forwarding))
    return {"trace_configs": [config]}


async def _started(forwarding: Forwarding, _: Any, asking: Any, about: Any) -> None:
    try:
        if is_http_instrumentation_enabled():
            asking.added = forwarding.add(str(about.url), about.headers)
    except Exception as error:
        _guard.fault("forwarding the request id", error)


async def _redirected(forwarding: Forwarding, _: Any, asking: Any, about: Any) -> None:
    """All hops are one trace, over the same headers."""
    try:
        answer = about.response
        to = answer.headers.get("Location") or answer.headers.get("URI") or ""
        stays = forwarding.includes(urljoin(str(answer.url), to))
        if getattr(asking, "added", False) and not stays:
            about.headers.pop(forwarding.header, None)
    except Exception as error:
        _guard.fault("forwarding the request id", error)


_ARGUMENTS: Mapping[str, Callable[[Forwarding, ModuleType], Mapping[str, Any]]] = {
    "aiohttp": _aiohttp,
    "httpx": _httpx,
    "httpx2": _httpx,
    "requests": _requests,
}
