"""HTTP and websocket requests: one outermost ASGI layer.

It makes the request's box, takes the trace context from the headers, starts the SERVER span and
adds the request id to the answer. It sits in `Starlette.__call__` and `FastAPI.__call__`, so that
apps made before and after, by whatever import, are observed; a mounted app sees in the scope that
it is a nested one. Bodies are never read. A fault of ours is counted, and the app goes on.

Everybody else's observation of the same request stands down: FastAPI's own telemetry (by the mark
that FastAPI itself leaves for nested apps) and the contrib middleware in user code.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry._logs import get_logger
from opentelemetry.context import Context
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import get_meter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import get_tracer, set_span_in_context

from otelier import _guard, signals
from otelier.context import SCOPE_KEY, RequestContext, accept_request_id, current_request
from otelier.instrumentation.exchange import Exchange, Instruments
from otelier.instrumentation.observe import SCHEMA_URL, Patches
from otelier.instrumentation.routes import watch_fastapi, watch_starlette
from otelier.version import __version__

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FASTAPI_MARK = "fastapi.telemetry"
_STOPPED = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")
_CARRIES_HEADERS = ("http.response.start", "websocket.http.response.start", "websocket.accept")

# Buckets that the convention advises for http.server.request.duration, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


@dataclass(frozen=True)
class Options:
    """What of the settings concerns requests.

    header: name of the request id's header.
    quiet_paths: exact paths whose requests are not observed.
    excluded: patterns searched for in the whole URL, to the same effect.
    flush: delivers what is queued; called in a thread when the app's lifespan has ended.
    """

    header: str
    quiet_paths: Collection[str]
    excluded: Sequence[re.Pattern[str]]
    flush: Callable[[], object]


class HTTPInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Stands in for contrib's `fastapi`; does nothing unless our distro gives it `options`."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, *, options: Options | None = None, **_: Any) -> None:
        self._patches = Patches()
        if options is None:
            return
        layer = Layer(options, _instruments())
        self._patches.after_import(
            "starlette.applications", partial(self._wrap, layer, "Starlette")
        )
        self._patches.after_import("fastapi.applications", partial(self._wrap, layer, "FastAPI"))
        self._patches.after_import("starlette.routing", partial(watch_starlette, self._patches))
        self._patches.after_import("fastapi.routing", partial(watch_fastapi, self._patches))
        self._patches.after_import("opentelemetry.instrumentation.asgi", self._silence_contrib)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.restore()

    def _wrap(self, layer: Layer, name: str, module: ModuleType) -> None:
        def make(original: Any) -> Any:
            async def call(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
                await layer(partial(original, app), scope, receive, send)

            return call

        self._patches.replace(getattr(module, name), "__call__", make)

    def _silence_contrib(self, module: ModuleType) -> None:
        def make(original: Any) -> Any:
            async def call(layer: Any, scope: Scope, receive: Receive, send: Send) -> None:
                inner = layer.app if SCOPE_KEY in scope else partial(original, layer)
                await inner(scope, receive, send)

            return call

        self._patches.replace(module.OpenTelemetryMiddleware, "__call__", make)


class Layer:
    """The outermost ASGI layer; one for the process."""

    def __init__(self, options: Options, instruments: Instruments) -> None:
        self._options = options
        self._instruments = instruments
        self._header = options.header.lower().encode("ascii")

    async def __call__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket", "lifespan") or SCOPE_KEY in scope:
            await app(scope, receive, send)
        elif scope["type"] == "lifespan":
            scope[SCOPE_KEY] = None  # FastAPI's call goes on to Starlette's: once is enough
            await app(scope, receive, self._flushing(send))
        else:
            await self._observe(app, scope, receive, send)

    async def _observe(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as undo:
            exchange: Exchange | None = None
            try:
                exchange, send = self._begin(scope, send, undo)
            except Exception as error:
                _guard.fault("beginning a request", error)
            try:
                await app(scope, receive, send)
            except BaseException as error:
                if exchange is not None:
                    exchange.failed(error)
                raise
            finally:
                if exchange is not None:
                    exchange.finish()

    def _begin(self, scope: Scope, send: Send, undo: ExitStack) -> tuple[Exchange | None, Send]:
        """Put box and span where the app's code finds them; `undo` takes them away again."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope.get("headers", ()):
            headers.setdefault(name, value)
        request = RequestContext(accept_request_id(headers.get(self._header)))
        # A server may start this task inside another request's context (uvicorn does on a
        # keep-alive connection): such a context is discarded whole.
        foreign = current_request.get() is not None
        parent = Context() if foreign else otel_context.get_current()
        scope[SCOPE_KEY] = request
        scope.setdefault(_FASTAPI_MARK, None)
        undo.callback(current_request.reset, current_request.set(request))
        named = _naming(send, self._header, request.request_id.encode("ascii"))
        if self._is_quiet(scope, headers):
            undo.callback(otel_context.detach, otel_context.attach(parent))
            undo.enter_context(suppress_instrumentation())
            return None, named
        parent = propagate.extract(headers, context=parent, getter=_HEADERS)
        exchange = Exchange(self._instruments, request, scope, headers)
        inside = set_span_in_context(exchange.begin(parent), parent)
        undo.callback(otel_context.detach, otel_context.attach(inside))
        return exchange, _watching(named, exchange)

    def _is_quiet(self, scope: Scope, headers: MutableMapping[bytes, bytes]) -> bool:
        if scope["path"] in self._options.quiet_paths:
            return True
        if not self._options.excluded:
            return False
        host = headers.get(b"host", b"").decode("latin-1")
        url = f"{scope.get('scheme', 'http')}://{host}{scope['path']}"
        return any(pattern.search(url) for pattern in self._options.excluded)

    def _flushing(self, send: Send) -> Send:
        from anyio.to_thread import run_sync  # comes with Starlette

        async def flushing_send(message: Message) -> None:
            if message["type"] in _STOPPED:
                try:
                    await run_sync(self._options.flush)
                except Exception as error:
                    _guard.fault("delivering at the end of the lifespan", error)
            await send(message)

        return flushing_send


def _naming(send: Send, header: bytes, request_id: bytes) -> Send:
    """Add the request id to the answer, unless the app has set one itself."""

    async def naming_send(message: Message) -> None:
        if message["type"] in _CARRIES_HEADERS:
            try:
                message = _named(message, header, request_id)
            except Exception as error:
                _guard.fault("naming an answer", error)
        await send(message)

    return naming_send


def _named(message: Message, header: bytes, request_id: bytes) -> Message:
    headers = list(message.get("headers") or ())
    if any(bytes(name).lower() == header for name, _ in headers):
        return message
    return {**message, "headers": [*headers, (header, request_id)]}


def _watching(send: Send, exchange: Exchange) -> Send:
    """Tell the exchange of each step of the answer, after it went out."""

    async def watching_send(message: Message) -> None:
        await send(message)
        exchange.sent(message)

    return watching_send


def _instruments() -> Instruments:
    meter = get_meter("otelier.http", __version__, schema_url=SCHEMA_URL)
    return Instruments(
        tracer=get_tracer("otelier.http", __version__, schema_url=SCHEMA_URL),
        duration=meter.create_histogram(
            signals.REQUEST_DURATION,
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        ),
        active=meter.create_up_down_counter(
            signals.ACTIVE_REQUESTS,
            unit="{request}",
            description="Number of active HTTP server requests.",
        ),
        access=get_logger("otelier.access", __version__, schema_url=SCHEMA_URL),
    )


class _Headers(Getter[MutableMapping[bytes, bytes]]):
    """Reads the headers of an ASGI scope for a propagator."""

    def get(self, carrier: MutableMapping[bytes, bytes], key: str) -> list[str] | None:
        value = carrier.get(key.lower().encode("latin-1"))
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: MutableMapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


_HEADERS = _Headers()
